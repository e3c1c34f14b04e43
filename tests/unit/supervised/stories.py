"""The steps of whole lives of nodes, as reviewed files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sloth.contracts.distribution import Distribution
from sloth.contracts.lifecycle import Certificates, Upgrades
from sloth.model.cluster import Cluster
from sloth.model.step import Script
from tests.unit.distributions.kubeadm.run import run, shown

from .clusters import CONTAINER, INFO, cluster, flavour_of, prepared

GOLDEN = Path(__file__).parents[2] / "golden"
KINDS = ("single", "three-and-two", "local")


def clusters(plugin: Distribution) -> dict[str, Cluster]:
    sizes: dict[str, Any] = {"single": (1, 0, None), "three-and-two": (3, 2, None), "local": (1, 1, CONTAINER)}
    return {name: cluster(plugin, servers, workers, profile) for name, (servers, workers, profile) in sizes.items()}


def story(plugin: Distribution, of: Cluster) -> dict[str, Script[Any]]:
    assert isinstance(plugin, Upgrades) and isinstance(plugin, Certificates)
    first = of.control_plane[0]
    scripts: dict[str, Script[Any]] = {
        f"prepare-{first.name}": prepared(plugin, first, of),
        "first-server": plugin.first_server(first, of),
        "join-info": plugin.join_info(first, of),
    }
    for node in (*of.control_plane[1:2], *of.workers[:1]):
        scripts[f"prepare-{node.name}"] = prepared(plugin, node, of)
        scripts[f"join-{node.name}"] = plugin.join(node, of, INFO)
        scripts[f"upgrade-{node.name}"] = plugin.upgrade(node, of, first=False)
        scripts[f"evict-{node.name}"] = plugin.evict(first, node.name, of)
    scripts |= {"settle": plugin.settle(first, of), "upgrade": plugin.upgrade(first, of, first=True)}
    return scripts | {"renew": plugin.renew(first, of), "remove": plugin.remove(first, of)}


def answers(of: Cluster) -> dict[str, str]:
    health = ",".join(f'{{"endpoint": "https://10.90.0.{i}:2379", "health": true}}' for i in (1, 2, 3))
    return {
        "look at node control-2": "control-2 True",
        "look at node work-1": "work-1 True",
        "list etcd members": "\n".join(
            f"a{i}, started, control-{i}-1a2b3c4d, https://10.90.0.{i}:2380, https://10.90.0.{i}:2379, false" for i in (1, 2, 3)
        ),
        "ask etcd members for health": f"[{health}]",
        "read the nodes": "\n".join(f"{node.name}\t{{}}\t\t" for node in of.nodes),
        "read the number of DNS servers": "1",
        "read the server token": f"K10{'ab' * 32}::server:secret",
        "read the agent token": "secret",
    }


def check(plugin: Distribution, name: str, golden: Callable[[Path, str], None]) -> None:
    of = clusters(plugin)[name]
    text = ""
    for title, script in story(plugin, of).items():
        done = run(script, answers(of))
        assert done.error is None, (title, done.error)
        text += f"# {title}\n\n{shown(done.trips)}\n"
    golden(GOLDEN / flavour_of(plugin).name / f"{name}.md", text)
