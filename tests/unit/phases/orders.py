"""Drive a phase by hand at the level of its orders: a distribution whose scripts are names, and a player that answers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from sloth.model.cluster import Cluster
from sloth.model.facts import Facts
from sloth.model.node import Lease, Login, Machine, Node
from sloth.model.phase import Api, Connect, DeleteMachines, Each, Keep, Say, Together
from sloth.model.plan import Plan
from sloth.model.record import Record
from sloth.model.secret import Secret
from sloth.model.spec import ClusterSpec, PoolSpec

ABILITIES = {
    "apply_encryption", "certificates", "encryption_applied", "etcd_access", "renew", "revoke_tokens",
    "rewrite_secrets", "components", "settings_applied", "apply_settings", "authorities", "has_authorities",
    "apply_authorities", "spread_authorities", "rotate_secret_key", "take_secret_key", "await_secret_key",
    "authority_keys", "renew_worker", "new_tokens", "take_tokens",
}  # optional (sloth.contracts.lifecycle): `Named` has none of them  # fmt: skip


class Named:
    """A distribution whose scripts are tuples: (method, node, further names or values)."""

    name = "named"

    def kubelet_unit(self, role: str) -> str:
        return f"named-{role}"

    def kubectl(self) -> str:
        return "kubectl"

    def __getattr__(self, method: str) -> Any:
        if method in ABILITIES:
            raise AttributeError(method)

        def script(first: Any, *rest: Any) -> tuple[Any, ...]:
            kept = [getattr(x, "name", x) for x in rest if not isinstance(x, Cluster)]
            return (method, first.name, *kept)

        return script


def login_for(node: Node, record: Record) -> Login:
    """A login of which nothing but whose it is counts."""
    return Login(node=node.name, address=node.machine.address, user=node.machine.user, port=node.machine.port)


@dataclass
class Player:
    """Answers orders. `answers` gives, for a script's method or an order's class, a value, an exception or a function.

    `lives`: what is seen of nodes before they are drained, which succeeds; such looks are left out of `scripts`.
    """

    answers: dict[Any, Any] = field(default_factory=dict)
    orders: list[Any] = field(default_factory=list)
    record: Record | None = None
    lives: bool | None = True

    def play(self, phase: Any, cluster: Cluster) -> Cluster:
        self.record = cluster.record
        run = phase.run(cluster)
        advance = run.__next__
        try:
            while True:
                order = advance()
                together = isinstance(order, Together)
                self.orders += order.orders if together else [order]
                try:
                    came = tuple(self._answer(each) for each in order.orders) if together else self._answer(order)
                except Exception as error:
                    advance = lambda error=error: run.throw(error)  # noqa: E731
                else:
                    advance = lambda came=came: run.send(came)  # noqa: E731
        except StopIteration as end:
            return replace(end.value, record=self.record)

    @property
    def scripts(self) -> list[Any]:
        """What was run, in order: scripts of one order together."""
        each = [order for order in self.orders if isinstance(order, Each) and not _looks(order)]
        found = [[*order.scripts.values()] for order in each if order.scripts]
        return [each[0] if len(each) == 1 else each for each in found]

    def of(self, kind: type) -> list[Any]:
        return [order for order in self.orders if isinstance(order, kind)]

    def _answer(self, order: Any) -> Any:
        if isinstance(order, Keep):
            self.record = order.change(self.record)
            return self.record
        if isinstance(order, Each) and _looks(order):
            return dict.fromkeys(order.scripts, self.lives)
        if isinstance(order, Api) and Api not in self.answers:
            return True
        if isinstance(order, Each):
            return {node: self._one(script, order.gather) for node, script in order.scripts.items()}
        if isinstance(order, (Say, Connect, DeleteMachines)) and type(order) not in self.answers:
            return None
        return self._value(self.answers[type(order)], order)

    def _one(self, script: Any, gather: bool) -> Any:
        value = self.answers.get(script[:2], self.answers.get(script[0])) if isinstance(script, tuple) else None
        return value if gather else self._value(value, script)

    @staticmethod
    def _value(value: Any, asked: Any) -> Any:
        if isinstance(value, Exception):
            raise value
        return value(asked) if callable(value) else value


def _looks(order: Each) -> bool:
    return order.title.startswith("see whether ") and order.title.endswith(" lives")


def lease(name: str, number: int = 1, **values: Any) -> Lease:
    pool, _, ordinal = name.rpartition("-")
    role: Any = "control-plane" if pool == "cp" else "worker"
    given = {"provider": "local", "ordinal": int(ordinal) if ordinal.isdigit() else 0, **values}
    return Lease(name=name, pool=pool, role=role, mesh_address=f"10.90.0.{number}", pod_cidr=f"10.42.{number}.0/24", **given)


def node(name: str, number: int = 1, **machine: Any) -> Node:
    return Node(lease=lease(name, number), machine=Machine(name=name, id=name, address=f"192.0.2.{number}", **machine))


def cluster(*names: str, states: dict[str, str] | None = None, joined: tuple[str, ...] = (), **values: Any) -> Cluster:
    """Nodes of pools `cp` and `work`; `states` = what the inspection saw (default `none`), `joined` = what is recorded."""
    nodes = tuple(node(name, number) for number, name in enumerate(names, 1))
    leases = tuple(each.lease for each in nodes)
    record = Record(cluster="demo", leases=leases, mesh_seed=Secret("seed", known=False), kubernetes_version="v1.36.3")
    if states or joined:  # it has been up before
        record = replace(record, kubeconfig=Secret("kind: Config"))
    for name in joined:
        record = record.with_node(name, joined=True)
    pools = tuple(
        PoolSpec(name=pool, role=role, provider="local", count=sum(each.lease.pool == pool for each in nodes))
        for pool, role in (("cp", "control-plane"), ("work", "worker"))
    )
    facts = {name: Facts(values={"kube.state": (states or {}).get(name, "none")}) for name in names}
    given = {"spec": ClusterSpec(name="demo", pools=pools), "plan": Plan(leases=leases), "record": record, **values}
    return Cluster(nodes=nodes, facts=facts, version="v1.36.3", **given)
