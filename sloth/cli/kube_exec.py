"""`sloth kube exec` and `sloth kube attach`: a command in a container, with this terminal if it is wanted."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sloth.cli.kube_options import kube_verb
from sloth.cli.kube_where import Where
from sloth.errors import SlothError
from sloth.model.options import Outcome

if TYPE_CHECKING:
    from sloth.kube.client import Client
    from sloth.kube.streams.process import Process

Pod = Annotated[str, typer.Argument(help="POD, or what owns it: deploy/NAME, svc/NAME …")]
Container = Annotated[str, typer.Option("--container", "-c", help="Container. Default: the pod's own.", show_default=False)]
Stdin = Annotated[bool, typer.Option("--stdin", "-i", help="Pass this command's input on.")]
Tty = Annotated[bool, typer.Option("--tty", "-t", help="With a terminal.")]
_BLOCK = 64 * 1024
_DOWN = (signal.SIGTERM, signal.SIGHUP)


def register(group: typer.Typer) -> None:
    """Add the verbs."""

    @kube_verb(group, "exec")
    def execute(
        where: Where,
        pod: Pod,
        command: Annotated[list[str], typer.Argument(help="The command, behind `--`.", metavar="-- COMMAND [ARG]...")],
        *,
        container: Container = "",
        stdin: Stdin = False,
        tty: Tty = False,
    ) -> Outcome:
        """Run a command in a container. The exit code is the command's."""
        return talk(where, lambda client: client.start(pod, command, container=container, stdin=stdin, tty=tty), stdin, tty)

    @kube_verb(group, "attach")
    def attach(where: Where, pod: Pod, *, container: Container = "", stdin: Stdin = False, tty: Tty = False) -> Outcome:
        """Join a container's main process."""
        return talk(where, lambda client: client.attach(pod, container=container, stdin=stdin, tty=tty), stdin, tty)


def talk(where: Where, begin: Callable[[Client], Process], stdin: bool, tty: bool) -> Outcome:
    """The verbs without their command line: output as it comes, exit code of the command. Raises SlothError."""
    screen = tty and stdin and sys.stdin.isatty()
    if tty and not screen:
        sys.stderr.write("this is no terminal with input: the other side has one all the same\n")
    failures: list[SlothError] = []
    with where.client() as client, begin(client) as process:
        if stdin:
            threading.Thread(target=_pass_on, args=(process, failures), name="stdin", daemon=True).start()
        with _woken(process), _terminal(process) if screen else _nothing():
            for piece in process:
                stream = sys.stdout if piece.channel == 1 else sys.stderr
                stream.buffer.write(piece.data)
                stream.buffer.flush()
        if failures:
            raise failures[0]
        return Outcome("", exit=process.wait())


def _pass_on(process: Process, failures: list[SlothError]) -> None:
    """Pass on what this command gets, until that ends."""
    handle = sys.stdin.fileno()
    try:
        with suppress(OSError):  # a terminal that is gone is an end like any other
            while data := os.read(handle, _BLOCK):
                process.write(data)
                if process.over:
                    return
        process.close_stdin()
    except SlothError as error:
        failures.append(error)
        process.close()  # else the command would wait for an end of input that never comes


@contextmanager
def _woken(process: Process) -> Iterator[None]:
    """Signals end a wait for output: the handler of one that comes just before the wait would else run when output comes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = signal.set_wakeup_fd(process.bell, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(former)


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@contextmanager
def _terminal(process: Process) -> Iterator[None]:
    """Every key goes to the other side, Ctrl-C too, and its terminal is as large as this one. Undone however it ends."""
    import termios
    import tty

    handle = sys.stdin.fileno()
    before = termios.tcgetattr(handle)
    handlers: dict[int, Any] = {}

    def resized(*_: object) -> None:
        size = os.get_terminal_size(handle)
        process.resize(size.columns, size.lines)

    def leave(number: int, *_: object) -> None:
        raise SystemExit(128 + number)

    try:
        handlers[signal.SIGWINCH] = signal.signal(signal.SIGWINCH, resized)
        for each in _DOWN:
            handlers[each] = signal.signal(each, leave)
        tty.setraw(handle)
        resized()
        yield
    finally:
        termios.tcsetattr(handle, termios.TCSADRAIN, before)
        for number, former in handlers.items():
            signal.signal(number, former)
