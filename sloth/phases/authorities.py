"""Phase: new certificate authorities, stage by stage; each stage is in the record before a node takes it.

Control planes take a stage one after the other, under the quorum guard. Every node must answer: one that is away while the others
learn to trust the new authorities would be shut out when the old ones go.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from shlex import quote
from typing import Any, cast

from sloth.contracts.distribution import Distribution
from sloth.contracts.lifecycle import CrossSigns, RotatesAuthorities
from sloth.errors import UsageError
from sloth.model.authorities import Authority, Rotation, Stage, parse
from sloth.model.cluster import Cluster
from sloth.model.node import Node
from sloth.model.phase import Each, Keep, Order, PhaseRun, Say
from sloth.model.secret import Secret
from sloth.model.step import Ask, Result, Script
from sloth.phases.certs import refuse_absent, refuse_silent
from sloth.phases.quorum import guard_restart, other_server
from sloth.phases.server import working_server

MakeAuthority = Callable[[str], tuple[str, Secret]]  # common name -> certificate and key, PEM
# common name, certificates of the old one, its key -> both, what is new being signed by the old one, too
CrossSign = Callable[[str, str, Secret], Authority]
GO_ON = "sloth certs rotate --ca"
_SILENT = "a node that does not learn to trust the new authorities is shut out when the old ones go"
_SAID = {
    "trust": "everybody trusts the old and the new authorities",
    "leaves": "control planes show certificates of the new authorities",
    "nodes": "kubelets show certificates of the new authorities",
    "drop": "only the new authorities are trusted",
}


@dataclass(frozen=True)
class RotateAuthorities:
    """From the stage that the record names, or from the first one, up to and with `until`."""

    distribution: Distribution
    make: MakeAuthority
    sign: CrossSign
    until: Stage = "drop"
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC), repr=False)
    title: str = "Rotate certificate authorities"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Raises UsageError where the distribution cannot, KubernetesError while a node is away or not well."""
        able = self._able()
        if self._behind(cluster):
            return cluster
        refuse_absent(cluster, "certificate authorities are not rotated")
        refuse_silent(cluster, "certificate authorities are not rotated", detail=_SILENT, then=GO_ON)
        rotation = parse(cluster.record.authorities)
        if rotation is None:
            rotation = yield from self._begin(able, cluster)
            cluster = replace(cluster, record=(yield _keep(rotation)))
        while True:
            cluster = yield from self._stage(able, rotation, cluster)
            yield Say(text=_SAID[rotation.stage])
            done, later = rotation.stage, rotation.next()
            cluster = replace(cluster, record=(yield _keep(later)))
            if later is None or done == self.until:
                return cluster
            rotation = later

    def _behind(self, cluster: Cluster) -> bool:
        """Whether the stage to which this one goes has been taken by an earlier run."""
        rotation = parse(cluster.record.authorities)
        return self.until != "drop" and rotation is not None and rotation.stage != "trust"

    def _able(self) -> RotatesAuthorities:
        if isinstance(self.distribution, RotatesAuthorities):
            return self.distribution
        raise UsageError(
            "certs/authorities-stay",
            f"distribution {self.distribution.name} does not say how its certificate authorities are replaced",
            hint="sloth certs check",
        )

    def _begin(self, able: RotatesAuthorities, cluster: Cluster) -> Generator[Order, Any, Rotation]:
        server = working_server(cluster)
        assert server is not None  # noqa: S101  every node of the record was seen to be a member
        day = self.now()
        mark = f"{day:%Y%m%dT%H%M%SZ}"
        if isinstance(able, CrossSigns):
            pairs = _read_pairs(able.authorities(), able.authority_keys())
            read = yield Each(title="read the authorities", scripts={server.name: pairs})
            made = {name: self.sign(f"{name} {mark}", old, key) for name, (old, key) in read[server.name].items()}
        else:
            paths = able.authorities()
            read = yield Each(title="read the authorities", scripts={server.name: _read(list(paths.values()))})
            made = {}
            for name, old in zip(paths, read[server.name], strict=True):
                new, key = self.make(f"{name} {day:%Y-%m-%d}")
                made[name] = Authority(old=old, new=new, key=key)
        return Rotation(id=mark, stage="trust", authorities=made)

    def _stage(self, able: RotatesAuthorities, rotation: Rotation, cluster: Cluster) -> PhaseRun:
        for node in cluster.control_plane:
            seen = yield Each(title=f"look at {node.name}", scripts={node.name: able.has_authorities(node, rotation)})
            if not seen[node.name]:
                server = other_server(node, cluster)
                yield from guard_restart(self.distribution, cluster, server, node, then=GO_ON)
                script = able.apply_authorities(node, cluster, rotation)
                yield Each(title=f"{rotation.stage}: {node.name}", scripts={node.name: script})
                cluster = replace(cluster, changed=cluster.changed | {node.name})
        scripts = {node.name: _unless_done(able, node, cluster, rotation) for node in cluster.workers}
        yield Each(title=f"{rotation.stage}: workers", scripts=scripts)
        first = cluster.control_plane[0]
        yield Each(title="spread it", scripts={first.name: able.spread_authorities(first, cluster, rotation)})
        return replace(cluster, changed=cluster.changed | frozenset(scripts))


def _unless_done(able: RotatesAuthorities, node: Node, cluster: Cluster, rotation: Rotation) -> Script[None]:
    if not (yield from able.has_authorities(node, rotation)):
        yield from able.apply_authorities(node, cluster, rotation)


def _read(paths: list[str]) -> Script[list[str]]:
    """The first certificate in each of these files, PEM."""
    first = "/-----BEGIN CERTIFICATE-----/ {on = 1} on {print} /-----END CERTIFICATE-----/ {exit}"
    asks = [Ask(title=f"read {path}", run=f"awk {quote(first)} {path}") for path in paths]
    results = cast(list[Result], (yield list(asks)))
    return [f"{result.out.strip()}\n" for result in results]


def _read_pairs(paths: Mapping[str, str], keys: Mapping[str, str]) -> Script[dict[str, tuple[str, Secret]]]:
    """All certificates in each of the files, and the first key of the one beside it, PEM."""
    asks = [Ask(title=f"read {path}", run=f"cat {path}") for path in paths.values()]
    first = "{print} /-----END/ {exit}"
    asks += [Ask(title=f"read {keys[name]}", run=f"awk {quote(first)} {keys[name]}", secret=True) for name in paths]
    results = cast(list[Result], (yield list(asks)))
    texts, secrets = results[: len(paths)], results[len(paths) :]
    return {name: (f"{text.out.strip()}\n", Secret(key.out)) for name, text, key in zip(paths, texts, secrets, strict=True)}


def _keep(rotation: Rotation | None) -> Keep:
    kept = rotation.dump() if rotation else None
    return Keep(change=lambda record: replace(record, authorities=kept))
