"""Clouds: who may reach machines, how private ones are reached, what must not be cheap, and what etcd bears."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

from sloth import registry
from sloth.config.assemble import DEFAULT_PROVIDER
from sloth.config.problem import Finding
from sloth.config.rules.desk import Desk, Rule
from sloth.config.rules.pools import HOSTS_PROVIDER
from sloth.contracts.cloud import Cloud
from sloth.model.spec import PoolSpec

_HEARTBEAT, _ELECTION, _LONGEST = 100, 1000, 50000  # milliseconds: etcd's defaults, and the longest election timeout it takes
_BEATS = 5  # etcd does not start when fewer heartbeats fit into the election timeout (server/embed/config.go)


def access(desk: Desk) -> Iterator[Finding]:
    """Networks in `spec.access` are networks."""
    for field, words in (("ssh", desk.spec.access.ssh), ("api", desk.spec.access.api)):
        for index, word in enumerate(words):
            fault = _fault(word) if word != "auto" else ""
            if fault:
                yield desk.find(
                    "config/access-network",
                    ("spec", "access", field, index),
                    f"`{word}` is not a network",
                    fault,
                    rule="a CIDR whose bits after the prefix are zero, or `auto`",
                    value=word,
                )


def _fault(word: str) -> str:
    """What to write in place of it; "" if it is right."""
    try:
        network = ip_network(word, strict=False)
    except ValueError:
        return "write a network such as 198.51.100.0/24"
    return (
        ""
        if str(network) == word.lower()
        else f"write {network}, or one address as {word.partition('/')[0]}/{network.max_prefixlen}"
    )


def spot(desk: Desk) -> Iterator[Finding]:
    """Machines that may be taken back at any time hold no etcd."""
    for index, pool in enumerate(desk.spec.pools):
        if pool.role == "control-plane" and pool.options.get("spot"):
            yield desk.find(
                "config/spot-control-plane",
                desk.pool_path(index, "spot"),
                f"control-plane pool `{pool.name}` asks for machines that the cloud may take back at any time",
                "remove `spot` from the pool",
                rule="spot machines are for workers: a control plane that loses its majority loses its data",
                value=True,
                depends=(desk.pool_path(index, "role"),),
            )


def way_in(desk: Desk) -> Iterator[Finding]:
    """Machines without a public address are reached through one that has one, at the same cloud."""
    pools = desk.spec.pools
    open_at = {pool.provider for pool in pools if pool.count and pool.options.get("public") is not False}
    for index, pool in enumerate(pools):
        if pool.options.get("public") is False and pool.provider not in open_at:
            yield desk.find(
                "config/no-public-node",
                desk.pool_path(index, "public"),
                f"no node at {pool.provider} has a public address, so those of pool `{pool.name}` cannot be reached",
                f"leave `public: false` out of one pool at {pool.provider}",
                rule="private machines are reached through a public one at the same cloud",
                value=False,
                depends=tuple(desk.pool_path(number, field) for number in range(len(pools)) for field in ("provider", "public")),
            )


def balancer(desk: Desk) -> Iterator[Finding]:
    """A provider's load balancer stands before its own machines only."""
    if desk.spec.kubernetes.load_balancer != "provider":
        return
    pools = [(index, pool) for index, pool in enumerate(desk.spec.pools) if pool.role == "control-plane"]
    names = sorted({pool.provider for _, pool in pools})
    unable = [name for name in names if not _balances(name)]
    if unable or len(names) > 1:
        why = (
            f"{unable[0]} has none"
            if unable
            else f"control-plane nodes are at {' and '.join(names)}, and each reaches its own only"
        )
        yield desk.find(
            "config/load-balancer",
            ("spec", "kubernetes", "api", "loadBalancer"),
            f"a load balancer before the API is not possible: {why}",
            "set `loadBalancer: none`: every node has a balancer of its own, and clients change over",
            rule="all control-plane pools are at one provider, which has load balancers",
            value="provider",
            depends=tuple(desk.pool_path(index, "provider") for index, _ in pools),
        )


