"""Whole runs of the real verbs, desk and state on toy machines: what they do, and what they leave."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from sloth import registry
from sloth.adapters.ssh_keys import new_pair
from sloth.app import as_failure, known_spec
from sloth.cli.down import take_down
from sloth.cli.kubeconfig import give_kubeconfig
from sloth.cli.nodes import list_nodes
from sloth.cli.plan import show_plan
from sloth.cli.status import show_status
from sloth.cli.up import bring_up
from sloth.errors import (
    ConfigError,
    ConnectError,
    Interrupted,
    KubernetesError,
    MachinesError,
    ManyErrors,
    StateError,
    StepError,
    UsageError,
)
from sloth.model.options import Options
from sloth.model.secret import known_values
from sloth.model.spec import ClusterSpec
from sloth.supply import version_of
from sloth.testing import FakeMachines
from tests.unit.app import toy
from tests.unit.app.world import World, journal, lost


@pytest.fixture
def world(tmp_path, monkeypatch):
    return World(tmp_path).install(monkeypatch)


def up(world, **settings):
    return bring_up(world.options, yes=True, **settings).data


def rows(outcome):
    return {row["name"]: row for row in outcome.data["nodes"]}


def test_plan_up_and_plan_again(world):
    before = show_plan(world.options).data
    assert before["add"] == ["cp-1", "work-1", "work-2"]
    assert all(step["predicted"] for step in before["steps"])
    assert {"create machine", "found the cluster", "join"} <= {step["title"] for step in before["steps"]}
    assert world.state.load() is None
    assert world.machines.survey() == []
    done = up(world)
    assert done["nodes"] == done["changed"] == ["cp-1", "work-1", "work-2"]
    after = show_plan(world.options).data
    assert after["add"] == after["remove"] == after["steps"] == []
    assert after["keep"] == ["cp-1", "work-1", "work-2"]
    assert after["leases"] == before["leases"]


def test_a_plan_says_what_up_then_does(world):
    """Steps that change something, by phase and node; the plan sees them all beforehand."""
    plan = show_plan(world.options).data
    heard = []
    world._tick = heard.append
    up(world)
    done = {title for title in heard if ": " in title}
    planned = {f"{step['node']}: {step['title']}" for step in plan["steps"] if step["node"]}
    changing = {f"{node}: {entry['step']}" for entry in journal(world) if entry["kind"] == "after" and entry["changed"]
                for node in [entry["node"]]}  # fmt: skip
    assert changing <= planned
    assert changing <= done


def test_a_second_up_changes_nothing_and_asks_each_node_at_most_twice(world):
    up(world)
    before, saved = world.snapshot(), world.state.load()
    again = up(world)
    assert again["changed"] == []
    assert max(again["round_trips"].values()) <= 2
    assert world.snapshot() == before
    assert world.state.load() == saved


def test_status_and_nodes_say_what_is(world):
    up(world)
    status = show_status(world.options)
    assert status.exit == 0
    assert status.data["healthy"] is True
    assert {row["ready"] for row in rows(status).values()} == {"Ready"}
    world.refused.add("work-1")
    world.machines.stop("work-2")
    status = show_status(world.options)
    assert status.exit == 15
    assert rows(status)["work-1"]["state"] == "unknown"
    assert rows(status)["work-2"]["machine"] == "missing"
    assert rows(list_nodes(world.options))["work-2"]["machine"] == "missing"
    assert rows(list_nodes(world.options))["work-1"]["machine"] == "running"


def test_a_cluster_that_is_not_there_has_no_nodes(world):
    assert show_status(world.options).data["nodes"] == []
    assert show_status(world.options).exit == 15
    assert list_nodes(world.options).data["nodes"] == []


def test_more_workers_then_fewer_and_the_rest_stays_what_it_is(world):
    up(world)
    then = world.snapshot()
    world.write(workers=3)
    assert "work-3" in up(world)["nodes"]
    assert lost(then, world.snapshot()) == []
    world.write(workers=1)
    assert show_plan(world.options).data["remove"] == ["work-3", "work-2"]
    assert up(world)["nodes"] == ["cp-1", "work-1"]
    assert sorted(world.living()) == ["cp-1", "work-1"]
    assert world.host("cp-1").facts["evicted"] == ["work-3", "work-2"]
    assert sorted(lease.name for lease in world.state.load().leases) == ["cp-1", "work-1"]
    assert up(world)["changed"] == []


def test_nodes_that_would_go_are_asked_about(world, monkeypatch):
    up(world)
    world.write(workers=1)
    with pytest.raises(UsageError) as caught:
        bring_up(world.options, yes=False)
    assert caught.value.code == "usage/no-terminal"
    assert caught.value.hint == "add --yes"
    assert len(world.living()) == 3
    assert world.state.owner() is None


def test_a_stopped_and_a_lost_machine_are_made_good(world):
    up(world)
    then = world.snapshot()
    world.machines.stop("work-1")
    assert "work-1" in up(world)["changed"]
    assert lost(then, world.snapshot()) == []
    world.machines.delete(["work-2"])
    assert "work-2" in up(world)["changed"]
    now = world.snapshot()
    assert now["leases"] == then["leases"]
    assert now["machines"]["work-1"] == then["machines"]["work-1"]
    assert now["machines"]["work-2"] != then["machines"]["work-2"]
    assert world.host("cp-1").facts["evicted"] == ["work-2"]  # the member whose disk is gone
    assert up(world)["nodes"] == ["cp-1", "work-1", "work-2"]


def test_a_lost_control_plane_is_not_silently_begun_anew(world):
    up(world)
    world.machines.delete(["cp-1"])
    with pytest.raises(KubernetesError) as caught:
        up(world)
    assert caught.value.code == "kubernetes/control-plane-lost"
    assert not world.host("cp-1").has("/var/lib/toy/member")


def test_a_lost_control_plane_is_noticed_also_if_its_joining_was_never_recorded(world):
    """The run that founded the cluster was killed before it could record that; the next run saw a member."""
    up(world)
    world.state.save(world.state.load().with_node("cp-1", joined=False))
    up(world)
    assert world.state.load().node("cp-1").joined


def test_drift_on_a_node_is_repaired(world):
    up(world)
    host = world.host("work-1")
    host.write("/etc/toy.conf", "changed by hand")
    host._save()
    assert up(world)["changed"] == ["work-1"]
    assert host.text("/etc/toy.conf").startswith("address=")


def test_kubeconfig_is_named_after_the_cluster_and_merged(world):
    with pytest.raises(UsageError) as caught:
        give_kubeconfig(world.options, merge=False)
    assert caught.value.code == "kubeconfig/none"
    up(world)
    document = yaml.safe_load(give_kubeconfig(world.options, merge=False).text)
    assert document["current-context"] == "demo"
    assert document["clusters"][0]["cluster"]["server"] == "https://192.0.2.1:6443"
    outcome = give_kubeconfig(world.options, merge=True)
    merged = world.directory / "home" / ".kube" / "config"
    assert outcome.data["merged"] == str(merged)
    assert yaml.safe_load(merged.read_text()) == document


def test_down_leaves_nothing(world):
    up(world)
    outcome = take_down(world.options, yes=True)
    assert outcome.data == {
        "cluster": "demo",
        "deleted": ["machine cp-1", "machine work-1", "machine work-2"],
        "left": [],
        "billed": False,
    }
    assert world.machines.survey() == []
    assert world.state.load() is None
    assert not (world.directory / "data" / "clusters" / "demo").exists()
    assert take_down(world.options, yes=True).data["deleted"] == []


def test_down_finds_what_no_record_knows_of(world):
    up(world)
    world.state.delete()
    with pytest.raises(ManyErrors, match=r"connect|fit"):
        up(world)  # its hosts show keys that nobody recorded
    assert len(take_down(world.options, yes=True).data["deleted"]) == 3


def test_down_says_what_is_left(world, monkeypatch):
    up(world)
    monkeypatch.setattr(world.machines, "destroy", lambda: world.machines.delete(["work-1"]))
    with pytest.raises(MachinesError) as caught:
        take_down(world.options, yes=True)
    assert caught.value.code == "machines/left-over"
    assert "machine work-2" in caught.value.detail
    assert world.state.load() is not None


def test_down_of_a_protected_cluster_is_refused(world):
    up(world)
    world.write(protect="true")
    with pytest.raises(UsageError) as caught:
        take_down(world.options, yes=True)
    assert caught.value.code == "down/protected"
    assert len(world.living()) == 3


def test_verbs_work_by_name_without_the_file(world):
    up(world)
    world.spec.unlink()
    by_name = Options(cluster="demo", state_dir=world.directory / "data")
    assert known_spec(by_name).spec.name == "demo"
    assert show_status(by_name).exit == 0
    assert len(take_down(by_name, yes=True).data["deleted"]) == 3
    with pytest.raises(UsageError, match="no cluster `demo`"):
        known_spec(by_name)


def test_a_host_that_shows_another_key_is_refused(world):
    up(world)
    world.host("work-1").facts["active"] = new_pair("impostor").public
    with pytest.raises(ConnectError) as caught:
        up(world)
    assert caught.value.code == "connect/host-key"


def test_a_failed_step_names_its_log_and_the_next_run_goes_on(world, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(toy, "HANDLERS", [("toy install", lambda host, _: int(host.name == "work-1")), *toy.HANDLERS])
        with pytest.raises(StepError) as caught:
            up(world)
    assert "work-1" in caught.value.summary
    log = Path(caught.value.log_path).read_text()
    assert "FAILED" in log
    assert "install runtime" in log
    assert not any(value in log for value in known_values())
    assert world.state.owner() is None
    assert journal(world)[-1]["outcome"] == caught.value.code
    world.hosts.clear()
    assert up(world)["nodes"] == ["cp-1", "work-1", "work-2"]


def test_a_defect_is_reported_as_one_with_its_traceback_in_the_log(world, monkeypatch):
    def wrong(*_):
        raise ZeroDivisionError("oh no")

    monkeypatch.setattr(world.machines, "apply", wrong)
    with pytest.raises(ZeroDivisionError) as caught:
        up(world)
    failure = as_failure(caught.value)
    assert failure.exit == 70
    assert "ZeroDivisionError" in failure.summary
    log = Path(caught.value.log_path).read_text()
    assert "ZeroDivisionError: oh no" in log
    assert world.state.owner() is None


def test_ctrl_c_finishes_saves_unlocks_and_is_resumed(world, monkeypatch):
    real = FakeMachines.apply

    def interrupted(machines, wanted):
        made = real(machines, wanted)
        os.kill(os.getpid(), signal.SIGINT)
        return made

    with monkeypatch.context() as patch:
        patch.setattr(FakeMachines, "apply", interrupted)
        with pytest.raises(Interrupted) as caught:
            up(world)
    assert caught.value.exit == 130
    assert caught.value.hint == "sloth up"
    assert world.state.owner() is None
    then = world.snapshot()
    assert len(then["machines"]) == 3
    assert journal(world)[-1]["outcome"] == "run/interrupted"
    up(world)
    assert lost(then, world.snapshot()) == []


def test_two_runs_at_once_are_refused(world):
    world.state.lock("up")
    with pytest.raises(StateError) as caught:
        up(world)
    assert caught.value.code == "state/locked"
    show_plan(world.options)  # looking is allowed
    show_status(world.options)


def test_no_secret_is_in_any_file_but_in_the_sealed_record(world):
    up(world)
    record = world.state.load()
    secrets = [record.ssh_key.reveal(), record.mesh_seed.reveal(), "dG95LWtleS1vZi10aGUtYWRtaW4="]
    secrets += [line for line in record.ssh_key.reveal().splitlines() if len(line) > 20 and "-----" not in line]
    files = [path for path in (world.directory / "data").rglob("*") if path.is_file()]
    assert any(path.suffix == ".log" for path in files)
    for path in files:
        text = path.read_bytes()
        assert path.stat().st_mode & 0o077 == 0, path
        assert not any(secret.encode() in text for secret in secrets), path


def test_the_version_stays_until_the_spec_asks_for_another(world):
    up(world)
    record = world.state.load()
    assert record.kubernetes_version == "v1.36.3"
    world.state.save(replace(record, kubernetes_version="v1.36.1"))
    plugin = registry.distribution("kubeadm")
    plugin.versions = lambda: ("v1.36.3", "v1.36.1")
    assert show_plan(world.options).data["kubernetes"] == "v1.36.1"
    plugin.versions = lambda: ("v1.37.0",)
    with pytest.raises(ConfigError) as caught:
        show_plan(world.options)
    assert caught.value.code == "config/version"
    with pytest.raises(ConfigError) as caught:  # without the spec's own check, as for a record
        version_of(ClusterSpec(name="demo"))
    assert caught.value.code == "config/unknown-version"
    assert caught.value.hint == "set spec.kubernetes.version to 1.37"


def test_a_node_is_made_anew_when_asked_for_by_name(world):
    up(world)
    before = {machine.name: machine.id for machine in world.machines.survey()}
    data = up(world, anew=["work-1"])
    after = {machine.name: machine.id for machine in world.machines.survey()}
    assert data["nodes"] == ["cp-1", "work-1", "work-2"]
    assert {name for name in before if before[name] != after[name]} == {"work-1"}
    assert up(world)["changed"] == []


def test_what_cannot_be_made_anew_is_refused_before_anything_is_touched(world):
    up(world)
    before = world.state.load()
    for names, code in ((["cp-1"], "plan/control-plane-replaced"), (["work-9"], "usage/unknown-node")):
        with pytest.raises((ConfigError, UsageError)) as error:
            up(world, anew=names)
        assert error.value.code == code
    assert world.state.load().leases == before.leases
    assert not any(record.leaving for record in world.state.load().nodes.values())
