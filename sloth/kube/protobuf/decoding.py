r"""Bytes of Kubernetes' protobuf form to objects: the envelope, and the frames of a watch.

Format: kubernetes.io, "Kubernetes API Concepts" (Kubernetes Protobuf encoding): four bytes `k8s\0`, then a runtime.Unknown with
apiVersion, kind and the object's own bytes. On a watch each event is a meta/v1 WatchEvent behind its length, four bytes,
big-endian (k8s.io/apimachinery, pkg/util/framer).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec
from google.protobuf.message import DecodeError, Message

from sloth.kube.protobuf.convert import Converter
from sloth.kube.protobuf.descriptions import META, RUNTIME, descriptions
from sloth.kube.wire import Object

MAGIC = b"k8s\x00"
_LONGEST = 64 << 20  # bytes of one event; what etcd holds is a hundredth of that
_WRONG = (DecodeError, UnicodeDecodeError, ValueError, KeyError, TypeError, OverflowError, RecursionError, msgspec.DecodeError)


class NotUnderstoodError(Exception):
    """These bytes are more, or something else, than the messages that are known here say: JSON has to be asked for."""


def decode(body: bytes) -> Object:
    """One object, or a list. Raises NotUnderstoodError."""
    try:
        return _decoded(body)
    except _WRONG as error:
        raise NotUnderstoodError(f"{type(error).__name__}: {error}") from error


def _decoded(body: bytes) -> Object:
    if not body.startswith(MAGIC):
        raise ValueError("it does not begin as the API's protobuf does")
    envelope = _whole(_known(f"{RUNTIME}.Unknown"), body[len(MAGIC) :])
    api_version, kind = envelope.typeMeta.apiVersion, envelope.typeMeta.kind
    message = descriptions().kind(api_version, kind)
    if message is None or envelope.contentEncoding:
        raise ValueError(f"no description of {api_version} {kind} {envelope.contentEncoding}")
    descriptor: Any = message.DESCRIPTOR
    found = _converter().of(descriptor)(_whole(message, envelope.raw))
    return {"kind": kind, "apiVersion": api_version, **found}


def _whole(kind: type[Message], data: bytes) -> Any:
    """The message, if it is all that these bytes say. Raises ValueError where a newer server says more: no field may be lost."""
    message: Any = kind()
    message.ParseFromString(data)
    message.DiscardUnknownFields()
    if message.ByteSize() != len(data):
        raise ValueError(f"{kind.DESCRIPTOR.full_name} has fields that are not known here")
    return message


def _known(name: str) -> type[Message]:
    found = descriptions().message(name)
    if found is None:
        raise ValueError(f"no description of {name}")
    return found


@cache
def _converter() -> Converter:
    return Converter(descriptions(), embedded)


def embedded(message: Any) -> Any:
    """An object in bytes: JSON, or protobuf in its envelope."""
    raw: bytes = message.raw
    if raw.startswith(MAGIC):
        return _decoded(raw)
    return msgspec.json.decode(raw) if raw else None


class Frames:
    """The events of a watch from its bytes, in any pieces."""

    def __init__(self) -> None:
        self._held = b""

    @property
    def partial(self) -> bool:
        """Whether an event has begun that is not whole."""
        return bool(self._held)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The events that are whole now, to be given to `event`. Raises NotUnderstoodError."""
        data, at = self._held + data if self._held else data, 0
        while len(data) - at >= 4:
            end = at + 4 + int.from_bytes(data[at : at + 4], "big")
            if end - at > _LONGEST:
                raise NotUnderstoodError("an event is longer than any")
            if end > len(data):
                break
            yield data[at + 4 : end]
            at = end
        self._held = data[at:]


def event(frame: bytes) -> tuple[str, Object]:
    """One event: its type, and its object. Raises NotUnderstoodError."""
    try:
        told = _whole(_known(f"{META}.WatchEvent"), frame)
        return told.type, _decoded(told.object.raw)
    except _WRONG as error:
        raise NotUnderstoodError(f"{type(error).__name__}: {error}") from error
