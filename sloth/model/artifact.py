"""Files and images that nodes need: what a distribution wants, and what the lock pins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["binary", "image"]


@dataclass(frozen=True, kw_only=True)
class Need:
    """One thing that a distribution wants on its nodes, with every way to get it.

    Placeholders in `url`, `checksum_url`, `member` and `ref`: `{version}`, `{number}` (the version without `v`), `{arch}`. In
    an archive (`member` set) the file is taken out of the tar.gz at that path. `source` names a folder of Go module files
    below the distribution's `source/`, `package` the main package in it. What is built from source may be of another version
    than what upstream releases for this one (`source_version`), and says so in its name.
    """

    name: str  # `kubelet`, `kube-apiserver`
    version: str  # as upstream writes it: `v1.36.3`
    kind: Kind
    path: str = ""  # binary: where it goes on a node; image: where its binary is in the image
    ref: str = ""  # image: `registry.k8s.io/kube-apiserver:v1.36.3`, the name under which it is imported
    url: str = ""  # binary: upstream address
    checksum_url: str = ""  # upstream's published SHA-256 of what `url` gives
    member: str = ""
    source: str = ""
    package: str = ""
    source_version: str = ""  # version that `source` gives; "" = `version`
    tags: str = ""  # Go build tags, comma-separated
    ldflags: str = "-s -w"  # Go linker flags
    packages: tuple[str, ...] = ()  # image from source: Debian packages whose programs it needs beside its own
    roles: tuple[str, ...] = ("control-plane", "worker")  # which nodes want it


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A need, pinned: one entry of `sloth.lock`."""

    name: str
    version: str
    kind: Kind
    sha256: str
    size: int  # bytes
    file: str  # path below a mirror's root, e.g. `kubelet/v1.36.3/linux-amd64/kubelet`
    path: str = ""
    ref: str = ""
    origin: str = ""  # `upstream` or `source`: how it first came to be, whichever mirrors it went through
    recipe: str = ""  # of what was built from source: digest of its module files and flags
    roles: tuple[str, ...] = ("control-plane", "worker")


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """How nodes get artifacts: already `baked` in, by `curl` from `base`, or uploaded from the local `store` directory."""

    artifacts: tuple[Artifact, ...] = ()
    base: str = ""  # URL of a mirror that nodes can reach; "" = upload from store
    store: str = ""  # directory with the mirror layout on this machine
