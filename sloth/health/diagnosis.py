"""What is wrong with a cluster that `sloth recover` can deal with, from one look at it: cause and cure, most urgent first.

The order of cures matters: services that stand still are started before anybody judges what is lost; expired certificates are
renewed before anything is asked of an API that refuses everybody; nodes are made anew last, and only with a majority.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sloth.health import certificates
from sloth.health.damage import damage
from sloth.health.etcd import at, members, standing
from sloth.health.view import SILENT, WORDS, View

Kind = Literal[
    "quorum-lost", "service-stopped", "certificate-expired", "machine-stopped", "machine-lost", "half-joined", "address-changed",
    "node-silent", "authority-expired", "member-damaged", "member-missing", "mesh-cut",
]  # fmt: skip
# services: start them; certificates: renew them; member: take the node out, and have it join without its data; up: the phases of
# `up`, for the nodes of the record; replace: make the node anew
Cure = Literal["services", "certificates", "member", "up", "replace", "by-hand"]
ORDER: Mapping[Cure, int] = {"by-hand": 0, "services": 1, "certificates": 2, "member": 3, "up": 4, "replace": 5}


@dataclass(frozen=True, kw_only=True)
class Ailment:
    """One thing that is wrong. `command` is what a person would type to the same end."""

    kind: Kind
    node: str  # "" = the cluster
    cause: str
    cure: Cure
    command: str


@dataclass(frozen=True, kw_only=True)
class Case:
    """A view, and what only the record and the providers know."""

    view: View
    members: frozenset[str]  # nodes that are recorded to have joined
    stopped: frozenset[str] = frozenset()  # their machine is there and does not run
    moved: frozenset[str] = frozenset()  # the mesh in force on them is not the one that the record asks for


def diagnose(case: Case) -> list[Ailment]:
    """Everything that is wrong, in the order in which it is cured. Nothing of what was not seen is taken for lost."""
    lost = _quorum(case)
    found = [*lost, *_services(case), *_expired(case), *_machines(case, quorum=not lost), *_joins(case, quorum=not lost)]
    found += [] if lost else _members(case)
    return sorted(found, key=lambda ailment: ORDER[ailment.cure])


def _quorum(case: Case) -> list[Ailment]:
    """Members that answer against those that would be needed. Machines that only stand still are started first."""
    voters = [each for each in members(case.view) if not each.learner]
    well = sum(each.answered for each in voters)
    needed = len(voters) // 2 + 1
    servers = [lease.name for lease in case.view.servers if lease.name in case.members]
    up = standing(case.view)
    if voters and well < needed <= len(up):
        why = "they do not reach one another over the mesh, or began only just now"
        cause = f"etcd has no majority, but {len(up)} of {len(voters)} members run: {why}"
        return [Ailment(kind="mesh-cut", node="", cause=cause, cure="by-hand", command="sloth health")]
    back = [name for name in servers if name in case.stopped or (case.view.answered(name) and _stands_still(case, name))]
    if voters and well < needed and well + len(back) < needed:
        cause = f"etcd lost its majority: {well} of {len(voters)} members answer, {needed} are needed"
        alive = next((name for name in servers if case.view.answered(name) and not damage(case.view.fact(name).get(WORDS))), "")
        restore = f"sloth backup restore --survivor {alive}" if alive else "sloth backup restore"
        return [Ailment(kind="quorum-lost", node="", cause=cause, cure="by-hand", command=restore)]
    if servers and not voters and not back and not any(case.view.answered(name) for name in servers):
        cause = f"no control-plane node answers: {', '.join(servers)}"
        return [Ailment(kind="quorum-lost", node="", cause=cause, cure="by-hand", command="sloth backup restore")]
    return []


def _stands_still(case: Case, name: str) -> bool:
    """Whether the node answers while services of its own do not run: starting them may bring its member back."""
    fact = case.view.fact(name)
    return any(key.startswith("unit.") and value != "active" for key, value in fact.values.items())


def _services(case: Case) -> list[Ailment]:
    found = []
    for name in case.view.names:
        fact = case.view.fact(name)
        units = sorted(
            key.removeprefix("unit.") for key, value in fact.values.items() if key.startswith("unit.") and value != "active"
        )
        if units and fact.get("kube.state") == "joined":
            cause = f"not running: {', '.join(units)}"
            command = f"sloth ssh {name} -- systemctl start {' '.join(units)}"
            found.append(Ailment(kind="service-stopped", node=name, cause=cause, cure="services", command=command))
    return found


def _members(case: Case) -> list[Ailment]:
    """Members that no restart brings back, on nodes that are well otherwise: the others have all that was ever confirmed."""
    known = members(case.view)
    listed, up = any(each.peers for each in known), standing(case.view)
    found = []
    for lease in case.view.servers if listed else ():
        name, fact = lease.name, case.view.fact(lease.name)
        works = case.view.answered(name) and fact.get("kube.state") == "joined" and not _stands_still(case, name)
        if not works or name not in case.members:
            continue
        own = at(known, lease.mesh_address)
        silent = own is not None and not own.answered
        sign = damage(fact.get(WORDS)) if silent else ""
        if own is None:
            cause = "it is a control-plane node and has no etcd member"
            found.append(Ailment(kind="member-missing", node=name, cause=cause, cure="member", command="sloth recover"))
        elif sign:
            cause = f"the data of its etcd member is damaged: “{sign}”"
            found.append(Ailment(kind="member-damaged", node=name, cause=cause, cure="member", command="sloth recover"))
        elif silent and name in up:
            cause = "its etcd member runs and is cut off from the others over the mesh"
            found.append(Ailment(kind="mesh-cut", node=name, cause=cause, cure="by-hand", command="sloth health"))
    return found


def _expired(case: Case) -> list[Ailment]:
    return [ailment for name in case.view.names for ailment in _expired_on(case, name)]


def _expired_on(case: Case, name: str) -> list[Ailment]:
    """Authorities are for a person; leaves of a control plane are renewed; a kubelet that cannot log in is joined anew."""
    mine = [each for each in certificates.of(case.view) if each.node == name]
    gone = [each for each in mine if (days := each.days(case.view.now)) is not None and days < 0]
    kubelets = {file.name for file in case.view.certificates if not file.control_plane}

    def found(kind: Kind, names: list[str], why: str, cure: Cure, command: str) -> list[Ailment]:
        cause = f"{why}: {', '.join(names)}"
        return [Ailment(kind=kind, node=name, cause=cause, cure=cure, command=command)] if names else []

    signers = [each.name for each in gone if each.authority]
    if signers:
        why = "authorities expired, and everything that they signed is void"
        return found("authority-expired", signers, why, "by-hand", "sloth certs check")
    leaves = [each.name for each in gone if each.name not in kubelets]
    own = [each.name for each in gone if each.name in kubelets]
    return [
        *found("certificate-expired", leaves, "certificates expired", "certificates", "sloth certs rotate"),
        *found("certificate-expired", own, "it cannot log in to Kubernetes any more", "replace", f"sloth up --replace {name}"),
    ]


def _machines(case: Case, *, quorum: bool) -> list[Ailment]:
    found = []
    for lease in case.view.leases:
        name = lease.name
        if name in case.stopped:
            found.append(
                Ailment(kind="machine-stopped", node=name, cause="its machine does not run", cure="up", command="sloth up")
            )
        elif name not in case.view.running:
            server = lease.role == "control-plane" and name in case.members
            cause = "its machine is gone" + (", and its etcd member with it" if server else "")
            cure: Cure = "up" if quorum or not server else "by-hand"
            command = "sloth up" if cure == "up" else "sloth backup restore"
            found.append(Ailment(kind="machine-lost", node=name, cause=cause, cure=cure, command=command))
    return found


def _joins(case: Case, *, quorum: bool) -> list[Ailment]:
    found = []
    for name in case.view.names:
        if name not in case.view.running:
            continue
        fact = case.view.fact(name)
        if not case.view.answered(name):
            cause = f"it does not answer: {fact.get(SILENT) or 'no reason is known'}"
            cure: Cure = "replace" if quorum else "by-hand"
            command = f"sloth up --replace {name}" if quorum else f"sloth ssh {name}"
            found.append(Ailment(kind="node-silent", node=name, cause=cause, cure=cure, command=command))
        elif fact.get("kube.state") in ("broken", "none"):
            word = "a join was not finished" if fact.get("kube.state") == "broken" else "it is no member"
            found.append(
                Ailment(
                    kind="half-joined",
                    node=name,
                    cause=word,
                    cure="up" if quorum else "by-hand",
                    command="sloth up" if quorum else "sloth backup restore",
                )
            )
        elif name in case.moved:
            cause = "its mesh is not what the record asks for: an address has changed, or a file was changed by hand"
            found.append(Ailment(kind="address-changed", node=name, cause=cause, cure="up", command="sloth up"))
    return found
