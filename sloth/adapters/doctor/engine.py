"""Start the Docker engine where no systemd does, and stop exactly the one that sloth started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from sloth.errors import MachinesError

_START_TIMEOUT, _STOP_TIMEOUT = 60.0, 40.0  # seconds


def answers() -> bool:
    """Whether a Docker engine answers this user."""
    try:
        done = subprocess.run(
            ["docker", "version", "--format", "{{.Server.Version}}"], capture_output=True, check=False, timeout=15
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def start_engine(
    data_dir: Path, *, command: Sequence[str] = ("dockerd",), timeout: float = _START_TIMEOUT,
    ready: Callable[[], bool] = answers,
) -> bool:  # fmt: skip
    """Start `dockerd` detached and wait until it answers; False if one answers already. Raises MachinesError.

    Its pid and log are kept below the data directory.
    """
    if ready():
        return False
    folder = data_dir / "engine"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    log = folder / "dockerd.log"
    try:
        pid = _spawn(command, log)
    except OSError as error:
        raise MachinesError(
            "doctor/engine-missing", "`dockerd` cannot be run", detail=str(error), hint="apt-get install docker.io"
        ) from None
    _note(folder).write_text(json.dumps({"pid": pid, "born": _born(pid)}), encoding="utf-8")
    _await(pid, log, timeout, ready)
    return True


def stop_engine(data_dir: Path, *, timeout: float = _STOP_TIMEOUT) -> bool:
    """Stop the engine that `start_engine` started; False if there is none any more. Raises MachinesError if it stays.

    The process is known by its pid and its start time: another one that got the same pid later is left alone.
    """
    note = _note(data_dir / "engine")
    try:
        known = json.loads(note.read_text(encoding="utf-8"))
        pid, born = int(known["pid"]), str(known["born"])
    except (OSError, ValueError, KeyError):
        return False
    ours = bool(born) and _born(pid) == born
    if ours:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + timeout
        while _born(pid) == born:
            if time.monotonic() > deadline:
                raise MachinesError(
                    "doctor/engine-stays", f"the Docker engine (process {pid}) did not end within {timeout:.0f} s",
                    hint=f"see what it does: tail {data_dir / 'engine' / 'dockerd.log'}",
                )  # fmt: skip
            time.sleep(0.1)
        _reap(pid)
    note.unlink(missing_ok=True)
    return ours


def _spawn(command: Sequence[str], log: Path) -> int:
    """Start a process in a session of its own, with its output in `log`; returns its pid. Raises OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    streams = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o600)]
    actions = [*streams, (os.POSIX_SPAWN_DUP2, 1, 2)]
    return os.posix_spawnp(command[0], list(command), os.environ, file_actions=actions, setsid=True)


def _await(pid: int, log: Path, timeout: float, ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + timeout
    while not ready():
        ended = not _born(pid)
        if ended or time.monotonic() > deadline:
            status = _reap(pid)
            what = f"ended with status {status}" if ended else f"did not answer within {timeout:.0f} s"
            raise MachinesError(
                "doctor/engine-start", f"the Docker engine {what}", detail=_tail(log), hint=f"see its log: less {log}"
            )
        time.sleep(0.2)


def _note(folder: Path) -> Path:
    return folder / "dockerd.json"


def _born(pid: int) -> str:
    """The process's start time as the kernel tells it (proc(5), field 22), "" if it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = text.rpartition(")")[2].split()  # the name before it may hold spaces and parentheses
    return "" if fields[0] in "ZX" else fields[19]


def _reap(pid: int) -> int:
    """Collect the process if it has ended and is this one's own child; returns its exit status (0 if unknown)."""
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, os.WNOHANG)[1])
    except ChildProcessError:
        return 0


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
