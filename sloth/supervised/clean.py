"""Undoing the supervisor's work on a node: before a half-made member is made anew, and when a node leaves for good.

What a running node leaves behind, and where: k3s-io/k3s contrib/util/k3s-killall.sh and install.sh (uninstall), rancher/rke2
bundle/bin/rke2-killall.sh and rke2-uninstall.sh.
"""

from __future__ import annotations

from shlex import quote

from sloth.hosting.admin import WHY
from sloth.hosting.balancer import BALANCER_CONFIG, BALANCER_UNIT
from sloth.hosting.host import HOST_FILES
from sloth.hosting.network import POD_NETWORK_UNITS, cni_path
from sloth.hosting.sweep import forget_rules
from sloth.model.cluster import Cluster
from sloth.model.node import Node
from sloth.model.step import Do, Script
from sloth.supervised.config import API_FILES
from sloth.supervised.flavour import Flavour
from sloth.supervised.prepare import TEXTS

_LEFT = (
    "/etc/rancher/node", "/run/sloth", "/run/k3s", "/run/flannel", "/var/lib/sloth/artifacts", "/var/lib/kubelet", "/var/lib/cni",
    "/opt/cni", "/var/log/pods", "/var/log/containers",
)  # fmt: skip


def stop_all(flavour: Flavour) -> str:
    """Shell text that ends every process, mount and interface of it."""
    units = f"{flavour.server_unit} {flavour.agent_unit}"
    return TEXTS.text("stop-all.sh", UNITS=units, DATA=flavour.data)


def reset(node: Node, cluster: Cluster, flavour: Flavour) -> Do:
    """Take back what an unfinished founding or joining left, etcd membership included."""
    others = [other for other in cluster.control_plane if other.name != node.name] if node.is_control_plane else []
    text = TEXTS.text(
        "reset.sh",
        PEERS=",".join(flavour.etcd.client(other.mesh_address) for other in others),
        ADDRESS=node.mesh_address,
        DATA=flavour.data,
        NOTE=flavour.note,
        MEMBERSHIP=flavour.membership,
        STOP_ALL=stop_all(flavour),
    )
    return Do(title="take back an unfinished membership", run=f"sh -c {quote(text)}", timeout=180.0, hint="sloth up tries again")


def remove(cluster: Cluster, flavour: Flavour) -> Script[None]:
    """Stop and delete all that was put on the host. Debian packages stay: others may use them by now."""
    units = [flavour.server_unit, flavour.agent_unit, BALANCER_UNIT, *POD_NETWORK_UNITS]
    files = [f"/etc/systemd/system/{unit}.service" for unit in units]
    files += [f"/run/sloth/{unit}.loaded" for unit in units]
    files += [each.path for each in cluster.delivery.artifacts if each.path]
    files += ["/usr/local/bin/kubectl", flavour.binary, flavour.etc, flavour.data, f"/etc/sloth/{flavour.name}"]
    files += [cni_path(), API_FILES, BALANCER_CONFIG, WHY.rpartition("/")[0], *HOST_FILES, *_LEFT]
    ours = " ".join(dict.fromkeys(files))
    yield Do(
        title=f"delete all of {flavour.name}",
        unless=f"! ls -d {ours} /sys/class/net/cni0 2>/dev/null | grep -q .",
        run=f"sh -c {quote(_sweep(flavour, units, ours))}",
        timeout=300.0,
        hint="sloth down tries again",
    )


def _sweep(flavour: Flavour, units: list[str], ours: str) -> str:
    return (
        f"systemctl disable -q --now {' '.join(units)} 2>/dev/null\n"
        f"{stop_all(flavour)}"
        "for family in ip ip6; do nft delete table $family kube-proxy 2>/dev/null; done\n"
        f"{forget_rules('KUBE-', 'CNI-')}\n"
        f"rm -rf {ours}\n"
        # Folders that others may use, too, go only where they are empty.
        "rmdir /etc/rancher /var/lib/rancher /etc/cni/net.d /etc/cni 2>/dev/null\n"
        "systemctl daemon-reload; systemctl reset-failed 2>/dev/null; true\n"
    )
