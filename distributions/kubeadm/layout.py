"""Where things are: ports, paths and commands that several modules name."""

from __future__ import annotations

from sloth.api import WHY as KUBE_WHY
from sloth.api import Admin, Delivery, Front

FRONT = Front(name="api", listen=6444)
BALANCER = f"127.0.0.1:{FRONT.listen}"
CONFIG = "/etc/kubernetes/sloth-kubeadm.yaml"
JOIN_CONFIG = "/etc/kubernetes/sloth-join.yaml"
MEMBER = "/etc/sloth/kubeadm/member"  # written as the last step of init and join: this node is a member for good
NAMES = "/etc/sloth/kubeadm/names"  # what the API server's certificate on this node is made out to
WHY = KUBE_WHY
PATCHES = "/etc/sloth/kubeadm/patches"
API_FILES = "/etc/sloth/apiserver"  # mounted into the API server
ENCRYPTION = f"{API_FILES}/encryption.json"  # keys of Secrets at rest, 0600
CRI_SOCKET = "unix:///run/containerd/containerd.sock"
ETCD_PKI = "/etc/kubernetes/pki/etcd"
ADMIN = Admin(kubeconfig="/etc/kubernetes/admin.conf", port=FRONT.listen)
AS_ADMIN = ADMIN.flags
QUICK = ADMIN.quick
API_ANSWERS = ADMIN.api_answers
OWN_API_ANSWERS = ADMIN.own_api_answers


def image_tag(delivery: Delivery, name: str) -> str:
    """The tag of the image of that name in the delivery, or "" when it is not in it."""
    return image(delivery, name).rpartition(":")[2]


def image(delivery: Delivery, name: str) -> str:
    """The reference of the image of that name in the delivery, or ""."""
    return next((each.ref for each in delivery.artifacts if each.kind == "image" and each.name == name), "")
