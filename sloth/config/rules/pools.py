"""Pools: the control plane's size, and existing hosts."""

from __future__ import annotations

from collections.abc import Iterator

from sloth.config.problem import Finding
from sloth.config.rules.desk import Desk, Rule

HOSTS_PROVIDER = "ssh"  # the provider of existing hosts
_SIZES = (1, 3, 5, 7)  # etcd: an even member adds no tolerance, more than 7 slow every write (etcd.io FAQ)


def control_plane_size(desk: Desk) -> Iterator[Finding]:
    """1, 3, 5 or 7 control-plane nodes."""
    pools = [(index, pool) for index, pool in enumerate(desk.spec.pools) if pool.role == "control-plane"]
    total = sum(pool.count for _, pool in pools)
    if total in _SIZES:
        return
    everything = ("spec", "pools")
    rule = "1, 3, 5 or 7 control-plane nodes in all pools together: an even number survives no more failures than one less"
    if total == 0:
        yield desk.find(
            "config/no-control-plane",
            everything,
            "there is no control-plane node",
            "give one pool `role: control-plane` and `count: 1` or `count: 3`",
            rule=rule,
            depends=desk.sizes(),
            key=True,
        )
        return
    nearest = min(_SIZES, key=lambda size: (abs(size - total), -size))
    yield desk.find(
        "config/control-plane-count",
        desk.pool_path(pools[-1][0], "hosts" if pools[-1][1].hosts else "count"),
        f"there are {total} control-plane nodes",
        f"make it {nearest}",
        rule=rule,
        value=total,
        depends=desk.sizes(),
    )


def existing_hosts(desk: Desk) -> Iterator[Finding]:
    """`hosts` goes with the provider of existing hosts, which needs it; `count` must agree."""
    for index, pool in enumerate(desk.spec.pools):
        path = desk.pool_path(index)
        around = ((*path, "provider"), (*path, "hosts"))
        if pool.hosts and pool.provider != HOSTS_PROVIDER:
            yield desk.find(
                "config/hosts",
                (*path, "hosts"),
                f"pool `{pool.name}` lists hosts, but its provider `{pool.provider}` makes machines itself",
                f"add `provider: {HOSTS_PROVIDER}` to the pool",
                rule=f"`hosts` is for provider `{HOSTS_PROVIDER}`",
                depends=around,
                key=True,
            )
        elif pool.provider == HOSTS_PROVIDER and not pool.hosts:
            yield desk.find(
                "config/hosts",
                path,
                f"pool `{pool.name}` has provider `{HOSTS_PROVIDER}`, but no hosts",
                "add `hosts:` with `- {name: rack1, address: 203.0.113.10}`",
                rule=f"provider `{HOSTS_PROVIDER}` needs `hosts`",
                depends=around,
            )
        elif pool.hosts and pool.count != len(pool.hosts):
            yield desk.find(
                "config/hosts",
                (*path, "count"),
                f"pool `{pool.name}` lists {len(pool.hosts)} hosts, but its count is {pool.count}",
                "remove `count`",
                rule="`count` of existing hosts follows from `hosts`",
                value=pool.count,
                depends=around,
            )


RULES: tuple[Rule, ...] = (control_plane_size, existing_hosts)
