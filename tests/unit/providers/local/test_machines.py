"""Containers come, stay, start again and go."""

from __future__ import annotations

import json

import pytest

from sloth.errors import MachinesError
from sloth.model.artifact import Delivery
from sloth.registry import provider
from tests.unit.providers.local.conftest import Cluster, Engine, request


def test_new_nodes_have_address_ports_labels_and_seed(baked: Engine, delivery: Delivery) -> None:
    cluster = Cluster(delivery, labels={"team": "web", "sloth.node": "forged"})
    control, work = cluster.up("control-1", "work-1")
    assert [control.name, work.name] == ["control-1", "work-1"]
    assert control.address == "127.0.0.1" and control.port != work.port
    assert control.private_address != work.private_address and control.network == work.network == "docker/sloth-demo"
    assert control.host_key == "ssh-ed25519 AAAAhost" and control.running
    assert control.sans == ("127.0.0.1", control.private_address)
    made = baked.container("sloth-demo-control-1")
    assert made["labels"]["team"] == "web" and made["labels"]["sloth.node"] == "control-1"
    published = made["options"]["--publish"]
    assert published == [f"127.0.0.1:{control.port}:22", f"127.0.0.1:{made['labels']['sloth.api']}:6443"]
    assert len(baked.container("sloth-demo-work-1")["options"]["--publish"]) == 1
    user_data, mode = made["files"]["var/lib/cloud/seed/nocloud/user-data"]
    assert mode == 0o600 and user_data.startswith("#cloud-config\n")
    config = json.loads(user_data.split("\n", 1)[1])
    assert config["ssh_keys"] == {"ed25519_private": "BOOT-KEY-TEXT", "ed25519_public": "ssh-ed25519 AAAAhost"}
    assert config["users"] == [{"name": "root", "ssh_authorized_keys": ["ssh-ed25519 AAAAuser"]}]


def test_no_secret_is_in_any_argument(baked: Engine, delivery: Delivery) -> None:
    Cluster(delivery).up("control-1", "work-1")
    assert "BOOT-KEY-TEXT" not in json.dumps(baked.state["calls"])


def test_second_apply_is_one_listing(baked: Engine, delivery: Delivery) -> None:
    cluster = Cluster(delivery)
    first = cluster.up("control-1", "work-1")
    baked.set(calls=[])
    assert cluster.up("control-1", "work-1") == first
    assert baked.verbs() == ["ps"]


@pytest.mark.parametrize(("state", "verb"), [("exited", "start"), ("paused", "unpause")])
def test_a_stopped_node_runs_again_where_it_was(baked: Engine, delivery: Delivery, state: str, verb: str) -> None:
    cluster = Cluster(delivery)
    (before,) = cluster.up("work-1")
    baked.put_state("sloth-demo-work-1", state)
    assert [machine.running for machine in cluster.machines.survey()] == [False]
    baked.set(calls=[])
    assert cluster.up("work-1") == [before]
    assert baked.verbs() == ["ps", verb, "ps"]


def test_a_node_that_was_never_started_gets_its_seed_again(baked: Engine, delivery: Delivery) -> None:
    cluster = Cluster(delivery)
    cluster.up("work-1")
    state = baked.state
    state["containers"][0].update(state="created", files={})
    baked.set(**state)
    cluster.up("work-1")
    assert "var/lib/cloud/seed/nocloud/user-data" in baked.container("sloth-demo-work-1")["files"]
    assert baked.container("sloth-demo-work-1")["state"] == "running"


def test_a_dead_node_does_not_count_and_is_made_anew(baked: Engine, delivery: Delivery) -> None:
    cluster = Cluster(delivery)
    cluster.up("work-1")
    old = baked.container("sloth-demo-work-1")["id"]
    baked.put_state("sloth-demo-work-1", "dead")
    assert cluster.machines.survey() == []
    assert cluster.machines.leftovers()[0] == "container sloth-demo-work-1"
    cluster.up("work-1")
    assert baked.container("sloth-demo-work-1")["id"] != old


def test_a_port_taken_meanwhile_means_another_port(baked: Engine, delivery: Delivery) -> None:
    cluster = Cluster(delivery)
    (first,) = cluster.up("work-1")
    cluster.machines.delete(["work-1"])
    baked.set(busy_ports=[first.port])
    (second,) = cluster.up("work-1")
    assert second.port != first.port and len(baked.state["containers"]) == 1


def test_ports_that_stay_taken_end_in_the_engines_words(baked: Engine, delivery: Delivery) -> None:
    baked.set(busy_ports=list(range(20000, 32000)))
    with pytest.raises(MachinesError) as caught:
        Cluster(delivery).up("work-1", "work-2")
    assert "port is already allocated" in caught.value.detail
    assert any("docker start" in note for note in caught.value.__notes__)


def test_a_stopped_nodes_port_taken_names_the_node(baked: Engine, delivery: Delivery) -> None:
    cluster = Cluster(delivery)
    (machine,) = cluster.up("work-1")
    baked.put_state("sloth-demo-work-1", "exited")
    baked.set(busy_ports=[machine.port])
    with pytest.raises(MachinesError) as caught:
        cluster.up("work-1")
    assert caught.value.code == "local/port-taken" and "work-1" in caught.value.summary
    assert str(machine.port) in caught.value.hint


def test_another_failure_to_start_is_not_called_a_port(baked: Engine, delivery: Delivery) -> None:
    cluster = Cluster(delivery)
    cluster.up("work-1")
    baked.put_state("sloth-demo-work-1", "exited")
    machines = cluster.machines
    known = machines._nodes()["work-1"]
    baked.set(containers=[])
    with pytest.raises(MachinesError) as caught:
        machines._start(known)
    assert caught.value.code == "local/docker-failed"


