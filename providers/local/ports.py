"""Ports on 127.0.0.1 that stay a container's own while it is stopped."""

from __future__ import annotations

import socket
import zlib
from collections.abc import Collection, Iterator

from sloth.api import MachinesError

# Below the range from which Linux and macOS take ports for outgoing connections, so that none is lost to one.
FIRST, COUNT = 20000, 12000


def free_ports(name: str, taken: Collection[int]) -> Iterator[int]:
    """Ports that no container has and nobody listens on, beginning at a place that follows from `name`.

    Raises MachinesError when none is left.
    """
    start = zlib.crc32(name.encode()) % COUNT
    for index in range(COUNT):
        port = FIRST + (start + index) % COUNT
        if port not in taken and _is_free(port):
            yield port
    raise MachinesError(
        "local/no-port", f"no port between {FIRST} and {FIRST + COUNT} is free on 127.0.0.1",
        hint="see who listens: ss -ltn",
    )  # fmt: skip


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
