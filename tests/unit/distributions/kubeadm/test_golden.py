"""The steps of whole runs, as reviewed files: what is done on which host, to the letter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sloth.contracts.distribution import JoinInfo
from sloth.model.cluster import Cluster
from sloth.model.node import Node
from sloth.model.secret import Secret
from sloth.model.step import Script

from .clusters import CONTAINER, KUBEADM, cluster, facts
from .run import run, shown

GOLDEN = Path(__file__).parents[3] / "golden" / "kubeadm"
INFO = JoinInfo(token=Secret("abcdef.0123456789abcdef"), ca_hash="sha256:cafe", certificate_key=Secret("c" * 64))
CLUSTERS = {
    "single": cluster(1, 0),
    "three-and-two": cluster(3, 2),
    "local": cluster(1, 1, CONTAINER),
}


def prepared(node: Node, of: Cluster) -> Script[None]:
    yield list(KUBEADM.prepare(node, of))


def story(of: Cluster) -> dict[str, Script[None]]:
    first = of.control_plane[0]
    scripts = {f"prepare-{first.name}": prepared(first, of), "first-server": KUBEADM.first_server(first, of)}
    for node in (*of.control_plane[1:2], *of.workers[:1]):
        scripts[f"prepare-{node.name}"] = prepared(node, of)
        scripts[f"join-{node.name}"] = KUBEADM.join(node, of, INFO)
        scripts[f"evict-{node.name}"] = KUBEADM.evict(first, node.name, of)
    return scripts | {"settle": KUBEADM.settle(first, of), "remove": KUBEADM.remove(first, of)}


@pytest.mark.parametrize("name", CLUSTERS)
def test_steps_are_as_reviewed(name: str, golden: Callable[[Path, str], None]) -> None:
    of = CLUSTERS[name]
    answers = {
        "look at node control-2": "control-2 True",
        "look at node work-1": "work-1 True",
        "list etcd members": "\n".join(
            f"a{i}, started, control-{i}, https://10.90.0.{i}:2380, https://10.90.0.{i}:2379, false" for i in (1, 2, 3)
        ),
        "ask etcd members for health": "["
        + ",".join(f'{{"endpoint": "https://10.90.0.{i}:2379", "health": true}}' for i in (1, 2, 3))
        + "]",
        "read the nodes": "\n".join(f"{node.name}\t{{}}\t\t" for node in of.nodes),
        "read the number of DNS servers": "1",
    }
    text = ""
    for title, script in story(of).items():
        done = run(script, answers)
        assert done.error is None, title
        text += f"# {title}\n\n{shown(done.trips)}\n"
    golden(GOLDEN / f"{name}.md", text)


def test_every_story_is_short() -> None:
    of = cluster(3, 2)
    joining = cluster(3, 2, facts=facts(of, "control-1"))
    assert len(run(KUBEADM.first_server(of.nodes[0], of)).trips) == 2
    assert len(run(KUBEADM.join(of.nodes[1], of, INFO)).trips) == 2
    token = {"make a join token": "kubeadm join x --token a.b --discovery-token-ca-cert-hash sha256:c"}
    assert len(run(KUBEADM.join_info(of.nodes[0], joining), {**token, "share the cluster's certificates": "f" * 64}).trips) == 1
    assert len(run(KUBEADM.settle(of.nodes[0], of)).trips) == 2
