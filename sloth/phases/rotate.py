"""Phases: other keys of a cluster that can be made anew: join tokens, the mesh key of one node, the cluster's own SSH key."""

from __future__ import annotations

from dataclasses import dataclass, replace
from shlex import quote

from sloth.contracts.distribution import Distribution
from sloth.contracts.lifecycle import RevokesTokens
from sloth.errors import UsageError
from sloth.mesh.host import PUBLIC_KEY, read_key
from sloth.mesh.wireguard import PRIVATE_KEY
from sloth.model.cluster import Cluster
from sloth.model.facts import Facts
from sloth.model.node import Node
from sloth.model.phase import Connect, Each, Keep, PhaseRun
from sloth.model.record import Record
from sloth.model.step import Ask, Do, Result, Script
from sloth.phases.connect import LoginFor, accepted
from sloth.phases.leases import MakeKey
from sloth.phases.mesh import Mesh
from sloth.phases.server import working_server


@dataclass(frozen=True)
class RevokeTokens:
    """No token that was made until now lets anybody join; sloth makes one for each run that joins somebody."""

    distribution: Distribution
    title: str = "Revoke join tokens"

    def run(self, cluster: Cluster) -> PhaseRun:
        """On one control-plane node, for the whole cluster."""
        if not isinstance(self.distribution, RevokesTokens):
            raise UsageError(
                "certs/not-supported",
                f"distribution {self.distribution.name} does not say how join tokens are revoked",
                hint="sloth certs check",
            )
        server = working_server(cluster)
        if server is not None:
            yield Each(title=self.title, scripts={server.name: self.distribution.revoke_tokens(server, cluster)})
            cluster = replace(cluster, changed=cluster.changed | {server.name})
        return cluster


@dataclass(frozen=True)
class RotateMeshKey:
    """A new WireGuard key for one node. Its pairs are silent for a moment, all others notice nothing.

    The node makes the key; then the mesh's own phase gives its peers the new public half and proves every pair. A run that is
    cut off in between is healed by the same phase of the next `up`: what nodes say of their keys is what counts.
    """

    name: str
    title: str = "Rotate a mesh key"

    def run(self, cluster: Cluster) -> PhaseRun:
        """For a node that is there; others are passed over."""
        if self.name not in cluster.facts:
            return cluster
        made = yield Each(title=f"make a new mesh key on {self.name}", scripts={self.name: _new_key(self.name)})
        values = {**cluster.fact(self.name).values, "mesh.public_key": made[self.name]}
        for key in ("mesh.applied", "mesh.passed", "stamp.mesh"):
            values.pop(key, None)
        facts = {**cluster.facts, self.name: Facts(values=values, asked_at=cluster.fact(self.name).asked_at)}
        return (yield from Mesh().run(replace(cluster, facts=facts)))


def _new_key(name: str) -> Script[str]:
    results = yield [
        Do(
            title="make a new mesh key",
            run=f"umask 077; wg genkey >{PRIVATE_KEY}.new && wg pubkey <{PRIVATE_KEY}.new >{PUBLIC_KEY}.new && "
            f"mv -fT {PRIVATE_KEY}.new {PRIVATE_KEY} && mv -fT {PUBLIC_KEY}.new {PUBLIC_KEY}",
        ),
        read_key(name),
    ]
    assert isinstance(results, list)  # noqa: S101  a list was yielded
    return results[-1].out.strip()


