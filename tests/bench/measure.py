"""Running commands and taking their wall time, CPU time and peak memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """Whole-process figures of one command."""

    wall: float  # seconds
    cpu: float  # seconds, user + system
    peak: float  # MB, largest process


# What wait4(2) tells of memory begins with the largest that the process's parent had been when it started it (Linux keeps it over
# execve), so the parent is a small process of its own. It takes the time, too: its own start does not count.
_STARTER = """
import os, sys, time
start = time.monotonic()
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
wall = time.monotonic() - start
said = f"{wall} {usage.ru_utime + usage.ru_stime} {usage.ru_maxrss} {os.waitstatus_to_exitcode(status)}"
os.write(int(sys.argv[1]), said.encode())
"""


def once(command: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Figure:
    """Run a command to its end. Raises CalledProcessError, with its output as a note, if it fails."""
    reader, writer = os.pipe()
    with os.fdopen(reader) as figures:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _STARTER, str(writer), *command],
            cwd=cwd,
            env=dict(env) if env else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            pass_fds=(writer,),
            check=False,
        )
        os.close(writer)
        wall, cpu, peak, code = figures.read().split() if done.returncode == 0 else ("0", "0", "0", "127")
    if int(code):
        said = done.stdout.decode(errors="replace")[-3000:]
        error = subprocess.CalledProcessError(int(code), command, said)
        error.add_note(said)  # which its own text leaves out
        raise error
    return Figure(wall=float(wall), cpu=float(cpu), peak=int(peak) / 1024)


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
