"""Flags of control-plane components on which every distribution's configuration depends: another value breaks the cluster.

Names: kubernetes.io, "Command line tools reference" (kube-apiserver and the other two); etcd.io, "Configuration options".
"""

from __future__ import annotations

from collections.abc import Mapping

OWN_FLAGS: Mapping[str, frozenset[str]] = {
    "apiServer": frozenset({
        "advertise-address", "secure-port", "bind-address", "etcd-servers", "service-cluster-ip-range", "client-ca-file",
        "tls-cert-file", "tls-private-key-file", "service-account-key-file", "service-account-signing-key-file",
    }),
    "controllerManager": frozenset({
        "allocate-node-cidrs", "cluster-cidr", "service-cluster-ip-range", "kubeconfig", "root-ca-file",
    }),
    "scheduler": frozenset({"kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig"}),
    "etcd": frozenset({
        "name", "data-dir", "listen-client-urls", "listen-peer-urls", "advertise-client-urls", "initial-advertise-peer-urls",
        "initial-cluster", "initial-cluster-state", "cert-file", "key-file", "trusted-ca-file",
    }),
}  # fmt: skip
