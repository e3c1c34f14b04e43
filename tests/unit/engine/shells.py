"""Run rendered programs with the real /bin/sh of this machine."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from sloth.engine import shell
from sloth.model.step import Result, Step


def execute(steps: Sequence[Step], *, lock: str = "", cwd: Path | None = None, sh: str = "/bin/sh") -> list[Result]:
    """Results of the steps; the private directory must be gone afterwards."""
    program = shell.render(steps, lock=lock)
    done = subprocess.run([sh, "-s"], input=program, capture_output=True, timeout=120, check=False, cwd=cwd)
    assert not leftovers(program), "the batch left its private directory behind"
    return shell.parse(steps, done.stdout)


def leftovers(program: bytes) -> list[Path]:
    """What a program left in the directories for private files."""
    mark = mark_of(program)
    return [path for folder in ("/run", "/tmp") for path in Path(folder).glob(f"sloth-batch-{mark}*")]


def mark_of(program: bytes) -> str:
    """The random boundary of a program."""
    found = re.search(rb"sloth-batch ([0-9a-f]{32}) ", program)
    assert found
    return found[1].decode()
