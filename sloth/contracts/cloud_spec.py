"""What a spec asks of a cloud: its pools, places, sizes, images and disks, and the problems that can be seen offline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from sloth.contracts.provider import Provider
from sloth.errors import ConfigError, SlothError
from sloth.model.spec import ClusterSpec, PoolSpec


@dataclass(frozen=True, kw_only=True)
class Abilities:
    """What is possible at a cloud; what is not is refused when the spec is checked."""

    balancer: bool = False  # an API load balancer
    dns: bool = False  # the API's name in a zone of its DNS service
    volumes: bool = False
    private: bool = False  # servers without a public address that still reach the internet
    spot: bool = False
    several_locations: bool = False  # one network spans them


class CloudSpec(Provider):
    """The part of a cloud that reads specs."""

    abilities: ClassVar[Abilities]
    example: ClassVar[Mapping[str, str]]  # `size` and `location` for documentation and error hints
    default_image: ClassVar[str] = "debian-12"
    bare_images: ClassVar[str] = ""  # how names of images begin that have no cloud-init there: user-data would be ignored
    # A /16 of its own for each cloud, so that clusters over several clouds do not overlap.
    default_network: ClassVar[str] = "10.200.0.0/16"
    prefixes: ClassVar[tuple[int, int]] = (1, 32)  # shortest and longest prefix of a network that is usable there

    def networks(self, spec: ClusterSpec) -> Mapping[str, str]:
        """The private network."""
        return {f"spec.providers.{self.name}.network": self.cidr(spec)}

    def cidr(self, spec: ClusterSpec) -> str:
        """CIDR of the cluster's private network at this cloud."""
        return str(self.options(spec).get("network") or self.default_network)

    def options(self, spec: ClusterSpec) -> Mapping[str, Any]:
        """`spec.providers.NAME`."""
        return spec.providers.get(self.name, {})

    def pools(self, spec: ClusterSpec) -> list[PoolSpec]:
        """The pools at this cloud."""
        return [pool for pool in spec.pools if pool.provider == self.name]

    def choices(self, spec: ClusterSpec, pool: PoolSpec, field: str) -> tuple[str, ...]:
        """Sizes or locations of a pool in order of preference: its own, else the provider's."""
        return words(pool.options.get(field) or self.options(spec).get(field))

    def image(self, spec: ClusterSpec, pool: PoolSpec) -> str:
        """Image name of a pool."""
        return str(pool.options.get("image") or self.options(spec).get("image") or self.default_image)

    def places(self, spec: ClusterSpec) -> tuple[str, ...]:
        """All locations that the spec names for this cloud, each once, the provider's own first."""
        of_pools = (place for pool in self.pools(spec) for place in self.choices(spec, pool, "location"))
        return tuple(dict.fromkeys([*words(self.options(spec).get("location")), *of_pools]))

    def region(self, location: str) -> str:
        """What one network spans: all locations of a cluster have to be in the same; "" = it spans them all."""
        return "" if self.abilities.several_locations else location

    def home(self, spec: ClusterSpec) -> str:
        """The region that all locations have to be in, where the options say it; "" = that of the first one."""
        return ""

    def disks(self, spec: ClusterSpec, existing: Iterable[str] = ()) -> Iterator[tuple[PoolSpec, str, str]]:
        """Pool, node and `NODE-VOLUME` of each volume of the pools' wanted and `existing` nodes.

        For clouds that cannot list volumes: a server may be gone and its volume not, so those of wanted nodes are asked for, too.
        """
        existing = [*existing]
        for pool in self.pools(spec):
            wanted = {f"{pool.name}-{ordinal}" for ordinal in range(1, pool.count + 1)}
            for node in sorted(wanted | {name for name in existing if name.rpartition("-")[0] == pool.name}):
                yield from ((pool, node, f"{node}-{volume['name']}") for volume in pool.options.get("volumes") or ())

    def check(self, spec: ClusterSpec) -> Sequence[SlothError]:
        """Pools have sizes and locations that share a network, and ask for nothing that the cloud cannot do."""
        problems: list[SlothError] = [problem for pool in self.pools(spec) for problem in self._of_pool(spec, pool)]
        return [*problems, *self._of_places(spec), *self._of_network(spec)]

    def _of_places(self, spec: ClusterSpec) -> Iterator[ConfigError]:
        places = self.places(spec)
        regions = [*dict.fromkeys(filter(None, (self.home(spec) if places else "", *map(self.region, places))))]
        if len(regions) > 1:
            first = [place for place in places if self.region(place) == regions[0]] or [f"a location in {regions[0]}"]
            yield ConfigError(
                "cloud/network-zone",
                f"{self.name}: {', '.join(sorted(places))} cannot share a private network",
                detail=f"they are in {', '.join(regions)}; one network at {self.name} does not span these",
                where="spec.pools",
                hint=f"use locations of {regions[0]} only: {', '.join(first)}",
            )

    def _of_network(self, spec: ClusterSpec) -> Iterator[ConfigError]:
        shortest, longest = self.prefixes
        if not shortest <= int(self.cidr(spec).rpartition("/")[2]) <= longest:
            yield ConfigError(
                "cloud/network-size",
                f"{self.name}: the network {self.cidr(spec)} is not usable: its prefix has to be one of {shortest} to {longest}",
                where=f"spec.providers.{self.name}.network",
                hint=f"write a network such as {self.default_network}",
            )

    def _of_pool(self, spec: ClusterSpec, pool: PoolSpec) -> Iterator[ConfigError]:
        where = f"spec.pools[{pool.name}]"
        for field, code in (("size", "cloud/no-size"), ("location", "cloud/no-location")):
            if not self.choices(spec, pool, field):
                text = f"pool {pool.name} has no {field}, and spec.providers.{self.name} has none either"
                yield ConfigError(code, text, where=where, hint=f"add {field}: {self.example[field]}")
        if self.bare_images and self.image(spec, pool).startswith(self.bare_images):
            yield ConfigError(
                "cloud/no-cloud-init",
                f"pool {pool.name}: `{self.image(spec, pool)}` of {self.name} has no cloud-init: the machine could not be set up",
                where=f"{where}.image",
                hint=f"image: {self.default_image}",
            )
        wishes = {
            "public": ("private", pool.options.get("public") is False),
            "spot": ("spot", bool(pool.options.get("spot"))),
            "volumes": ("volumes", bool(pool.options.get("volumes"))),
        }
        for field, (ability, asked) in wishes.items():
            if asked and not getattr(self.abilities, ability):
                yield ConfigError(
                    "cloud/not-possible",
                    f"pool {pool.name}: `{field}` is not possible at {self.name}",
                    where=f"{where}.{field}",
                    hint=f"take {field} out of pool {pool.name}; sloth providers show {self.name} lists what is possible",
                )


def words(value: Any) -> tuple[str, ...]:
    """One word, a list of them or nothing, as a tuple."""
    return (value,) if isinstance(value, str) and value else tuple(value or ())
