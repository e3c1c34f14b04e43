"""Phase: ask every node, in one question, all that later phases need to know, and stop at what is plainly wrong with a host."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from shlex import quote

from sloth.contracts.distribution import Distribution
from sloth.errors import SlothError, raise_all
from sloth.model.cluster import Cluster
from sloth.model.facts import Facts
from sloth.model.node import Node
from sloth.model.phase import Each, PhaseRun, Say
from sloth.model.step import Ask, Result, Script
from sloth.phases.fitness import PORTS, problems
from sloth.phases.stamp import VERIFY


@dataclass(frozen=True)
class Inspect:
    """One round trip to each node. With `lenient`, nodes that do not answer are left without facts and nothing is an error."""

    distribution: Distribution
    lenient: bool = False
    now: Callable[[], float] = field(default=time.time, repr=False)
    title: str = "Inspect nodes"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Facts of every node. Raises what is wrong, of all nodes at once."""
        scripts = {node.name: self._ask(node, cluster) for node in cluster.nodes}
        answers = yield Each(title=self.title, scripts=scripts, gather=True)
        facts = {name: answer for name, answer in answers.items() if isinstance(answer, Facts)}
        silent = [answer for answer in answers.values() if isinstance(answer, Exception)]
        found = [problem for node in cluster.nodes if node.name in facts for problem in problems(node, facts[node.name])]
        if not self.lenient:
            raise_all("nodes are not fit for the cluster", [*silent, *found])
        for error in (*silent, *found):
            yield Say(text=error.summary if isinstance(error, SlothError) else str(error), warning=True)
        return replace(cluster, facts=facts)

    def _ask(self, node: Node, cluster: Cluster) -> Script[Facts]:
        result = yield Ask(title="look at the node", run=question(node, cluster.spec.mesh.port, self.distribution.probe()))
        assert isinstance(result, Result)  # noqa: S101  one step, one result
        # The node reads its clock last, so that neither connecting nor a slow answer counts as an offset.
        return parse(result, self.now())


@cache
def _text() -> str:
    return files(__package__).joinpath("inspect.sh").read_text(encoding="utf-8")


def question(node: Node, mesh_port: int, probe: str, more: str = "") -> str:
    """The shell text that prints `key=value` lines; reads only. `more` = further text of that kind, asked before the clock."""
    ports = " ".join([*(f"tcp:{port}" for port in PORTS[node.role]), f"udp:{mesh_port}"])
    address = quote(node.machine.private_address or node.machine.address)
    values = {"ADDRESS": address, "PORTS": ports, "STAMPS": VERIFY, "PROBE": probe, "MORE": more}
    text = _text()
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def parse(result: Result, now: float) -> Facts:
    """Facts of `key=value` lines; other lines are passed over. Of a node that does not exist yet, nothing is known."""
    pairs = (line.partition("=") for line in result.out.splitlines() if "=" in line)
    values = {key.strip(): value.strip() for key, _, value in pairs}
    return Facts(values=values, asked_at=now, predicted=result.predicted)
