"""Certificates that the supervisor makes, and renewing them on one node.

Which there are and how leaves are renewed (`certificate rotate` while the service is stopped): docs.k3s.io "k3s certificate",
docs.rke2.io "Certificate Management"; file names: k3s-io/k3s pkg/daemons/control/deps/deps.go.
"""

from __future__ import annotations

from sloth.hosting.admin import WHY
from sloth.model.certificate import CertificateFile
from sloth.model.cluster import Cluster
from sloth.model.node import Node
from sloth.model.step import Do, Script
from sloth.supervised.flavour import Flavour
from sloth.supervised.state import wait_working

_LEAVES = {
    "admin": "client-admin",
    "apiserver": "serving-kube-apiserver",
    "apiserver client": "client-kube-apiserver",
    "controller-manager": "client-controller",
    "scheduler": "client-scheduler",
    "aggregation client": "client-auth-proxy",
}
_ETCD_LEAVES = {"etcd server": "server-client", "etcd peer": "peer-server-client", "etcd client": "client"}
_AUTHORITIES = {"server CA": "server-ca", "client CA": "client-ca", "aggregation CA": "request-header-ca"}
_ETCD_AUTHORITIES = {"etcd server CA": "server-ca", "etcd peer CA": "peer-ca"}
_AGENT = {"kubelet client": "client-kubelet", "kubelet server": "serving-kubelet", "kube-proxy": "client-kube-proxy"}


def files(flavour: Flavour) -> list[CertificateFile]:
    """All of them: those of servers, then those of every node's agent."""
    tls, agent = f"{flavour.data}/server/tls", f"{flavour.data}/agent"
    leaves = [(tls, _LEAVES), (f"{tls}/etcd", _ETCD_LEAVES)]
    signers = [(tls, _AUTHORITIES), (f"{tls}/etcd", _ETCD_AUTHORITIES)]
    return [
        *(CertificateFile(name=name, path=f"{at}/{file}.crt") for at, some in leaves for name, file in some.items()),
        *(
            CertificateFile(name=name, path=f"{at}/{file}.crt", authority=True)
            for at, some in signers
            for name, file in some.items()
        ),
        *(CertificateFile(name=name, path=f"{agent}/{file}.crt", control_plane=False) for name, file in _AGENT.items()),
    ]


def renew(node: Node, cluster: Cluster, flavour: Flavour) -> Script[None]:
    """Stop, have new certificates and keys made for all components, start; until the node works again."""
    unit = flavour.unit(server=node.is_control_plane)
    yield [
        Do(
            title="renew certificates",
            # Started again whatever came of it: a server must not stay down because its certificates could not be renewed.
            run=f"systemctl stop {unit}; {flavour.binary} certificate rotate >/dev/null; code=$?; "
            f"systemctl start --no-block {unit}; [ $code = 0 ] || {{ {WHY} >&2; false; }}",
            timeout=180.0,
            hint=f"{flavour.name} certificate check --output table on the node",
        ),
        wait_working(node, flavour, title="wait until the node works with its new certificates"),
    ]
