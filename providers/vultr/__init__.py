"""Provider `vultr`: servers at Vultr, all of a cluster in one region."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sloth.api import (
    Abilities,
    Catalogue,
    Cloud,
    CloudPlan,
    ClusterSpec,
    ConfigError,
    CredentialsError,
    Found,
    Sdk,
    Secret,
    ServerPlan,
    Shared,
    SlothError,
    Wanted,
    resolve_secret,
)

_VARIABLE = "VULTR_API_KEY"
_FIELDS: dict[str, Any] = {
    "apiKey": {"$ref": "#/$defs/secret", "description": f"Key of Vultr's API; without it, {_VARIABLE} of the environment."},
    "volumeType": {
        "type": "string",
        "enum": ["high_perf", "storage_opt"],
        "title": "Volume type",
        "description": "Kind of block storage that pools' `volumes` are.",
        "default": "high_perf",
        "examples": ["storage_opt"],
    },
}


class Vultr(Cloud):
    """Vultr. No private-only servers: there is no way out for a server without a public address. No spot servers either."""

    name = "vultr"
    # The SDK's plugin file names the place but no version; SDK and plugin are released with the same number.
    sdk = Sdk(
        module="ediri_vultr", plugin="vultr", extra="vultr", version="2.27.1",
        server="github://api.github.com/dirien/pulumi-vultr",
    )  # fmt: skip
    abilities = Abilities(balancer=True, volumes=True)
    example = {"size": "vc2-2c-4gb", "location": "fra", "image": "2136"}
    faults = (
        (r"invalid api (token|key)|unauthorized ip address", "credentials",
         "look at the key and at the addresses that may use it, in Vultr's console under API"),
        (r"maximum (monthly fee|number of)|reached (the|your) .*limit", "quota", "ask Vultr's support for a higher limit"),
        (r"not (currently )?available in|unavailable in|out of stock|no capacity", "capacity",
         "give the pool a list of sizes to fall back to"),
        (r"too many results", "conflict", "two things have the cluster's name: delete the wrong one in Vultr's console"),
        (r"(currently|still) attached|has .*attached|servers? .*using", "in-use", "run sloth down again"),
        (r"no results were found|invalid (plan|region|os|instance)|\b404\b", "not-found", "sloth providers show vultr"),
    )  # fmt: skip

    def own_fields(self) -> Mapping[str, Any]:
        """The key, and the kind of volumes."""
        return _FIELDS

    def environment(self, spec: ClusterSpec) -> Mapping[str, Secret | str]:
        """The key. Raises CredentialsError."""
        try:
            return {_VARIABLE: resolve_secret(self.options(spec).get("apiKey") or {"env": _VARIABLE})}
        except CredentialsError:
            if "apiKey" in self.options(spec):
                raise
        raise CredentialsError(
            "cloud/no-credentials",
            f"there is no API key for vultr: {_VARIABLE} is not set and spec.providers.vultr.apiKey is not given",
            hint=f"export {_VARIABLE}=…",
        )

    def check(self, spec: ClusterSpec) -> Sequence[SlothError]:
        """All pools are in one region, since a private network is."""
        mine = [pool for pool in spec.pools if pool.provider == self.name]
        places = sorted({place for pool in mine for place in self.choices(spec, pool, "location")})
        return [*super().check(spec), *([_apart(places)] if len(places) > 1 else [])]

    def network(self, plan: CloudPlan) -> Shared:
        """VPC, firewall group and SSH key."""
        from .program import network

        return network(plan)

    def server(self, plan: CloudPlan, server: ServerPlan, shared: Shared) -> Mapping[str, Any]:
        """One instance with its block storage."""
        from .program import server as declare

        return declare(plan, server, shared)

    def balancer(self, plan: CloudPlan, shared: Shared, servers: Mapping[str, Mapping[str, Any]]) -> Any:
        """A load balancer in the VPC."""
        from .program import balancer

        return balancer(plan, shared, servers)

    def survey(self, spec: ClusterSpec) -> Sequence[Found]:
        """Servers by tag, the rest by name: Vultr has tags on servers only."""
        from .questions import survey

        return survey(spec, self.user)

    def catalogue(self, spec: ClusterSpec, wanted: Wanted) -> Catalogue:
        """Regions, plans with prices, operating systems. Vultr's functions tell no limits."""
        from .questions import catalogue

        return catalogue(wanted)


def _apart(places: list[str]) -> ConfigError:
    return ConfigError(
        "cloud/network-zone", f"vultr: {', '.join(places)} cannot share a private network",
        detail="a VPC of Vultr lies in one region", where="spec.pools", hint=f"use one region, such as {places[0]}",
    )  # fmt: skip


PLUGIN = Vultr()
