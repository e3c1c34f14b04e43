"""`--summary FILE`: what a verb did, or why it could not, appended as Markdown when it ends."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Page:
    """What is written at the end. The verb fills it in as soon as it knows."""

    cluster: str = ""
    lines: Sequence[str] = field(default_factory=tuple)


@contextmanager
def summarized(path: Path | None, verb: str) -> Iterator[Page]:
    """Append the page to `path`, or the failure that ends the block. Raises UsageError before it if that cannot be."""
    page = Page()
    if path is None:
        yield page
        return
    from sloth.app import as_failure
    from sloth.ui.summary import failure_lines

    started = time.monotonic()
    _append(path, "")
    try:
        yield page
    except (Exception, KeyboardInterrupt) as error:
        failure = as_failure(error)
        lines = [*page.lines, *failure_lines(failure, str(getattr(error, "log_path", "")))]
        _write(path, (verb, page.cluster), lines, ok=False, started=started)
        raise
    _write(path, (verb, page.cluster), page.lines, ok=True, started=started)


def _write(path: Path, title: tuple[str, str], lines: Sequence[str], *, ok: bool, started: float) -> None:
    from sloth.ui.progress import duration
    from sloth.ui.summary import page_text

    _append(path, page_text(*title, lines, ok=ok, took=duration(time.monotonic() - started)))


def _append(path: Path, text: str) -> None:
    from sloth.errors import UsageError

    try:
        with path.open("a", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(text)
    except OSError as error:
        raise UsageError(
            "usage/summary-unwritable",
            f"the summary cannot be written to {path}: {error.strerror or error}",
            hint="give --summary a file in a folder that exists and that you may write to",
        ) from error
