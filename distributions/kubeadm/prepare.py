"""What a host needs before kubeadm can make it a member: one list, one round trip, nothing changed when run again."""

from __future__ import annotations

import json
from shlex import quote

from sloth.api import HOSTING, Cluster, Do, Node, Put, Step, Unit, balancer_steps, deliver, pod_network_steps, registries_steps

from . import host, runtime, settings
from .config import init_text, names, names_note
from .kubelet import drop_in
from .layout import API_FILES, CONFIG, FRONT, MEMBER, NAMES, PATCHES
from .text import TEXTS, text

_DROP_IN = "/etc/sloth/kubelet.d/10-sloth.conf"
_KUBEADM_DROP_IN = "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf"


def steps(node: Node, cluster: Cluster) -> list[Step]:
    """All of it, in the order in which one thing needs the other."""
    return [
        *host.packages(node),
        *_deliver(node, cluster, "binary"),
        *host.kernel(node, cluster),
        *runtime.steps(node, cluster),
        *registries_steps(cluster.spec),
        *_deliver(node, cluster, "image"),
        *pod_network_steps(node, cluster),
        *balancer_steps(cluster, [FRONT]),
        *(_control_plane_files(node, cluster) if node.is_control_plane else []),
        *_kubelet(node, cluster),
    ]


def _deliver(node: Node, cluster: Cluster, kind: str) -> list[Step]:
    delivery = cluster.delivery
    wanted = [each for each in delivery.artifacts if each.kind == kind and node.role in each.roles]
    baked = node.machine.profile.baked
    return [step for artifact in wanted for step in deliver(artifact, delivery, baked=baked)]


def _control_plane_files(node: Node, cluster: Cluster) -> list[Step]:
    # One CoreDNS pod at first: two would both land on the first node. Settling adds the others once there are other nodes.
    patch = json.dumps({"spec": {"replicas": 1}})
    return [
        Put(path=f"{API_FILES}/authentication.yaml", content=HOSTING.text("authentication.yaml"), mode=0o600),
        Put(path=f"{PATCHES}/corednsdeployment.json", content=patch),
        *settings.patches(cluster),
        Put(path=CONFIG, content=init_text(node, cluster), mode=0o600),
        Do(
            title="have the API server's certificate fit its names",
            # The API server reads a new certificate by itself; nothing restarts.
            unless=f'! [ -s {MEMBER} ] || [ "$(cat {NAMES} 2>/dev/null)" = {quote(" ".join(names(cluster)))} ]',
            run="rm -f /etc/kubernetes/pki/apiserver.crt /etc/kubernetes/pki/apiserver.key && "
            f"kubeadm init phase certs apiserver --config {CONFIG} >/dev/null",
            hint="kubeadm certs check-expiration on the node",
        ),
        names_note(cluster),
    ]


def _kubelet(node: Node, cluster: Cluster) -> list[Step]:
    unit = Unit(
        name="kubelet",
        reads=[_DROP_IN, _KUBEADM_DROP_IN],
        binary="/usr/local/bin/kubelet",
        when="[ -e /var/lib/kubelet/config.yaml ]",
        texts=TEXTS,
    )
    here = "$(stat -c %s:%Y /usr/local/bin/kubelet)"
    return [
        Put(path=_DROP_IN, content=drop_in(node, cluster)),
        Put(path=_KUBEADM_DROP_IN, content=text("10-kubeadm.conf")),
        *unit.steps(),
        Do(
            title="note the kubelet's version",
            # Running the binary costs 0.1 s of CPU; a no-op run reads this note instead.
            unless=f'grep -qF "{here} " /etc/sloth/kubeadm/kubelet-version',
            run="mkdir -p /etc/sloth/kubeadm && v=$(/usr/local/bin/kubelet --version) && "
            f'echo "{here} ${{v#Kubernetes }}" >/etc/sloth/kubeadm/kubelet-version',
        ),
    ]
