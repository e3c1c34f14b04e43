"""Provider `hcloud`: servers of Hetzner Cloud, all in one project."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network

from sloth.api import Abilities, Cloud, ClusterSpec, ConfigError, Credential, Sdk, SlothError, WayOut

# Locations in Europe are of the same network zone.
_OVERSEAS = {"ash": "us-east", "hil": "us-west", "sin": "ap-southeast"}


class Hcloud(Cloud):
    """Hetzner Cloud."""

    name = "hcloud"
    sdk = Sdk(module="pulumi_hcloud", plugin="hcloud", extra="hcloud")
    abilities = Abilities(balancer=True, dns=True, volumes=True, private=True, several_locations=True)
    default_network = "10.110.0.0/16"
    example = {"size": "cx33", "location": "fsn1"}
    sealed = {"hcloud:index/server:Server": ("userData",)}
    credentials = (Credential("HCLOUD_TOKEN", "token", "API token with read and write access"),)
    fluid = frozenset({"hcloud:index/networkRoute:NetworkRoute"})
    faults = (
        (r"unauthorized|unable to authenticate|token_readonly", "credentials", "export HCLOUD_TOKEN=… (read and write access)"),
        (r"resource_unavailable|placement_error|error during placement", "capacity", ""),
        (r"rate_limit_exceeded", "rate-limit", "wait some minutes: the limit is per project and hour, then sloth up"),
        (r"resource_in_use|must be (detached|unused)", "in-use", ""),
        (r"\block(ed)?\b|\bconflict\b", "conflict", "another action runs on that resource; run the command again"),
        (r"uniqueness_error", "conflict", "something in the project has that name already: look at it in the console"),
        (r"not_found|not found", "not-found", "sloth providers show hcloud"),
    )  # fmt: skip

    def region(self, location: str) -> str:
        """The network zone: all subnets of a network are of one (docs.hetzner.com/cloud/networks/faq)."""
        return _OVERSEAS.get(location, "eu-central")

    def way_out(self, spec: ClusterSpec) -> WayOut:
        """Hetzner has no NAT; the router is the network's first address, the resolvers are Hetzner's own."""
        network = ip_network(self.cidr(spec), strict=False)
        return WayOut(network=str(network), router=str(network[1]), resolvers=("185.12.64.1", "185.12.64.2"))

    def check(self, spec: ClusterSpec) -> Sequence[SlothError]:
        """Whoever has an API load balancer wants the API to be open; a control-plane node forwards for private ones."""
        problems, control = list(super().check(spec)), [pool for pool in self.pools(spec) if pool.role == "control-plane"]
        balanced = spec.kubernetes.load_balancer == "provider" and bool(control)
        if balanced and "0.0.0.0/0" not in spec.access.api:
            summary = "a load balancer of hcloud has no firewall: it cannot keep to spec.access.api"
            hint = "set loadBalancer: none, or open the API with spec.access.api: [0.0.0.0/0]"
            problems.append(ConfigError("cloud/open-balancer", summary, where="spec.access.api", hint=hint))
        hidden = [pool.options.get("public") is False for pool in self.pools(spec)]
        if any(hidden) and all(pool.options.get("public") is False for pool in control):
            summary = "hcloud has no NAT gateway: a public control-plane node there has to forward for private nodes"
            hint = "leave `public: false` out of one control-plane pool at hcloud"
            problems.append(ConfigError("cloud/no-forwarder", summary, where="spec.pools", hint=hint))
        return problems


PLUGIN = Hcloud()
