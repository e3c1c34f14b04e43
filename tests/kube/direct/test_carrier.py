"""Connections of the sync front: kept ones used again, dead ones not; what counts as sent; when a proxy is asked instead."""

import contextlib
import socket
import threading

import pytest

from sloth.kube.connection import Connection
from sloth.kube.direct.carrier import Direct, Stream, by_proxy
from sloth.kube.sync_wire import Line
from sloth.kube.wire import Answer, Broken, Request

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Server:
    """Answers by a script: for each connection a list of answers, after which it is closed."""

    def __init__(self, *connections):
        self.script, self.seen, self.accepted = list(connections), [], 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.closed = threading.Semaphore(0)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        for answers in self.script:
            with contextlib.suppress(OSError):
                sock, _ = self.listener.accept()
                self.accepted += 1
                with sock:
                    for answer in answers:
                        self.seen.append(sock.recv(65536))
                        if answer is None:
                            sock.recv(1)  # until the other side goes
                        else:
                            sock.sendall(answer)
            self.closed.release()

    def connection(self, **more):
        return Connection(f"http://127.0.0.1:{self.port}/prefix", **more)


GET = Request("GET", "/api/v1/pods", (("limit", "5"),), {"Accept": "application/json"})


@contextlib.contextmanager
def direct(server, **more):
    made = Direct(server.connection(**more), None)
    try:
        yield made
    finally:
        made.close()
        server.listener.close()


def test_one_connection_serves_many_requests():
    server = Server([OK] * 3)
    with direct(server) as made:
        assert [made.send(GET) for _ in range(3)] == [Answer(200, b"{}", {"content-length": "2"})] * 3
    assert server.accepted == 1
    assert server.seen[0].startswith(b"GET /prefix/api/v1/pods?limit=5 HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\nAccept: application/json\r\n" in server.seen[0]
    assert b"accept-encoding" not in server.seen[0].lower()


def test_a_connection_that_the_server_closed_meanwhile_is_not_used_again():
    server = Server([OK], [OK])
    with direct(server) as made:
        made.send(GET)
        assert server.closed.acquire(timeout=30)
        assert made.send(GET).status == 200
    assert server.accepted == 2


def test_an_answer_that_says_so_ends_its_connection():
    server = Server([OK.replace(b"Content-Length", b"Connection: close\r\nContent-Length"), b""], [OK])
    with direct(server) as made:
        assert made.send(GET).status == made.send(GET).status == 200
    assert server.accepted == 2


def test_what_may_have_been_seen_is_told_from_what_cannot():
    server = Server([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"])
    with direct(server) as made:
        cut = made.send(GET)
        assert (type(cut), cut.sent) == (Broken, True)
        assert "in the middle" in cut.why
        assert server.closed.acquire(timeout=30)
    nobody = made.send(GET)
    assert (type(nobody), nobody.sent) == (Broken, False)
    unfit = made.send(Request("GET", "/", headers={"X": "a\r\nb"}))
    assert (type(unfit), unfit.sent) == (Broken, False)


def test_a_stream_comes_as_it_comes_and_ends_when_the_client_is_closed():
    server = Server([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n", None])
    with direct(server) as made:
        stream = made.open(GET, 30)
        assert isinstance(stream, Stream)
        pieces = iter(stream)
        assert next(pieces) == b"one"
        assert stream.idle()
        threading.Thread(target=made.close).start()
        with pytest.raises(ValueError, match="in the middle"):
            next(pieces)
        stream.close()


def test_a_refused_stream_is_an_answer():
    server = Server(
        [b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n{}"] * 1, [b"HTTP/1.1 403 F\r\nContent-Length: 0\r\n\r\n"]
    )
    with direct(server) as made:
        assert made.open(GET, 30).status == 403
        assert made.upgrade(GET).status == 403


def test_silence_ends_a_stream():
    server = Server([b"HTTP/1.1 200 OK\r\n\r\n", None])
    with direct(server) as made:
        stream = made.open(GET, 0.05)
        with pytest.raises(TimeoutError):
            next(iter(stream))
        stream.close()


@pytest.mark.parametrize(
    ("server", "env", "asked"),
    [
        ("https://10.0.0.1:6443", {}, False),
        ("https://10.0.0.1:6443", {"HTTPS_PROXY": "http://proxy"}, True),
        ("https://10.0.0.1:6443", {"https_proxy": "http://proxy", "no_proxy": "10.0.0.1,other"}, False),
        ("https://10.0.0.1:6443", {"all_proxy": "http://proxy", "NO_PROXY": "*"}, False),
        ("https://api.example.org", {"HTTPS_PROXY": "http://proxy", "NO_PROXY": ".example.org"}, False),
        ("https://api.example.org", {"HTTPS_PROXY": "http://proxy", "NO_PROXY": "ample.org"}, True),
        ("https://10.0.0.1:6443", {"HTTP_PROXY": "http://proxy"}, False),
        ("http://10.0.0.1:8080", {"HTTP_PROXY": "http://proxy"}, True),
    ],
)
def test_a_proxy_is_asked_where_there_is_one(server, env, asked):
    assert by_proxy(Connection(server), env) is asked
    assert by_proxy(Connection(server, proxy="http://named"), {})


class Pieces:
    """A stream whose next pieces come after these seconds, by a clock of the test's own."""

    def __init__(self, *pauses):
        self.now, self.pauses, self.waited, self.more = 0.0, pauses, [], False

    def __iter__(self):
        for number, pause in enumerate(self.pauses):
            self.now += pause
            yield b"%d" % number

    def idle(self):
        return not self.more

    def wait(self, seconds):
        self.waited.append(round(self.now, 3))
        self.now += seconds


@pytest.mark.parametrize(
    ("pauses", "more", "seconds", "waited"),
    [
        ([5, 0.01, 0, 0, 9, 9], False, 0.02, [5.01, 5.03, 5.05]),  # seldom: at once; then what comes soon gathers
        ([0, 0, 0], True, 0.02, []),  # it waits already
        ([0, 0, 0], False, 0.0, []),
    ],
)
def test_what_comes_in_quick_succession_gathers(monkeypatch, pauses, more, seconds, waited):
    stream = Pieces(*pauses)
    stream.more = more
    monkeypatch.setattr("sloth.kube.sync_wire.time.monotonic", lambda: stream.now)
    line = Line(stream)
    line.gather(seconds, stream.wait)
    assert len(list(line.gathered(iter(stream)))) == len(pauses)
    assert stream.waited == waited
