"""A user's own shell or command on a node: `sloth ssh NODE [-- COMMAND]`."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from sloth.adapters.ssh_lost import lost
from sloth.model.node import Login

if TYPE_CHECKING:
    from sloth.adapters.ssh_wire import Wire

_CHUNK = 32 * 1024  # bytes


def interact(wire: Wire, login: Login, command: str) -> int:
    """Connect this process's standard streams to a login shell or to `command`; returns the exit code.

    With a terminal on both ends a PTY is asked for, and window sizes follow; otherwise the streams stay apart and binary.
    """
    import paramiko

    text = _text(login, command)
    try:
        channel = wire.open_session(timeout=30)
        with _terminal(channel) if _is_terminal() else contextlib.nullcontext():
            if text:
                channel.exec_command(text)
            else:
                channel.invoke_shell()
            return _pump(wire, channel)
    except (paramiko.SSHException, EOFError, OSError) as cause:
        raise lost(login, text or "a shell", str(cause) or type(cause).__name__) from cause


def _text(login: Login, command: str) -> str:
    if not login.sudo:
        return command
    return f"sudo -n sh -c {shlex.quote(command)}" if command else "sudo -n -i"


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


@contextlib.contextmanager
def _terminal(channel: Any) -> Iterator[None]:
    """Raw keys while it lasts: Ctrl-C and the like belong to the far end."""
    import termios
    import tty

    def resize(*_: object) -> None:
        with contextlib.suppress(Exception):  # a signal handler must not raise; the next resize tries again
            channel.resize_pty(*os.get_terminal_size(sys.stdin.fileno()))

    channel.get_pty(os.environ.get("TERM", "xterm"), *os.get_terminal_size(sys.stdin.fileno()))
    before = termios.tcgetattr(sys.stdin)
    handler = signal.signal(signal.SIGWINCH, resize)
    tty.setraw(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
        signal.signal(signal.SIGWINCH, handler)


def _pump(wire: Wire, channel: Any) -> int:
    # The reader of stdin may wait for a key for ever: a daemon thread, so that the far end's exit ends the program.
    threading.Thread(target=_send_all, args=(channel, sys.stdin.fileno()), daemon=True).start()
    errors = threading.Thread(target=_receive_all, args=(channel.recv_stderr, sys.stderr.buffer), daemon=True)
    errors.start()
    _receive_all(channel.recv, sys.stdout.buffer)
    errors.join()
    code = channel.recv_exit_status()
    if code == -1 and wire.has_ended():
        raise EOFError("the connection ended")
    return int(code) if code >= 0 else 255  # as ssh(1) does for a command killed by a signal


def _send_all(channel: Any, source: int) -> None:
    with contextlib.suppress(OSError, EOFError):
        while data := os.read(source, _CHUNK):
            channel.sendall(data)
        channel.shutdown_write()


def _receive_all(receive: Any, sink: BinaryIO) -> None:
    while data := receive(_CHUNK):
        sink.write(data)
        sink.flush()
