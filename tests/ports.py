"""Ports for servers that tests start, and ports where nobody is to listen."""

import random
import socket

# Below those that the kernel gives to outgoing connections (32768 on, ip_local_port_range) and those of the provider `local`.
RANGE = range(12000, 20000)


def free_port() -> int:
    """A port of the loopback that nobody has, and that no connection is given by chance before it is used."""
    # Not the shared generator: property tests seed it, and two workers would then choose alike.
    for port in random.SystemRandom().sample(RANGE, 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("of 100 ports, not one was free")
