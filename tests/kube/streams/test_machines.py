"""The state machines, without a socket: every cut of the stream, every order of frames."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sloth.errors import ConnectError, KubernetesError
from sloth.kube.streams.channels import FRAME, Channels, Piece
from sloth.kube.streams.ports import Port
from sloth.kube.streams.remote import CLOSE, RESIZE, STATUS, STDERR, STDIN, STDOUT, V4, V5, Remote

OK = json.dumps({"status": "Success"}).encode()


def exited(code):
    cause = {"causes": [{"reason": "ExitCode", "message": str(code)}]}
    return json.dumps({"status": "Failure", "reason": "NonZeroExitCode", "details": cause}).encode()


def sent(*messages, close=True):
    """What a server sends for these messages."""
    server = Channels(server=True)
    for channel, data in messages:
        server.send(channel, data)
    if close:
        server.close()
    return bytes(server.outgoing)


def heard(machine):
    """What a server understands of what the client wants to send."""
    server = Channels(server=True)
    pieces = server.feed(bytes(machine.outgoing))
    machine.outgoing.clear()
    return pieces, server


STREAM = sent((STDOUT, b"one"), (STDERR, b"oh"), (STDOUT, b"two" * 100), (STATUS, exited(3)))
WROTE = (b"one" + b"two" * 100, b"oh")


def written(pieces):
    return tuple(b"".join(piece.data for piece in pieces if piece.channel == channel) for channel in (STDOUT, STDERR))


@pytest.mark.parametrize("cut", range(len(STREAM) + 1))
def test_cut_at_every_byte_the_output_is_a_beginning_and_the_exit_code_is_right_or_unknown(cut):
    remote = Remote(V5, "exec")
    pieces = remote.feed(STREAM[:cut]) if cut else []
    remote.feed(b"")
    assert remote.over
    for got, whole in zip(written(pieces), WROTE, strict=True):
        assert whole.startswith(got)
    try:
        assert remote.code() == 3
    except ConnectError as error:
        assert error.code == "kube/stream-cut"
        assert cut < len(STREAM) - 4  # the close frame may be missing, not the status
    else:
        assert written(pieces) == WROTE


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_however_the_bytes_come_they_say_the_same(cuts):
    remote, pieces, start = Remote(V5, "exec"), [], 0
    for end in [*sorted(cuts), len(STREAM)]:
        if end > start:
            pieces += remote.feed(STREAM[start:end])
            start = end
    assert written(pieces) == WROTE
    assert remote.code() == 3


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=4), st.binary(max_size=200))
def test_bytes_of_no_server_never_break_more_than_the_stream(parts, noise):
    remote = Remote(V5, "exec")
    for part in [*parts, noise]:
        for piece in remote.feed(part) if part else ():
            assert piece.channel in (STDOUT, STDERR)
    remote.feed(b"")
    with pytest.raises((ConnectError, KubernetesError)):
        remote.code()


@given(st.binary(max_size=300))
def test_a_status_that_is_none_is_not_a_success(noise):
    remote = Remote(V5, "exec")
    remote.feed(sent((STATUS, noise)))
    with pytest.raises((ConnectError, KubernetesError)):
        remote.code()


@pytest.mark.parametrize("text", ["", "-1", "x", "1e3", "9" * 5000, "\u0663"])
def test_an_exit_code_that_is_no_number_is_not_a_success(text):
    remote = Remote(V5, "exec")
    remote.feed(sent((STATUS, exited(text))))
    with pytest.raises(KubernetesError, match="could not be run"):
        remote.code()


def test_success_and_a_program_that_is_not_there():
    remote = Remote(V5, "exec")
    remote.feed(sent((STATUS, OK)))
    assert remote.code() == 0
    remote = Remote(V5, "exec")
    why = 'exec: "nope": executable file not found in $PATH'
    remote.feed(sent((STATUS, json.dumps({"status": "Failure", "message": why}).encode())))
    with pytest.raises(KubernetesError) as caught:
        remote.code()
    assert (caught.value.code, caught.value.detail) == ("kube/no-program", why)


@given(st.binary(max_size=3 * FRAME))
def test_input_arrives_as_it_was(data):
    remote = Remote(V5, "exec")
    remote.stdin(data)
    remote.close_stdin()
    remote.stdin(b"too late")
    pieces, _ = heard(remote)
    assert b"".join(piece.data for piece in pieces if piece.channel == STDIN) == data
    assert pieces[-1] == Piece(CLOSE, bytes((STDIN,)))


@pytest.mark.parametrize("size", [1, 124, 125, 126, 65534, 65535, 65536, FRAME - 1, FRAME, FRAME + 1])
def test_frames_of_all_three_lengths(size):
    remote = Remote(V5, "exec")
    remote.stdin(bytes(size))
    pieces, server = heard(remote)
    assert sum(len(piece.data) for piece in pieces) == size
    assert not server.over


def test_masks_are_fresh():
    remote = Remote(V5, "exec")
    frames = set()
    for _ in range(20):
        remote.stdin(b"same")
        frames.add(bytes(remote.outgoing))
        remote.outgoing.clear()
    assert len(frames) == 20


def test_a_terminal_has_a_size():
    remote = Remote(V5, "exec")
    remote.resize(80, 24)
    pieces, _ = heard(remote)
    assert [(piece.channel, json.loads(piece.data)) for piece in pieces] == [(RESIZE, {"Width": 80, "Height": 24})]


def test_version_4_cannot_hear_the_end_of_input():
    remote = Remote(V4, "exec")
    with pytest.raises(KubernetesError) as caught:
        remote.may_end_input()
    assert caught.value.code == "kube/no-end-of-input"
    remote.close_stdin()
    assert not remote.outgoing


def test_pings_are_answered_and_a_close_too():
    from wsproto.connection import Connection, ConnectionType
    from wsproto.events import CloseConnection, Ping, Pong

    server, client = Connection(ConnectionType.SERVER), Channels()
    assert client.feed(server.send(Ping(b"there?"))) == []
    server.receive_data(bytes(client.outgoing))
    assert [type(event) for event in server.events()] == [Pong]
    client.outgoing.clear()
    assert client.feed(server.send(CloseConnection(1000, "done"))) == []
    assert (client.over, client.closed, client.reason) == (True, True, "done")
    server.receive_data(bytes(client.outgoing))
    assert [type(event) for event in server.events()] == [CloseConnection]


@pytest.mark.parametrize("inside_tls", [False, True])
@given(st.lists(st.binary(max_size=70_000), min_size=1, max_size=4))
def test_what_a_client_masks_is_what_a_server_reads(inside_tls, messages):
    client, server = Channels(), Channels(server=True)
    client.inside_tls = inside_tls
    for data in messages:
        client.send(1, data)
    came = {}
    for piece in server.feed(bytes(client.outgoing)):
        came[piece.channel] = came.get(piece.channel, b"") + piece.data
    assert came == {1: b"".join(messages)}


def test_outside_of_tls_nobody_on_the_way_can_tell_the_bytes():
    keys = set()
    for _ in range(64):
        client = Channels()
        client.send(0, b"GET / HTTP/1.1")
        keys.add(bytes(client.outgoing[2:6]))
    assert len(keys) > 60 and any(len(set(key)) > 1 for key in keys)


def test_text_where_bytes_are_agreed_on_ends_it():
    from wsproto.connection import Connection, ConnectionType
    from wsproto.events import TextMessage

    client = Channels()
    client.feed(Connection(ConnectionType.SERVER).send(TextMessage("hello")))
    assert client.over
    assert "text" in client.reason


def test_nothing_is_said_after_the_end():
    client = Channels()
    client.close()
    client.outgoing.clear()
    client.send(0, b"late")
    assert not client.outgoing


PORT = sent((0, b"\x90\x1f"), (1, b"\x90\x1f"), (0, b"hello "), (0, b"world"))


@pytest.mark.parametrize("cut", range(len(PORT) + 1))
def test_a_port_cut_at_every_byte_gives_a_beginning_without_the_ports_number(cut):
    port = Port("port-forward")
    pieces = port.feed(PORT[:cut]) if cut else []
    rest = port.feed(PORT[cut:]) if cut < len(PORT) else []
    assert b"hello world".startswith(b"".join(piece.data for piece in pieces))
    assert b"".join(piece.data for piece in pieces + rest) == b"hello world"
    port.check()


def test_a_port_where_nobody_listens():
    port = Port("port-forward pods default/web:81")
    assert port.feed(sent((0, b"Q\x00"), (1, b"Q\x00"), (1, b"connection refused"))) == []
    with pytest.raises(ConnectError) as caught:
        port.check()
    assert (caught.value.code, caught.value.detail) == ("kube/port-refused", "connection refused")


def test_other_channels_of_a_port_are_ignored():
    port = Port("p")
    assert port.feed(sent((7, b"??"), (0, b"\0\0"), (0, b"x"))) == [Piece(0, b"x")]
