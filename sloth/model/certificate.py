"""A certificate that lies on a node: where it is, and what it is for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class CertificateFile:
    """One file. Distributions list theirs; `sloth.health.certificates` asks for them and reads the answers."""

    name: str  # what people call it: `apiserver`, `etcd/server`, `kubelet client`
    path: str
    kubeconfig: bool = False  # the certificate stands inside a kubeconfig, as `client-certificate-data`
    authority: bool = False  # signs others: renewing it needs an overlap
    control_plane: bool = True  # only on control-plane nodes; false = on every node
    optional: bool = False  # that it is not there is no fault
