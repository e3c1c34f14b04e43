"""Drive a phase by hand: a record that is kept, and one function that answers each step of each node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sloth.model.cluster import Cluster
from sloth.model.facts import Facts
from sloth.model.node import Lease, Machine, Node
from sloth.model.phase import Connect, Each, Keep, Say
from sloth.model.plan import Plan
from sloth.model.record import Record
from sloth.model.secret import Secret
from sloth.model.spec import ClusterSpec, MeshSpec, PoolSpec
from sloth.model.step import Result, Step

Answer = Callable[[str, Step], Result | str | Exception]


@dataclass
class Driver:
    """Carries orders out. `trips` lists (node, steps) of each round trip, `orders` all orders."""

    record: Record
    answer: Answer = lambda _node, _step: ""
    trips: list[tuple[str, list[Step]]] = field(default_factory=list)
    orders: list[Any] = field(default_factory=list)
    kept: list[Record] = field(default_factory=list)

    def follow(self, orders: Any) -> Any:
        try:
            order = next(orders)
            while True:
                self.orders.append(order)
                try:
                    came = self._do(order)
                except Exception as error:
                    order = orders.throw(error)
                else:
                    order = orders.send(came)
        except StopIteration as end:
            return end.value

    def titles(self, node: str) -> list[list[str]]:
        return [[step.title for step in steps] for name, steps in self.trips if name == node]

    def _do(self, order: Any) -> Any:
        match order:
            case Keep():
                self.record = order.change(self.record)
                self.kept.append(self.record)
                return self.record
            case Each():
                return {name: self._script(name, script, order.gather) for name, script in order.scripts.items()}
            case Connect() | Say():
                return None
        raise AssertionError(f"unexpected order {order!r}")

    def _script(self, node: str, script: Any, gather: bool) -> Any:
        try:
            wanted = next(script)
            while True:
                steps = wanted if isinstance(wanted, list) else [wanted]
                self.trips.append((node, steps))
                results = [self._result(node, step) for step in steps]
                wanted = script.send(results if isinstance(wanted, list) else results[0])
        except StopIteration as end:
            return end.value
        except Exception as error:
            if gather:
                return error
            raise

    def _result(self, node: str, step: Step) -> Result:
        came = self.answer(node, step)
        if isinstance(came, Exception):
            raise came
        return Result(out=came) if isinstance(came, str) else came


def node(name: str, number: int = 1, role: Any = "worker", **machine: Any) -> Node:
    lease = Lease(
        name=name, pool=name.rpartition("-")[0], role=role, provider="local",
        mesh_address=f"10.90.0.{number}", pod_cidr=f"10.42.{number}.0/24", ordinal=number,
    )  # fmt: skip
    values = {"address": f"198.51.100.{number}", **machine}
    return Node(lease=lease, machine=Machine(name=name, id=name, **values))


def cluster(nodes: list[Node], record: Record | None = None, facts: dict[str, Any] | None = None, mtu: int = 0) -> Cluster:
    pools = tuple(PoolSpec(name=name, role="worker", provider="local", count=1) for name in {n.lease.pool for n in nodes})
    leases = tuple(n.lease for n in nodes)
    record = record or Record(cluster="c", mesh_seed=Secret("seed-of-the-cluster"), leases=leases)
    seen = {name: Facts(values=values) for name, values in (facts or {}).items()}
    spec = ClusterSpec(name="c", pools=pools, mesh=MeshSpec(mtu=mtu))
    return Cluster(spec=spec, record=record, plan=Plan(leases=leases), nodes=tuple(nodes), facts=seen)
