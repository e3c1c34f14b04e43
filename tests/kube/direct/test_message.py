"""HTTP/1.1 by its bytes: every way to say where a body ends, cut anywhere, and what is no HTTP."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sloth.kube.direct.message import NotHttpError, Reader, request_bytes

BODY = b'{"kind":"Status"}\n' * 40


def chunked(body, size, trailer=b""):
    """A body in chunks of this size, with an extension and a trailer, as RFC 9112, 7.1 allows."""
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x;why=not\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n" + trailer + b"\r\n"


def answer(*lines, body=b""):
    return "\r\n".join(["HTTP/1.1 200 OK", *lines, "", ""]).encode() + body


ANSWERS = {
    "length": answer(f"Content-Length: {len(BODY)}", body=BODY),
    "chunks": answer("Transfer-Encoding: chunked", body=chunked(BODY, 7)),
    "trailer": answer("transfer-encoding:chunked", body=chunked(BODY, 100, b"Grpc-Status: 0\r\n")),
    "after 100": b"HTTP/1.1 100 Continue\r\n\r\n" + answer(f"Content-Length: {len(BODY)}", body=BODY),
    "gzip": answer(
        f"Content-Length: {len(gzip.compress(BODY))}", "Content-Encoding: gzip", body=gzip.compress(BODY)
    ),
    "gzip in chunks": answer(
        "Transfer-Encoding: chunked", "Content-Encoding: gzip", body=chunked(gzip.compress(BODY), 5)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
@given(data=st.data())
def test_an_answer_is_the_same_wherever_it_is_cut(name, data):
    whole = ANSWERS[name] + b"HTTP/1.1 2"
    cuts = sorted(data.draw(st.sets(st.integers(1, len(whole) - 1), max_size=8)))
    reader, found = Reader(), []
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        found.append(reader.feed(whole[start:end]))
    assert (reader.status, b"".join(found), reader.over, reader.reusable) == (200, BODY, True, True)
    assert reader.rest == b"HTTP/1.1 2"
    assert reader.feed(b"") == b""


@pytest.mark.parametrize("name", ANSWERS)
def test_an_end_before_the_end_is_told(name):
    for cut in range(len(ANSWERS[name])):
        reader = Reader()
        for byte in range(cut):
            reader.feed(ANSWERS[name][byte : byte + 1])
        with pytest.raises(NotHttpError):
            reader.feed(b"")


def test_a_body_without_length_lasts_until_the_connection_ends():
    reader = Reader()
    assert reader.feed(answer("Connection: close")) == b""
    assert reader.feed(BODY) == BODY
    assert not reader.over
    assert reader.feed(b"") == b""
    assert reader.over
    assert not reader.reusable


@pytest.mark.parametrize("status", [204, 304])
def test_some_answers_have_no_body_whatever_they_say(status):
    reader = Reader()
    reader.feed(b"HTTP/1.1 %d x\r\nContent-Length: 5\r\n\r\n" % status)
    assert reader.over
    assert reader.reusable


def test_what_comes_behind_an_upgrade_is_kept():
    reader = Reader()
    reader.feed(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x82\x01")
    assert (reader.status, reader.over, reader.rest, reader.reusable) == (101, True, b"\x82\x01", False)


def test_names_of_headers_are_in_lower_case_and_values_of_one_name_together():
    reader = Reader()
    reader.feed(answer("Warning:  one ", "warning: two", "Content-Length: 0", "Connection: Close"))
    assert reader.headers == {"warning": "one, two", "content-length": "0", "connection": "Close"}
    assert reader.over
    assert not reader.reusable


@pytest.mark.parametrize(
    "text",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nspace : x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\nabcde\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 2000,
        b"HTTP/1.1 200 OK\r\nLong: " + b"x" * 70_000,
    ],
)
def test_what_is_no_answer_is_said(text):
    with pytest.raises(NotHttpError):
        Reader().feed(text)


def test_a_request_is_its_bytes():
    made = request_bytes("POST", "/api?x=1", [("Host", "h"), ("Impersonate-User", "jürgen")], b"{}")
    assert made == "POST /api?x=1 HTTP/1.1\r\nHost: h\r\nImpersonate-User: jürgen\r\nContent-Length: 2\r\n\r\n{}".encode()
    assert b"Content-Length" not in request_bytes("GET", "/", [])
    assert b"Content-Length: 0" in request_bytes("POST", "/", [])


@pytest.mark.parametrize("header", [("X", "a\r\nHost: other"), ("X", "a\0"), ("X Y", "a"), ("", "a")])
def test_a_header_is_never_more_than_one(header):
    with pytest.raises(ValueError, match="cannot be sent"):
        request_bytes("GET", "/", [header])
