"""The releases that this sloth knows. Source: the release notes of each (docs.k3s.io, v1.36.X and v1.35.X; k3s-io/k3s)."""

from __future__ import annotations

from sloth.api import Downloads, Release

DOWNLOADS = Downloads(
    base="https://github.com/k3s-io/k3s/releases/download/{version}/",
    binary="k3s",
    images="k3s-airgap-images-{arch}.tar.zst",
)


def _release(version: str, *parts: str) -> Release:
    etcd, containerd, runc, metrics, traefik, coredns, storage = parts
    named = {
        "containerd": containerd,
        "runc": runc,
        "CoreDNS": coredns,
        "metrics-server": metrics,
        "Traefik": traefik,
        "local-path-provisioner": storage,
    }
    return Release(version=version, etcd=etcd, parts=named)


RELEASES = (
    _release("v1.36.2+k3s1", "v3.6.12", "v2.3.2-k3s2", "v1.4.2", "v0.8.1", "v3.7.4", "v1.14.4", "v0.0.36"),
    _release("v1.36.1+k3s1", "v3.6.7", "v2.2.3-k3s1", "v1.4.2", "v0.8.1", "v3.6.13", "v1.14.3", "v0.0.36"),
    _release("v1.36.0+k3s1", "v3.6.7", "v2.2.3-k3s1", "v1.4.2", "v0.8.1", "v3.6.13", "v1.14.2", "v0.0.35"),
    _release("v1.35.6+k3s1", "v3.6.12", "v2.2.5-k3s2", "v1.4.2", "v0.8.1", "v3.7.4", "v1.14.4", "v0.0.36"),
    _release("v1.35.5+k3s1", "v3.6.7", "v2.2.3-k3s1", "v1.4.2", "v0.8.1", "v3.6.13", "v1.14.3", "v0.0.36"),
    _release("v1.35.4+k3s1", "v3.6.7", "v2.2.3-k3s1", "v1.4.2", "v0.8.1", "v3.6.13", "v1.14.2", "v0.0.35"),
    _release("v1.35.3+k3s1", "v3.6.7", "v2.2.2-k3s1", "v1.4.1", "v0.8.1", "v3.6.10", "v1.14.2", "v0.0.35"),
    _release("v1.35.2+k3s1", "v3.6.7", "v2.1.5-k3s1", "v1.4.0", "v0.8.1", "v3.6.9", "v1.14.1", "v0.0.34"),
)
