"""What a host needs before its supervisor can make it a member: one list, one round trip, nothing changed when run again.

Facts: what the units of K3s and RKE2 set (k3s-io/k3s install.sh, rancher/rke2 bundle/lib/systemd/system); that images lie in
agent/images of the data directory and are only imported anew when they changed where `.cache.json` is there (docs.k3s.io and
docs.rke2.io, "Air-Gap Install"); with `flannel-backend: none` or `cni: none` containerd looks into /etc/cni/net.d and
/opt/cni/bin; a drop-in folder for containerd (docs.k3s.io "Advanced Options").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sloth.contracts.delivery import deliver
from sloth.hosting.admin import WHY
from sloth.hosting.balancer import balancer_steps
from sloth.hosting.host import HOST_TOOLS, host_kernel, host_packages
from sloth.hosting.network import pod_network_steps
from sloth.hosting.registries import registries_text
from sloth.hosting.text import HOSTING, Texts
from sloth.hosting.unit import Unit
from sloth.model.cluster import Cluster
from sloth.model.node import Node
from sloth.model.step import Do, Put, Step
from sloth.supervised.config import AUTHENTICATION, config_text, containerd_text, kubelet, kubelet_text
from sloth.supervised.flavour import Flavour

TEXTS = Texts(__package__)
RESTART = "/usr/local/lib/sloth/restart-server"


def prepare_steps(
    node: Node, cluster: Cluster, flavour: Flavour, *, own: Mapping[str, Any], host: Sequence[Step], sysctl: Mapping[str, str]
) -> list[Step]:
    """All of it, in the order in which one thing needs the other.

    `own`: keys of config.yaml that only the flavour knows; `host`, `sysctl`: what the flavour asks of the host beside them.
    """
    swap = not kubelet(node, cluster).get("failSwapOn", True)
    return [
        *host_packages(node, HOST_TOOLS),
        *delivered(node, cluster),
        _kubectl(flavour),
        Put(path=WHY, content=_why(node, flavour), mode=0o755),
        *host_kernel(swap=swap, more=sysctl),
        *host,
        *pod_network_steps(node, cluster),
        *balancer_steps(cluster, flavour.fronts),
        *_files(node, cluster, flavour, own),
        *supervisor(node, cluster, flavour).steps(**_places(node, flavour)),
        note_version(flavour),
    ]


def delivered(node: Node, cluster: Cluster) -> list[Step]:
    """Binaries and image archives of the cluster's version."""
    delivery, baked = cluster.delivery, node.machine.profile.baked
    wanted = [each for each in delivery.artifacts if node.role in each.roles]
    return [step for artifact in wanted for step in deliver(artifact, delivery, baked=baked)]


def supervisor(node: Node, cluster: Cluster, flavour: Flavour) -> Unit:
    """The unit of this node. Founding and joining start it first; a server restarts when no other server does."""
    server = node.is_control_plane
    reads = [flavour.config, f"{flavour.etc}/registries.yaml", _kubelet_file(flavour)]
    reads += [_containerd_file(flavour)] if containerd_text(node) else []
    return Unit(
        name=flavour.unit(server=server),
        reads=[*reads, AUTHENTICATION] if server else reads,
        binary=flavour.binary,
        when=f"[ -s {flavour.note} ] && ! [ -e {flavour.tombstone} ]",
        restart=f"{RESTART} try" if server else "",
        timeout=1500.0,
        texts=TEXTS,
        template="supervisor.service",
    )


def note_version(flavour: Flavour) -> Do:
    """Keep the binary's version beside its size and time, which a later look compares."""
    here = f"$(stat -c %s:%Y {flavour.binary})"
    version = f"$({flavour.binary} --version | sed -n 's/^{flavour.name} version \\([^ ]*\\).*/\\1/p')"
    return Do(
        title=f"note the version of {flavour.name}",
        unless=f'grep -qF "{here} " {flavour.version_note}',
        run=f'mkdir -p /etc/sloth/{flavour.name} && v={version} && [ -n "$v" ] && echo "{here} $v" >{flavour.version_note}',
        hint=f"{flavour.binary} --version on the node says whether the binary works there",
    )


def _places(node: Node, flavour: Flavour) -> dict[str, str]:
    server = node.is_control_plane
    return {
        "NAME": flavour.name,
        "ROLE": "server" if server else "agent",
        "DOCS": f"https://docs.{flavour.name}.io",
        "MEMBERSHIP": flavour.membership,
        "TOMBSTONE": flavour.tombstone,
        "BINARY": flavour.binary,
        "TYPE": "notify" if server or flavour.static_pods else "exec",
    }


def _why(node: Node, flavour: Flavour) -> str:
    unit = flavour.unit(server=node.is_control_plane)
    admin = flavour.admin.flags
    return TEXTS.text("kube-why.sh", UNIT=unit, DATA=flavour.data, KUBECONFIG=flavour.kubeconfig, ADMIN=admin)


def _kubectl(flavour: Flavour) -> Do:
    return Do(
        title="have kubectl in the path",
        unless=f'[ "$(readlink /usr/local/bin/kubectl)" = {flavour.kubectl} ]',
        run=f"ln -sfn {flavour.kubectl} /usr/local/bin/kubectl",
        hint="ls -l /usr/local/bin/kubectl on the node",
    )


def _kubelet_file(flavour: Flavour) -> str:
    return f"{flavour.data}/agent/etc/kubelet.conf.d/10-sloth.conf"


def _containerd_file(flavour: Flavour) -> str:
    return f"{flavour.data}/agent/etc/containerd/config-v3.toml.d/10-sloth.toml"


def _files(node: Node, cluster: Cluster, flavour: Flavour, own: Mapping[str, Any]) -> list[Step]:
    containerd = containerd_text(node)
    steps: list[Step] = [
        Put(path=f"{flavour.etc}/registries.yaml", content=registries_text(cluster.spec), mode=0o600),
        Put(path=_kubelet_file(flavour), content=kubelet_text(node, cluster)),
        _cache(flavour),
        Put(path=flavour.config, content=config_text(node, cluster, flavour, own), mode=0o600),
    ]
    if containerd:
        steps.insert(2, Put(path=_containerd_file(flavour), content=containerd))
    if node.is_control_plane:
        restart = _restart_text(node, flavour)
        steps += [
            Put(path=AUTHENTICATION, content=HOSTING.text("authentication.yaml"), mode=0o600),
            Put(path=RESTART, content=restart, mode=0o755),
        ]
    return steps


def _restart_text(node: Node, flavour: Flavour) -> str:
    etcd = flavour.etcd
    return TEXTS.text(
        "restart-server.sh",
        UNIT=flavour.server_unit,
        NODE=node.name,
        ADMIN=flavour.admin.flags,
        OWN=etcd.flags(node.mesh_address),
        CREDENTIALS=etcd.credentials(seconds=5),
    )


def _cache(flavour: Flavour) -> Do:
    folder = f"{flavour.data}/agent/images"
    return Do(
        title="import image archives only when they changed",
        unless=f"[ -e {folder}/.cache.json ]",
        run=f"mkdir -p {folder} && touch {folder}/.cache.json",
        hint=f"ls -la {folder} on the node",
    )
