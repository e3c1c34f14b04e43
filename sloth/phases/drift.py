"""Phases: compare every layer with the spec. They run in a rehearsal: nothing is changed, and what would be is what differs.

Stamps are not asked here: each node is asked for the files, units and settings themselves, so that a change made by hand shows
also where nobody looked at a file's date. A node that does not answer is said to be unread, never to be as it should.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sloth.contracts.distribution import Distribution
from sloth.contracts.lifecycle import EncryptsSecrets, Reconfigures
from sloth.errors import SlothError
from sloth.mesh.host import setup
from sloth.mesh.wireguard import settings
from sloth.model.cluster import Cluster
from sloth.model.drift import Drifted, Layer
from sloth.model.node import Node
from sloth.model.phase import Each, Order, PhaseRun, SurveyMachines, Together
from sloth.model.step import Do, Put, Result, Script, Step, Upload
from sloth.phases.mesh import in_force, view_of, with_mtu
from sloth.phases.server import working_server
from sloth.phases.survey import providers

Tell = Callable[[Drifted], None]
_DETAIL = 300  # characters of a command


@dataclass(frozen=True)
class MachineDrift:
    """Machines that carry the cluster's tag and that nobody knows; nodes that the spec does not ask for any more."""

    tell: Tell
    title: str = "Compare machines"

    def run(self, cluster: Cluster) -> PhaseRun:
        """What is missing or differs, the rehearsal of `Machines` has noted."""
        surveys = yield Together(orders=tuple(SurveyMachines(provider=provider) for provider in providers(cluster)))
        known = {lease.name for lease in (*cluster.record.leases, *cluster.plan.leases)}
        for name in sorted({machine.name for survey in surveys for machine in survey} - known):
            self.tell(
                Drifted(layer="machines", node=name, what="a machine carries the cluster's tag, and no node is recorded for it")
            )
        for lease in cluster.plan.remove:
            self.tell(Drifted(layer="machines", node=lease.name, what="the spec does not ask for this node any more"))
        return cluster


@dataclass(frozen=True)
class MeshDrift:
    """Tools, settings, unit and peers of the mesh on every node."""

    tell: Tell
    title: str = "Compare the mesh"

    def run(self, cluster: Cluster) -> PhaseRun:
        """One round trip to each node."""
        cluster = with_mtu(cluster)
        view = view_of(cluster)
        scripts = {}
        for node in seen(cluster):
            fact = cluster.fact(node.name)
            scripts[node.name] = collect(_list(setup(settings(node, view))))
            key = cluster.record.node(node.name).mesh_public_key
            if fact.get("mesh.public_key") != key:
                self.tell(Drifted(layer="mesh", node=node.name, what="its mesh key is not the recorded one"))
            elif not in_force(node, view, fact):
                self.tell(Drifted(layer="mesh", node=node.name, what="its peers are not those of the record"))
        yield from _compare(self.title, "mesh", scripts, self.tell)
        return cluster


@dataclass(frozen=True)
class HostDrift:
    """Runtime, binaries, images, units and settings of every node: all that the distribution's preparation is."""

    distribution: Distribution
    tell: Tell
    title: str = "Compare hosts"

    def run(self, cluster: Cluster) -> PhaseRun:
        """One round trip to each node; nodes that could not be asked are told here, for all layers."""
        nodes = seen(cluster)
        for node in cluster.nodes:
            if node.name not in cluster.facts:
                self.tell(
                    Drifted(layer="host", node=node.name, what="it does not answer: nothing on it was compared", unread=True)
                )
        scripts = {node.name: collect(_list(list(self.distribution.prepare(node, cluster)))) for node in nodes}
        yield from _compare(self.title, "host", scripts, self.tell)
        return cluster


@dataclass(frozen=True)
class KubernetesDrift:
    """Members, versions, labels, taints and cluster services as Kubernetes has them."""

    distribution: Distribution
    tell: Tell
    title: str = "Compare Kubernetes"

    def run(self, cluster: Cluster) -> PhaseRun:
        """One control-plane node is asked for all of them."""
        for node in seen(cluster):
            fact = cluster.fact(node.name)
            if fact.get("kube.state") != "joined":
                self.tell(Drifted(layer="kubernetes", node=node.name, what="it is no working member of Kubernetes"))
            elif fact.get("kube.version", cluster.version) != cluster.version:
                what = f"it runs {fact.get('kube.version')}, the cluster {cluster.version}"
                self.tell(Drifted(layer="kubernetes", node=node.name, what=what))
            encrypts = self.distribution if isinstance(self.distribution, EncryptsSecrets) else None
            if encrypts and fact.get("kube.api") and not encrypts.encryption_applied(fact, cluster):
                what = "its API server does not run with the recorded encryption of Secrets"
                self.tell(Drifted(layer="kubernetes", node=node.name, what=what))
            settings = self.distribution if isinstance(self.distribution, Reconfigures) else None
            if settings and fact.get("kube.api") and not settings.settings_applied(fact, cluster.at(node.name)):
                what = "its control plane does not run with the settings of the spec"
                self.tell(Drifted(layer="kubernetes", node=node.name, what=what))
        server = working_server(cluster)
        if server is None:
            self.tell(Drifted(layer="kubernetes", node="", what="no control-plane node works: nothing was compared", unread=True))
            return cluster
        script = collect(self.distribution.settle(server, cluster))
        yield from _compare(self.title, "kubernetes", {server.name: script}, self.tell, everywhere=True)
        return cluster


def seen(cluster: Cluster) -> list[Node]:
    """Nodes that exist and answered: of the others nothing can be compared."""
    return [node for node in cluster.nodes if node.name in cluster.facts and not cluster.fact(node.name).predicted]


def collect(script: Script[None]) -> Script[list[Step]]:
    """The steps of a script that would change something. To be run in a rehearsal."""
    changing: list[Step] = []
    try:
        wanted = next(script)
        while True:
            steps = wanted if isinstance(wanted, list) else [wanted]
            answer = yield wanted
            results = answer if isinstance(answer, list) else [answer]
            changing += [step for step, result in zip(steps, results, strict=False) if _changes(step, result)]
            wanted = script.send(answer)
    except StopIteration:
        return changing


def _changes(step: Step, result: Result) -> bool:
    return result.changed and isinstance(step, (Do, Put, Upload))


def _list(steps: Sequence[Step]) -> Script[None]:
    yield list(steps)


def _compare(
    title: str, layer: Layer, scripts: Mapping[str, Script[list[Step]]], tell: Tell, *, everywhere: bool = False
) -> Generator[Order, Any, None]:
    """Ask, and tell what differs; with `everywhere` it is the cluster's, not that node's."""
    answers = yield Each(title=title, scripts=scripts, gather=True)
    for node, steps in answers.items():
        if isinstance(steps, Exception):
            why = steps.summary if isinstance(steps, SlothError) else str(steps)
            tell(Drifted(layer=layer, node=node, what=f"not compared: {why}", unread=True))
            continue
        for step in steps:
            tell(Drifted(layer=layer, node="" if everywhere else node, what=step.title, detail=_detail(step, layer)))


def _detail(step: Step, layer: Layer) -> str:
    """The command without its flags, where it says more than its title: labels and taints."""
    return step.run.partition(" --kubeconfig")[0][:_DETAIL] if layer == "kubernetes" and isinstance(step, Do) else ""
