"""A real SSH server on loopback for tests: paramiko's server side, with real shells behind it, and faults on demand."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import paramiko

from sloth.adapters.ssh_keys import KeyPair, bare, new_pair
from sloth.model.node import Login

USER_KEY = new_pair("user")


def host_key(kind: str = "ed25519") -> paramiko.PKey:
    """A new host key of this kind."""
    if kind == "rsa":
        return paramiko.RSAKey.generate(2048)
    if kind == "ecdsa":
        return paramiko.ECDSAKey.generate()
    return paramiko.Ed25519Key.from_private_key(io.StringIO(new_pair().private.reveal()))


def line(key: paramiko.PKey) -> str:
    """The public line of a key."""
    return f"{key.get_name()} {key.get_base64()}"


class Server:
    """Listens from its creation to `close`. `logins` and `commands` say what came."""

    def __init__(
        self,
        home: Path,
        *,
        keys: tuple[paramiko.PKey, ...] = (),
        user_key: KeyPair = USER_KEY,
        refuse_first: int = 0,
        banner_delay: float = 0.0,
        forward: bool = True,
        path: str = "",
    ) -> None:
        self.home = home
        self.keys = keys or (host_key(),)
        self.user_key = user_key
        self.refuse_first = refuse_first
        self.banner_delay = banner_delay
        self.forward = forward
        self.path = path
        self.logins: list[str] = []
        self.connections = 0
        self.commands: list[str] = []
        self._transports: list[paramiko.Transport] = []
        self._threads: list[threading.Thread] = []
        self._children: list[subprocess.Popen[bytes]] = []
        self._closed = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.thread(self._accept)

    def login(self, **changes: Any) -> Login:
        """A login that fits this server."""
        fields = {
            "node": "node-1",
            "address": "127.0.0.1",
            "port": self.port,
            "user": "tester",
            "host_keys": tuple(map(line, self.keys)),
            "key": self.user_key.private,
        }
        return Login(**{**fields, **changes})

    def thread(self, target: Any, *args: Any) -> None:
        """Start a thread that `close` waits for."""
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def drop(self) -> None:
        """Cut every connection, as a machine that loses its network or power."""
        for transport in self._transports:
            with contextlib.suppress(OSError):
                transport.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Stop listening, cut connections, end children, wait for threads."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop()
        for transport in self._transports:
            transport.close()
            transport.join(5)
        for child in self._children:
            child.kill()
            child.wait()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while not self._closed:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self.thread(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        time.sleep(self.banner_delay)
        transport = paramiko.Transport(sock)
        transport._log = lambda *_: None  # type: ignore[method-assign]
        self._transports.append(transport)
        for key in self.keys:
            transport.add_server_key(key)
        with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
            transport.start_server(server=Interface(self))

    def forward_to(self, channel: paramiko.Channel, target: tuple[str, int]) -> None:
        """Join a channel and a TCP connection until either ends."""
        sock = socket.create_connection(target, timeout=5)
        sock.settimeout(None)

        def back() -> None:
            with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
                while data := sock.recv(65536):
                    channel.sendall(data)
                channel.close()

        self.thread(back)
        with contextlib.suppress(OSError):
            while data := channel.recv(65536):
                sock.sendall(data)
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        sock.close()

    def execute(self, channel: paramiko.Channel, command: str) -> None:
        """Run a real shell on the channel."""
        env = {"HOME": str(self.home), "PATH": f"{self.path}:{os.environ['PATH']}".lstrip(":")}
        child = subprocess.Popen(
            ["/bin/sh", "-c", command], cwd=self.home, env=env,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
        )  # fmt: skip
        self._children.append(child)
        assert child.stdin and child.stdout and child.stderr
        self.thread(_pump, lambda: channel.recv(32768), child.stdin.write, child.stdin.close)
        errors = threading.Thread(target=_pump, args=(lambda: child.stderr.read(32768), channel.sendall_stderr, None))
        errors.start()
        _pump(lambda: child.stdout.read(32768), channel.sendall, None)
        child.stdout.close()  # nobody wants more of it: whoever writes ends
        errors.join()
        code = child.wait()
        child.stderr.close()
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            if code >= 0:
                channel.send_exit_status(code)
            channel.close()


def _pump(read: Any, write: Any, end: Any) -> None:
    with contextlib.suppress(OSError, EOFError, ValueError):
        while data := read():
            write(data)
    if end:
        with contextlib.suppress(OSError):
            end()


class Interface(paramiko.ServerInterface):
    """What the server allows."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.targets: dict[int, tuple[str, int]] = {}

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self.server.logins.append(username)
        if len(self.server.logins) <= self.server.refuse_first:
            return paramiko.AUTH_FAILED
        right = line(key) == bare(self.server.user_key.public)
        return paramiko.AUTH_SUCCESSFUL if right else paramiko.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_channel_direct_tcpip_request(self, chanid: int, origin: Any, destination: Any) -> int:
        if not self.server.forward:
            return paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
        try:
            socket.create_connection(destination, timeout=5).close()
        except OSError:
            return paramiko.OPEN_FAILED_CONNECT_FAILED
        transport = self.server._transports[-1]
        self.server.thread(self._forward, chanid, destination, transport)
        return paramiko.OPEN_SUCCEEDED

    def _forward(self, chanid: int, destination: tuple[str, int], transport: paramiko.Transport) -> None:
        channel = transport.accept(5)
        while channel is None and transport.is_active():  # another thread took the one that this one was woken for
            channel = transport.accept(5)
        if channel is not None:
            with contextlib.suppress(OSError, EOFError, paramiko.SSHException), contextlib.closing(channel):
                self.server.forward_to(channel, destination)

    def check_channel_pty_request(self, channel: paramiko.Channel, *size: Any) -> bool:
        self.server.commands.append(f"pty {size[1]}x{size[2]}")
        return True

    def check_channel_window_change_request(self, channel: paramiko.Channel, *size: Any) -> bool:
        self.server.commands.append(f"window {size[0]}x{size[1]}")
        return True

    def check_channel_shell_request(self, channel: paramiko.Channel) -> bool:
        return self.check_channel_exec_request(channel, b"sh")

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self.server.commands.append(command.decode())
        self.server.thread(self.server.execute, channel, command.decode())
        return True
