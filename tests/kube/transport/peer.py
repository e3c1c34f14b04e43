"""The server's side of one HTTP/2 connection, in memory."""

from __future__ import annotations

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded, StreamReset

from sloth.kube.http2.machine import Machine

HEAD = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"h"), (b":path", b"/")]


class Peer:
    """Takes what a machine sends and keeps what it learned; `say` is what it has to say in return."""

    def __init__(self):
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        self.h2.initiate_connection()
        self.asked, self.bodies, self.ended, self.reset = [], {}, [], {}
        self.grudging = False  # gives nothing of its windows back

    def hear(self, data):
        for event in self.h2.receive_data(data):
            if isinstance(event, RequestReceived):
                self.asked.append(event.stream_id)
            elif isinstance(event, DataReceived):
                self.bodies[event.stream_id] = self.bodies.get(event.stream_id, b"") + event.data
                if not self.grudging:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, StreamEnded):
                self.ended.append(event.stream_id)
            elif isinstance(event, StreamReset):
                self.reset[event.stream_id] = event.error_code

    def say(self):
        return self.h2.data_to_send()

    def answer(self, number, body=b"", status=b"200", end=True):
        """The whole answer, as far as the client has room for it; what is left of the body."""
        self.h2.send_headers(number, [(b":status", status)], end_stream=not body and end)
        return self.more(number, body, end)

    def more(self, number, body, end=True):
        while body and (size := min(self.h2.local_flow_control_window(number), self.h2.max_outbound_frame_size, len(body))):
            self.h2.send_data(number, body[:size], end_stream=end and size == len(body))
            body = body[size:]
        return body


def meet(now=0.0):
    """A machine and a peer that have greeted each other."""
    machine, peer = Machine(now), Peer()
    talk(machine, peer, now)
    return machine, peer


def talk(machine, peer, now=0.0):
    """Carry bytes both ways until neither has any."""
    while True:
        out, back = machine.outgoing(), peer.say()
        if not out and not back:
            return
        if out:
            peer.hear(out)
        if back:
            machine.receive(back, now)


def ask(machine, count=1, body=b"", woken=None):
    """That many requests."""
    return [machine.open(HEAD, body, (lambda: None) if woken is None else woken) for _ in range(count)]


def boundaries(data):
    """Where frames begin and end (RFC 9113, 4.1)."""
    at = [0]
    while at[-1] < len(data):
        at.append(at[-1] + 9 + int.from_bytes(data[at[-1] : at[-1] + 3], "big"))
    return at


def goaway(last, code=0, why=b""):
    """The frame."""
    payload = last.to_bytes(4, "big") + code.to_bytes(4, "big") + why
    return len(payload).to_bytes(3, "big") + b"\x07\x00" + bytes(4) + payload


def drain(machine, stream):
    """Everything of a body, and what it ended with."""
    from sloth.kube.http2.machine import Gone

    found = b""
    try:
        while data := machine.take(stream):
            found += data
    except Gone as gone:
        return found, gone
    return found, None
