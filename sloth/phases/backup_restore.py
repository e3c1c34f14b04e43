"""Phases: put a backup's data back as the cluster's data; or go on with what one surviving control-plane node has.

What is destroyed, and when: all control planes are stopped and their data put aside; then one node alone gets the data; then a
note on that node says so. Until that note is there, everything is done anew by the next run; from then on the others join as new
members do. So a run that was cut off anywhere is finished by the same command.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from shlex import quote
from typing import cast

from sloth.backup.memory import Restoring, restoring, with_restoring
from sloth.backup.scripts import RESTORE, RUN
from sloth.contracts.distribution import Distribution
from sloth.contracts.lifecycle import HasKubectl
from sloth.errors import KubernetesError
from sloth.model.cluster import Cluster
from sloth.model.node import Node
from sloth.model.phase import Each, Keep, PhaseRun
from sloth.model.record import Record
from sloth.model.step import Ask, Do, Result, Retry, Script
from sloth.phases.backup_create import able
from sloth.phases.backup_verify import Opened, unpack

NOTE = f"{RUN}/restored"


@dataclass(frozen=True)
class NothingUnderWay:
    """`sloth up` does not build upon half a restore."""

    title: str = "No restore under way"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Raises KubernetesError `backup/restore-unfinished`."""
        now = restoring(cluster.record)
        if now:
            raise KubernetesError(
                "backup/restore-unfinished",
                f"a restore of {now.name} was begun and is not finished",
                where=now.node,
                hint=f"sloth backup restore {f'--survivor {now.node}' if now.survivor else now.name} goes on where it ended",
            )
        return cluster
        yield  # makes this a generator, as phases are


@dataclass(frozen=True)
class Begin:
    """From here on the record knows that a restore is under way: `sloth up` alone does not go on over half of it."""

    wish: Restoring
    title: str = "Begin the restore"

    def run(self, cluster: Cluster) -> PhaseRun:
        """One of the same backup that is under way goes on."""
        now = restoring(cluster.record)
        if now and (now.name, now.survivor) == (self.wish.name, self.wish.survivor):
            return cluster
        return replace(cluster, record=(yield Keep(change=lambda record: with_restoring(record, self.wish))))


@dataclass(frozen=True)
class PutBack:
    """One control-plane node has the data, alone; the others are stopped and empty."""

    distribution: Distribution
    backup: Opened | None  # None = the data of the surviving node
    title: str = "Put the data back"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Nothing where the note says that it is done."""
        wish = restoring(cluster.record)
        assert wish is not None  # noqa: S101  Begin comes first
        first = cluster.node(wish.node)
        seen = yield Each(title="look whether it is done", scripts={first.name: _look(wish)})
        if not seen[first.name]:
            yield from self._put_back(wish, first, cluster)
            yield Each(title="note that it is done", scripts={first.name: _note(wish)})
        others = [node.name for node in cluster.control_plane if node.name != first.name]
        if not seen[first.name]:
            cluster = replace(cluster, record=(yield _members(first.name)), changed=cluster.changed | {first.name, *others})
        return cluster

    def _put_back(self, wish: Restoring, first: Node, cluster: Cluster) -> PhaseRun:
        saves = able(self.distribution)
        stop = [node for node in cluster.control_plane if node.name != first.name or not wish.survivor]
        yield Each(title="stop the control plane", scripts={node.name: saves.halt(node, cluster) for node in stop})
        if wish.survivor:
            script = saves.force_alone(first, cluster)
        else:
            assert self.backup is not None  # noqa: S101  only a survivor needs none
            script = self._restore(self.backup, first, cluster)
        yield Each(title=f"restore {first.name}", scripts={first.name: script})
        if isinstance(self.distribution, HasKubectl):
            yield Each(title="forget nodes that are gone", scripts={first.name: _forget(self.distribution, first, cluster)})
        return cluster

    def _restore(self, backup: Opened, first: Node, cluster: Cluster) -> Script[None]:
        folder = f"{RESTORE}/restore"
        yield unpack(backup, folder)
        yield from able(self.distribution).restore(first, cluster, folder)
        yield Do(title="delete the opened backup", unless=f"[ ! -e {RESTORE} ]", run=f"rm -rf {RESTORE}")


@dataclass(frozen=True)
class Revive:
    """Workers that kept running find the restored control plane, which may be of a time before them."""

    distribution: Distribution
    title: str = "Have workers register again"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Those that were seen to be members."""
        workers = [node for node in cluster.workers if cluster.fact(node.name).get("kube.state") == "joined"]
        saves = able(self.distribution)
        yield Each(title=self.title, scripts={node.name: saves.revive(node, cluster) for node in workers})
        return cluster


@dataclass(frozen=True)
class Finished:
    """Nothing is under way any more."""

    title: str = "Finish the restore"

    def run(self, cluster: Cluster) -> PhaseRun:
        """The last thing, when every node is Ready."""
        return replace(cluster, record=(yield Keep(change=lambda record: with_restoring(record, None))))


def _look(wish: Restoring) -> Script[bool]:
    ask = Ask(title="look whether the data is back", run=f"cat {NOTE} 2>/dev/null", check=False)
    return cast(Result, (yield ask)).out.strip() == wish.id


def _forget(distribution: HasKubectl, first: Node, cluster: Cluster) -> Script[None]:
    """Of all nodes in the data, only this one and the workers that run on exist: there is nothing on the others to drain."""
    stay = [first, *(node for node in cluster.workers if cluster.fact(node.name).get("kube.state") == "joined")]
    known = " ".join(f"-e node/{node.name}" for node in stay)
    kubectl = distribution.kubectl()
    yield Do(
        title="forget nodes that are gone",
        run=f"listed=$({kubectl} get nodes -o name) || exit; "
        f'echo "$listed" | grep -vxF {known} | xargs -r {kubectl} delete --wait=false >/dev/null',
        retry=Retry(attempts=10, delay=3.0, reason="the API server has only just begun"),
        hint="the same command goes on",
    )


def _note(wish: Restoring) -> Script[None]:
    write = f"mkdir -p -m 0700 {RUN} && echo {quote(wish.id)} >{NOTE}.new && sync {NOTE}.new && mv {NOTE}.new {NOTE}"
    yield Do(title="note that the data is back", run=write)


def _members(first: str) -> Keep:
    def change(record: Record) -> Record:
        return replace(record.with_node(first, joined=True), kubeconfig=None)

    return Keep(change=change)
