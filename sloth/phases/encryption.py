"""Phases: Secrets at rest. One decides and records, before anything is written to a node; one puts it in force.

The record is saved before each stage, and a stage is taken only when every API server runs with the one before, so that a run may
be cut off anywhere: the next one goes on with the stage that the record names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from sloth.contracts.distribution import Distribution
from sloth.contracts.lifecycle import EncryptsSecrets
from sloth.errors import KubernetesError
from sloth.model.cluster import Cluster
from sloth.model.encryption import IDENTITY, Encryption, advance, founding, parse, to_identity, to_new_key
from sloth.model.node import Node
from sloth.model.phase import Each, Keep, PhaseRun, Say
from sloth.model.secret import Secret


@dataclass(frozen=True)
class EncryptionKey:
    """Have the record say how Secrets are stored: encrypted from the start, or by a rotation where there is data already."""

    distribution: Distribution
    make_seed: Callable[[], Secret]
    renew: bool = False  # to a new key, whatever the spec asks
    found_only: bool = False  # decide for a new cluster; leave one that has data as it is
    title: str = "Encryption key"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Change the record where it does not say what the spec asks for. A rotation under way is finished first."""
        if not isinstance(self.distribution, EncryptsSecrets) or (self.found_only and _has_data(cluster)):
            return cluster
        now = parse(cluster.record.encryption)
        wanted = self._wanted(now, cluster)
        if wanted is not None and wanted != now:
            kept = wanted.dump()
            cluster = replace(cluster, record=(yield Keep(change=lambda record: replace(record, encryption=kept))))
        return cluster

    def _wanted(self, now: Encryption | None, cluster: Cluster) -> Encryption | None:
        asked = cluster.spec.kubernetes.encryption or self.renew
        if now is None:
            if not asked:
                return None
            return to_new_key(Encryption(), self.make_seed()) if _has_data(cluster) else founding(self.make_seed())
        if self.renew or (asked and not now.on):
            return to_new_key(now, self.make_seed()) if now.settled else now
        return now if asked else to_identity(now)


def _has_data(cluster: Cluster) -> bool:
    """Whether an API server may have written something: also one that was begun and is not recorded yet."""
    seen = {cluster.fact(node.name).get("kube.state") for node in cluster.control_plane}
    return cluster.record.founded or not seen.isdisjoint({"joined", "broken"})


@dataclass(frozen=True)
class EncryptSecrets:
    """Every API server runs with what the record asks for, one after the other; a rotation goes on to its end."""

    distribution: Distribution
    title: str = "Secrets at rest"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Nothing is ordered where every API server was seen to run with it."""
        now = parse(cluster.record.encryption)
        if now is None or not isinstance(self.distribution, EncryptsSecrets):
            return cluster
        if now.settled and all(self._in_force(node, cluster) for node in cluster.control_plane):
            return cluster
        _refuse_absent(cluster)
        if not now.settled and now.providers[0] != now.target and len(cluster.control_plane) == 1:
            now = advance(now)  # one API server alone reads what it writes: nobody else has to know the key first
            cluster = yield from _keep(cluster, now)
        while True:
            yield from self._apply(cluster, everywhere=not now.settled)
            if now.settled:
                return replace(cluster, changed=cluster.changed | {cluster.control_plane[0].name})
            if now.must_rewrite:
                server = cluster.control_plane[0]
                yield Each(
                    title="write all Secrets anew", scripts={server.name: self.distribution.rewrite_secrets(server, cluster)}
                )
                now = advance(now)  # written anew: what is next needs another configuration
            now = advance(now)
            cluster = yield from _keep(cluster, now)

    def _in_force(self, node: Node, cluster: Cluster) -> bool:
        assert isinstance(self.distribution, EncryptsSecrets)  # noqa: S101  `run` looks first
        fact = cluster.fact(node.name)
        # One that had no API server when it was looked at has started with what the record asked for.
        return not fact.get("kube.api") or self.distribution.encryption_applied(fact, cluster)

    def _apply(self, cluster: Cluster, *, everywhere: bool) -> PhaseRun:
        assert isinstance(self.distribution, EncryptsSecrets)  # noqa: S101  `run` looks first
        for node in cluster.control_plane:
            if everywhere or not self._in_force(node, cluster):
                own = cluster.at(node.name)  # during an upgrade the API servers are not all of one version
                yield Each(title=f"configure {node.name}", scripts={node.name: self.distribution.apply_encryption(node, own)})
        return cluster


def _keep(cluster: Cluster, now: Encryption) -> PhaseRun:
    if now.settled:
        word = "stored as plain text" if now.providers[0] == IDENTITY else f"encrypted with {now.providers[0]} only"
        yield Say(text=f"all Secrets are {word} now")
    kept = now.dump()
    return replace(cluster, record=(yield Keep(change=lambda record: replace(record, encryption=kept))))


def _refuse_absent(cluster: Cluster) -> None:
    """An API server that is not told of a key could not read what others write with it."""
    here = {node.name for node in cluster.control_plane}
    leases = [lease.name for lease in cluster.record.leases if lease.role == "control-plane"]
    absent = [name for name in leases if name not in here or not cluster.fact(name).values]
    if absent:
        raise KubernetesError(
            "encryption/servers-absent",
            f"the keys of Secrets cannot be changed while control-plane nodes are away: {', '.join(absent)}",
            detail="an API server that does not know a key cannot read what the others write with it",
            hint="sloth health",
        )
