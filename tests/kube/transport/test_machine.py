"""The machine of HTTP/2, with the server's side of h2 as its peer: nothing here has a socket, a thread or a clock."""

import itertools

import pytest
from h2.errors import ErrorCodes
from hypothesis import given, settings
from hypothesis import strategies as st

from sloth.kube.http2.frames import GoAway, Splitter
from sloth.kube.http2.machine import ANSWER, SILENCE, WINDOW, Gone, Machine
from sloth.kube.http2.sync_side import Link
from tests.kube.transport.peer import HEAD, Peer, ask, boundaries, drain, goaway, meet, talk

BODIES = [b"", b"one", b"x" * 40_000]


def recorded(bodies):
    """What a server says to that many requests, all of it; frames of the answers take turns."""
    machine, peer = Machine(0.0), Peer()
    streams = ask(machine, len(bodies))
    peer.hear(machine.outgoing())
    left = {stream.id: body for stream, body in zip(streams, bodies, strict=True)}
    for number, body in left.items():
        peer.h2.send_headers(number, [(b":status", b"200")], end_stream=not body)
    while any(left.values()):
        for number, body in left.items():
            if body:
                peer.h2.send_data(number, body[:5_000], end_stream=len(body) <= 5_000)
                left[number] = body[5_000:]
    return peer.say()


SAID = recorded(BODIES)


def heard(*pieces):
    """A machine that has asked for BODIES and been told these bytes."""
    machine = Machine(0.0)
    streams = ask(machine, len(BODIES))
    machine.outgoing()
    for piece in pieces:
        machine.receive(piece, 0.0)
    return machine, streams


@given(st.lists(st.integers(0, len(SAID)), max_size=12))
def test_bytes_may_come_in_any_pieces(cuts):
    at = [0, *sorted(cuts), len(SAID)]
    machine, streams = heard(*(SAID[begin:end] for begin, end in itertools.pairwise(at)))
    assert [drain(machine, stream) for stream in streams] == [(body, None) for body in BODIES]
    assert machine.active == 0


def cut_at(cut):
    """Each answer is whole, or it ends with a failure that says that the request was sent; never short in silence."""
    machine, streams = heard(SAID[:cut])
    machine.lose("cut")
    for stream, body in zip(streams, BODIES, strict=True):
        found, gone = drain(machine, stream)
        assert (found == body) if gone is None else (body.startswith(found) and not gone.unprocessed)
    assert machine.done
    return [stream.wrong is None for stream in streams]


def test_a_connection_cut_at_every_frame():
    whole = [cut_at(cut) for cut in boundaries(SAID)]
    assert whole[0] == [False] * 3
    assert whole[-1] == [True] * 3
    assert all(before <= after for one, next_ in itertools.pairwise(whole) for before, after in zip(one, next_, strict=True))


@given(st.integers(0, len(SAID)))
def test_a_connection_cut_anywhere(cut):
    cut_at(cut)


@given(st.sampled_from(boundaries(SAID)), st.sampled_from([0, 1, 3, 5, 2**31 - 1]), st.binary(max_size=20))
def test_a_server_that_leaves_answers_what_it_has_begun(cut, last, why):
    before, _ = heard(SAID[:cut])
    done = {stream.id for stream in heard(SAID[:cut])[1] if stream.over}
    headed = {stream.id for stream in heard(SAID[:cut])[1] if stream.status}
    machine, streams = heard(SAID[:cut], goaway(last, why=why), SAID[cut:])
    assert ask(machine) == [None]
    for stream, body in zip(streams, BODIES, strict=True):
        found, gone = drain(machine, stream)
        if stream.id <= last or stream.id in done:
            assert (found, gone) == (body, None)
        else:
            assert gone.unprocessed == (stream.id not in headed)
    assert machine.done
    assert not before.done


OTHERS = st.tuples(st.just(0), st.binary(max_size=60))
LEAVINGS = st.tuples(st.just(7), st.binary(min_size=8, max_size=60))


@given(st.lists(st.one_of(OTHERS, LEAVINGS)), st.lists(st.integers(0, 500), max_size=8))
def test_frames_of_a_goaway_are_taken_out_and_nothing_else_is_changed(frames, cuts):
    data = b"".join(len(body).to_bytes(3, "big") + bytes([kind]) + bytes(5) + body for kind, body in frames)
    at = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    splitter = Splitter()
    found = [each for begin, end in itertools.pairwise(at) for each in splitter.feed(data[begin:end])]
    assert b"".join(each for each in found if isinstance(each, bytes)) == b"".join(
        len(body).to_bytes(3, "big") + bytes(6) + body for kind, body in frames if kind == 0
    )
    told = [each for each in found if isinstance(each, GoAway)]
    assert [each.why for each in told] == [body[8:] for kind, body in frames if kind == 7]


@pytest.mark.parametrize(
    ("code", "unprocessed"), [(ErrorCodes.REFUSED_STREAM, True), (ErrorCodes.CANCEL, False), (ErrorCodes.INTERNAL_ERROR, False)]
)
def test_a_stream_that_the_server_gives_up(code, unprocessed):
    machine, peer = meet()
    one, other = ask(machine, 2)
    talk(machine, peer)
    peer.h2.reset_stream(one.id, code)
    peer.answer(other.id, b"fine")
    talk(machine, peer)
    assert drain(machine, one)[1].unprocessed is unprocessed
    assert drain(machine, other) == (b"fine", None)


