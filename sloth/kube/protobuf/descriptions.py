"""The messages of Kubernetes' built-in kinds, from `kinds.gz`; `python -m tests.descriptors VERSION` makes that file.

Which one it is: `VERSION` and `DIGEST`, which a test compares with the file. Derived from the Go modules k8s.io/api,
apimachinery, apiextensions-apiserver and kube-aggregator (Apache License 2.0).
"""

from __future__ import annotations

import gzip
import threading
from functools import cache
from importlib import resources
from typing import Any

import msgspec
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

VERSION = "v0.36.0"  # of those modules: Kubernetes 1.36
DIGEST = "efd282633fc00d0031e0d0477186ae302310009d60f4ff012f6d192356e230ae"
META = "k8s.io.apimachinery.pkg.apis.meta.v1"
RUNTIME = "k8s.io.apimachinery.pkg.runtime"


class _Packed(msgspec.Struct):
    version: str
    sums: dict[str, str]
    groups: dict[str, str]
    lists: set[str]
    traits: dict[str, dict[int, str]]
    files: list[tuple[str, str, list[str], bytes]]


class Descriptions:
    """Message types by apiVersion and kind. Those of a group are made when they are first asked for. Thread-safe."""

    def __init__(self, data: bytes) -> None:
        packed = msgspec.msgpack.decode(gzip.decompress(data), type=_Packed)
        self.version, self.groups, self.lists, self.traits = packed.version, packed.groups, packed.lists, packed.traits
        self._files = {name: (needed, text) for name, _, needed, text in packed.files}
        self._names = {package: name for name, package, _, _ in packed.files}
        self._pool = DescriptorPool()
        self._lock = threading.Lock()
        self._made: set[str] = set()

    def kind(self, api_version: str, kind: str) -> type[Message] | None:
        """The message of a kind, if there is one. What every group has (Status) is among those of meta/v1."""
        for package in (self.groups.get(api_version), META):
            found = self.message(f"{package}.{kind}") if package else None
            if found:
                return found
        return None

    def message(self, name: str) -> type[Message] | None:
        """The message of a whole name, if there is one."""
        with self._lock:
            self._make(self._names.get(name.rpartition(".")[0], ""))
        try:
            found: Any = GetMessageClass(self._pool.FindMessageTypeByName(name))
        except KeyError:
            return None
        return found  # type: ignore[no-any-return]

    def traits_of(self, message: Descriptor) -> dict[int, str]:
        """What is to be done with fields that are empty, by number; see `convert`."""
        return self.traits.get(message.full_name, {})

    def _make(self, name: str) -> None:
        if name in self._made or name not in self._files:
            return
        self._made.add(name)
        needed, text = self._files[name]
        for each in needed:
            self._make(each)
        self._pool.AddSerializedFile(text)


@cache
def descriptions() -> Descriptions:
    """Those that this version has."""
    return Descriptions((resources.files("sloth.kube.protobuf") / "kinds.gz").read_bytes())
