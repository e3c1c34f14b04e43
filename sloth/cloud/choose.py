"""A size, a location and an image for each new node: chosen once, before anything is made, and kept in the record.

Sizes of a pool's list are taken in order of preference, locations in turn. All that cannot be is found at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sloth.cloud.faults import image_fault, name_faults, nowhere_fault, quota_faults
from sloth.cloud.places import HARDWARE, Placement, Spread, Wish, image_id, image_key, offered, size_of
from sloth.contracts.cloud import Cloud
from sloth.errors import ConfigError
from sloth.model.cloud import Catalogue, Wanted
from sloth.model.spec import ClusterSpec, PoolSpec

Chosen = tuple[dict[str, Placement], list[ConfigError]]


def wanted(cloud: Cloud, spec: ClusterSpec) -> Wanted:
    """Every size, location and image that the spec names for this cloud: what its catalogue is asked for."""
    wishes = [Wish.of(cloud, spec, pool) for pool in spec.pools if pool.provider == cloud.name]
    return Wanted(
        sizes=tuple(dict.fromkeys(size for wish in wishes for size in wish.sizes)),
        locations=tuple(dict.fromkeys(place for wish in wishes for place in wish.locations)),
        images=tuple(dict.fromkeys(wish.image for wish in wishes)),
    )


def choose(
    cloud: Cloud,
    spec: ClusterSpec,
    catalogue: Catalogue,
    new: Sequence[str],
    known: Mapping[str, Placement],
    *,
    pinned: Mapping[str, str] | None = None,
) -> Chosen:
    """Placements of the nodes `new` (by name), and every problem found. `known` = placements of nodes that exist.

    A placement has `size`, `location`, `image` (an id), `image_name` (the catalogue's key of it); `price` per month and
    `currency` where the cloud tells them; `why` where the first choice could not be had. `pinned` = ids by image name, from
    sloth.lock. Pools without new nodes are not looked at: a size that the cloud has given up does not stop what runs.
    """
    pools = {pool.name: pool for pool in spec.pools if pool.provider == cloud.name}
    spread = Spread()
    for name, placement in known.items():
        if (pool := pools.get(pool_of(name))) and name not in new:
            spread.add(pool, str(placement.get("location", "")))
    placements: dict[str, Placement] = {}
    problems: list[ConfigError] = []
    for pool in pools.values():
        mine = [name for name in new if pool_of(name) == pool.name]
        if mine:
            wish = Wish.of(cloud, spec, pool)
            problems += name_faults(wish, catalogue)
            found, faults = _place(wish, catalogue, mine, spread, pinned or {})
            placements |= found
            problems += faults
    problems += quota_faults(cloud.name, catalogue, _sizes(pools, new, placements, cloud, spec), pools)
    return placements, list({(each.code, each.where, each.summary): each for each in problems}.values())


def pool_of(node: str) -> str:
    """The pool in a node's name `POOL-ORDINAL`."""
    return node.rpartition("-")[0]


def _place(wish: Wish, catalogue: Catalogue, names: Sequence[str], spread: Spread, pinned: Mapping[str, str]) -> Chosen:
    """Placements of one pool's new nodes, and the problems."""
    sizes = [size for size in wish.sizes if _usable(catalogue, size)]
    places = [place for place in wish.locations if not catalogue.locations or place in catalogue.locations]
    placements: dict[str, Placement] = {}
    faults: list[ConfigError] = []
    for name in names if sizes and places else ():  # otherwise name_faults has said why
        turn = spread.order(wish.pool, places)
        found = next(((size, place) for size in sizes for place in turn if offered(catalogue, size, place)), None)
        if found is None:
            return {}, [nowhere_fault(wish, catalogue, sizes, places)]
        size, place = found
        image = image_id(catalogue, pinned, wish.image, place)
        if not image:
            faults.append(image_fault(wish, catalogue, place))
        spread.add(wish.pool, place)
        placements[name] = {
            "size": size,
            "location": place,
            "image": image,
            "image_name": image_key(catalogue, wish.image, place),
            **_price(catalogue, size, place),
            **_why(wish, size, place, turn[0]),
        }
    return placements, faults


def _usable(catalogue: Catalogue, size: str) -> bool:
    return size_of(catalogue, size).architecture == HARDWARE and (catalogue.sizes is None or size in catalogue.sizes)


def _price(catalogue: Catalogue, size: str, place: str) -> dict[str, object]:
    price = size_of(catalogue, size).prices.get(place)
    return {} if price is None else {"price": price, "currency": catalogue.currency}


def _why(wish: Wish, size: str, place: str, turn: str) -> dict[str, str]:
    """What was not to be had, where this is not the first choice."""
    if size != wish.sizes[0]:
        return {"why": f"{wish.sizes[0]} cannot be had in {', '.join(wish.locations)}"}
    return {"why": f"{size} cannot be had in {turn}"} if place != turn else {}


def _sizes(
    pools: Mapping[str, PoolSpec], new: Sequence[str], placements: Mapping[str, Placement], cloud: Cloud, spec: ClusterSpec
) -> dict[str, str]:
    """Size of each new node: the chosen one, else the one that was wished for, so that quotas are judged all the same."""
    sizes = {}
    for name in new:
        if pool := pools.get(pool_of(name)):
            first = (*cloud.choices(spec, pool, "size"), "")[0]
            sizes[name] = str(placements[name]["size"]) if name in placements else first
    return sizes