def closed(desk: Desk) -> Iterator[Finding]:
    """An API that nobody may reach from outside has no load balancer there: some let everybody in who are given no list."""
    if desk.spec.access.api or desk.spec.kubernetes.load_balancer != "provider":
        return
    yield desk.find(
        "config/closed-balancer",
        ("spec", "access", "api"),
        "a load balancer before the API, and nobody may reach the API from outside",
        "remove spec.kubernetes.api.loadBalancer, or say who may: `api: [auto]`",
        rule="a load balancer stands where somebody may reach it",
        value=[],
        depends=(("spec", "kubernetes", "api", "loadBalancer"),),
    )


def name(desk: Desk) -> Iterator[Finding]:
    """The API's name can be published: a service that can, a name in its zone, and something public to point at."""
    spec, base = desk.spec, ("spec", "network", "dns")
    dns, host = spec.network.dns, spec.kubernetes.hostname
    if not dns.provider:
        return
    able = [each for each in registry.names("providers") if _publishes(each)]
    if dns.provider not in able:
        yield desk.find(
            "config/dns-provider",
            (*base, "provider"),
            f"{dns.provider} publishes no names",
            f"write one of {', '.join(able)}",
            rule="a cloud with a DNS service that sloth knows",
            value=dns.provider,
        )
    if not host.endswith(f".{dns.zone}") and host != dns.zone:
        yield desk.find(
            "config/dns-zone",
            (*base, "zone"),
            f"`{host}` is not in the zone {dns.zone}" if host else "there is no name to publish",
            f"spec.kubernetes.api.hostname: api.{dns.zone}",
            rule="spec.kubernetes.api.hostname is the zone itself or ends with it",
            value=dns.zone,
            depends=(("spec", "kubernetes", "api", "hostname"),),
        )
    pools = [(index, pool) for index, pool in enumerate(spec.pools) if pool.role == "control-plane" and pool.count]
    if all(not _is_public(pool, spec.kubernetes.load_balancer) for _, pool in pools):
        yield desk.find(
            "config/dns-targets",
            (*base, "provider"),
            "no control-plane node has an address that the name could point at",
            "leave `public: false` out of one control-plane pool, or set spec.kubernetes.api.loadBalancer: provider",
            rule="the name points at a load balancer, or at control-plane nodes with public addresses",
            depends=tuple(desk.pool_path(index, field) for index, _ in pools for field in ("provider", "public")),
        )


def _publishes(provider: str) -> bool:
    plugin = registry.provider(provider)
    return isinstance(plugin, Cloud) and plugin.abilities.dns


def _is_public(pool: PoolSpec, balancer: str) -> bool:
    """Machines of this computer are nobody else's."""
    return pool.provider != DEFAULT_PROVIDER and (balancer == "provider" or pool.options.get("public") is not False)


def _balances(name: str) -> bool:
    if name not in registry.names("providers"):
        return True  # said elsewhere
    plugin = registry.provider(name)
    return plugin.abilities.balancer if isinstance(plugin, Cloud) else name != HOSTS_PROVIDER


def etcd(desk: Desk) -> Iterator[Finding]:
    """The timeouts of etcd fit together."""
    args = desk.spec.kubernetes.args.get("etcd", {})
    given = [
        args.get(flag, str(default)) for flag, default in (("heartbeat-interval", _HEARTBEAT), ("election-timeout", _ELECTION))
    ]
    if not all(word.isdigit() for word in given):
        return  # etcd says so
    beat, election = map(int, given)
    if election < _BEATS * beat or election > _LONGEST:
        yield desk.find(
            "config/etcd-timeouts",
            ("spec", "kubernetes", "etcd", "args"),
            f"etcd does not start with an election timeout of {election} ms and a heartbeat every {beat} ms",
            f'write election-timeout: "{min(10 * beat, _LONGEST)}"',
            rule=f"the election timeout is at least {_BEATS} heartbeats (10 are usual) and at most {_LONGEST} ms",
        )


RULES: tuple[Rule, ...] = (access, spot, way_in, balancer, closed, name, etcd)
