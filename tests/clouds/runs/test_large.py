"""A hundred and twenty servers at one cloud: more than one stack has room for."""

from __future__ import annotations

SPEC = """apiVersion: sloth.dev/v1
kind: Cluster
metadata: {{name: shop}}
spec:
  access: {{ssh: ["198.51.100.7/32"], api: ["198.51.100.7/32"]}}
  providers:
    hcloud: {{size: cx23, location: fsn1, network: 10.110.0.0/16}}
  pools:
    - {{name: control, role: control-plane, provider: hcloud, count: 3}}
    - {{name: work, role: worker, provider: hcloud, count: {work}}}
"""


def states(shop):
    """The engine's state of each stack, as it is on the disk."""
    folder = shop.folder / "data" / "clusters" / "shop" / "engine" / "state" / ".pulumi" / "stacks"
    return {path.stem: path.read_bytes() for path in folder.rglob("*.json")}


def test_one_node_more_or_less_touches_one_stack(shop):
    cloud = shop.fakes["hcloud"]
    shop.write(SPEC.format(work=117))
    shop.run("up")
    assert len(shop.servers()) == 120
    whole = states(shop)
    assert len(whole) >= 2

    cloud.calls.clear()
    shop.write(SPEC.format(work=118))
    shop.run("up")
    assert sorted(shop.calls("Create")) == ["work-118", "work-118-network"]
    assert shop.calls("Update", "Delete") == []
    more = states(shop)
    assert len([name for name in more if more[name] != whole.get(name)]) == 1

    cloud.calls.clear()
    shop.write(SPEC.format(work=117))
    shop.run("up", "--yes")
    assert sorted(shop.calls("Delete")) == ["work-118", "work-118-network"]
    assert shop.calls("Create", "Update") == []
    less = states(shop)
    assert len([name for name in less if less[name] != more[name]]) == 1
    assert len(shop.servers()) == 120

    cloud.calls.clear()
    shop.run("up")
    assert shop.calls() == []
    assert states(shop) == less
    shop.run("down", "--yes")
    assert cloud.items == {}
    assert states(shop) == {}
