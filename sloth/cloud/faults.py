"""What cannot be at a cloud, in words: unknown names, sizes that a place has not, wrong hardware, quotas."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence

from sloth.cloud.places import HARDWARE, Wish, size_of
from sloth.errors import ConfigError
from sloth.model.cloud import Catalogue, Quota
from sloth.model.spec import PoolSpec

_LISTED = 12  # known names that a message lists
# How clouds call what their quotas count.
_SERVERS = frozenset({"servers", "server", "instances", "machines", "virtual machines", "vms", "droplets", "linodes"})
_CPUS = frozenset({"vcpus", "vcpu", "cpus", "cores"})
_VOLUMES = frozenset({"volumes", "disks"})
_MEMORY = frozenset({"memory (mib)"})


def name_faults(wish: Wish, catalogue: Catalogue) -> list[ConfigError]:
    """Sizes and locations of a pool that the cloud does not have, and sizes of another architecture."""
    faults = [
        ConfigError(
            "cloud/unknown-size",
            f"{wish.cloud} has no machine type `{size}`",
            where=wish.paths["size"],
            detail=_known("machine types", catalogue.sizes or ()),
            hint=_advice(size, catalogue.sizes or (), f"sloth providers show {wish.cloud}"),
        )
        for size in wish.sizes
        if catalogue.sizes is not None and size not in catalogue.sizes
    ]
    faults += [
        ConfigError(
            "cloud/unknown-location",
            f"{wish.cloud} has no location `{place}`",
            where=wish.paths["location"],
            detail=_known("locations", catalogue.locations),
            hint=_advice(place, catalogue.locations, f"sloth providers show {wish.cloud}"),
        )
        for place in wish.locations
        if catalogue.locations and place not in catalogue.locations
    ]
    return faults + [
        ConfigError(
            "cloud/architecture",
            f"machine type `{size}` of {wish.cloud} is {size_of(catalogue, size).architecture}; nodes must be {HARDWARE}",
            where=wish.paths["size"],
            hint=f"take a machine type of architecture {HARDWARE}",
        )
        for size in wish.sizes
        if size_of(catalogue, size).architecture != HARDWARE
    ]


def nowhere_fault(wish: Wish, catalogue: Catalogue, sizes: Sequence[str], places: Sequence[str]) -> ConfigError:
    """None of the pool's sizes can be had in any of its locations."""
    has = {size: sorted(size_of(catalogue, size).locations & catalogue.locations) for size in sizes}
    elsewhere = sorted({place for found in has.values() for place in found} - set(places))
    there = f"add a location such as {elsewhere[0]} to pool {wish.pool.name}, or " if elsewhere else ""
    return ConfigError(
        "cloud/not-available",
        f"{_list(sizes)} cannot be had at {wish.cloud} in {_list(places)}",
        where=wish.paths["size"],
        detail="\n".join(f"{size} can be had in: {', '.join(found[:_LISTED]) or 'none'}" for size, found in has.items()),
        hint=f"{there or 'write '}another size",
    )


def image_fault(wish: Wish, catalogue: Catalogue, place: str) -> ConfigError:
    """No such image, there."""
    names = {key.partition("@")[0] for key in catalogue.images}
    elsewhere = wish.image in names
    return ConfigError(
        "cloud/unknown-image",
        f"{wish.cloud} has no image `{wish.image}`" + (f" in {place}" if elsewhere else ""),
        where=wish.paths["image"],
        detail=_known("images", names),
        hint=f"take {place} out of the pool's locations, or another image"
        if elsewhere
        else _advice(wish.image, names, f"sloth providers show {wish.cloud}"),
    )


def quota_faults(cloud: str, catalogue: Catalogue, sizes: Mapping[str, str], pools: Mapping[str, PoolSpec]) -> list[ConfigError]:
    """Limits of the account that the new nodes (name -> size) would exceed. A negative limit is none."""
    faults = []
    for quota in catalogue.quotas:
        need = _need(quota, catalogue, sizes, pools)
        free = quota.limit - quota.used
        if quota.limit >= 0 and need > free:
            faults.append(
                ConfigError(
                    "cloud/quota",
                    f"{cloud} allows this account {_number(quota.limit)} {quota.what}, {_number(quota.used)} are in use, "
                    f"and {_number(need)} more are wanted",
                    where=f"spec.providers.{cloud}",
                    hint=f"ask {cloud} for a higher limit of {quota.what}, or lower a pool's count",
                )
            )
    return faults


def _need(quota: Quota, catalogue: Catalogue, sizes: Mapping[str, str], pools: Mapping[str, PoolSpec]) -> float:
    """How much of it the new nodes take; 0 of what is not known here."""
    what = quota.what.lower()
    if what in _SERVERS:
        return len(sizes)
    if what in _CPUS:
        return sum(size_of(catalogue, size).cpus for size in sizes.values())
    if what in _MEMORY:
        return sum(size_of(catalogue, size).memory for size in sizes.values())
    if what in _VOLUMES:
        return sum(len(pools[name.rpartition("-")[0]].options.get("volumes") or ()) for name in sizes)
    return 0


def _number(value: float) -> str:
    return f"{value:g}"


def _list(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _known(what: str, names: Collection[str]) -> str:
    shown = sorted(names)
    more = f" and {len(shown) - _LISTED} more" if len(shown) > _LISTED else ""
    return f"known {what}: {', '.join(shown[:_LISTED])}{more}" if shown else ""


def _advice(word: str, known: Collection[str], otherwise: str) -> str:
    near = difflib.get_close_matches(word.lower(), [name.lower() for name in known], n=1, cutoff=0.6)
    meant = next((name for name in known if near and name.lower() == near[0]), "")
    return f"did you mean `{meant}`?" if meant else otherwise
