"""Streams of the fake API server: exec and attach run programs of this machine, port-forward connects to its loopback.

Only a server that was made with `execute=True` does so. It answers as the API server and kubelet 1.36 with containerd do, which
tests/e2e/test_kube_streams.py holds it to.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import struct
import subprocess
import termios
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from sloth.kube.streams.channels import Channels, Piece
from sloth.kube.streams.handshake import accepting
from sloth.kube.streams.remote import CLOSE, RESIZE, STATUS, STDERR, STDIN, STDOUT, V5

_BLOCK = 64 * 1024


class Wire:
    """The server's side of one WebSocket on a socket; `cut`: bytes that are sent before the connection breaks, -1 for all."""

    def __init__(self, sock: socket.socket, cut: int = -1) -> None:
        self._sock, self._left = sock, cut
        self._lock = threading.Lock()
        self.channels = Channels(server=True)

    def send(self, channel: int, data: bytes) -> None:
        """One message. Raises OSError."""
        with self._lock:
            self.channels.send(channel, data)
            self._flush()

    def close(self) -> None:
        """The end, in order."""
        with self._lock, suppress(OSError):
            self.channels.close()
            self._flush()

    def _flush(self) -> None:
        data = bytes(self.channels.outgoing)
        self.channels.outgoing.clear()
        if self._left >= 0:
            data, self._left = data[: self._left], max(0, self._left - len(data))
            self._sock.sendall(data)
            if self._left == 0:
                self._sock.shutdown(socket.SHUT_RDWR)
            return
        self._sock.sendall(data)

    def receive(self) -> list[Piece]:
        """What came; nothing and `over` at the end."""
        try:
            data = self._sock.recv(_BLOCK)
        except OSError:
            data = b""
        with self._lock:
            pieces = self.channels.feed(data)
            with suppress(OSError):
                self._flush()
        return pieces

    @property
    def over(self) -> bool:
        """Whether nothing more comes."""
        return self.channels.over


def is_upgrade(headers: Mapping[str, str]) -> bool:
    """Whether a request wants a WebSocket. Names of headers are in lower case."""
    return headers.get("upgrade", "").lower() == "websocket"


def chosen(headers: Mapping[str, str], spoken: tuple[str, ...]) -> str:
    """The first protocol of the client's that the server speaks, or none."""
    offered = [each.strip() for each in headers.get("sec-websocket-protocol", "").split(",")]
    return next((each for each in offered if each in spoken), "")


def refused(pod: Any, target: str) -> bytes:
    """Why the API server takes no stream to that container of a pod, as a Status; nothing if it does."""
    wanted = dict(parse_qsl(urlsplit(target).query)).get("container")
    if wanted in (None, *(each["name"] for each in json.loads(pod)["spec"]["containers"])):
        return b""
    return json.dumps({"kind": "Status", "reason": "BadRequest", "message": f"container {wanted} is not valid for pod"}).encode()


def head(headers: Mapping[str, str], protocol: str) -> bytes:
    """The answer of status 101."""
    lines = [
        "HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accepting(headers.get('sec-websocket-key', ''))}", f"Sec-WebSocket-Protocol: {protocol}",
    ]  # fmt: skip
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def serve(sock: socket.socket, target: str, protocol: str, cut: int = -1) -> None:
    """One stream from its upgrade to its end."""
    parts = urlsplit(target)
    query = parse_qsl(parts.query, keep_blank_values=True)
    wire = Wire(sock, cut)
    with suppress(OSError):
        if parts.path.endswith("/portforward"):
            _forward(wire, int(dict(query)["ports"]))
        else:
            words = [value for key, value in query if key == "command"]
            _run(wire, words or ["cat"], dict(query), half_close=protocol == V5)
    wire.close()
    with suppress(OSError):
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(_BLOCK):
            pass


