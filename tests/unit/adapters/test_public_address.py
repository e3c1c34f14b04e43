"""The public address: one answer is enough, two must agree, and nothing else is believed."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sloth.adapters import public_address
from sloth.adapters.public_address import SERVICES, ask
from sloth.errors import ConfigError


@contextmanager
def service(body, status=200):
    """A service that answers this, and its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def two(one, other):
    with service(one) as first, service(other) as second:
        yield first, second


def test_two_that_agree():
    with two(b"1.1.1.7\n", b" 1.1.1.7") as urls:
        assert ask(urls) == "1.1.1.7/32"


@pytest.mark.parametrize("broken", [b"", b"<html>hello</html>", b"10.0.0.4", b"127.0.0.1", b"\xff\xfe", b"1.1.1.7" * 99])
def test_one_that_is_broken_does_not_matter(broken):
    with two(broken, b"1.1.1.7") as urls:
        assert ask(urls) == "1.1.1.7/32"


def test_a_service_that_refuses_does_not_matter():
    with service(b"1.1.1.9", 503) as first, service(b"1.1.1.7") as second:
        assert ask([first, second]) == "1.1.1.7/32"


def test_ipv4_counts_where_both_kinds_are_told():
    with two(b"2606:4700::1111", b"1.1.1.7") as urls:
        assert ask(urls) == "1.1.1.7/32"
    with two(b"2606:4700::1111", b"2606:4700::1111") as urls:
        assert ask(urls) == "2606:4700::1111/128"


def test_two_that_differ_are_not_believed():
    with two(b"1.1.1.7", b"1.1.1.8") as urls, pytest.raises(ConfigError) as caught:
        ask(urls)
    assert caught.value.code == "access/auto"
    assert "differ" in caught.value.summary
    assert "1.1.1.8/32" in caught.value.detail


def test_offline_says_what_to_write():
    with service(b"") as url:
        pass  # nobody listens there any more
    with pytest.raises(ConfigError) as caught:
        ask([url])
    assert caught.value.code == "access/auto"
    assert "CIDR" in caught.value.hint
    assert caught.value.exit == 10


def test_it_is_asked_once_in_a_run(monkeypatch):
    asked = []
    monkeypatch.setattr(public_address, "ask", lambda urls: asked.append(urls) or "1.1.1.7/32")
    public_address.public_address.cache_clear()
    try:
        assert {public_address.public_address() for _ in range(3)} == {"1.1.1.7/32"}
    finally:
        public_address.public_address.cache_clear()
    assert asked == [SERVICES]
    assert all(url.startswith("https://") for url in SERVICES)
