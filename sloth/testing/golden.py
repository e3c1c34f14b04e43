"""Golden files: what a test got, held against what a person has reviewed."""

from __future__ import annotations

import difflib
from pathlib import Path


def compare(path: Path, text: str, *, update: bool = False) -> None:
    """Raise AssertionError with a diff unless the file holds exactly this text. With `update` the file is written instead."""
    if update:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return
    if not path.is_file():
        raise AssertionError(f"{path} is missing: run the test with --update-golden, and review the new file")
    wanted = path.read_text(encoding="utf-8")
    if wanted != text:
        diff = difflib.unified_diff(wanted.splitlines(), text.splitlines(), str(path), "got", lineterm="")
        raise AssertionError("\n".join(diff))
