"""Where nodes of a pool may go: sizes and locations in order of preference, held against what the cloud offers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sloth.contracts.cloud import Cloud
from sloth.model.cloud import Catalogue, Size
from sloth.model.spec import ClusterSpec, PoolSpec

HARDWARE = "amd64"  # what artifacts are fetched and built for
Placement = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What one pool asks for, in its own words, and the paths in the spec where it does."""

    pool: PoolSpec
    cloud: str
    sizes: tuple[str, ...]
    locations: tuple[str, ...]
    image: str
    paths: Mapping[str, str]  # `size`, `location`, `image` -> path

    @classmethod
    def of(cls, cloud: Cloud, spec: ClusterSpec, pool: PoolSpec) -> Wish:
        """The wish of a pool; what it does not say itself comes from `spec.providers.NAME`."""
        paths = {
            name: f"spec.pools[{pool.name}].{name}" if pool.options.get(name) else f"spec.providers.{cloud.name}.{name}"
            for name in ("size", "location", "image")
        }
        return cls(
            pool=pool,
            cloud=cloud.name,
            sizes=cloud.choices(spec, pool, "size"),
            locations=cloud.choices(spec, pool, "location"),
            image=cloud.image(spec, pool),
            paths=paths,
        )


@dataclass
class Spread:
    """How many nodes are where: a new one goes where there are fewest of its pool, then of its role, then as listed."""

    _pool: Counter[tuple[str, str]] = field(default_factory=Counter)
    _role: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, pool: PoolSpec, location: str) -> None:
        """One more node of that pool there."""
        self._pool[pool.name, location] += 1
        self._role[pool.role, location] += 1

    def order(self, pool: PoolSpec, locations: Sequence[str]) -> list[str]:
        """Locations, the one whose turn it is first."""
        return sorted(locations, key=lambda place: (self._pool[pool.name, place], self._role[pool.role, place]))


def size_of(catalogue: Catalogue, name: str) -> Size:
    """What is known of a size."""
    return (catalogue.sizes or {}).get(name) or Size(name=name)


def offered(catalogue: Catalogue, name: str, location: str) -> bool:
    """Whether that size can be had there, as far as the cloud tells."""
    places = size_of(catalogue, name).locations
    return not places or location in places


def image_key(catalogue: Catalogue, name: str, location: str) -> str:
    """The catalogue's key of an image there: `NAME@LOCATION` where ids differ from place to place, else `NAME`."""
    here = f"{name}@{location}"
    return here if here in catalogue.images else name


def image_id(catalogue: Catalogue, pinned: Mapping[str, str], name: str, location: str) -> str:
    """Id of an image there: the pinned one, else the cloud's; a name that is an id counts as itself. "" if there is none."""
    key = image_key(catalogue, name, location)
    if key in pinned:
        return pinned[key]
    if name in catalogue.images.values():
        return name
    return catalogue.images.get(key, "")
