"""Provider `digitalocean`: Droplets in a VPC of one region."""

from __future__ import annotations

import os
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
)  # fmt: skip

_VARIABLE = "DIGITALOCEAN_TOKEN"


class DigitalOcean(Cloud):
    """DigitalOcean, one team."""

    name = "digitalocean"
    sdk = Sdk(module="pulumi_digitalocean", plugin="digitalocean", extra="digitalocean")
    abilities = Abilities(balancer=True, volumes=True, private=True)
    example = {"size": "s-2vcpu-4gb", "location": "fra1"}
    faults = (
        (r"unable to authenticate|\b401\b", "credentials", f"make a token in the control panel, then: export {_VARIABLE}=…"),
        (r"\b403\b|not authorized|missing .*scope", "credentials", "make a token with the scopes of docs/clouds/digitalocean.md"),
        (r"\b429\b|too many requests|rate limit", "rate-limit", "wait some minutes: the limit is per token and hour"),
        (
            r"exceed.*limit|limit.*(exceeded|reached)|quota",
            "quota",
            "ask for a higher limit in the control panel, or lower `count`",
        ),
        (
            r"(size|region).*(not available|unavailable)|out of capacity",
            "capacity",
            "give the pool a list of sizes to fall back to",
        ),
        (r"with members|still attached|attached to a droplet|pending event|\b412\b", "in-use", "run the command again"),
        (r"already in use|duplicate name|already exists|\b409\b", "conflict", "delete what has that name, or rename the cluster"),
        (r"\b404\b|could not be found|found with name", "not-found", "sloth providers show digitalocean"),
    )

    def own_fields(self) -> Mapping[str, Any]:
        """The token."""
        text = f"API token; without it, {_VARIABLE} of the environment. Scopes: docs/clouds/digitalocean.md."
        return {"token": {"$ref": "#/$defs/secret", "description": text}}

    def environment(self, spec: ClusterSpec) -> Mapping[str, Secret | str]:
        """The token. Raises CredentialsError."""
        if reference := self.options(spec).get("token"):
            return {_VARIABLE: resolve_secret(reference)}
        if token := os.environ.get(_VARIABLE, "").strip():
            return {_VARIABLE: Secret(token)}
        raise CredentialsError(
            "cloud/no-credentials",
            f"there is no token for digitalocean: {_VARIABLE} is not set and spec.providers.digitalocean.token is not given",
            hint=f"export {_VARIABLE}=…",
        )

    def check(self, spec: ClusterSpec) -> Sequence[SlothError]:
        """All pools are in one region: a VPC is of one, and so are its volumes and its balancer."""
        mine = [pool for pool in spec.pools if pool.provider == self.name]
        places = {place for pool in mine for place in self.choices(spec, pool, "location")}
        return [*super().check(spec), *([_apart(places)] if len(places) > 1 else [])]

    def network(self, plan: CloudPlan) -> Shared:
        """VPC, cluster tag, firewall over that tag, SSH key; a NAT gateway for private servers."""
        from . import program

        return program.network(plan)

    def server(self, plan: CloudPlan, server: ServerPlan, shared: Shared) -> Mapping[str, Any]:
        """One Droplet and its volumes."""
        from . import program

        return program.server(plan, server, shared)

    def balancer(self, plan: CloudPlan, shared: Shared, servers: Mapping[str, Mapping[str, Any]]) -> Any:
        """A load balancer in the VPC that lets in `spec.access.api` only."""
        from . import program

        return program.balancer(plan, shared, servers)

    def survey(self, spec: ClusterSpec) -> Sequence[Found]:
        """Everything that can be asked for by tag, by network or by name. Firewalls cannot."""
        from . import questions

        return questions.survey(self, spec)

    def catalogue(self, spec: ClusterSpec, wanted: Wanted) -> Catalogue:
        """Regions, sizes with prices, the wanted images, the limit of Droplets."""
        from . import questions

        return questions.catalogue(wanted)


def _apart(places: set[str]) -> ConfigError:
    return ConfigError(
        "cloud/network-zone", f"digitalocean: {', '.join(sorted(places))} cannot share a private network",
        detail="a VPC is of one region", where="spec.pools", hint=f"use one of them: location: {min(places)}",
    )  # fmt: skip


PLUGIN = DigitalOcean()
