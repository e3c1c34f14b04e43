"""Bringing a member to a newer version: replace the binary and its images, then restart the supervisor.

Order (servers one at a time, then agents) and that data of the older version is taken over: docs.k3s.io "Manual Upgrades",
docs.rke2.io "Manual Upgrades".
"""

from __future__ import annotations

from sloth.hosting.admin import WHY
from sloth.model.cluster import Cluster
from sloth.model.node import Node
from sloth.model.step import Do, Script, Wait
from sloth.supervised.flavour import Flavour
from sloth.supervised.prepare import RESTART, delivered, note_version, supervisor
from sloth.supervised.state import wait_working, works


def upgrade(node: Node, cluster: Cluster, flavour: Flavour) -> Script[None]:
    """The new files, one restart, and the wait until the node reports the new version."""
    title = f"restart {flavour.unit(server=node.is_control_plane)} with the new version"
    again = _restart(node, cluster, flavour, title)
    yield [*delivered(node, cluster), note_version(flavour), again, _arrived(node, cluster, flavour)]


def restart(node: Node, cluster: Cluster, flavour: Flavour) -> Script[None]:
    """One restart with the files that are there now; refused where etcd could not spare the node."""
    unit = flavour.unit(server=node.is_control_plane)
    yield [_restart(node, cluster, flavour, f"restart {unit} with its new settings"), wait_working(node, flavour)]


def _restart(node: Node, cluster: Cluster, flavour: Flavour, title: str) -> Do:
    unit = supervisor(node, cluster, flavour)
    return Do(
        title=title,
        unless=unit.current(),
        run=RESTART if node.is_control_plane else f"systemctl restart {unit.name}",
        timeout=1500.0,
        hint=f"journalctl -u {unit.name} -n 100 on {node.name}",
    )


def _arrived(node: Node, cluster: Cluster, flavour: Flavour) -> Wait:
    own = f"--kubeconfig {flavour.kubelet_kubeconfig} --cache-dir /run/sloth/kubectl --request-timeout=3s"
    version = f"kubectl get node {node.name} -o jsonpath='{{.status.nodeInfo.kubeletVersion}}' {own} 2>/dev/null"
    return Wait(
        title=f"wait until {node.name} runs {cluster.version}",
        until=f'[ "$({version})" = {cluster.version} ] && {works(node, flavour)}',
        timeout=420.0,
        diagnose=WHY,
        hint=f"sloth ssh {node.name} -- journalctl -u {flavour.unit(server=node.is_control_plane)} -n 100",
    )
