"""N hosts on loopback that answer SSH and really run what they are told. One process; ends when its standard input closes.

Each host has a port, an ed25519 host key and a directory of its own: the directory is $HOME and the working directory of every
command, and the root of SFTP, so a job that uses relative paths stays in it. No more than `--commands` shells run at once.

Runs under any Python that has asyncssh (see `tests.fleet.lab`); imports nothing of sloth. Prints one line of JSON when all
hosts listen: `{"user": …, "hosts": [{"name", "port", "host_key", "home"}, …]}`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import asyncssh

USER = "fleet"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # as sshd and login give it
OPTIONS: dict[str, Any] = {"compression_algs": ["none"], "gss_host": None, "x11_forwarding": False}


class Host:
    """One simulated machine."""

    def __init__(self, name: str, home: Path, shells: asyncio.Semaphore) -> None:
        self.name = name
        self.home = home
        self.key = asyncssh.generate_private_key("ssh-ed25519")
        self.shells = shells
        self.port = 0
        home.mkdir(parents=True, exist_ok=True)
        self._env = {"HOME": str(home), "PATH": PATH, "USER": USER, "SHELL": "/bin/sh"}

    async def listen(self, authorized: str) -> asyncssh.SSHAcceptor:
        """Open the port."""
        acceptor = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[self.key],
            authorized_client_keys=authorized,
            process_factory=self.run,
            sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=str(self.home).encode()),
            encoding=None,
            **OPTIONS,
        )
        self.port = acceptor.get_port()
        return acceptor

    async def run(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        """One command, as sshd runs it: by the user's shell, in the home directory."""
        async with self.shells:
            child = await asyncio.create_subprocess_exec(
                "/bin/sh",
                *(("-c", process.command) if process.command else ()),
                cwd=self.home,
                env=self._env,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            feeder = asyncio.create_task(_pump(process.stdin, child.stdin))
            await asyncio.gather(_pump(child.stdout, process.stdout), _pump(child.stderr, process.stderr))
            code = await child.wait()
            feeder.cancel()
        process.exit(code if code >= 0 else 128 - code)

    def describe(self) -> dict[str, object]:
        """What a client needs to know."""
        line = self.key.export_public_key().decode().strip()
        return {"name": self.name, "port": self.port, "host_key": line, "home": str(self.home)}


async def _pump(source: Any, sink: Any) -> None:
    """Pass everything on; a side that has gone away ends it."""
    with contextlib.suppress(OSError, asyncssh.Error):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
        sink.write_eof()


async def serve(count: int, root: Path, authorized: str, commands: int) -> None:
    """Run the hosts until standard input ends."""
    shells = asyncio.Semaphore(commands)
    hosts = [Host(f"host{number:03d}", root / f"host{number:03d}", shells) for number in range(1, count + 1)]
    acceptors = [await host.listen(authorized) for host in hosts]
    print(json.dumps({"user": USER, "hosts": [host.describe() for host in hosts]}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for acceptor in acceptors:
        acceptor.close()


def main() -> None:
    """Parse arguments and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, required=True)
    parser.add_argument("--root", type=Path, required=True, help="directory for the hosts' directories")
    parser.add_argument("--authorized", required=True, help="file with the public key that may log in")
    parser.add_argument("--commands", type=int, default=64, help="shells that run at once, over all hosts")
    options = parser.parse_args()
    asyncio.run(serve(options.hosts, options.root, options.authorized, options.commands))


if __name__ == "__main__":
    main()
