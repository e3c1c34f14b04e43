"""Provider `local`: Docker containers that boot systemd, cloud-init and sshd, as hosts on this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_network
from typing import Any

from sloth.api import ClusterSpec, ConfigError, Delivery, Emit, Machines, Provider, SlothError

from .docker import Docker
from .image import NodeImage
from .machines import LocalMachines

_MOST_NODES = 1000  # what the smallest subnet that sloth takes by itself has room for


class LocalProvider(Provider):
    """Containers on the Docker engine of this machine."""

    name = "local"

    def options_schema(self) -> Mapping[str, Any]:
        """One option: the network's CIDR."""
        network = {
            "type": "string",
            "description": "CIDR of the cluster's Docker network. Default: a free /22 of 172.16.0.0/12.",
            "examples": ["10.213.0.0/22"],
        }
        return {
            "provider": {"type": "object", "additionalProperties": False, "properties": {"network": network}},
            "pool": {"type": "object", "additionalProperties": False, "properties": {}},
        }

    def check(self, spec: ClusterSpec) -> Sequence[SlothError]:
        """The network option, and that there is an address for each node."""
        count = sum(pool.count for pool in spec.pools if pool.provider == self.name)
        text = self.networks(spec).get("spec.providers.local.network")
        room = _MOST_NODES
        if text is not None:
            try:
                room = ip_network(text).num_addresses - 12
            except ValueError as error:
                return [_bad_network(text, str(error))]
            if ip_network(text).version != 4 or room < 1:
                return [_bad_network(text, "an IPv4 network of at least 16 addresses is needed")]
        return [_too_many(count, room)] if count > room else []

    def machines(self, spec: ClusterSpec, emit: Emit, delivery: Delivery) -> Machines:
        """The cluster's containers."""
        docker = Docker()
        return LocalMachines(spec, emit, NodeImage(docker, emit, delivery), docker)

    def networks(self, spec: ClusterSpec) -> Mapping[str, str]:
        """The network, if the spec fixes it; sloth itself takes one that overlaps nothing."""
        network = spec.providers.get(self.name, {}).get("network")
        return {"spec.providers.local.network": str(network)} if network else {}


def _bad_network(text: str, why: str) -> ConfigError:
    return ConfigError(
        "local/network-option", f"spec.providers.local.network: `{text}` is not usable", detail=why,
        hint="write a private IPv4 network, such as 10.213.0.0/22",
    )  # fmt: skip


def _too_many(count: int, room: int) -> ConfigError:
    return ConfigError(
        "local/too-many-nodes", f"{count} local nodes do not fit into a network of {room} addresses",
        hint="set a larger spec.providers.local.network, such as 10.212.0.0/16",
    )  # fmt: skip


PLUGIN = LocalProvider()
