"""Fake clouds in a process of their own, so that a measured client does not share its interpreter with them.

`python -m tests.clouds.serve hcloud aws [--boot SECONDS]` prints what PULUMI_DEBUG_PROVIDERS shall hold, and serves until its
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
    """Serve the named clouds."""
    boot = float(words[words.index("--boot") + 1]) if "--boot" in words else 0.0
    names = [word for word in words if word.isalpha()]
    with ExitStack() as stack:
        ports = []
        for name in names:
            fake = import_module(f"tests.clouds.fakes.{name}").Fake()
            fake.limit = 10_000
            if boot:
                fake.on_server = lambda item, text: time.sleep(boot) or ""
            ports.append(stack.enter_context(fake.serve()))
        sys.stdout.write(",".join(ports) + "\n")
        sys.stdout.flush()
        sys.stdin.read()


@contextmanager
def served(*names: str, boot: float = 0.0) -> Iterator[str]:
    """The fakes in a child process; gives the value of PULUMI_DEBUG_PROVIDERS."""
    command = [sys.executable, "-m", "tests.clouds.serve", *names, "--boot", str(boot)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.communicate("")


if __name__ == "__main__":
    main(sys.argv[1:])
