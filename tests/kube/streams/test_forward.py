"""Port forwarding at its edges: half closes, pods that are replaced, ends of either side."""

import contextlib
import socket
import socketserver
import threading

import pytest

from sloth.errors import UsageError
from sloth.kube import Client
from sloth.kube.streams import listener
from tests.kube.streams.test_asking import SERVICE, pod, put


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


@contextlib.contextmanager
def serving(answer):
    """A server of the pod: `answer(socket)` for each connection; its port."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            answer(self.request)

    with _Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def everything(sock):
    """What comes until the end."""
    found = b""
    while data := sock.recv(65536):
        found += data
    return found


@pytest.fixture
def through(client):
    """`through(port)`: a connected socket that leads there."""
    with contextlib.ExitStack() as stack:

        def connected(port, what="web"):
            forwarder = stack.enter_context(client.forward(what, f"0:{port}"))
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", forwarder.ports[0])))
            sock.settimeout(60)
            return sock

        yield connected


def test_a_client_that_shuts_down_its_side_still_gets_the_answer(through):
    def answer(sock):
        assert sock.recv(100) == b"question"
        sock.sendall(b"x" * 500_000)

    with serving(answer) as port:
        sock = through(port)
        sock.sendall(b"question")
        sock.shutdown(socket.SHUT_WR)
        assert everything(sock) == b"x" * 500_000


def test_but_not_for_ever(through, monkeypatch):
    """The server waits for an end that the protocol cannot tell."""
    monkeypatch.setattr(listener, "LINGER", 0.1)
    saw = []
    ended = threading.Event()

    def answer(sock):
        saw.append(everything(sock))
        ended.set()

    with serving(answer) as port:
        sock = through(port)
        sock.sendall(b"question")
        sock.shutdown(socket.SHUT_WR)
        assert everything(sock) == b""
        assert ended.wait(60)
    assert saw == [b"question"]


def test_a_client_that_goes_ends_the_connection_in_the_pod(through, monkeypatch):
    monkeypatch.setattr(listener, "LINGER", 0.1)
    ended = threading.Event()

    def answer(sock):
        everything(sock)
        ended.set()

    with serving(answer) as port:
        sock = through(port)
        sock.sendall(b"hello")
        sock.close()
        assert ended.wait(60)


def test_much_in_both_directions_at_once(through):
    def echo(sock):
        while data := sock.recv(65536):
            sock.sendall(data)

    data = bytes(range(256)) * 20_000
    with serving(echo) as port:
        sock = through(port)
        sender = threading.Thread(target=sock.sendall, args=(data,))
        sender.start()
        found = b""
        while len(found) < len(data):
            found += sock.recv(65536)
        sender.join(60)
    assert found == data


def test_a_pod_that_is_replaced_is_found_again(client):
    def answer(sock):
        sock.sendall(b"here")

    for name in ("shop-1", "shop-2"):
        put(client, pod(name, app="shop"))
    with serving(answer) as port:
        service = {**SERVICE, "ports": [{"port": port}]}
        put(client, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "shop"}, "spec": service})
        failures = []
        with client.forward("svc/shop", f"0:{port}", failed=failures.append) as forwarder:
            first = forwarder.pod
            client.delete("pods", first)
            for _ in range(2):
                with socket.create_connection(("127.0.0.1", forwarder.ports[0])) as sock:
                    assert everything(sock) == b"here"
            client.delete("pods", ({"shop-1", "shop-2"} - {first}).pop())
            with socket.create_connection(("127.0.0.1", forwarder.ports[0])) as sock:
                assert everything(sock) == b""
        assert [error.code for error in failures] == ["kube/no-pods"]


class Notes:
    """An observer that writes down what was asked for."""

    def __init__(self):
        self.seen = []

    def waits(self, about):
        return False

    def begin(self, about):
        self.seen.append(about.request.path)

    def flush(self):
        pass


def test_observers_of_the_client_see_it_too(pods):
    """Audit and metrics hang there."""
    notes = Notes()
    with serving(lambda sock: sock.sendall(b"x")) as port, Client(pods.connection, observers=[notes]) as watched:
        forwarder = watched.forward("web", f"0:{port}")
        with forwarder, socket.create_connection(("127.0.0.1", forwarder.ports[0])) as sock:
            assert everything(sock) == b"x"
    assert notes.seen[-1] == "/api/v1/namespaces/default/pods/web/portforward"


def test_the_same_port_twice_is_no_port_that_is_left_open(client):
    with client.forward("web", "0:80") as first, pytest.raises(UsageError):
        client.forward("web", "0:81", f"{first.ports[0]}:82")
    assert not [thread for thread in threading.enumerate() if thread.name == "kube-forward"]
