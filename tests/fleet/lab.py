"""Starts the simulated fleet, and keeps the separate Python environment that it and pyinfra run in.

pyinfra needs another major version of paramiko than sloth does, so it lives in a virtual environment in the user's cache
directory, made once (`bench-venv`, pinned). The simulator runs under this Python where it has asyncssh, else there.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sloth.adapters.ssh_keys import new_pair

PINNED = ("pyinfra==3.10.0", "asyncssh==2.24.1")
HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Fleet:
    """A running fleet: `file` is the inventory (JSON) that clients read."""

    file: Path
    root: Path
    hosts: list[dict[str, Any]]


def bench_python() -> Path:
    """The interpreter of the environment with asyncssh and pyinfra; made when it is missing or differs from PINNED."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sloth"
    home = cache / "bench-venv"
    stamp = home / "pinned"
    python = home / "bin" / "python"
    wanted = "\n".join((*PINNED, sys.version))
    if stamp.is_file() and stamp.read_text() == wanted:
        return python
    venv.create(home, with_pip=True, clear=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PINNED], check=True)
    stamp.write_text(wanted)
    return python


def simulator_python() -> Path:
    """An interpreter that has asyncssh."""
    return Path(sys.executable) if importlib.util.find_spec("asyncssh") else bench_python()


# On every host with systemd /run is in memory. On the machine that runs this it may be a directory on a disk, where making the
# small files of a batch costs fifty times as much: so the fleet gets a /run of its own, seen by nobody else.
_RUN_IN_MEMORY = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o mode=755 tmpfs /run && exec "$@"', "sh")


def _run_in_memory() -> tuple[str, ...]:
    """What to put before a command; nothing where that is not allowed (then batches use TMPDIR, as users who are not root)."""
    try:
        allowed = subprocess.run([*_RUN_IN_MEMORY, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return ()
    return _RUN_IN_MEMORY if allowed else ()


@contextmanager
def fleet(count: int) -> Iterator[Fleet]:
    """So many hosts, until the block ends; then nothing of them is left."""
    with tempfile.TemporaryDirectory(prefix="sloth-fleet-") as folder:
        work = Path(folder)
        pair = new_pair("fleet")
        key, public = work / "id_ed25519", work / "id_ed25519.pub"
        key.touch(0o600)
        key.write_text(pair.private.reveal())
        public.write_text(pair.public + "\n")
        options = {"--hosts": count, "--root": work / "hosts", "--authorized": public}
        words = [str(word) for option in options.items() for word in option]
        command = [*_run_in_memory(), str(simulator_python()), str(HERE / "simulator.py"), *words]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as simulator:
            assert simulator.stdout and simulator.stdin
            try:
                answer = json.loads(simulator.stdout.readline())
                answer["key"] = str(key)
                answer["known_hosts"] = str(work / "known_hosts")
                lines = (f"[127.0.0.1]:{host['port']} {host['host_key']}\n" for host in answer["hosts"])
                (work / "known_hosts").write_text("".join(lines))
                inventory = work / "inventory.json"
                inventory.write_text(json.dumps(answer))
                yield Fleet(inventory, work / "hosts", answer["hosts"])
            finally:
                simulator.stdin.close()
                simulator.wait(timeout=30)
