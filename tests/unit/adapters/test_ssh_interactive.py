import contextlib
import fcntl
import os
import pty
import struct
import sys
import termios
import threading
import time

import pytest

from sloth.adapters.ssh import interactive
from sloth.adapters.ssh_connect import Patience
from sloth.errors import ConnectError
from tests.unit.adapters.ssh_server import Server

SHORT = Patience(total=2.0, auth=1.0, dial=1.0, banner=2.0)


@pytest.fixture
def serve(tmp_path):
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(contextlib.closing(Server(tmp_path, **options)))


@pytest.fixture
def server(serve):
    return serve()


@contextlib.contextmanager
def standing_in(*files):
    """In a test's own body only: pytest sets the streams anew before each phase of a test."""
    with pytest.MonkeyPatch.context() as patch:
        for name, file in zip(("stdin", "stdout", "stderr"), files, strict=False):
            patch.setattr(sys, name, file)
        yield


class Streams:
    """Files and a pipe that take the place of this process's standard streams while `run` lasts."""

    def __init__(self, tmp_path) -> None:
        source, self.keys = os.pipe()
        self.files = [os.fdopen(source), (tmp_path / "out").open("w"), (tmp_path / "err").open("w")]
        self.out, self.err = tmp_path / "out", tmp_path / "err"

    def run(self, login, command: str = "") -> int:
        with standing_in(*self.files):
            return interactive(login, command, SHORT)

    def type(self, data: bytes) -> None:
        os.write(self.keys, data)
        os.close(self.keys)
        self.keys = -1

    def close(self) -> None:
        if self.keys >= 0:
            os.close(self.keys)
            time.sleep(0.1)  # the thread that reads stdin sees its end before the file is closed under it
        for file in self.files:
            file.close()


@pytest.fixture
def streams(tmp_path):
    with contextlib.closing(Streams(tmp_path)) as streams:
        yield streams


def test_streams_stay_apart_and_the_exit_code_comes_through(server, streams) -> None:
    streams.type(b"one\ntwo\n")
    assert streams.run(server.login(), "tac; echo oops >&2; exit 7") == 7
    assert streams.out.read_text() == "two\none\n"
    assert streams.err.read_text() == "oops\n"
    assert not [command for command in server.commands if command.startswith("pty")]


def test_bytes_pass_unchanged(server, streams) -> None:
    data = bytes(range(256)) * 200
    streams.type(data)
    assert streams.run(server.login(), "cat") == 0
    assert streams.out.read_bytes() == data


def test_the_command_s_end_does_not_wait_for_a_key(server, streams) -> None:
    begun = time.monotonic()
    assert streams.run(server.login(), "echo done") == 0
    assert time.monotonic() - begun < 5
    assert streams.out.read_text() == "done\n"


def test_without_a_command_a_shell_reads_its_input(server, streams) -> None:
    streams.type(b"echo from the shell\nexit 3\n")
    assert streams.run(server.login(), "") == 3
    assert streams.out.read_text() == "from the shell\n"


def test_a_command_killed_by_a_signal_is_255(server, streams) -> None:
    # A moment first: the test's server may close before it has answered the request, which sshd does not.
    assert streams.run(server.login(), "sleep 0.2; kill -KILL $$") == 255


def test_with_sudo(serve, streams, tmp_path) -> None:
    (tmp_path / "sudo").write_text('#!/bin/sh\nshift; echo "as root:" "$#" "$1"; exec "$@"\n')
    (tmp_path / "sudo").chmod(0o755)
    login = serve(path=str(tmp_path)).login(sudo=True)
    assert streams.run(login, "echo 'a  b'; exit 4") == 4
    assert streams.out.read_text() == "as root: 3 sh\na  b\n"


def test_a_connection_that_dies_is_an_error(server, streams, tmp_path) -> None:
    def cut() -> None:
        while not (tmp_path / "begun").exists():
            time.sleep(0.02)
        server.drop()

    thread = threading.Thread(target=cut)
    thread.start()
    with pytest.raises(ConnectError) as caught:
        streams.run(server.login(), f"touch {tmp_path}/begun; sleep 3")
    thread.join()
    assert caught.value.code == "connect/lost"


def test_a_stream_of_ours_that_nobody_reads_ends_it(server, tmp_path) -> None:
    source, keys = os.pipe()
    read, write = os.pipe()
    os.close(read)
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(os.fdopen(source)), os.fdopen(write, "w"), stack.enter_context((tmp_path / "err").open("w"))]
        with standing_in(*files), pytest.raises(ConnectError):
            interactive(server.login(), "yes", SHORT)
        os.close(keys)
        time.sleep(0.1)
        with contextlib.suppress(OSError):
            files[1].close()


@pytest.fixture
def terminal():
    """A real terminal: the side where the user sits, and files of the other side."""
    user, ours = pty.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    files = [os.fdopen(ours, "r"), os.fdopen(os.dup(ours), "w")]
    yield user, files
    for file in files:
        file.close()
    os.close(user)


def test_with_a_terminal_a_pty_is_asked_for_and_sizes_follow(server, terminal) -> None:
    user_side, files = terminal
    before = termios.tcgetattr(user_side)
    seen = []

    def user() -> None:
        while "sh" not in server.commands:
            time.sleep(0.02)
        seen.append(bool(termios.tcgetattr(user_side)[3] & termios.ECHO))
        fcntl.ioctl(user_side, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 132, 0, 0))
        while "window 132x50" not in server.commands:
            time.sleep(0.02)
        os.write(user_side, b"exit 5\n")

    thread = threading.Thread(target=user)
    thread.start()
    with standing_in(*files):
        assert interactive(server.login(), "", SHORT) == 5
    thread.join()
    assert server.commands[0] == "pty 80x24"
    assert seen == [False], "keys must go to the far end raw"
    assert termios.tcgetattr(user_side) == before
