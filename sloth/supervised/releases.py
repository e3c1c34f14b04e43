"""What a release brings, as its release notes tell, and what nodes need of it.

Addresses and checksums: k3s-io/k3s install.sh, rancher/rke2 install.sh (`sha256sum-amd64.txt` beside each release's files);
archives of images: docs.k3s.io and docs.rke2.io, "Air-Gap Install". The `+` of a version stands as it is in an address.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sloth.hosting.cni import cni_needs
from sloth.model.artifact import Need
from sloth.supervised.flavour import Flavour

_SERVERS = ("control-plane",)
# etcdctl and etcdutl for sloth's questions and snapshots; the server only to try a backup out (`sloth backup verify`).
_ETCD = {"etcdctl": "/usr/local/bin/etcdctl", "etcdutl": "/usr/local/bin/etcdutl", "etcd": "/usr/local/lib/sloth/etcd"}
_ETCD_URL = "https://github.com/etcd-io/etcd/releases/download/{version}/"


@dataclass(frozen=True, kw_only=True)
class Release:
    """One exact version. Components as the release notes name them, in the order of the table in the docs."""

    version: str  # `v1.36.2+k3s1`
    etcd: str  # upstream's version, whose etcdctl goes onto servers
    parts: Mapping[str, str] = field(default_factory=dict)

    @property
    def kubernetes(self) -> str:
        """The Kubernetes in it: `v1.36.2`."""
        return self.version.partition("+")[0]

    @property
    def minor(self) -> str:
        """Its minor: `1.36`."""
        return ".".join(self.kubernetes.removeprefix("v").split(".")[:2])


@dataclass(frozen=True, kw_only=True)
class Downloads:
    """Where a flavour's files are. `{version}` and `{arch}` are replaced."""

    base: str  # of one release
    binary: str  # file name
    member: str = ""  # where the binary is in it, if it is an archive
    images: str  # file name of the archive with all images
    sums: str = "sha256sum-{arch}.txt"


def needs(release: Release, flavour: Flavour, downloads: Downloads) -> tuple[Need, ...]:
    """The supervisor, its images, the CNI plugins of the pod network, and etcd's tools on servers."""
    sums = downloads.base + downloads.sums
    return (
        Need(
            name=flavour.name,
            version=release.version,
            kind="binary",
            path=flavour.binary,
            url=downloads.base + downloads.binary,
            checksum_url=sums,
            member=downloads.member,
        ),
        Need(
            name=f"{flavour.name}-images",
            version=release.version,
            kind="binary",  # one file for the supervisor's import folder, not one image with a name
            path=f"{flavour.data}/agent/images/{downloads.images.replace('{arch}', 'amd64')}",
            url=downloads.base + downloads.images,
            checksum_url=sums,
        ),
        *cni_needs(),
        *(_etcd(name, path, release) for name, path in _ETCD.items()),
    )


def _etcd(name: str, path: str, release: Release) -> Need:
    return Need(
        name=name,
        version=release.etcd,
        kind="binary",
        path=path,
        url=f"{_ETCD_URL}etcd-{{version}}-linux-{{arch}}.tar.gz",
        checksum_url=f"{_ETCD_URL}SHA256SUMS",
        member=f"etcd-{{version}}-linux-{{arch}}/{name}",
        roles=_SERVERS,
    )
