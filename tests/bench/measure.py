"""Running commands and taking their wall time, CPU time and peak memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """Whole-process figures of one command."""

    wall: float  # seconds
    cpu: float  # seconds, user + system
    peak: float  # MB, largest process


def once(command: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Figure:
    """Run a command to its end. Raises CalledProcessError, with its output as a note, if it fails."""
    start = time.monotonic()
    with subprocess.Popen(
        command,
        cwd=cwd,
        env=dict(env) if env else None,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
    ) as process:
        output = process.stdout.read() if process.stdout else b""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - start
    if process.returncode:
        said = output.decode(errors="replace")[-3000:]
        error = subprocess.CalledProcessError(process.returncode, command, said)
        error.add_note(said)  # which its own text leaves out
        raise error
    return Figure(wall=wall, cpu=usage.ru_utime + usage.ru_stime, peak=usage.ru_maxrss / 1024)


def paired(first: Sequence[str], second: Sequence[str], *, runs: int, **where: object) -> tuple[Figure, Figure]:
    """Medians of two commands run in turn, so that a machine whose speed drifts treats both alike."""
    one, two = [], []
    for turn in range(runs + 1):
        a, b = once(first, **where), once(second, **where)  # type: ignore[arg-type]
        if turn:  # the first pair warms caches
            one.append(a)
            two.append(b)
    return median(one), median(two)


def median(figures: Sequence[Figure]) -> Figure:
    """The median of each figure on its own."""
    return Figure(
        wall=statistics.median(figure.wall for figure in figures),
        cpu=statistics.median(figure.cpu for figure in figures),
        peak=statistics.median(figure.peak for figure in figures),
    )
