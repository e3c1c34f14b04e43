"""Plans on whole worlds: a saved plan is done exactly or not at all, and targets leave all others alone."""

from __future__ import annotations

import json

import pytest

from sloth.cli.plan import show_plan
from sloth.cli.up import bring_up
from sloth.errors import ConfigError, StateError, UsageError
from sloth.model.secret import known_values
from tests.unit.app.world import World, journal


@pytest.fixture
def world(tmp_path, monkeypatch):
    return World(tmp_path).install(monkeypatch)


@pytest.fixture
def file(world):
    return world.directory / "p.plan"


def up(world, **settings):
    return bring_up(world.options, yes=True, **settings).data


def plan(world, **settings):
    return show_plan(world.options, **settings).data


def refused(world, kind=StateError, **settings):
    """The refusal; nothing in the world is another afterwards."""
    before = world.snapshot()
    with pytest.raises(kind) as caught:
        up(world, **settings)
    assert world.snapshot() == before
    assert world.state.owner() is None
    return caught.value


def test_a_plan_names_machines_mesh_steps_objects_and_counts(world):
    data = plan(world)
    assert [(x["node"], x["action"], x["kind"]) for x in data["machines"]] == [
        (name, "create", "server") for name in ("cp-1", "work-1", "work-2")
    ]
    assert data["mesh"] == {"new": ["cp-1", "work-1", "work-2"], "gone": [], "peers": []}
    assert {(x["action"], x["kind"], x["name"]) for x in data["objects"]} == {
        ("create", "Node", name) for name in ("cp-1", "work-1", "work-2")
    }
    assert data["summary"]["create"] == 3
    up(world)
    assert plan(world)["summary"] == {
        "create": 0, "import": 0, "start": 0, "replace": 0, "delete": 0, "change": 0, "unchanged": 3, "resources": {},
    }  # fmt: skip
    world.write(workers=3)
    data = plan(world)
    assert data["mesh"] == {"new": ["work-3"], "gone": [], "peers": ["cp-1", "work-1", "work-2"]}
    assert (data["summary"]["create"], data["summary"]["change"], data["summary"]["unchanged"]) == (1, 3, 0)
    world.write(workers=1)
    data = plan(world)
    assert [(x["node"], x["action"]) for x in data["machines"]] == [("work-2", "delete")]
    assert data["objects"] == [{"action": "delete", "kind": "Node", "name": "work-2", "detail": "drained first"}]
    assert (data["summary"]["delete"], data["summary"]["change"]) == (1, 2)


def test_a_lost_and_a_stopped_machine_are_counted(world):
    up(world)
    world.machines.stop("work-1")
    world.machines.delete(["work-2"])
    data = plan(world)
    assert {x["node"]: x["action"] for x in data["machines"]} == {"work-1": "start", "work-2": "create"}
    assert [(x["action"], x["name"]) for x in data["objects"]] == [("replace", "work-2")]
    assert (data["summary"]["start"], data["summary"]["create"]) == (1, 1)


def test_a_saved_plan_is_done_once_and_then_not_true_any_more(world, file):
    data = plan(world, out=file)
    assert data["saved"]["digest"] == json.loads(file.read_text())["digest"]
    assert up(world, plan=file)["changed"] == ["cp-1", "work-1", "work-2"]
    error = refused(world, plan=file)
    assert error.code == "plan/moved"
    assert error.exit == 16
    assert "record: revision 0 was planned with" in error.detail
    assert "machine work-2 (local): is there now" in error.detail


def test_a_saved_plan_does_what_it_says(world, file):
    up(world)
    world.write(workers=3)
    planned = {(x["node"], x["title"]) for x in plan(world, out=file)["steps"]}
    before = len(journal(world))
    up(world, plan=file)
    done = {(x["node"], x["step"]) for x in journal(world)[before:] if x["kind"] == "after" and x["changed"]}
    assert done
    assert done <= planned


def test_a_plan_that_removes_is_not_asked_about_again(world, file):
    up(world)
    world.write(workers=1)
    plan(world, out=file)
    assert bring_up(world.options, yes=False, plan=file).data["nodes"] == ["cp-1", "work-1"]


