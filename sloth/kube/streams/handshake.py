"""The upgrade of an HTTP connection to a WebSocket (RFC 6455, 4), without I/O."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sloth.errors import ConnectError
from sloth.kube.wire import Request

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@dataclass(frozen=True, slots=True)
class Upgrade(Request):
    """A request that turns its connection into a WebSocket. `again`: whether it may be sent a second time, unanswered."""

    protocols: tuple[str, ...] = ()
    key: str = field(default_factory=lambda: base64.b64encode(os.urandom(16)).decode())
    again: bool = False

    @property
    def repeatable(self) -> bool:
        """A command must not run twice, though it is asked for by GET."""
        return self.again


def upgrade(path: str, query: Sequence[tuple[str, str]], protocols: Sequence[str], what: str, *, again: bool = False) -> Upgrade:
    """The request, its headers included."""
    bare = Upgrade("GET", path, tuple(query), {}, b"", what, tuple(protocols), again=again)
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": bare.key,
        "Sec-WebSocket-Protocol": ", ".join(protocols),
    }
    return Upgrade("GET", path, tuple(query), headers, b"", what, tuple(protocols), bare.key, again)


def accepting(key: str) -> str:
    """What the server answers to a key."""
    return base64.b64encode(hashlib.sha1((key + _GUID).encode(), usedforsecurity=False).digest()).decode()


def agreed(request: Upgrade, status: int, headers: Mapping[str, str]) -> str:
    """The protocol that both sides speak now. Names of headers are in lower case. Raises ConnectError."""
    protocol = headers.get("sec-websocket-protocol", "")
    right = headers.get("sec-websocket-accept") == accepting(request.key) and "websocket" in headers.get("upgrade", "").lower()
    if status != 101 or not right or protocol not in request.protocols:
        said = protocol if right else f"HTTP {status}"
        raise ConnectError(
            "kube/no-websocket",
            f"{request.what}: no WebSocket came of it",
            detail=f"asked for {' or '.join(request.protocols)}, the answer was: {said or 'no protocol'}",
            hint="a proxy on the way that does not let WebSockets through is the usual cause",
        )
    return protocol
