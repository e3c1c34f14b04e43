"""Paramiko's Transport, made lean. Import this module inside functions only: it loads paramiko.

What differs, and why (measured with 200 hosts, see tests/fleet):
- no timer thread for each handshake, and an idle connection wakes once a second instead of ten times;
- AEAD ciphers come first (one call for each packet instead of cipher and HMAC), outdated algorithms are not offered;
- host certificates are not offered, so that the host shows a plain key that can be compared;
- ending a connection shuts the socket down, which wakes its reader at once.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from collections.abc import Sequence
from typing import Any

import paramiko
from paramiko.common import cMSG_CHANNEL_REQUEST, cMSG_GLOBAL_REQUEST
from paramiko.packet import Packetizer

_log = logging.getLogger(__name__)

_BANNER_TIMEOUT = 15.0  # seconds
_ENDING = 0.5  # seconds
_HANDSHAKE_TIMEOUT = 30.0  # seconds, for the whole key exchange


class HandshakeTimeout(paramiko.SSHException):
    """The key exchange did not end in time."""


class Packets(Packetizer):
    """Knows when the peer was last heard, and measures the handshake without a thread of its own."""

    def __init__(self, sock: Any) -> None:
        super().__init__(sock)
        self.heard = time.monotonic()
        self._handshake_until = 0.0

    def start_handshake(self, timeout: float) -> None:
        """Remember when to give up."""
        self._handshake_until = time.monotonic() + timeout

    def handshake_timed_out(self) -> bool:
        """Whether the first message is overdue; asked whenever a read has waited in vain."""
        return bool(self._handshake_until) and time.monotonic() > self._handshake_until

    def complete_handshake(self) -> None:
        """The first message has come."""
        self._handshake_until = 0.0

    def read_message(self) -> Any:
        """As inherited; notes the time."""
        message = super().read_message()
        self.heard = time.monotonic()
        return message


class Wire(paramiko.Transport):
    """One SSH connection: encrypted and, after `handshake`, with a host key that the caller must judge."""

    packetizer: Packets
    _active_check_timeout = 1.0  # seconds a read waits before it looks whether it is still wanted
    _preferred_ciphers = (
        "aes128-gcm@openssh.com",
        "aes256-gcm@openssh.com",
        "aes128-ctr",
        "aes192-ctr",
        "aes256-ctr",
    )
    _preferred_macs = (
        "hmac-sha2-256-etm@openssh.com",
        "hmac-sha2-512-etm@openssh.com",
        "hmac-sha2-256",
        "hmac-sha2-512",
    )

    def __init__(self, sock: Any, key_types: Sequence[str], banner_timeout: float = _BANNER_TIMEOUT) -> None:
        """`key_types`: host-key algorithms to negotiate; empty = all that paramiko has."""
        super().__init__(sock, packetizer_class=Packets)
        self.banner_timeout = banner_timeout
        if key_types:
            self._preferred_keys = tuple(key_types)

    @property
    def preferred_keys(self) -> tuple[str, ...]:
        """Plain host keys only."""
        return tuple(self._preferred_keys)

    @property
    def host_key_line(self) -> str:
        """The key that the host has shown and proven to own: `type base64`."""
        key = self.get_remote_server_key()
        return f"{key.get_name()} {key.get_base64()}"

    @property
    def silence(self) -> float:
        """Seconds since the peer was last heard."""
        return time.monotonic() - self.packetizer.heard

    def handshake(self) -> None:
        """Exchange keys. Raises paramiko's, EOF and socket errors."""
        self.start_client(timeout=self.banner_timeout + _HANDSHAKE_TIMEOUT)
        if not self.initial_kex_done:
            raise HandshakeTimeout(f"key exchange not done within {self.banner_timeout + _HANDSHAKE_TIMEOUT:.0f} s")

    def probe(self) -> None:
        """Ask the peer for any answer at all; its coming ends `silence`. (A refusal is an answer, too: RFC 4254, 4.)"""
        if self.in_kex:
            return  # new keys are being made: the peer is not silent, and sending would wait for itself
        message = paramiko.Message()
        message.add_byte(cMSG_GLOBAL_REQUEST)
        message.add_string("keepalive@openssh.com")
        message.add_boolean(True)
        self._send_user_message(message)  # type: ignore[attr-defined]

    def launch(self, channel: paramiko.Channel, command: str) -> None:
        """Run a command on a new channel without waiting for a yes (one latency less): a refusal closes the channel."""
        message = paramiko.Message()
        message.add_byte(cMSG_CHANNEL_REQUEST)
        message.add_int(channel.remote_chanid)
        message.add_string("exec")
        message.add_boolean(False)
        message.add_string(command)
        self._send_user_message(message)  # type: ignore[attr-defined]

    def has_ended(self) -> bool:
        """Whether a channel that closed without an exit status did so because the whole connection ended.

        Paramiko closes the channels first and then ends its thread, so that is waited for (a killed command has no status, too).
        """
        self.join(_ENDING)
        return not self.is_active()

    def end(self) -> None:
        """Close for good; no error if it is gone already."""
        self.active = False
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            # Closing alone would leave the reading thread in its wait for up to a second.
            if isinstance(self.sock, socket.socket):
                self.sock.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self.packetizer.close()
        for channel in list(self._channels.values()):  # type: ignore[attr-defined]
            channel._unlink()

    def _log(self, level: int, msg: Any, *args: Any) -> None:
        # Paramiko logs ordinary refusals as errors with tracebacks; sloth raises them, so here they are details.
        if _log.isEnabledFor(logging.DEBUG):
            for line in msg if isinstance(msg, list) else [msg]:
                _log.debug(str(line), *args)