def test_a_node_that_stops_at_once_shows_its_last_words(baked: Engine, delivery: Delivery) -> None:
    baked.set(stillborn=["sloth-demo-work-1"])
    with pytest.raises(MachinesError) as caught:
        Cluster(delivery).up("work-1")
    assert caught.value.code == "local/node-stopped" and "the last words" in caught.value.detail


def test_deleting_takes_only_what_was_named(baked: Engine, delivery: Delivery) -> None:
    cluster = Cluster(delivery)
    cluster.up("work-1", "work-2")
    cluster.machines.delete(["work-2", "work-9"])
    assert [machine.name for machine in cluster.machines.survey()] == ["work-1"]
    assert len(baked.state["volumes"]) == 2  # each node has two
    cluster.machines.delete(["work-2"])


def test_destroy_leaves_nothing_of_this_cluster_and_all_of_the_other(baked: Engine, delivery: Delivery) -> None:
    one, two = Cluster(delivery), Cluster(delivery, name="other")
    one.up("control-1", "control-2", "work-1")
    two.up("work-1")
    one.machines.balance(["control-1", "control-2"])
    baked.set(volumes=[*baked.state["volumes"], {"name": "lost", "labels": {"sloth.cluster": "demo"}, "owner": ""}])
    assert len(one.machines.leftovers()) == 4 + 1 + 7
    one.machines.destroy()
    assert one.machines.leftovers() == []
    assert len(two.machines.leftovers()) == 4
    one.machines.destroy()


def test_clusters_share_no_port_and_no_subnet(baked: Engine, delivery: Delivery) -> None:
    ports, networks = [], set()
    for name in ("a", "b", "c"):
        ports += [machine.port for machine in Cluster(delivery, name=name).up("work-1", "work-2")]
    networks = {net["subnet"] for net in baked.state["networks"]}
    assert len(set(ports)) == 6 and len(networks) == 3


def test_freed_addresses_are_given_again_and_kept_ones_stay(baked: Engine, delivery: Delivery) -> None:
    cluster = Cluster(delivery)
    one, two, three = cluster.up("work-1", "work-2", "work-3")
    cluster.machines.delete(["work-2"])
    four = cluster.up("work-1", "work-3", "work-4")
    assert [m.private_address for m in four] == [one.private_address, three.private_address, two.private_address]


def test_nodes_of_another_image_are_not_called_baked(baked: Engine, delivery: Delivery) -> None:
    Cluster(delivery).up("work-1")
    (old,) = Cluster(Delivery()).machines.survey()
    (new,) = Cluster(delivery).machines.survey()
    assert not old.profile.baked and new.profile.baked


@pytest.mark.parametrize(("cgroup", "driver"), [("1", "cgroupfs"), ("2", None)])
def test_the_cgroup_driver_follows_the_engine(baked: Engine, delivery: Delivery, cgroup: str, driver: str | None) -> None:
    baked.set(cgroup=cgroup)
    (machine,) = Cluster(delivery).up("work-1")
    assert machine.profile.kubelet.get("cgroupDriver") == driver
    assert machine.profile.kubelet["failSwapOn"] is False


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("permission denied while trying to connect to the Docker daemon socket", "local/engine-denied"),
        ("Cannot connect to the Docker daemon at unix:///run/x.sock. Is the docker daemon running?", "local/engine-down"),
        ("out of cheese", "local/docker-failed"),
    ],
)
def test_what_is_wrong_with_the_engine_is_said(baked: Engine, delivery: Delivery, fault: str, code: str) -> None:
    baked.set(engine_fault=fault)
    with pytest.raises(MachinesError) as caught:
        Cluster(delivery).machines.survey()
    assert caught.value.code == code and fault in caught.value.detail and caught.value.hint


def test_privileged_engines_get_privileged_nodes(engine: Engine, delivery: Delivery) -> None:
    image = Cluster(delivery).machines.image
    engine.set(images={image.ref: {"sloth.image": image.key, "sloth.mode": "privileged"}})
    Cluster(delivery).up("work-1")
    options = engine.container("sloth-demo-work-1")["options"]
    assert "--privileged" in options and "--cap-add" not in options


def test_a_request_without_a_boot_key_gives_no_host_key_to_cloud_init(baked: Engine, delivery: Delivery) -> None:
    from dataclasses import replace

    cluster = Cluster(delivery)
    cluster.machines.apply([replace(request("work-1"), boot_key_private=None, boot_key_public="")])
    text = baked.container("sloth-demo-work-1")["files"]["var/lib/cloud/seed/nocloud/user-data"][0]
    assert "ssh_keys" not in text


def test_events_name_the_node(baked: Engine, delivery: Delivery) -> None:
    cluster = Cluster(delivery)
    cluster.up("work-1")
    assert [(e.kind, e.node, e.detail) for e in cluster.events] == [("machine", "work-1", "created")]


def test_the_spec_is_checked() -> None:
    from sloth.model.spec import PoolSpec
    from tests.unit.providers.local.conftest import spec

    local = provider("local")
    assert local.check(spec()) == [] and local.networks(spec()) == {}
    good = spec(providers={"local": {"network": "10.213.0.0/24"}})
    assert local.check(good) == [] and local.networks(good) == {"spec.providers.local.network": "10.213.0.0/24"}
    for text in ("banana", "fd00::/64", "10.0.0.0/30"):
        (problem,) = local.check(spec(providers={"local": {"network": text}}))
        assert problem.code == "local/network-option" and text in problem.summary
    many = PoolSpec(name="work", role="worker", provider="local", count=1001)
    (problem,) = local.check(spec(pools=(many,)))
    assert problem.code == "local/too-many-nodes"
    assert set(local.options_schema()) == {"provider", "pool"}
