"""Phase: everything that health is told from, in one round trip to each node; a node that does not answer says why.

It asks what the inspection asks, and with it disks, handshakes and certificates; control-plane nodes are also asked what etcd
and Kubernetes know. Nothing is changed, and nothing that fails ends the look: what is missing becomes unknown.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sloth.contracts.distribution import Distribution
from sloth.contracts.lifecycle import Certificates, HasEtcd, HasKubectl
from sloth.errors import SlothError
from sloth.health import certificates, hosts, mesh, nodes, pods
from sloth.health.view import MEMBERS, NODES, PODS, SILENT, STATUS, WORDS, View
from sloth.hosting.nodes import kubelet_settings
from sloth.model.certificate import CertificateFile
from sloth.model.cluster import Cluster
from sloth.model.facts import Facts
from sloth.model.node import Node
from sloth.model.phase import Each, PhaseRun
from sloth.model.step import Ask, Result, Script
from sloth.phases.inspect import parse, question

_PATIENCE = 30.0  # seconds for one question


@dataclass(frozen=True)
class Vitals:
    """Facts of every node that runs, its vital signs among them."""

    distribution: Distribution
    now: Callable[[], float] = field(default=time.time, repr=False)
    title: str = "Take vital signs"

    def run(self, cluster: Cluster) -> PhaseRun:
        """One list of questions to each node, all nodes side by side."""
        scripts = {node.name: self._ask(node, cluster) for node in cluster.nodes}
        answers = yield Each(title=self.title, scripts=scripts, gather=True)
        return replace(cluster, facts={name: _facts(answer) for name, answer in answers.items()})

    def _ask(self, node: Node, cluster: Cluster) -> Script[Facts]:
        asks = self._questions(node)
        own = certificates.question(files_of(self.distribution), control_plane=node.is_control_plane)
        text = question(node, cluster.spec.mesh.port, self.distribution.probe(), more=f"{hosts.PROBE}{mesh.PROBE}{own}")
        results = yield [*asks.values(), Ask(title="look at the node", run=text, timeout=_PATIENCE)]
        assert isinstance(results, list)  # noqa: S101  a list was yielded
        said = {key: result.out for key, result in zip(asks, results, strict=False) if _of_use(key, result)}
        facts = parse(results[-1], self.now())
        return replace(facts, values={**facts.values, **said})

    def _questions(self, node: Node) -> dict[str, Ask]:
        """What only a control-plane node can say, by the key of its answer."""
        found: dict[str, Ask] = {}
        if node.is_control_plane and isinstance(self.distribution, HasEtcd):
            access = self.distribution.etcd_access()
            flags = access.flags(node.mesh_address)
            found[MEMBERS] = _ask("list etcd's members", f"etcdctl member list -w json --consistency=s {flags}")
            # `--cluster` asks for the list of members in a way that needs a majority; without one each speaks for itself.
            every = f"etcdctl endpoint status --cluster -w json {flags}"
            own = f"etcdctl endpoint status -w json {access.flags(node.mesh_address, seconds=3)}"
            found[STATUS] = _ask("ask etcd's members", f"{every} 2>/dev/null | grep . || {own}")
            lives = f"etcdctl endpoint status -w simple {access.flags(node.mesh_address, seconds=3)} >/dev/null 2>&1"
            found[WORDS] = _ask("read why etcd does not run", f"{lives} || {{ {access.last_words}; }}")
        if node.is_control_plane and isinstance(self.distribution, HasKubectl):
            kubectl = self.distribution.kubectl()
            every = "-o jsonpath='{range .items[*]}%s{end}'"
            found[NODES] = _ask("list nodes", f"{kubectl} get nodes {every % nodes.COLUMNS}")
            found[PODS] = _ask("list system pods", f"{kubectl} get pods -n {pods.NAMESPACE} {every % pods.COLUMNS}")
        return found


def _ask(title: str, run: str) -> Ask:
    return Ask(title=title, run=f"{run} 2>/dev/null", check=False, timeout=_PATIENCE)


def _of_use(key: str, result: Result) -> bool:
    # With a member down, `endpoint status` ends with an error and still prints what the others said.
    return bool(result.out) and (result.ok or key == STATUS)


def _facts(answer: Facts | Exception) -> Facts:
    if isinstance(answer, Facts):
        return answer
    return Facts(values={SILENT: answer.summary if isinstance(answer, SlothError) else str(answer)})


def files_of(distribution: Distribution) -> tuple[CertificateFile, ...]:
    """The certificates that a distribution keeps on nodes; none where it does not say."""
    return tuple(distribution.certificates()) if isinstance(distribution, Certificates) else ()


def view_of(cluster: Cluster, distribution: Distribution, now: float) -> View:
    """What rules are given, of a cluster whose vital signs were taken."""
    return View(
        leases=cluster.record.leases,
        running=frozenset(node.name for node in cluster.nodes),
        version=cluster.version,
        now=now,
        facts=cluster.facts,
        certificates=files_of(distribution),
        etcd=isinstance(distribution, HasEtcd),
        kubectl=isinstance(distribution, HasKubectl),
        unevicting=frozenset(node.name for node in cluster.nodes if _evicts_nothing(node, cluster)),
    )


def _evicts_nothing(node: Node, cluster: Cluster) -> bool:
    """Whether its kubelet has no threshold for the space on its disk (kubernetes.io, "Node-pressure Eviction": `0%` is none)."""
    thresholds = kubelet_settings(node, cluster, {}).get("evictionHard") or {}
    return all(str(thresholds.get(signal)) in ("0%", "0") for signal in ("nodefs.available", "imagefs.available"))