def test_a_plan_of_nothing_is_fine(world, file):
    up(world)
    plan(world, out=file)
    assert up(world, plan=file)["changed"] == []


def moved_spec(world):
    world.write(workers=5)
    return "spec: spec.pools[work].count has another value"


def moved_record(world):
    world.state.save(world.state.load())
    return "record: revision"


def moved_machine(world):
    world.machines.stop("work-1")
    return "machine work-1 (local): does not run any more"


def lost_machine(world):
    world.machines.delete(["work-2"])
    return "machine work-2 (local): is gone"


def moved_host(world):
    host = world.host("work-1")
    host.write("/etc/toy.conf", "changed by hand")
    host._save()
    return "Prepare hosts: write /etc/toy.conf on work-1: to be done now, not in the plan"


def moved_lock(world):
    (world.directory / "sloth.lock").write_text("another")
    return "artifacts: sloth.lock has changed"


@pytest.mark.parametrize("move", [moved_spec, moved_record, moved_machine, lost_machine, moved_host, moved_lock])
def test_what_moved_is_named_and_nothing_is_done(world, file, move):
    up(world)
    world.write(workers=3)
    plan(world, out=file)
    reason = move(world)
    error = refused(world, plan=file)
    assert error.code == "plan/moved"
    assert any(line.startswith(reason) for line in error.detail.splitlines()), error.detail


def test_what_moved_is_named_also_if_the_nodes_cannot_be_asked(world, file):
    up(world)
    world.write(workers=3)
    plan(world, out=file)
    world.refused.add("work-1")
    world.write(workers=4)
    error = refused(world, plan=file)
    assert "spec: spec.pools[work].count has another value" in error.detail
    assert "machines and nodes could not be looked at: work-1 does not answer" in error.detail


def test_another_run_between_the_last_look_and_the_lock_is_noticed(world, file, monkeypatch):
    from sloth import planning

    up(world)
    world.write(workers=3)
    plan(world, out=file)
    real = planning.still_true

    def slow(*args):
        real(*args)
        world.state.save(world.state.load())

    monkeypatch.setattr(planning, "still_true", slow)
    with pytest.raises(StateError) as caught:
        up(world, plan=file)
    assert caught.value.code == "plan/moved"
    assert sorted(world.living()) == ["cp-1", "work-1", "work-2"]


def test_an_edited_plan_and_that_of_another_cluster_are_refused(world, file):
    up(world)
    world.write(workers=3)
    plan(world, out=file)
    document = json.loads(file.read_text())
    document["plan"]["machines"] = []
    other = file.with_name("edited")
    other.write_text(json.dumps(document))
    assert refused(world, ConfigError, plan=other).code == "plan/edited"
    world.spec.write_text(world.spec.read_text().replace("name: demo", "name: other"))
    with pytest.raises(ConfigError) as caught:
        up(world, plan=file)
    assert caught.value.code == "plan/other-cluster"
    assert len(world.living()) == 3


def test_no_secret_is_in_a_plan_file(world, file):
    up(world)
    world.write(workers=3)
    plan(world, out=file)
    record = world.state.load()
    text = file.read_text()
    secrets = [record.ssh_key.reveal(), record.mesh_seed.reveal(), record.kubeconfig.reveal(), "dG95LWtleS1vZi10aGUtYWRtaW4="]
    for secret in [*known_values(), *(line for text in secrets for line in text.splitlines() if len(line) > 20)]:
        assert secret not in text
    assert not any(word in text for word in ("PRIVATE KEY", "PresharedKey", "passphrase"))


def test_a_target_brings_only_that_node(world):
    up(world)
    world.write(workers=5)
    data = plan(world, targets=["work-4"])
    assert data["add"] == ["work-4"]
    assert [x["node"] for x in data["machines"]] == ["work-4"]
    before, seen = world.snapshot(), len(journal(world))
    assert up(world, targets=["work-4"])["nodes"] == ["cp-1", "work-1", "work-2", "work-4"]
    now = world.snapshot()
    assert {name: now["machines"][name] for name in before["machines"]} == before["machines"]
    done = [x for x in journal(world)[seen:] if x["kind"] == "after" and x["changed"]]
    others = {(x["phase"], x["node"]) for x in done if x["node"] != "work-4"}
    assert {phase for phase, node in others if node != "cp-1"} == {"Mesh"}  # the new peer
    assert up(world, targets=["work-4"])["changed"] == []
    assert up(world)["nodes"] == [f"{pool}-{n}" for pool, most in (("cp", 1), ("work", 5)) for n in range(1, most + 1)]