def test_a_stream_given_up_here_is_told_and_the_others_go_on():
    machine, peer = meet()
    woken = []
    one, other = ask(machine, 2, woken=lambda: woken.append(1))
    talk(machine, peer)
    peer.answer(one.id, b"begun", end=False)
    talk(machine, peer)
    machine.cancel(one)
    talk(machine, peer)
    assert peer.reset == {one.id: ErrorCodes.CANCEL}
    assert drain(machine, one)[0] == b"begun"
    assert woken
    peer.answer(other.id, b"fine")
    talk(machine, peer)
    assert drain(machine, other) == (b"fine", None)


def test_who_does_not_read_holds_up_itself_alone():
    machine, peer = meet()
    slow, quick = ask(machine, 2)
    talk(machine, peer)
    body = bytes(3 * WINDOW)
    left = peer.answer(slow.id, body)
    while left:
        before = len(left)
        talk(machine, peer)
        left = peer.more(slow.id, left)
        if len(left) == before:
            break
    assert len(body) - len(left) == WINDOW  # no more than that is ever held for one stream
    rest = peer.answer(quick.id, b"y" * WINDOW)
    while rest:
        talk(machine, peer)
        rest = peer.more(quick.id, rest)
    talk(machine, peer)
    assert len(drain(machine, quick)[0]) == WINDOW
    found = 0
    while found < len(body):
        found += len(machine.take(slow))
        talk(machine, peer)
        left = peer.more(slow.id, left)
        talk(machine, peer)
    assert drain(machine, slow) == (b"", None)


@settings(deadline=None)
@given(st.integers(1, 400_000))
def test_a_body_is_sent_as_the_server_has_room(size):
    machine, peer = meet()
    body = bytes(range(256)) * (size // 256 + 1)
    (stream,) = ask(machine, body=body[:size])
    peer.hear(machine.outgoing())
    assert len(peer.bodies[stream.id]) <= 65_535  # the window that a connection begins with (RFC 9113, 6.9.2)
    talk(machine, peer)
    assert peer.bodies[stream.id] == body[:size]
    assert peer.ended == [stream.id]


def test_an_answer_before_the_request_was_read_ends_it():
    machine, peer = meet()
    peer.grudging = True
    (stream,) = ask(machine, body=bytes(200_000))
    talk(machine, peer)
    peer.answer(stream.id, b"too large", b"413")
    talk(machine, peer)
    assert (stream.status, drain(machine, stream)) == (413, (b"too large", None))
    assert peer.reset == {stream.id: ErrorCodes.NO_ERROR}


def test_no_more_streams_than_the_server_takes():
    machine, peer = meet()
    peer.h2.update_settings({3: 2})
    talk(machine, peer)
    first, _ = ask(machine, 2)
    assert ask(machine) == [None]
    talk(machine, peer)
    peer.answer(first.id)
    talk(machine, peer)
    assert ask(machine)[0] is not None


def test_a_silent_connection_is_asked_and_given_up():
    machine, peer = meet()
    (stream,) = ask(machine)
    talk(machine, peer)
    machine.tick(SILENCE - 1)
    assert machine.outgoing() == b""
    machine.tick(SILENCE)
    peer.hear(machine.outgoing())
    machine.receive(peer.say(), SILENCE + 1)  # the answer to the ping
    machine.tick(SILENCE + ANSWER)
    assert not machine.done
    machine.tick(2 * SILENCE + 1)
    assert machine.outgoing()
    machine.tick(2 * SILENCE + 1 + ANSWER)
    assert machine.done
    assert "ping" in str(drain(machine, stream)[1])


@given(st.binary(min_size=9, max_size=200))
def test_what_is_no_http2_ends_the_connection_and_never_more(data):
    machine = Machine(0.0)
    (stream,) = ask(machine)
    machine.receive(data, 0.0)
    machine.lose("closed")
    assert stream.over
    assert drain(machine, stream)[1]


def test_what_never_left_may_be_sent_again():
    machine, peer = meet()
    (before,) = ask(machine)
    peer.hear(machine.outgoing())
    (handed,) = ask(machine)
    machine.outgoing()
    (fresh,) = ask(machine)
    machine.lose("cut", kept=True)
    assert [drain(machine, stream)[1].unprocessed for stream in (before, handed, fresh)] == [False, True, True]


def test_what_may_have_left_may_not():
    machine, _ = meet()
    (handed,) = ask(machine)
    machine.outgoing()
    (fresh,) = ask(machine)
    machine.lose("cut")
    assert [drain(machine, stream)[1].unprocessed for stream in (handed, fresh)] == [False, True]


@pytest.mark.parametrize(("taken", "again"), [(0, True), (5, False)])
def test_a_request_of_which_the_socket_took_nothing_may_be_sent_again(monkeypatch, taken, again):
    class Plain:
        def sealed(self, data):
            return data

    class Broken:
        """Takes the greeting, then `taken` bytes."""

        def __init__(self):
            self.room = 1 << 20

        def send(self, data):
            if not self.room:
                raise BrokenPipeError(32, "Broken pipe")
            size = min(self.room, len(data))
            self.room = 0 if size < len(data) else self.room - size
            return size

        def settimeout(self, seconds):
            pass

        def shutdown(self, how):
            pass

        def close(self):
            pass

    monkeypatch.setattr(Link, "_read", lambda link: None)
    sock = Broken()
    link = Link(sock, Plain())
    sock.room = taken
    stream = link.open(HEAD, b"")
    with pytest.raises(Gone) as caught:
        link.answered(stream, 1.0)
    assert caught.value.unprocessed is again


def test_closed_from_here():
    machine, peer = meet()
    (stream,) = ask(machine)
    talk(machine, peer)
    machine.leave()
    peer.hear(machine.outgoing())
    assert not drain(machine, stream)[1].unprocessed
    assert machine.done
    assert ask(machine) == [None]
