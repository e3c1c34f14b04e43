"""Phase: make one sealed backup on a control-plane node; and the keys that it takes, which are made once per cluster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol, cast, runtime_checkable

from sloth.backup.memory import Keys, keys_of, with_keys
from sloth.backup.names import MANIFEST, cluster_of
from sloth.backup.scripts import CERTIFICATE, OWN, PROGRAM, SIGNING_KEY, SPOOL, Origin, program
from sloth.contracts.distribution import Distribution
from sloth.contracts.lifecycle import HasEtcd, Restores
from sloth.errors import KubernetesError, UsageError
from sloth.model.cluster import Cluster
from sloth.model.node import Node
from sloth.model.phase import Each, Keep, PhaseRun
from sloth.model.step import Ask, Do, Put, Result, Script, Step
from sloth.phases.certs import refuse_half_tokens
from sloth.phases.server import server_of

MakeKeys = Callable[[str], Keys]  # cluster -> new keys
_SECONDS = 900.0


@runtime_checkable
class Saves(HasEtcd, Restores, Protocol):
    """What a distribution must be able to do for backups."""


@dataclass
class Made:
    """What came of it: filled in by the phase, read by whoever asked for it."""

    node: str = ""
    name: str = ""
    manifest: bytes = b""  # as it lies on the node, signature included
    archive: str = ""  # path on the node


@dataclass(frozen=True)
class MakeBackup:
    """One backup, on a working control-plane node, in its spool; it still has to be brought to its place."""

    distribution: Distribution
    made: Made = field(default_factory=Made)
    title: str = "Back up the control plane"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Bring the program, run it, read what it made."""
        refuse_half_tokens(cluster, "no backup is made")
        server = server_of(cluster)
        answers = yield Each(title=self.title, scripts={server.name: self._script(server, cluster)})
        self.made.node = server.name
        self.made.name, self.made.manifest = answers[server.name]
        self.made.archive = f"{SPOOL}/{self.made.name}.tar.gz.cms"
        return cluster

    def _script(self, node: Node, cluster: Cluster) -> Script[tuple[str, bytes]]:
        make = Do(
            title="make a sealed backup",
            run=f"sh {PROGRAM}",
            timeout=_SECONDS,
            expected=f"{cluster.spec.name}-20000101T000000Z",
            hint=f"sloth ssh {node.name} -- df -h /var/lib, if its disk is full; else sloth status",
        )
        made = cast(list[Result], (yield [*files(node, cluster, self.distribution), make]))[-1]
        name = made.out.splitlines()[-1] if made.out else ""
        if cluster_of(name) != cluster.spec.name:
            raise KubernetesError(
                "backup/not-made", f"{node.name} made no backup", detail=made.out, where=node.name, hint="sloth status"
            )
        read = cast(Result, (yield Ask(title="read what is in it", run=f"cat {SPOOL}/{name}{MANIFEST}")))
        return name, f"{read.out}\n".encode()


@dataclass(frozen=True)
class BackupKeys:
    """The keys are in the record before anything is sealed with them."""

    make_keys: MakeKeys
    title: str = "Backup keys"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Made where there are none."""
        if keys_of(cluster.record) is not None:
            return cluster
        keys = self.make_keys(cluster.spec.name)
        return replace(cluster, record=(yield Keep(change=lambda record: with_keys(record, keys))))


def files(node: Node, cluster: Cluster, distribution: Distribution) -> list[Step]:
    """What a control-plane node needs to make backups. Unchanged files are left alone."""
    saves = able(distribution)
    keys = keys_of(cluster.record)
    assert keys is not None  # noqa: S101  BackupKeys comes first
    origin = Origin(
        cluster=cluster.spec.name,
        node=node.name,
        distribution=distribution.name,
        kubernetes=cluster.version,
        etcd_flags=saves.etcd_access().flags(node.mesh_address, seconds=600),
        paths=tuple(saves.backup_paths()),
    )
    return [
        Do(title=f"have {OWN}", unless=f"[ -d {OWN} ]", run=f"mkdir -p -m 0700 {OWN}"),
        Put(path=CERTIFICATE, content=keys.certificate, mode=0o600),
        Put(path=SIGNING_KEY, content=keys.signing_key, mode=0o600),
        Put(path=PROGRAM, content=program(origin), mode=0o700),
    ]


def able(distribution: Distribution) -> Saves:
    """The distribution, which can. Raises UsageError."""
    if not isinstance(distribution, Saves):
        raise UsageError(
            "backup/not-able",
            f"distribution {distribution.name} has no backups",
            hint="set spec.kubernetes.distribution to one that has, for a new cluster",
        )
    return distribution
