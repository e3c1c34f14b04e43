"""A user's own shell or command on a node: `sloth ssh NODE [-- COMMAND]`."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from sloth.adapters.ssh_lost import lost
from sloth.model.node import Login

if TYPE_CHECKING:
    from sloth.adapters.ssh_wire import Wire

_CHUNK = 32 * 1024  # bytes
_LOOK = 0.1  # seconds between two looks at the size of the window


def interact(wire: Wire, login: Login, command: str) -> int:
    """Connect this process's standard streams to a login shell or to `command`; returns the exit code.

    With a terminal on both ends a PTY is asked for, and window sizes follow; otherwise the streams stay apart and binary.
    """
    import paramiko

    text = _text(login, command)
    try:
        channel = wire.open_session(timeout=30)
        with _terminal(channel) if _is_terminal() else contextlib.nullcontext(_nothing) as look:
            if text:
                channel.exec_command(text)
            else:
                channel.invoke_shell()
            return _pump(wire, channel, look)
    except (paramiko.SSHException, EOFError, OSError) as cause:
        raise lost(login, text or "a shell", str(cause) or type(cause).__name__) from cause


def _text(login: Login, command: str) -> str:
    if not login.sudo:
        return command
    return f"sudo -n sh -c {shlex.quote(command)}" if command else "sudo -n -i"


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _nothing() -> None:
    """There is no window."""


@contextlib.contextmanager
def _terminal(channel: Any) -> Iterator[Callable[[], None]]:
    """Raw keys while it lasts: Ctrl-C and the like belong to the far end. Gives what tells it a new size of the window.

    The size is looked at, not waited for: a handler of SIGWINCH would send from amid whatever is being sent, and one that comes
    just before a wait for data is not run until data comes.
    """
    import termios
    import tty

    told = os.get_terminal_size(sys.stdin.fileno())
    channel.get_pty(os.environ.get("TERM", "xterm"), *told)
    before = termios.tcgetattr(sys.stdin)

    def look() -> None:
        nonlocal told
        now = os.get_terminal_size(sys.stdin.fileno())
        if now != told:
            told = now
            channel.resize_pty(*now)

    tty.setraw(sys.stdin)
    try:
        yield look
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _pump(wire: Wire, channel: Any, look: Callable[[], None]) -> int:
    import paramiko

    # The reader of stdin may wait for a key for ever: a daemon thread, so that the far end's exit ends the program.
    threading.Thread(target=_send_all, args=(channel, sys.stdin.fileno()), daemon=True).start()
    broken: list[OSError] = []  # a standard stream of ours that nobody reads any more
    receivers = [
        threading.Thread(target=_receive_all, args=(channel.recv, sys.stdout.buffer, broken), daemon=True),
        threading.Thread(target=_receive_all, args=(channel.recv_stderr, sys.stderr.buffer, broken), daemon=True),
    ]
    for receiver in receivers:
        receiver.start()
    while any(receiver.is_alive() for receiver in receivers) and not broken:
        receivers[0].join(_LOOK)
        receivers[1].join(0 if receivers[0].is_alive() else _LOOK)
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):  # the far end may have ended meanwhile
            look()
    if broken:
        raise broken[0]
    code = channel.recv_exit_status()
    if code == -1 and wire.has_ended():
        raise EOFError("the connection ended")
    return int(code) if code >= 0 else 255  # as ssh(1) does for a command killed by a signal


def _send_all(channel: Any, source: int) -> None:
    with contextlib.suppress(OSError, EOFError):
        while data := os.read(source, _CHUNK):
            channel.sendall(data)
        channel.shutdown_write()


def _receive_all(receive: Any, sink: BinaryIO, broken: list[OSError]) -> None:
    try:
        while data := receive(_CHUNK):
            sink.write(data)
            sink.flush()
    except OSError as error:
        broken.append(error)
