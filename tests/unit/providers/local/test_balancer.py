"""One address for the API."""

from __future__ import annotations

import pytest

from sloth.errors import MachinesError
from sloth.model.artifact import Delivery
from tests.unit.providers.local.conftest import Cluster, Engine

API = "sloth-demo-api"
CONFIG = "etc/haproxy/sloth.cfg"


@pytest.fixture
def cluster(baked: Engine, delivery: Delivery) -> Cluster:
    cluster = Cluster(delivery)
    cluster.up("control-1", "control-2", "control-3", "work-1")
    return cluster


def test_one_node_needs_no_balancer(baked: Engine, cluster: Cluster) -> None:
    api = baked.container("sloth-demo-control-1")["labels"]["sloth.api"]
    assert cluster.machines.balance(["control-1"]) == f"127.0.0.1:{api}"
    assert len(baked.state["containers"]) == 4


def test_more_nodes_share_a_fixed_port(baked: Engine, cluster: Cluster) -> None:
    where = cluster.machines.balance(["control-1", "control-2"])
    made = baked.container(API)
    assert made["state"] == "running" and made["options"]["--publish"] == [f"{where}:6443"]
    addresses = [machine.private_address for machine in cluster.machines.survey()]
    text = made["files"][CONFIG][0]
    assert [address in text for address in addresses] == [True, True, False, False]
    assert [machine.name for machine in cluster.machines.survey()] == ["control-1", "control-2", "control-3", "work-1"]


def test_a_second_call_changes_nothing(baked: Engine, cluster: Cluster) -> None:
    first = cluster.machines.balance(["control-1", "control-2"])
    baked.set(calls=[])
    assert cluster.machines.balance(["control-2", "control-1"]) == first
    assert baked.verbs() == ["ps", "cp"]


def test_new_targets_are_a_reload(baked: Engine, cluster: Cluster) -> None:
    first = cluster.machines.balance(["control-1", "control-2"])
    assert cluster.machines.balance(["control-1", "control-2", "control-3"]) == first
    made = baked.container(API)
    assert made["signals"] == ["USR2"] and "server control-3" in made["files"][CONFIG][0]


@pytest.mark.parametrize("state", ["exited", "created", "paused"])
def test_a_balancer_that_stands_still_runs_again(baked: Engine, cluster: Cluster, state: str) -> None:
    first = cluster.machines.balance(["control-1", "control-2"])
    baked.put_state(API, state)
    assert cluster.machines.balance(["control-1", "control-2"]) == first
    assert baked.container(API)["state"] == "running"


def test_a_balancer_killed_before_its_first_start_gets_its_configuration(baked: Engine, cluster: Cluster) -> None:
    cluster.machines.balance(["control-1", "control-2"])
    state = baked.state
    for item in state["containers"]:
        if item["name"] == API:
            item.update(state="created", files={})
    baked.set(**state)
    cluster.machines.balance(["control-1", "control-2"])
    assert CONFIG in baked.container(API)["files"]


def test_a_dead_balancer_is_made_anew(baked: Engine, cluster: Cluster) -> None:
    cluster.machines.balance(["control-1", "control-2"])
    old = baked.container(API)["id"]
    baked.put_state(API, "dead")
    cluster.machines.balance(["control-1", "control-2"])
    assert baked.container(API)["id"] != old


def test_back_to_one_node_the_balancer_goes(baked: Engine, cluster: Cluster) -> None:
    cluster.machines.balance(["control-1", "control-2"])
    cluster.machines.balance(["control-1"])
    assert [item["name"] for item in baked.state["containers"]].count(API) == 0


def test_a_port_taken_meanwhile_means_another(baked: Engine, cluster: Cluster) -> None:
    first = int(cluster.machines.balance(["control-1", "control-2"]).rpartition(":")[2])
    cluster.machines.balance(["control-1"])
    baked.set(busy_ports=[first])
    assert cluster.machines.balance(["control-1", "control-2"]) != f"127.0.0.1:{first}"
    cluster.machines.balance(["control-1"])
    baked.set(busy_ports=list(range(20000, 32000)))
    with pytest.raises(MachinesError):
        cluster.machines.balance(["control-1", "control-2"])
    assert API not in [item["name"] for item in baked.state["containers"]]


@pytest.mark.parametrize("targets", [["control-9"], ["work-1"], []])
def test_a_target_must_be_a_control_plane_node(cluster: Cluster, targets: list[str]) -> None:
    with pytest.raises(MachinesError) as caught:
        cluster.machines.balance(targets)
    assert caught.value.code == "local/no-target"
