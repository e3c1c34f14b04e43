"""Objects in Kubernetes' protobuf form, made by the runtime from the same descriptions that the client reads with."""

from __future__ import annotations

from sloth.kube.protobuf.decoding import MAGIC
from sloth.kube.protobuf.descriptions import META, RUNTIME, descriptions


def message(api_version, kind, **fields):
    """A message of that kind."""
    return descriptions().kind(api_version, kind)(**fields)


def packed(api_version, kind, found):
    """In its envelope."""
    envelope = descriptions().message(f"{RUNTIME}.Unknown")()
    envelope.typeMeta.apiVersion, envelope.typeMeta.kind = api_version, kind
    envelope.raw = found if isinstance(found, bytes) else found.SerializeToString()
    return MAGIC + envelope.SerializeToString()


def frame(kind, data):
    """An event of a watch, behind its length."""
    told = descriptions().message(f"{META}.WatchEvent")()
    told.type, told.object.raw = kind, data
    text = told.SerializeToString()
    return len(text).to_bytes(4, "big") + text


def config_map(name, version="", more=b"", **data):
    """A ConfigMap; `more`: bytes of fields behind its own."""
    found = message("v1", "ConfigMap", metadata={"name": name, "namespace": "default", "resourceVersion": version}, data=data)
    return packed("v1", "ConfigMap", found.SerializeToString() + more)


NEWER = b"\xfa\x7f\x01x"  # field 2047, a text
