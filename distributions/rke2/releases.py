"""The releases that this sloth knows. Source: docs.rke2.io, release notes v1.36.X and v1.35.X, their first tables."""

from __future__ import annotations

from sloth.api import Downloads, Release

DOWNLOADS = Downloads(
    base="https://github.com/rancher/rke2/releases/download/{version}/",
    binary="rke2.linux-{arch}.tar.gz",
    member="bin/rke2",
    images="rke2-images.linux-{arch}.tar.zst",
)


def _release(version: str, *parts: str) -> Release:
    etcd, containerd, runc, metrics, coredns, ingress = parts
    named = {
        "containerd": containerd,
        "runc": runc,
        "CoreDNS": coredns,
        "metrics-server": metrics,
        "default ingress": ingress,
    }
    return Release(version=version, etcd=etcd, parts=named)


RELEASES = (
    _release("v1.36.5+rke2r1", "v3.6.14", "v2.3.4-k3s1", "v1.4.3", "v0.9.0", "v1.14.7", "Traefik v3.7.13"),
    _release("v1.36.4+rke2r1", "v3.6.14", "v2.3.4-k3s1.36", "v1.4.3", "v0.9.0", "v1.14.7", "Traefik v3.7.11"),
    _release("v1.36.3+rke2r1", "v3.6.14", "v2.3.3-k3s1", "v1.4.3", "v0.9.0", "v1.14.6", "Traefik v3.7.8"),
    _release("v1.36.2+rke2r1", "v3.6.12", "v2.3.2-k3s2", "v1.4.2", "v0.8.1", "v1.14.4", "Traefik v3.7.4"),
    _release("v1.36.1+rke2r2", "v3.6.7", "v2.2.3-k3s1", "v1.4.2", "v0.8.1", "v1.14.3", "Traefik v3.6.16"),
    _release("v1.35.2+rke2r1", "v3.6.7", "v2.1.5-k3s1", "v1.4.0", "v0.8.1", "v1.14.1", "ingress-nginx v1.14.3-hardened3"),
    _release("v1.35.1+rke2r1", "v3.6.7", "v2.1.5-k3s1", "v1.4.0", "v0.8.1", "v1.14.1", "ingress-nginx v1.14.3-hardened2"),
    _release("v1.35.0+rke2r3", "v3.6.7", "v2.1.5-k3s1", "v1.4.0", "v0.8.0", "v1.14.1", "ingress-nginx v1.14.3-hardened1"),
)
