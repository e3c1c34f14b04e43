"""Runs a client as a process of its own and measures it: wall time, its own CPU time, its peak of proportional memory."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EVERY = 0.1  # seconds between two looks at the client's memory


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What one run cost: seconds, seconds, MB (10^6 bytes); and what the client printed."""

    wall: float
    cpu: float
    pss: float
    answer: dict[str, Any]


def run(command: Sequence[str | Path], cwd: Path, env: dict[str, str]) -> Figures:
    """Run to the end. Raises RuntimeError with the client's words when it fails."""
    begun = time.monotonic()
    with subprocess.Popen(command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as client:
        peak, ended = [0.0], threading.Event()
        watcher = threading.Thread(target=_watch, args=(client.pid, ended, peak))
        output: list[bytes] = [b"", b""]
        readers = [
            threading.Thread(target=lambda n=n, pipe=pipe: output.__setitem__(n, pipe.read()))
            for n, pipe in enumerate((client.stdout, client.stderr))
        ]
        for thread in (watcher, *readers):
            thread.start()
        _, status, usage = os.wait4(client.pid, 0)
        client.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - begun
        ended.set()
        for thread in (watcher, *readers):
            thread.join()
    if client.returncode:
        raise RuntimeError(f"{command}: exit {client.returncode}\n{output[0].decode()[-2000:]}\n{output[1].decode()[-4000:]}")
    lines = [line for line in output[0].decode().splitlines() if line.startswith("{")]
    return Figures(wall=wall, cpu=usage.ru_utime + usage.ru_stime, pss=peak[0], answer=json.loads(lines[-1]) if lines else {})


def _watch(pid: int, ended: threading.Event, peak: list[float]) -> None:
    while not ended.wait(EVERY):
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            return
        for line in text.splitlines():
            if line.startswith("Pss:"):
                peak[0] = max(peak[0], int(line.split()[1]) * 1024 / 1e6)
