"""The sync front with several threads at one stream, and ends that come early."""

import os
import threading
import time

import pytest

from sloth.errors import ConnectError
from sloth.kube.streams.session import HIGH


def test_one_thread_writes_while_another_reads(client):
    data = bytes(range(256)) * 40_000
    with client.start("web", ["cat"], stdin=True) as process:

        def write():
            for at in range(0, len(data), 100_000):
                process.write(data[at : at + 100_000])
            process.close_stdin()

        writer = threading.Thread(target=write)
        writer.start()
        done = process.done(process)
        writer.join(60)
    assert (done.code, done.stdout) == (0, data)


def test_a_writer_alone_gets_on_though_nobody_reads(client):
    """What comes meanwhile is kept: the other side would not read while it cannot write."""
    data = bytes(4 * HIGH)
    with client.start("web", ["cat"], stdin=True) as process:
        process.write(data)
        process.close_stdin()
        assert process.done(process).stdout == data


def test_words_leave_at_once(client, tmp_path):
    """Without anybody who reads, too."""
    with client.start("web", ["sh", "-c", f"read a; echo $a >{tmp_path}/said; cat"], stdin=True) as process:
        process.write(b"word\n")
        until = time.monotonic() + 30
        while not (tmp_path / "said").exists() or not (tmp_path / "said").read_text():
            assert time.monotonic() < until
            time.sleep(0.01)


def test_closing_wakes_who_waits(client):
    process = client.start("web", ["cat"], stdin=True)
    got = []
    reader = threading.Thread(target=lambda: got.append(process.take()))
    reader.start()
    process.close()
    reader.join(30)
    assert got == [None]
    assert process.over
    process.close()


def test_waiting_has_an_end(client):
    with client.start("web", ["cat"], stdin=True) as process:
        assert process.take(0.01) is None
        assert not process.over


def test_a_command_that_was_left_has_no_exit_code(client):
    process = client.start("web", ["cat"], stdin=True)
    process.close()
    with pytest.raises(ConnectError):
        process.wait()


def test_closing_the_client_ends_its_streams(pods, client):
    process = client.start("web", ["cat"], stdin=True)
    client.close()
    with pytest.raises(ConnectError) as caught:
        process.wait()
    assert caught.value.code == "kube/stream-cut"
    process.close()


def test_a_byte_to_the_bell_ends_a_wait(client):
    with client.start("web", ["cat"], stdin=True) as process:
        rung = threading.Timer(0.3, lambda: os.write(process.bell, b"x"))
        rung.start()
        begun = time.monotonic()
        process._session.line.wait(20, writing=False)
        assert time.monotonic() - begun < 10
        rung.join()
        process.write(b"on\n")
        assert process.take(10).data == b"on\n"


def test_sizes_may_come_from_a_signal_handler(client):
    """Handlers run in the midst of anything: they must never wait for what they interrupted."""
    import signal

    with client.start("web", ["sh", "-c", "read a; stty size"], stdin=True, tty=True) as process:
        former = signal.signal(signal.SIGWINCH, lambda *_: process.resize(50, 20))
        try:
            with process._session._turn:  # as if the signal came while this thread drives
                signal.raise_signal(signal.SIGWINCH)
            process.write(b"go\n")
            assert b"20 50" in process.done(process).stdout
        finally:
            signal.signal(signal.SIGWINCH, former)