@dataclass(frozen=True)
class RotateSshKey:
    """A new key of the cluster on every node, then in the record, then the old one goes: never is there a node without a way in.

    A run that was cut off is gone on with: the record says which key is to come, and which is to go.
    """

    make_key: MakeKey
    login_for: LoginFor
    title: str = "Rotate the SSH key"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Of machines that sloth made; hosts that were there before have a key of their owner's."""
        nodes = [node for node in cluster.nodes if not node.machine.existing]
        _refuse(cluster, nodes)
        if not cluster.record.ssh_old_public:
            cluster = yield from self._prepare(cluster)
            line = cluster.record.ssh_next_public
            yield Each(title="let the new key in", scripts={node.name: _once(_allow(line)) for node in nodes})
            cluster = replace(cluster, record=(yield Keep(change=_promoted)))
        yield Connect(logins=tuple(replace(self.login_for(n, cluster.record), host_keys=_known(n, cluster)) for n in nodes))
        yield Each(title="log in with the new key", scripts={node.name: _once(_look()) for node in nodes})
        old = cluster.record.ssh_old_public
        yield Each(title="shut the old key out", scripts={node.name: _once(_forbid(old)) for node in nodes})
        record = yield Keep(change=lambda record: replace(record, ssh_old_public=""))
        return replace(cluster, record=record, changed=cluster.changed | {node.name for node in nodes})

    def _prepare(self, cluster: Cluster) -> PhaseRun:
        if cluster.record.ssh_next is None:
            private, public = self.make_key(f"sloth-{cluster.spec.name}")
            change = lambda record: replace(record, ssh_next=private, ssh_next_public=public)  # noqa: E731
            cluster = replace(cluster, record=(yield Keep(change=change)))
        return cluster


def _refuse(cluster: Cluster, nodes: list[Node]) -> None:
    """All nodes must be there, and none at a cloud: there the key is part of what the machine was declared with."""
    away = [lease.name for lease in cluster.record.leases if lease.name not in cluster.facts]
    if away:
        raise UsageError(
            "certs/nodes-absent",
            f"the SSH key is not changed while nodes are away: {', '.join(away)}",
            detail="a node that has not learnt the new key could not be logged in to any more",
            hint="sloth health",
        )
    clouds = sorted({node.lease.provider for node in nodes if node.name in cluster.record.placements(node.lease.provider)})
    if clouds:
        raise UsageError(
            "certs/ssh-key-at-cloud",
            f"the SSH key of machines at {', '.join(clouds)} cannot be changed in place",
            detail="it is a property of the server there: another key would have the cloud make the server anew",
            hint="sloth nodes replace NODE, one after the other",
        )


def _promoted(record: Record) -> Record:
    """The next key is the cluster's; what is to be shut out is remembered."""
    return replace(
        record,
        ssh_old_public=record.ssh_public_key,
        ssh_key=record.ssh_next,
        ssh_public_key=record.ssh_next_public,
        ssh_next=None,
        ssh_next_public="",
    )


def _known(node: Node, cluster: Cluster) -> tuple[str, ...]:
    return accepted(cluster.record.node(node.name))


_FILE = "$HOME/.ssh/authorized_keys"  # of the user that sloth logs in as; with sudo its home is told by $SUDO_USER
_HOME = '[ -z "${SUDO_USER:-}" ] || HOME=$(getent passwd "$SUDO_USER" | cut -d: -f6); '


def _key_of(line: str) -> str:
    """`type base64`, without the comment."""
    return " ".join(line.split()[:2])


def _allow(line: str) -> Do:
    return Do(
        title="let the new key in",
        unless=f"{_HOME}grep -qF {quote(_key_of(line))} {_FILE}",
        run=f'{_HOME}[ -z "$(tail -c 1 {_FILE})" ] || echo >>{_FILE}; echo {quote(line)} >>{_FILE}',
    )


def _forbid(line: str) -> Do:
    return Do(
        title="shut the old key out",
        unless=f"{_HOME}! grep -qF {quote(_key_of(line))} {_FILE}",
        run=f"{_HOME}grep -vF {quote(_key_of(line))} {_FILE} >{_FILE}.new; cat {_FILE}.new >{_FILE} && rm -f {_FILE}.new",
    )


def _look() -> Ask:
    return Ask(title="log in with the new key", run="true")


def _once(step: Do | Ask) -> Script[Result]:
    result = yield step
    assert isinstance(result, Result)  # noqa: S101  one step, one result
    return result
