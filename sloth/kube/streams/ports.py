"""One connection to a port of a pod, without I/O.

`v4.channel.k8s.io` with the port in the query: channel 0 is data, channel 1 an error in words; the first two bytes of both are
the port, little endian (kubernetes: cri-streaming, pkg/streaming/portforward/websocket.go). One WebSocket is one connection.
"""

from __future__ import annotations

from sloth.errors import ConnectError
from sloth.kube.streams.channels import Channels, Piece

DATA, ERROR = 0, 1
PROTOCOL = "v4.channel.k8s.io"
_LONG = 4096  # characters of an error


class Port:
    """The client's side. `outgoing` is to be sent; `over` says that no more comes."""

    def __init__(self, what: str) -> None:
        self.channels = Channels()
        self.outgoing = self.channels.outgoing
        self.what = what
        self._heads = {DATA: 2, ERROR: 2}  # bytes of the port that are yet to come
        self._error = bytearray()

    @property
    def over(self) -> bool:
        """Whether no more data comes."""
        return self.channels.over

    def feed(self, data: bytes) -> list[Piece]:
        """What the pod's server sent. No bytes mean that the connection has ended."""
        pieces = []
        for channel, came in self.channels.feed(data):
            if channel not in self._heads:
                continue
            head = self._heads[channel]
            self._heads[channel] = max(0, head - len(came))
            rest = came[head:]
            if channel == ERROR:
                self._error += rest[: max(0, _LONG - len(self._error))]
            elif rest:
                pieces.append(Piece(DATA, rest))
        return pieces

    def send(self, data: bytes) -> None:
        """Queue data for the pod's server."""
        if data and not self.over:
            self.channels.send(DATA, data)

    def close(self) -> None:
        """Queue the end. The protocol has no half close: the pod's server sees the end of both directions."""
        self.channels.close()

    def check(self) -> None:
        """Nothing, if the connection ended as connections do. Raises ConnectError: nobody listens there, for one."""
        if self._error:
            raise ConnectError(
                "kube/port-refused",
                f"{self.what}: the pod took no connection",
                detail=self._error.decode(errors="replace"),
                hint="name a port that a container listens on",
            )
