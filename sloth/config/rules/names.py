"""Names: of pools, hosts and nodes. A node is called POOL-ORDINAL or POOL-HOST, and that is its host name everywhere."""

from __future__ import annotations

from collections.abc import Iterator

from sloth.config.problem import Finding
from sloth.config.rules.desk import Desk, Rule
from sloth.config.tree import Path
from sloth.model.spec import PoolSpec

_LONGEST = 63  # characters of a host name's label: RFC 1123


def duplicate_pools(desk: Desk) -> Iterator[Finding]:
    """No two pools of one name."""
    first: dict[str, int] = {}
    for index, pool in enumerate(desk.spec.pools):
        at = first.setdefault(pool.name, index)
        if at != index:
            path = desk.pool_path(index, "name")
            yield desk.find(
                "config/duplicate-name",
                path,
                f"two pools are called `{pool.name}`; the first is at {desk.places.of(desk.pool_path(at, 'name'))}",
                "give this pool another name",
                rule="names of pools are unique",
                value=pool.name,
                depends=(desk.pool_path(at, "name"),),
            )


def duplicate_hosts(desk: Desk) -> Iterator[Finding]:
    """No two hosts of one name in a pool, and none with the same address and port anywhere."""
    by_name: dict[tuple[int, str], Path] = {}
    by_address: dict[tuple[str, int], Path] = {}
    for index, pool in enumerate(desk.spec.pools):
        for number, host in enumerate(pool.hosts):
            path = desk.pool_path(index, "hosts", number)
            named = by_name.setdefault((index, host.name), path)
            if named != path:
                yield desk.find(
                    "config/duplicate-name",
                    (*path, "name"),
                    f"two hosts of pool `{pool.name}` are called `{host.name}`; the first is at {desk.places.of(named)}",
                    "give this host another name",
                    rule="names of hosts are unique in their pool",
                    value=host.name,
                )
            reached = by_address.setdefault((host.address.lower(), host.port), path)
            if reached != path:
                yield desk.find(
                    "config/duplicate-address",
                    (*path, "address"),
                    f"{host.address} port {host.port} is listed twice; the first is at {desk.places.of(reached)}",
                    "remove one of the two hosts",
                    rule="a host belongs to one pool, once",
                    value=host.address,
                )


def node_names(desk: Desk) -> Iterator[Finding]:
    """Names of nodes fit into a host name, and are unique across pools."""
    owner: dict[str, int] = {}
    for index, pool in enumerate(desk.spec.pools):
        names = list(_names(pool))
        longest = max(names, key=len, default="")
        if len(longest) > _LONGEST:
            yield desk.find(
                "config/name-too-long",
                desk.pool_path(index, "name"),
                f"the node name `{longest}` has {len(longest)} characters; a host name has at most {_LONGEST}",
                "give the pool a shorter name",
                rule=f"pool name and host name together have at most {_LONGEST - 1} characters",
                value=pool.name,
                depends=(desk.pool_path(index, "hosts"),),
            )
        clash = next((name for name in names if owner.setdefault(name, index) != index), None)
        if clash is not None and desk.spec.pools[owner[clash]].name != pool.name:
            other = desk.spec.pools[owner[clash]].name
            yield desk.find(
                "config/duplicate-name",
                desk.pool_path(index, "name"),
                f"pools `{other}` and `{pool.name}` would both have a node called `{clash}`",
                "rename one of the two pools",
                rule="names of nodes are unique",
                value=pool.name,
                depends=(desk.pool_path(index), desk.pool_path(owner[clash])),
            )


def _names(pool: PoolSpec) -> Iterator[str]:
    if pool.hosts:
        yield from (f"{pool.name}-{host.name}" for host in pool.hosts)
    else:
        yield from (f"{pool.name}-{ordinal}" for ordinal in range(1, pool.count + 1))


RULES: tuple[Rule, ...] = (duplicate_pools, duplicate_hosts, node_names)
