"""Provider `linode`: Linodes (Akamai cloud) in a VPC of one region."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sloth.api import Abilities, Cloud, ClusterSpec, ConfigError, Credential, PoolSpec, Sdk, Secret, SlothError

_VARIABLE = "LINODE_TOKEN"
_LABEL = 64  # characters of a Linode's label; tags hold 50, of which `sloth:cluster:` and `sloth:node:` take 14 and 11
_CLUSTER, _NODE = 36, 39
_SMALLEST = 10  # GiB, of a volume


class Linode(Cloud):
    """Linode, one account."""

    name = "linode"
    sdk = Sdk(module="pulumi_linode", plugin="linode", extra="linode")
    # A VPC is of one region. No private-only servers: it takes no routes, and its NAT gateway (a beta) no legacy interfaces.
    abilities = Abilities(balancer=True, dns=True, volumes=True)
    default_network = "10.160.0.0/16"
    example = {"size": "g6-standard-2", "location": "eu-central"}
    sealed = {"linode:index/instance:Instance": ("metadatas",)}
    credentials = (Credential(_VARIABLE, "token", "Personal access token with the scopes of docs/clouds/linode.md"),)
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

    def environment(self, spec: ClusterSpec) -> Mapping[str, Secret | str]:
        """The token; and the beta API where a balancer is wanted, for only that one knows balancers in a VPC."""
        beta = {"LINODE_API_VERSION": "v4beta"} if spec.kubernetes.load_balancer == "provider" else {}
        return {**super().environment(spec), **beta}

    def check(self, spec: ClusterSpec) -> Sequence[SlothError]:
        """Names that fit into labels and tags, volumes that are large enough."""
        own = [problem for pool in self.pools(spec) for problem in (*_long(spec, pool), *_small(pool))]
        return [*super().check(spec), *own]


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