def test_a_target_takes_only_that_node(world):
    up(world)
    world.write(workers=1)
    up(world, targets=["work-2"])
    world.write(workers=3)
    up(world)
    world.write(workers=1)
    assert plan(world, targets=["work-2"])["remove"] == ["work-2"]
    assert up(world, targets=["work-2"])["nodes"] == ["cp-1", "work-1", "work-3"]
    assert sorted(world.living()) == ["cp-1", "work-1", "work-3"]


def test_drift_of_others_is_left_alone(world):
    up(world)
    for name in ("work-1", "work-2"):
        host = world.host(name)
        host.write("/etc/toy.conf", "changed by hand")
        host._save()
    assert up(world, targets=["work-1"])["changed"] == ["work-1"]
    assert world.host("work-1").text("/etc/toy.conf").startswith("address=")
    assert world.host("work-2").text("/etc/toy.conf") == "changed by hand"


def test_targets_are_kept_in_a_plan_file(world, file):
    up(world)
    world.write(workers=5)
    plan(world, targets=["work-3"], out=file)
    assert up(world, plan=file)["nodes"] == ["cp-1", "work-1", "work-2", "work-3"]


def test_a_target_that_is_not_there_is_refused(world):
    error = refused(world, UsageError, targets=["work-9"])
    assert (error.code, error.exit) == ("usage/unknown-target", 2)
    assert "cp-1, work-1, work-2" in error.detail


def test_a_worker_alone_is_refused_while_there_is_no_cluster(world):
    error = refused(world, UsageError, targets=["work-1"])
    assert error.code == "plan/target-alone"
    assert error.hint == "--target cp-1 as well"
    assert up(world, targets=["cp-1"])["nodes"] == ["cp-1"]
    assert up(world, targets=["work-2"])["nodes"] == ["cp-1", "work-2"]


def stopped(world):
    world.machines.stop("work-2")
    return "work-2: its machine is not there, or not running"


def no_member(world):
    host = world.host("work-2")
    host.facts["state"] = "broken"
    host._save()
    return "work-2: it is no working member of Kubernetes"


def never_joined(world):
    world.state.save(world.state.load().with_node("work-2", joined=False))
    return "work-2: it is not a member of the cluster yet"


def leaving(world):
    world.write(workers=1)
    world.state.save(world.state.load().with_node("work-2", leaving=True))
    return "work-2: its removal was begun"


def mesh_is_another(world):
    host = world.host("work-2")
    host.write("/etc/wireguard/peers.d/cp-1.conf", "changed by hand")
    host._save()
    return "work-2: Mesh: "


@pytest.mark.parametrize("hinder", [stopped, no_member, never_joined, leaving, mesh_is_another])
def test_what_cannot_be_left_alone_is_named_and_nothing_is_done(world, hinder):
    up(world)
    reason = hinder(world)
    host = world.host("work-1")
    host.write("/etc/toy.conf", "changed by hand")
    host._save()
    error = refused(world, UsageError, targets=["work-1"])
    assert (error.code, error.exit) == ("plan/target-others", 2)
    assert reason in error.detail
    assert error.hint == "--target work-2 as well"
    with pytest.raises(UsageError) as caught:
        plan(world, targets=["work-1"])
    assert caught.value.code == "plan/target-others"


def test_a_pool_that_is_gone_is_named(world):
    up(world)
    text = world.spec.read_text()
    world.spec.write_text("".join(line for line in text.splitlines(keepends=True) if "name: work" not in line))
    error = refused(world, UsageError, targets=["cp-1"])
    assert "work-1: its pool work is not in the spec any more" in error.detail
    assert up(world, targets=["cp-1", "work-1", "work-2"])["nodes"] == ["cp-1"]
