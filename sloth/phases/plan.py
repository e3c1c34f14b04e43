"""Which nodes there shall be, and what that changes: names, mesh addresses and pod networks are leased once and never move.

A pure function of spec and record. New nodes are served in an order that does not depend on the order of pools in the file,
so that two people who write the same pools get the same addresses.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count, islice

from sloth.errors import ConfigError
from sloth.mesh.addressing import POD_PREFIX, capacity, free_mesh_addresses, free_pod_cidrs, inside
from sloth.model.node import Lease
from sloth.model.plan import Plan
from sloth.model.record import Record
from sloth.model.spec import ClusterSpec, PoolSpec


@dataclass(frozen=True)
class _Wish:
    """One node of a pool: its lease if it has one."""

    pool: PoolSpec
    name: str
    ordinal: int
    lease: Lease | None

    @property
    def order(self) -> tuple[bool, str, int, str]:
        """Servers first, then by pool and number: nothing of it depends on the order of the file."""
        return (self.pool.role != "control-plane", self.pool.name, self.ordinal, self.name)


def plan(spec: ClusterSpec, record: Record) -> Plan:
    """Desired leases held against recorded ones. Raises ConfigError with every problem found.

    A node whose removal was begun is removed, also when the spec asks for it again: its number is free only afterwards.
    """
    staying = {lease.name: lease for lease in record.leases if not record.node(lease.name).leaving}
    leaving = frozenset(lease.name for lease in record.leases) - frozenset(staying)
    by_pool: dict[str, list[Lease]] = {}
    for lease in staying.values():
        by_pool.setdefault(lease.pool, []).append(lease)
    wishes = [wish for pool in spec.pools for wish in _wishes(pool, by_pool.get(pool.name, []), staying, leaving)]
    kept = [wish.lease for wish in wishes if wish.lease]
    _raise_problems([*_changed_roles(wishes), *_moved(spec, kept)])
    made = _make([wish for wish in wishes if not wish.lease], spec, record)
    names = {wish.name for wish in wishes}
    removed = [lease for lease in record.leases if lease.name not in names]
    _keep_one_server(kept, removed, record)
    return Plan(
        leases=tuple(wish.lease or made[wish.name] for wish in wishes),
        add=tuple(wish.name for wish in wishes if not wish.lease),
        keep=tuple(lease.name for lease in kept),
        remove=tuple(sorted(removed, key=lambda lease: (lease.role == "control-plane", lease.pool, -lease.ordinal, lease.name))),
    )


def _wishes(pool: PoolSpec, have: Sequence[Lease], staying: dict[str, Lease], leaving: frozenset[str]) -> list[_Wish]:
    """The pool's nodes: existing ones with the lowest numbers, then the lowest numbers that nobody has."""
    if pool.hosts:
        names = [f"{pool.name}-{host.name}" for host in pool.hosts]
        return [_Wish(pool, name, 0, staying.get(name)) for name in names if name not in leaving]
    numbered = sorted((lease for lease in have if lease.ordinal), key=lambda lease: lease.ordinal)[: pool.count]
    used = {lease.ordinal for lease in numbered}
    free = (n for n in count(1) if n not in used and f"{pool.name}-{n}" not in leaving)
    fresh = [_Wish(pool, f"{pool.name}-{n}", n, None) for n in islice(free, pool.count - len(numbered))]
    return sorted([*(_Wish(pool, x.name, x.ordinal, x) for x in numbered), *fresh], key=lambda wish: wish.ordinal)


def _make(wishes: Sequence[_Wish], spec: ClusterSpec, record: Record) -> dict[str, Lease]:
    """New leases. What a leaving node has is not given away before it is gone."""
    addresses = free_mesh_addresses(spec.mesh.cidr, (lease.mesh_address for lease in record.leases))
    pods = free_pod_cidrs(spec.network.pods, (lease.pod_cidr for lease in record.leases))
    made = {}
    for wish in sorted(wishes, key=lambda wish: wish.order):
        address, cidr = next(addresses, ""), next(pods, "")
        if not address or not cidr:
            raise _exhausted(wish.name, spec, len(record.leases) + len(wishes), mesh=not address)
        made[wish.name] = Lease(
            name=wish.name,
            pool=wish.pool.name,
            role=wish.pool.role,
            provider=wish.pool.provider,
            mesh_address=address,
            pod_cidr=cidr,
            ordinal=wish.ordinal,
        )
    return made


def _exhausted(name: str, spec: ClusterSpec, nodes: int, *, mesh: bool) -> ConfigError:
    room = capacity(spec.mesh.cidr, spec.network.pods)[0 if mesh else 1]
    field, cidr = ("spec.mesh.cidr", spec.mesh.cidr) if mesh else ("spec.network.pods", spec.network.pods)
    what = "addresses for nodes" if mesh else f"pod networks (/{POD_PREFIX}, one for each node)"
    return ConfigError(
        "plan/addresses-exhausted",
        f"there is no address left for {name}: {field} ({cidr}) has {room} {what}, and {nodes} are wanted",
        where=field,
        hint="lower a pool's count; nodes that are leaving give their addresses back when `sloth up` has removed them",
    )


def _changed_roles(wishes: Iterable[_Wish]) -> list[ConfigError]:
    return [
        ConfigError(
            "plan/role-changed",
            f"{wish.name} has {what} {was} and cannot become {now}: that would be another machine",
            where=f"spec.pools[{wish.pool.name}].{what}",
            hint=f"set {what} of pool {wish.pool.name} back to {was}, and add another pool with {what} {now}",
        )
        for wish in wishes
        if wish.lease
        for what, was, now in (("role", wish.lease.role, wish.pool.role), ("provider", wish.lease.provider, wish.pool.provider))
        if was != now
    ]


def _moved(spec: ClusterSpec, leases: Iterable[Lease]) -> list[ConfigError]:
    """Addresses of existing nodes stay what they are, so the networks must go on holding them: one problem for each network."""
    problems = []
    held = [(lease.name, lease.mesh_address, lease.pod_cidr) for lease in leases]
    networks = {"spec.mesh.cidr": (spec.mesh.cidr, 1), "spec.network.pods": (spec.network.pods, 2)}
    for field, (cidr, column) in networks.items():
        lost = [row for row in held if not inside(row[column], cidr)]
        if lost:
            problems.append(
                ConfigError(
                    "plan/cidr-changed",
                    f"{field} is {cidr} now, but {lost[0][0]} has {lost[0][column]} and keeps it"
                    + (f" (and {len(lost) - 1} more nodes)" if lost[1:] else ""),
                    where=field,
                    hint=f"set {field} back to a network that holds the addresses of all nodes",
                )
            )
    return problems


def _keep_one_server(kept: Iterable[Lease], removed: Iterable[Lease], record: Record) -> None:
    """A cluster whose every control-plane node goes would lose all that is in it."""
    members = [lease.name for lease in removed if lease.role == "control-plane" and record.node(lease.name).joined]
    if members and not any(lease.role == "control-plane" for lease in kept):
        raise ConfigError(
            "plan/control-plane-replaced",
            f"no control-plane node would stay: {', '.join(sorted(members))} would go, and the cluster's data with them",
            where="spec.pools",
            hint="keep the pool of role control-plane under its name until a new one has joined with `sloth up`",
        )


def _raise_problems(problems: Sequence[ConfigError]) -> None:
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise ConfigError(
            problems[0].code,
            f"{len(problems)} changes of the spec are not possible for nodes that exist",
            detail="\n".join(problem.summary for problem in problems),
            where=problems[0].where,
            hint=problems[0].hint,
            problems=tuple(problems),
        )
