"""Provider `linode`: Linodes (Akamai cloud) in a VPC of one region."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
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
    PoolSpec,
    Sdk,
    Secret,
    ServerPlan,
    Shared,
    SlothError,
    Wanted,
    resolve_secret,
)

_VARIABLE = "LINODE_TOKEN"
_LABEL = 64  # characters of a Linode's label; tags hold 50, of which `sloth:cluster:` and `sloth:node:` take 14 and 11
_CLUSTER, _NODE = 36, 39
_SMALLEST = 10  # GiB, of a volume


class Linode(Cloud):
    """Linode, one account."""

    name = "linode"
    sdk = Sdk(module="pulumi_linode", plugin="linode", extra="linode")
    # No private-only servers: a VPC has no NAT gateway.
    abilities = Abilities(balancer=True, volumes=True)
    example = {"size": "g6-standard-2", "location": "eu-central"}
    faults = (
        (r"invalid token|\[401\]", "credentials", f"make a token in Cloud Manager, then: export {_VARIABLE}=…"),
        (r"\[403\]|unauthorized|oauth scope", "credentials", "make a token with the scopes of docs/clouds/linode.md"),
        (r"\[429\]|too many requests|rate limit", "rate-limit", "wait some minutes: the limit is per account"),
        (r"limit.*(reached|exceeded)|exceed.*limit|quota", "quota", "open a support ticket for a higher limit, or lower `count`"),
        (
            r"(not available|unavailable) in|no capacity|out of stock|\[503\]",
            "capacity",
            "add a size or location to the pool",
        ),
        (r"linode busy|still (in use|attached|assigned)|has (active|attached)", "in-use", "run the command again"),
        (
            r"must be unique|already (exists|in use|taken)|\[409\]",
            "conflict",
            "delete what has it, or rename the cluster",
        ),
        (r"\[404\]|not found", "not-found", "sloth providers show linode"),
    )

    def own_fields(self) -> Mapping[str, Any]:
        """The token."""
        text = f"Personal access token; without it, {_VARIABLE} of the environment. Scopes: docs/clouds/linode.md."
        return {"token": {"$ref": "#/$defs/secret", "description": text}}

    def environment(self, spec: ClusterSpec) -> Mapping[str, Secret | str]:
        """The token; and the beta API where a balancer is wanted, for only that one knows balancers in a VPC."""
        beta = {"LINODE_API_VERSION": "v4beta"} if spec.kubernetes.load_balancer == "provider" else {}
        if reference := self.options(spec).get("token"):
            return {_VARIABLE: resolve_secret(reference), **beta}
        if token := os.environ.get(_VARIABLE, "").strip():
            return {_VARIABLE: Secret(token), **beta}
        raise CredentialsError(
            "cloud/no-credentials",
            f"there is no token for linode: {_VARIABLE} is not set and spec.providers.linode.token is not given",
            hint=f"export {_VARIABLE}=…",
        )

    def check(self, spec: ClusterSpec) -> Sequence[SlothError]:
        """One region, names that fit into labels and tags, volumes that are large enough."""
        mine = [pool for pool in spec.pools if pool.provider == self.name]
        places = {place for pool in mine for place in self.choices(spec, pool, "location")}
        own = [problem for pool in mine for problem in (*_long(spec, pool), *_small(pool))]
        return [*super().check(spec), *([_apart(places)] if len(places) > 1 else []), *own]

    def network(self, plan: CloudPlan) -> Shared:
        """VPC, subnet, firewall, and the placement group of the control plane."""
        from . import program

        return program.network(plan)

    def server(self, plan: CloudPlan, server: ServerPlan, shared: Shared) -> Mapping[str, Any]:
        """One Linode and its volumes."""
        from . import program

        return program.server(plan, server, shared)

    def balancer(self, plan: CloudPlan, shared: Shared, servers: Mapping[str, Mapping[str, Any]]) -> Any:
        """A NodeBalancer in the VPC, behind a firewall of its own."""
        from . import program

        return program.balancer(plan, shared, servers)

    def survey(self, spec: ClusterSpec) -> Sequence[Found]:
        """Everything that carries the cluster's tag or label, or hangs on something that does."""
        from . import questions

        return questions.survey(self, spec)

    def catalogue(self, spec: ClusterSpec, wanted: Wanted) -> Catalogue:
        """Regions, types with prices, images."""
        from . import questions

        return questions.catalogue(wanted)


def _apart(places: set[str]) -> ConfigError:
    return ConfigError(
        "cloud/network-zone", f"linode: {', '.join(sorted(places))} cannot share a private network",
        detail="a VPC is of one region", where="spec.pools", hint=f"use one of them: location: {min(places)}",
    )  # fmt: skip


def _long(spec: ClusterSpec, pool: PoolSpec) -> Iterator[ConfigError]:
    node = f"{pool.name}-{pool.count}"
    if len(spec.name) > _CLUSTER or len(node) > _NODE or len(f"{spec.name}-{node}") > _LABEL:
        yield ConfigError(
            "cloud/long-name", f"the names of cluster {spec.name} and node {node} are too long for Linode's labels and tags",
            detail=f"at most {_CLUSTER} characters for the cluster, {_NODE} for a node, {_LABEL} for both with a dash between",
            where=f"spec.pools[{pool.name}]", hint="shorten the pool's or the cluster's name",
        )  # fmt: skip


def _small(pool: PoolSpec) -> Iterator[ConfigError]:
    for volume in pool.options.get("volumes") or ():
        if int(str(volume["size"]).removesuffix("Gi")) < _SMALLEST:
            yield ConfigError(
                "cloud/small-volume", f"volume {volume['name']} of pool {pool.name} is smaller than Linode makes them",
                where=f"spec.pools[{pool.name}].volumes", hint=f"size: {_SMALLEST}Gi",
            )  # fmt: skip


PLUGIN = Linode()