def _run(wire: Wire, words: list[str], query: Mapping[str, str], *, half_close: bool) -> None:
    """A process, its pipes or its terminal on the channels, and the status when it has ended."""
    tty = query.get("tty") == "true"
    ours, theirs = os.openpty() if tty else (-1, -1)
    pipe: Any = theirs if tty else subprocess.PIPE
    try:
        process = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)
    except OSError:
        wire.send(STATUS, _no_program(words[0]))
        return
    finally:
        if tty:
            os.close(theirs)
    if tty:
        into, out = ours, [(ours, STDOUT)]
    else:
        into, *both = (stream.fileno() for stream in (process.stdin, process.stdout, process.stderr) if stream)
        out = [*zip(both, (STDOUT, STDERR), strict=True)]
    if query.get("stdin") != "true" and process.stdin:
        process.stdin.close()
    readers = [threading.Thread(target=_copy, args=(handle, channel, wire), daemon=True) for handle, channel in out]
    listener = threading.Thread(target=_hear, args=(wire, process, into), kwargs={"half_close": half_close}, daemon=True)
    for thread in (*readers, listener):
        thread.start()
    try:
        for thread in readers:
            thread.join()
        wire.send(STATUS, _ended(process.wait()))
    finally:
        wire.close()
        listener.join(2)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                with suppress(OSError):
                    stream.close()
        if tty:
            os.close(ours)


def _copy(handle: int, channel: int, wire: Wire) -> None:
    with suppress(OSError):
        while data := os.read(handle, _BLOCK):
            wire.send(channel, data)


def _hear(wire: Wire, process: subprocess.Popen[bytes], into: int, *, half_close: bool) -> None:
    """Input for the process, until the client goes; a client that goes ends it here, so that no test leaves a process."""
    while not wire.over:
        for channel, data in wire.receive():
            with suppress(OSError, ValueError):
                if channel == STDIN:
                    _write(into, data)
                elif channel == RESIZE:
                    size = json.loads(data)
                    fcntl.ioctl(into, termios.TIOCSWINSZ, struct.pack("HHHH", size["Height"], size["Width"], 0, 0))
                elif channel == CLOSE and half_close and process.stdin and data == bytes((STDIN,)):
                    process.stdin.close()
    if process.poll() is None and not wire.channels.closed:
        process.kill()
    elif process.poll() is None:
        process.terminate()


def _write(handle: int, data: bytes) -> None:
    while data:
        data = data[os.write(handle, data) :]


def _status(**more: Any) -> bytes:
    return json.dumps({"metadata": {}, **more}).encode()


def _ended(code: int) -> bytes:
    if code == 0:
        return _status(status="Success")
    code = code if code > 0 else 128 - code
    cause = {"causes": [{"reason": "ExitCode", "message": str(code)}]}
    message = f"command terminated with non-zero exit code: command terminated with exit code {code}"
    return _status(status="Failure", reason="NonZeroExitCode", message=message, details=cause)


def _no_program(name: str) -> bytes:
    why = f'exec: "{name}": executable file not found in $PATH'
    message = f"Internal error occurred: error executing command in container: failed to exec in container: {why}"
    return _status(status="Failure", reason="InternalError", message=message, code=500)


def _forward(wire: Wire, number: int) -> None:
    """A connection to a port of the loopback."""
    for channel in (0, 1):
        wire.send(channel, struct.pack("<H", number))
    try:
        there = socket.create_connection(("127.0.0.1", number), 10)
    except OSError as error:
        wire.send(1, f"error forwarding port {number} to pod: failed to connect to localhost:{number}: {error}".encode())
        return
    there.settimeout(None)
    sender = threading.Thread(target=_toward, args=(wire, there), daemon=True)
    sender.start()
    with suppress(OSError):
        while data := there.recv(_BLOCK):
            wire.send(0, data)
    wire.close()
    with suppress(OSError):
        there.shutdown(socket.SHUT_RDWR)
    sender.join(2)
    there.close()


def _toward(wire: Wire, there: socket.socket) -> None:
    """What the client sends; its end ends both directions."""
    with suppress(OSError):
        while not wire.over:
            for channel, data in wire.receive():
                if channel == 0:
                    there.sendall(data)
    with suppress(OSError):
        there.shutdown(socket.SHUT_RDWR)
