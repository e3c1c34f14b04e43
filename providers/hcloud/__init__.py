"""Provider `hcloud`: servers of Hetzner Cloud, all in one project."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from sloth.api import (  # isort: skip
    Abilities, Catalogue, Cloud, CloudPlan, ClusterSpec, ConfigError, CredentialsError, Found, Sdk, Secret, ServerPlan,
    Shared, SlothError, Wanted, resolve_secret,
)  # fmt: skip

_VARIABLE = "HCLOUD_TOKEN"
# All subnets of a network are of one zone (docs.hetzner.com/cloud/networks/faq). Locations in Europe are of the same.
_OVERSEAS = {"ash": "us-east", "hil": "us-west", "sin": "ap-southeast"}


def zone(location: str) -> str:
    """The network zone of a location."""
    return _OVERSEAS.get(location, "eu-central")


class Hcloud(Cloud):
    """Hetzner Cloud."""

    name = "hcloud"
    sdk = Sdk(module="pulumi_hcloud", plugin="hcloud", extra="hcloud")
    # No private-only servers: Hetzner has no NAT gateway, and its servers do not learn a default route by DHCP.
    abilities = Abilities(balancer=True, volumes=True, several_locations=True)
    example = {"size": "cx33", "location": "fsn1"}
    faults = (
        (r"unauthorized|unable to authenticate|token_readonly", "credentials", "export HCLOUD_TOKEN=… (read and write access)"),
        (r"resource_unavailable|placement_error|error during placement", "capacity", ""),
        (r"rate_limit_exceeded", "rate-limit", "wait some minutes: the limit is per project and hour, then sloth up"),
        (r"resource_in_use|must be (detached|unused)", "in-use", ""),
        (r"\block(ed)?\b|\bconflict\b", "conflict", "another action runs on that resource; run the command again"),
        (r"uniqueness_error", "conflict", "something in the project has that name already: look at it in the console"),
        (r"not_found|not found", "not-found", "sloth providers show hcloud"),
    )  # fmt: skip

    def own_fields(self) -> Mapping[str, Any]:
        """The token."""
        text = f"API token with read and write access; without it, {_VARIABLE} of the environment."
        return {"token": {"$ref": "#/$defs/secret", "description": text}}

    def environment(self, spec: ClusterSpec) -> Mapping[str, Secret | str]:
        """The token. Raises CredentialsError."""
        if reference := self.options(spec).get("token"):
            return {_VARIABLE: resolve_secret(reference)}
        if token := os.environ.get(_VARIABLE, "").strip():
            return {_VARIABLE: Secret(token)}
        summary = f"hcloud: there is no token: {_VARIABLE} is not set, spec.providers.hcloud.token is not given"
        raise CredentialsError("cloud/no-credentials", summary, hint=f"export {_VARIABLE}=…")

    def check(self, spec: ClusterSpec) -> Sequence[SlothError]:
        """All locations share a network zone, and whoever has an API load balancer wants the API to be open."""
        mine = [pool for pool in spec.pools if pool.provider == self.name]
        places = {place: zone(place) for pool in mine for place in self.choices(spec, pool, "location")}
        problems = list(super().check(spec))
        if len({*places.values()}) > 1:
            summary = f"hcloud: {', '.join(sorted(places))} lie in several network zones: they cannot share a private network"
            hint = "use locations of one zone, such as fsn1, nbg1 and hel1"
            problems.append(ConfigError("cloud/network-zone", summary, where="spec.pools", hint=hint))
        balanced = spec.kubernetes.load_balancer == "provider" and any(pool.role == "control-plane" for pool in mine)
        if balanced and "0.0.0.0/0" not in spec.access.api:
            summary = "a load balancer of hcloud has no firewall: it cannot keep to spec.access.api"
            hint = "set loadBalancer: none, or open the API with spec.access.api: [0.0.0.0/0]"
            problems.append(ConfigError("cloud/open-balancer", summary, where="spec.access.api", hint=hint))
        return problems

    def network(self, plan: CloudPlan) -> Shared:
        """Network, firewall, SSH key and the placement group of the control plane."""
        from . import program

        return program.network(plan)

    def server(self, plan: CloudPlan, server: ServerPlan, shared: Shared) -> Mapping[str, Any]:
        """One server in the network, with its volumes."""
        from . import program

        return program.server(plan, server, shared)

    def balancer(self, plan: CloudPlan, shared: Shared, servers: Mapping[str, Mapping[str, Any]]) -> Any:
        """A load balancer that reaches the servers over the private network."""
        from . import program

        return program.balancer(plan, shared, servers)

    def survey(self, spec: ClusterSpec) -> Sequence[Found]:
        """Everything labelled with the cluster, and what its Kubernetes controllers made."""
        from . import questions

        return questions.survey(spec.name, self.user)

    def catalogue(self, spec: ClusterSpec, wanted: Wanted) -> Catalogue:
        """Locations, server types and images of the project."""
        from . import questions

        return questions.catalogue(wanted)


PLUGIN = Hcloud()
