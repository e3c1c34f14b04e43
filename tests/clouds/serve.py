"""Fake clouds, each in a process of its own, so that neither a measured client nor another cloud shares its interpreter.

`python -m tests.clouds.serve hcloud [--boot SECONDS]` prints what PULUMI_DEBUG_PROVIDERS shall hold, and serves until its
standard input ends.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module


def main(words: Sequence[str]) -> None:
    """Serve the named cloud."""
    boot = float(words[words.index("--boot") + 1]) if "--boot" in words else 0.0
    fake = import_module(f"tests.clouds.fakes.{words[0]}").Fake()
    fake.limit = 10_000
    if boot:
        fake.on_server = lambda item, text: time.sleep(boot) or ""
    with fake.serve() as port:
        sys.stdout.write(port + "\n")
        sys.stdout.flush()
        sys.stdin.read()


@contextmanager
def served(*names: str, boot: float = 0.0) -> Iterator[str]:
    """The fakes in child processes; gives the value of PULUMI_DEBUG_PROVIDERS."""
    with ExitStack() as stack:
        children = [stack.enter_context(_child(name, boot)) for name in names]
        yield ",".join(child.stdout.readline().strip() for child in children if child.stdout)


@contextmanager
def _child(name: str, boot: float) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.clouds.serve", name, "--boot", str(boot)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.communicate("")


if __name__ == "__main__":
    main(sys.argv[1:])
