"""Labels, taints and DNS servers follow the spec; a cluster that is as asked is left alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sloth.model.cluster import Cluster
from sloth.model.step import Do

from .clusters import KUBEADM, cluster
from .run import run

NODES, DNS = "read the nodes", "read the number of DNS servers"
KEYS = st.sampled_from(["team", "tier", "example.com/zone", "node.kubernetes.io/kind"])
WORDS = st.sampled_from(["a", "b", ""])
TAINTS = st.lists(st.sampled_from(["db=x:NoSchedule", "db=y:NoSchedule", "db:NoExecute", "gpu:NoSchedule"]), unique=True)


def asked(labels: Mapping[str, str], taints: tuple[str, ...], workers: int = 1) -> Cluster:
    of = cluster(1, workers)
    return replace(of, nodes=tuple(replace(node, labels=labels, taints=taints) for node in of.nodes))


class World:
    """The nodes of a cluster, changed by the commands that settling runs (a small kubectl)."""

    def __init__(self, of: Cluster) -> None:
        self.labels: dict[str, dict[str, str]] = {node.name: {"kubernetes.io/os": "linux"} for node in of.nodes}
        self.taints: dict[str, set[str]] = {node.name: {"node.kubernetes.io/unreachable:NoExecute"} for node in of.nodes}
        self.owned: dict[str, str] = dict.fromkeys(self.labels, "")

    def lines(self) -> str:
        taints = {name: json.dumps([_taint(text) for text in sorted(texts)]) for name, texts in self.taints.items()}
        return "\n".join(f"{name}\t{json.dumps(self.labels[name])}\t{taints[name]}\t{self.owned[name]}" for name in taints)

    def settle(self, of: Cluster) -> list[str]:
        done = run(KUBEADM.settle(of.nodes[0], of), {NODES: self.lines(), DNS: "5"})
        assert done.error is None
        changes = [step.run for step in done.steps if isinstance(step, Do)]
        for command in changes:
            self._apply(command)
        return changes

    def _apply(self, command: str) -> None:
        import shlex

        words = shlex.split(command.partition(" --kubeconfig")[0])
        verb, names, values = words[1], words[3 : words.index("--overwrite")], words[words.index("--overwrite") + 1 :]
        for name in names:
            for value in values:
                getattr(self, f"_{verb}")(name, value)

    def _label(self, name: str, value: str) -> None:
        key, equals, text = value.partition("=")
        if equals:
            self.labels[name][key] = text
        else:
            del self.labels[name][key.removesuffix("-")]

    def _taint(self, name: str, value: str) -> None:
        if value.endswith("-"):
            self.taints[name].remove(value.removesuffix("-"))  # kubectl fails where there is none
            return
        same = {old for old in self.taints[name] if _identity(old) == _identity(value)}
        self.taints[name] = self.taints[name] - same | {value}

    def _annotate(self, name: str, value: str) -> None:
        self.owned[name] = value.removeprefix("sloth.dev/owned=")


def _taint(text: str) -> dict[str, str]:
    rest, _, effect = text.rpartition(":")
    key, _, value = rest.partition("=")
    return {"key": key, "value": value, "effect": effect}


def _identity(text: str) -> tuple[str, str]:
    return _taint(text)["key"], _taint(text)["effect"]


@given(before=st.dictionaries(KEYS, WORDS), after=st.dictionaries(KEYS, WORDS), old=TAINTS, new=TAINTS, workers=st.integers(0, 2))
def test_what_the_spec_gives_is_given_and_what_it_drops_is_taken_back(
    before: dict[str, str], after: dict[str, str], old: list[str], new: list[str], workers: int
) -> None:
    old, new = [list({_identity(each): each for each in some}.values()) for some in (old, new)]
    first, second = asked(before, tuple(old), workers), asked(after, tuple(new), workers)
    world = World(first)
    world.settle(first)
    world.settle(second)
    for node in second.nodes:
        mine = {"node-role.kubernetes.io/control-plane": ""} if node.is_control_plane else {}
        assert world.labels[node.name] == {"kubernetes.io/os": "linux", "sloth.dev/pool": node.lease.pool, **after, **mine}
        control = {"node-role.kubernetes.io/control-plane:NoSchedule"} if node.is_control_plane and workers else set()
        assert world.taints[node.name] == {"node.kubernetes.io/unreachable:NoExecute", *new} | control
    assert world.settle(second) == [], "a second run changes nothing"


def test_a_control_plane_becomes_free_for_pods_when_the_last_worker_leaves() -> None:
    world = World(cluster(1, 1))
    world.settle(cluster(1, 1))
    world.settle(cluster(1, 0))
    assert world.taints["control-1"] == {"node.kubernetes.io/unreachable:NoExecute"}


def test_nodes_that_need_the_same_share_one_command() -> None:
    of = cluster(1, 30)
    changes = World(of).settle(of)
    assert len([each for each in changes if "work-1 work-2" in each]) == len([each for each in changes if "work-1 " in each]) == 2


def scaled(nodes: int, replicas: str) -> list[str]:
    of = cluster(1, nodes - 1)
    done = run(KUBEADM.settle(of.nodes[0], of), {DNS: replicas})
    return [title for title in done.titles if "DNS servers" in title and title.startswith("run")]


def test_dns_servers_grow_with_the_cluster_and_are_never_taken_away() -> None:
    assert scaled(1, "1") == []
    assert scaled(2, "1") == ["run 2 DNS servers"]
    assert scaled(2, "2") == scaled(2, "7") == scaled(2, "") == []
    assert scaled(250, "2") == ["run 4 DNS servers"]
