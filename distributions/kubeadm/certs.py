"""Certificates that kubeadm makes, and renewing them on one control-plane node at a time.

Which there are: kubernetes.io, "PKI certificates and requirements"; how they are renewed and that the static pods must be
restarted afterwards: kubernetes.io, "Certificate Management with kubeadm".
"""

from __future__ import annotations

from sloth.api import WHY, CertificateFile, Cluster, Do, Node, Script, Step, Wait

from .layout import ADMIN, CONFIG, ETCD_PKI
from .text import text

_PKI = "/etc/kubernetes/pki"
_LEAVES = {
    **{
        name: f"{_PKI}/{name}"
        for name in ("apiserver", "apiserver-kubelet-client", "apiserver-etcd-client", "front-proxy-client")
    },
    **{f"etcd {name}": f"{ETCD_PKI}/{name}" for name in ("server", "peer", "healthcheck-client")},
}
_AUTHORITIES = {"cluster CA": f"{_PKI}/ca", "front-proxy CA": f"{_PKI}/front-proxy-ca", "etcd CA": f"{ETCD_PKI}/ca"}
_KUBECONFIGS = ("admin", "controller-manager", "scheduler")
KUBELET_CLIENT = "/var/lib/kubelet/pki/kubelet-client-current.pem"
_MANIFESTS = "/etc/kubernetes/manifests"
# Static pod -> name of its process (15 characters at most), what only its command line has, and a condition: it works.
_PROCESSES = {
    "etcd": ("etcd", "--data-dir=/var/lib/etcd", "curl -sf -m 2 http://127.0.0.1:2381/readyz >/dev/null"),
    "kube-apiserver": ("kube-apiserver", "--etcd-servers=https://127.0.0.1", ADMIN.own_api_answers),
    "kube-controller-manager": (
        "kube-controller",
        "--kubeconfig=/etc/kubernetes/controller-manager.conf",
        "curl -skf -m 2 https://127.0.0.1:10257/healthz >/dev/null",
    ),
    "kube-scheduler": (
        "kube-scheduler",
        "--kubeconfig=/etc/kubernetes/scheduler.conf",
        "curl -skf -m 2 https://127.0.0.1:10259/healthz >/dev/null",
    ),
}


def files() -> list[CertificateFile]:
    """All of them. super-admin.conf is only on the node that founded the cluster, and may have been deleted since."""
    leaves = [CertificateFile(name=name, path=f"{file}.crt") for name, file in _LEAVES.items()]
    signers = [CertificateFile(name=name, path=f"{file}.crt", authority=True) for name, file in _AUTHORITIES.items()]
    configs = [
        CertificateFile(name=f"{name}.conf", path=f"/etc/kubernetes/{name}.conf", kubeconfig=True) for name in _KUBECONFIGS
    ]
    rare = CertificateFile(name="super-admin.conf", path="/etc/kubernetes/super-admin.conf", kubeconfig=True, optional=True)
    kubelet = CertificateFile(name="kubelet client", path=KUBELET_CLIENT, control_plane=False)  # renewed by the kubelet itself
    return [*leaves, *configs, rare, kubelet, *signers]


def renew(node: Node, cluster: Cluster) -> Script[None]:
    """Renew every leaf; then etcd, the API server and its clients are restarted, one after the other, each until it is Ready."""
    yield [
        Do(
            title="renew certificates",
            run=f"kubeadm certs renew all --config {CONFIG} >/dev/null",
            timeout=120.0,
            hint="kubeadm certs check-expiration on the node",
        ),
        *(step for pod in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler") for step in restart(pod, node)),
    ]


def restart(pod: str, node: Node) -> list[Step]:
    """Have the kubelet make one static pod anew, and wait until the new one works."""
    return [
        Do(title=f"restart {pod}", run=f"(\n{text('restart-pod.sh', POD=pod)})", hint=f"sloth ssh {node.name} -- {WHY}"),
        running(pod, node),
    ]


def running(pod: str, node: Node) -> Wait:
    """Until the static pod's process is younger than its manifest, and healthy.

    The API is not asked: its picture of a static pod follows up to a minute late, and not at all while a kubelet cannot log in.
    """
    name, mark, healthy = _PROCESSES[pod]
    return Wait(
        title=f"wait until {pod} works again",
        until=f"(\n{text('young-process.sh', NAME=name, MARK=mark, MANIFEST=f'{_MANIFESTS}/{pod}.yaml')}) && {healthy}",
        timeout=180.0,
        every=0.5,
        diagnose=WHY,
        hint=f"sloth ssh {node.name} -- {WHY}",
    )
