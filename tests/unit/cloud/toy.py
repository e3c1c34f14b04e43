"""A cloud with no machines: the contract's common part over a few attributes, and catalogues to hold specs against."""

from __future__ import annotations

from typing import Any

from sloth.contracts.cloud import Abilities, Cloud, Sdk
from sloth.model.cloud import Catalogue, Size
from sloth.model.spec import ClusterSpec, PoolSpec


class ToyCloud(Cloud):
    name = "toy"
    sdk = Sdk(module="pulumi_toy", plugin="toy", extra="toy")
    abilities = Abilities(volumes=True)
    example = {"size": "small", "location": "north"}
    sealed = {"toy:index/server:Server": ("userData",)}

    def own_fields(self) -> Any:
        return {}

    def environment(self, spec: ClusterSpec) -> Any:
        raise AssertionError("not asked here")

    network = server = survey = catalogue = environment  # type: ignore[assignment]


TOY = ToyCloud()


def pool(name: str = "work", count: int = 3, role: Any = "worker", **options: Any) -> PoolSpec:
    return PoolSpec(name=name, role=role, provider="toy", count=count, options=options)


def spec(*pools: PoolSpec, **provider: Any) -> ClusterSpec:
    return ClusterSpec(name="demo", pools=pools, providers={"toy": provider})


def names(*pools: PoolSpec) -> list[str]:
    return [f"{each.name}-{number}" for each in pools for number in range(1, each.count + 1)]


def catalogue(**changes: Any) -> Catalogue:
    sizes = {
        "small": Size(name="small", cpus=2, memory=4096, prices={"north": 4.5, "south": 5.0}),
        "big": Size(name="big", cpus=8, locations=frozenset({"north"}), prices={"north": 20.0}),
        "arm": Size(name="arm", cpus=2, architecture="arm64"),
    }
    given = {
        "locations": frozenset({"north", "south"}), "sizes": sizes, "images": {"debian-12": "img-7"}, "currency": "EUR",
    }  # fmt: skip
    return Catalogue(**{**given, **changes})
