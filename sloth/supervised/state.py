"""How far a node is, and what is said of it: the first look of founding and joining."""

from __future__ import annotations

from sloth.hosting.admin import WHY
from sloth.hosting.ports import CONTROL_PLANE_PORTS, listeners
from sloth.model.node import Node
from sloth.model.step import Ask, Do, Wait
from sloth.supervised.flavour import Flavour

# RKE2's supervisor has a port of its own (docs.rke2.io, "Requirements"); behind K3s's, the API server has another.
PORTS = {6443: "the API server", 9345: "the supervisor", **CONTROL_PLANE_PORTS}


def look(node: Node, flavour: Flavour) -> Ask:
    """How far this node is: `member`, `answers` (its API server does), `left` (something is there), `port N NAME PID`."""
    answers = f"{flavour.admin.own_api_answers} && echo answers; " if node.is_control_plane else ""
    return Ask(
        title="look how far the node is",
        run=f"test -s {flavour.note} && ! test -e {flavour.tombstone} && echo member; {answers}"
        f"ls -d {flavour.membership} {flavour.data}/server/db {flavour.data}/agent/*.crt 2>/dev/null | grep -q . && echo left; "
        f"{listeners(PORTS)}",
        check=False,
        expected="",
    )


def note_member(how: str, flavour: Flavour) -> Do:
    """Note that this node is a member for good: from now on it is never reset by founding or joining."""
    note = flavour.note
    return Do(
        title="note the membership",
        unless=f"[ -s {note} ]",
        run=f"mkdir -p {note.rpartition('/')[0]} && echo {how} >{note}.new && sync {note}.new && mv {note}.new {note}",
    )


def start(node: Node, flavour: Flavour) -> Do:
    """Start the supervisor without waiting; it tries again by itself."""
    unit = flavour.unit(server=node.is_control_plane)
    return Do(
        title=f"start {unit}",
        unless=f"systemctl is-active -q {unit}",
        run=f"systemctl reset-failed {unit} 2>/dev/null; systemctl restart --no-block {unit}",
        hint=f"journalctl -u {unit} -n 50 on the node says why it does not start",
    )


def works(node: Node, flavour: Flavour) -> str:
    """Shell condition: the node is a working member; a server's API answers, a worker is Ready in the eyes of Kubernetes."""
    unit = flavour.unit(server=node.is_control_plane)
    path = "'{.status.conditions[?(@.type==\"Ready\")].status}'"
    own = f"--kubeconfig {flavour.kubelet_kubeconfig} --cache-dir /run/sloth/kubectl --request-timeout=3s"
    ready = f'[ "$(kubectl get node {node.name} -o jsonpath={path} {own} 2>/dev/null)" = True ]'
    api = f" && {flavour.admin.own_api_answers}" if node.is_control_plane else ""
    return f"systemctl is-active -q {unit} && {ready}{api}"


def wait_working(node: Node, flavour: Flavour, *, title: str = "wait until the node is a working member") -> Wait:
    """Until it is one."""
    unit = flavour.unit(server=node.is_control_plane)
    return Wait(
        title=title,
        until=works(node, flavour),
        timeout=420.0,
        diagnose=WHY,
        hint=f"sloth up resumes; the node's own words: sloth ssh {node.name} -- journalctl -u {unit} -n 100",
    )


def revive(node: Node, flavour: Flavour) -> Wait:
    """A finished member that does not look like one: its service is started; its data is never touched."""
    unit = flavour.unit(server=node.is_control_plane)
    return Wait(
        title="wait for the node to be a working member again",
        until=f"systemctl is-active -q {unit} || systemctl start --no-block {unit}; {works(node, flavour)}",
        timeout=180.0,
        diagnose=WHY,
        hint=f"journalctl -u {unit} -n 100 on {node.name} says why it does not come up",
    )
