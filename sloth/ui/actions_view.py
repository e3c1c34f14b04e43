"""Progress and failures for GitHub Actions: a folded group for each phase, annotations for failures.

The runner takes lines of a job's output that begin with `::` (or hold `##[`) for commands to itself. What nodes and clouds say
must not be able to command it: such lines are broken, and what other views print goes between `::stop-commands::` and its token.
Facts: GitHub's documentation, "Workflow commands for GitHub Actions".
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from sloth.errors import ManyErrors, SlothError
from sloth.model.event import Event
from sloth.model.secret import mask
from sloth.ui.json_view import errors_of
from sloth.ui.progress import Phase
from sloth.ui.streams import PlainView

_PLACE = re.compile(r"(?P<file>[^:]+\.ya?ml):(?P<line>\d+)(?::(?P<column>\d+))?")
_MOST = 10  # annotations of one step that GitHub shows


def on_actions(stream: TextIO, env: Mapping[str, str] | None = None) -> bool:
    """Whether what is written to this stream is read by a GitHub Actions runner."""
    return (env if env is not None else os.environ).get("GITHUB_ACTIONS") == "true" and not stream.isatty()


class ActionsView(PlainView):
    """The plain view with each phase folded. A phase that finds nothing to do leaves no group."""

    def __init__(self, stream: TextIO, *, debug: bool = False) -> None:
        super().__init__(stream, debug=debug)
        self._open = ""  # title of the group that is open; the runner knows no groups in groups

    def _announce(self, phase: Phase) -> None:
        if self._open and self._open != phase.title:
            self._end()
        if not self._open:
            self._open = phase.title
            self._command(f"::group::{_data(phase.title)}")

    def _finished(self, event: Event, phase: Phase) -> None:
        if self._open == phase.title:
            self._end()
        super()._finished(event, phase)

    def _say(self, event: Event) -> None:
        """Warnings become annotations too: a folded group would hide them."""
        super()._say(event)
        if event.kind == "warning":
            where = f"{event.node}: " if event.node else ""
            self._command(f"::warning title=sloth::{_data(mask(where + event.title))}")

    def close(self) -> None:
        """A run that was cut off leaves no open group."""
        self._end()

    def _end(self) -> None:
        if self._open:
            self._open = ""
            self._command("::endgroup::")

    def _command(self, text: str) -> None:
        super()._line(text)

    def _line(self, text: str) -> None:
        super()._line(harmless(text))


def harmless(text: str) -> str:
    """The same text with nothing in it that the runner would take for a command."""
    lines = text.replace("##[", "## [").splitlines()
    return "\n".join(re.sub(r"^(\s*):(?=:)", r"\1: ", line) for line in lines)


def annotate(error: SlothError | ManyErrors, stream: TextIO, env: Mapping[str, str] | None = None) -> None:
    """One `::error::` for each failure, at its place in the spec where it has one."""
    found = errors_of(error)
    for each in found[:_MOST]:
        values = {"title": f"sloth {each.code}", **_place(each.where, env if env is not None else os.environ)}
        properties = ",".join(f"{key}={_property(value)}" for key, value in values.items())
        stream.write(f"::error {properties}::{_data(mask(_message(each)))}\n")
    stream.flush()


@contextmanager
def no_commands(stream: TextIO) -> Iterator[None]:
    """What is written to the stream meanwhile commands nothing."""
    token = secrets.token_hex(16)
    stream.write(f"::stop-commands::{token}\n")
    try:
        yield
    finally:
        stream.write(f"::{token}::\n")
        stream.flush()


def _message(error: SlothError) -> str:
    where = f" ({error.where})" if error.where and error.where not in error.summary else ""
    return f"{error.summary}{where}\nnext: {error.hint}"


def _place(where: str, env: Mapping[str, str]) -> dict[str, str]:
    """File, line and column of `sloth.yaml:12:5`; the file as the runner wants it, from the root of the checkout."""
    found = _PLACE.match(where)
    if not found:
        return {}
    file = Path(found["file"]).absolute()
    root = Path(env.get("GITHUB_WORKSPACE") or Path.cwd()).absolute()
    name = file.relative_to(root) if file.is_relative_to(root) else file
    return {"file": str(name), "line": found["line"], **({"col": found["column"]} if found["column"] else {})}


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
