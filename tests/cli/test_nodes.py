"""`sloth nodes` on a world of toy machines: what is written into the spec, what is told, and with which exit code."""

import os
import re
import signal

import pytest

from sloth.errors import StateError
from tests.unit.app.world import journal

DRAIN = ("nodes", "drain", "work-1")


@pytest.fixture
def up(world, sloth):
    assert sloth("up").exit_code == 0
    return world


def names(world):
    return sorted(machine.name for machine in world.machines.survey())


def counts(world):
    return {
        pool: int(count)
        for pool, count in re.findall(r"name: (\w+), role: \S+, provider: local, count: (\d+)", world.spec.read_text())
    }


def codes(document):
    return [error["code"] for error in document["errors"]]


def steps(world):
    return [(line["node"], line["step"]) for line in journal(world) if line["kind"] == "before"]


def test_add_raises_the_count_in_the_file_and_keeps_everything_else(up, envelope):
    before = up.spec.read_text()
    code, document = envelope("nodes", "add", "work", "--count", "2")
    assert code == 0
    assert up.spec.read_text() == before.replace("count: 2", "count: 4")
    assert names(up) == ["cp-1", "work-1", "work-2", "work-3", "work-4"]
    assert document["data"]["spec"] == ["sloth.yaml:8: count of pool work: 2 → 4"]
    assert envelope("up")[1]["data"]["changed"] == []


def test_a_removed_number_stays_free_until_more_are_asked_for(up, sloth, envelope):
    kept = up.state.load()
    assert sloth("nodes", "remove", "work-1", "--yes").exit_code == 0
    assert names(up) == ["cp-1", "work-2"]
    assert counts(up) == {"cp": 1, "work": 1}
    assert sloth("up").exit_code == 0
    assert names(up) == ["cp-1", "work-2"], "and nobody is made in its place"
    assert [lease for lease in up.state.load().leases if lease.name == "work-2"] == [x for x in kept.leases if x.name == "work-2"]
    assert sloth("nodes", "add", "work").exit_code == 0
    assert names(up) == ["cp-1", "work-1", "work-2"], "the free number is the first to be given again"


def test_removing_is_asked_about_with_what_it_does_to_the_spec(up, sloth):
    before = up.spec.read_text()
    done = sloth("nodes", "remove", "work-2")
    assert done.exit_code == 2
    assert up.spec.read_text() == before
    assert not any(node.leaving for node in up.state.load().nodes.values())


@pytest.mark.parametrize("moment", ["marked", "written"])
def test_a_removal_that_was_cut_off_is_finished_by_the_same_command(up, sloth, monkeypatch, moment):
    from sloth.adapters import spec_file
    from sloth.cli import nodes_change

    real = spec_file.write_back

    def cut(texts, before):
        if moment == "written":
            real(texts, before)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(spec_file, "write_back", cut)
        assert sloth("nodes", "remove", "work-1", "--yes").exit_code == 130
    assert up.state.load().node("work-1").leaving
    assert nodes_change
    assert sloth("nodes", "remove", "work-1", "--yes").exit_code == 0
    assert names(up) == ["cp-1", "work-2"]
    assert counts(up) == {"cp": 1, "work": 1}


def test_up_also_finishes_a_removal_that_was_cut_off_before_the_spec_was_written(up, sloth, monkeypatch):
    from sloth.adapters import spec_file

    with monkeypatch.context() as patched:
        patched.setattr(spec_file, "write_back", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        sloth("nodes", "remove", "work-1", "--yes")
    assert sloth("up", "--yes").exit_code == 0
    assert "work-1" not in names(up), "the named one went"
    assert "work-2" in names(up), "and no other"


@pytest.mark.parametrize(
    ("words", "exit_code", "code"),
    [
        (("add", "gpu"), 2, "usage/unknown-pool"),
        (("add", "cp"), 10, "config/control-plane-count"),
        (("remove", "work-9", "--yes"), 2, "usage/unknown-node"),
        (("remove", "cp-1", "--yes"), 10, "config/no-control-plane"),
        (("replace", "work-9", "--yes"), 2, "usage/unknown-node"),
        (("replace", "cp-1", "--yes"), 10, "plan/control-plane-replaced"),
        (("cordon", "work-9"), 2, "usage/unknown-node"),
        (("drain", "work-9"), 2, "usage/unknown-node"),
        (("drain", "work-1", "--timeout", "soon"), 2, "usage/duration"),
        (("reboot", "work-9"), 2, "usage/unknown-node"),
        (("exec", "--node", "work-9", "true"), 2, "usage/unknown-node"),
        (("exec", "--pool", "gpu", "true"), 2, "usage/unknown-pool"),
        (("exec", "--pool", "cp", "--role", "worker", "true"), 2, "usage/no-node"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
)
def test_what_cannot_be_is_refused_and_nothing_is_changed(up, envelope, words, exit_code, code):
    text, before = up.spec.read_text(), steps(up)
    found, document = envelope("nodes", *words)
    assert (found, codes(document)) == (exit_code, [code])
    assert up.spec.read_text() == text
    assert steps(up) == before
    assert not any(node.leaving for node in up.state.load().nodes.values())


def test_a_protected_cluster_loses_and_replaces_nobody(up, envelope):
    up.write(protect="true")
    for verb in ("remove", "replace"):
        code, document = envelope("nodes", verb, "work-1", "--yes")
        assert (code, codes(document)) == (2, ["usage/protected"])
    assert envelope("nodes", "cordon", "work-1")[0] == 0
    assert envelope("nodes", "add", "work")[0] == 0


def test_replace_is_up_replace(up, sloth):
    before = {machine.name: machine.id for machine in up.machines.survey()}
    assert sloth("nodes", "replace", "work-2", "--yes").exit_code == 0
    after = {machine.name: machine.id for machine in up.machines.survey()}
    assert [name for name in after if after[name] != before[name]] == ["work-2"]
    assert counts(up) == {"cp": 1, "work": 2}


def test_cordon_and_uncordon_change_once(up, sloth, envelope):
    kubernetes = up.host("cp-1").facts
    code, document = envelope("nodes", "cordon", "work-1", "work-2", "work-1")
    assert (code, document["data"]["nodes"]) == (0, ["work-1", "work-2"])
    assert kubernetes["nodes"]["work-1"]["unschedulable"]
    ran = len(up.host("cp-1").ran)
    assert "cordoned: work-1" in sloth("nodes", "cordon", "work-1").stdout
    assert not [title for title, _ in up.host("cp-1").ran[ran:] if title.startswith("cordon")], "it is cordoned already"
    assert sloth("nodes", "uncordon", "work-1", "work-2").exit_code == 0
    assert not kubernetes["nodes"]["work-1"]["unschedulable"]


def guarded(world):
    facts = world.host("cp-1").facts
    facts["pods"] = [
        ["shop", "web-1", "work-1", "web", "Deployment/web"],
        ["shop", "db-0", "work-1", "db", "StatefulSet/db"],
        ["shop", "web-2", "work-2", "web", "Deployment/web"],
    ]
    facts["budgets"] = [["shop", "web", "web"]]
    return facts


def test_a_drain_that_is_held_up_names_the_budget_and_goes_on_only_by_its_name(up, envelope):
    facts = guarded(up)
    code, document = envelope(*DRAIN)
    assert (code, codes(document)) == (15, ["node/drain-blocked"])
    assert "shop/web" in document["errors"][0]["summary"]
    assert [pod[1] for pod in facts["pods"]] == ["web-1", "web-2"], "what no budget holds has gone"
    assert envelope(*DRAIN, "--force-budget", "shop/wbe")[1]["errors"][0]["code"] == "usage/unknown-budget"
    code, document = envelope(*DRAIN, "--force-budget", "shop/web")
    assert (code, document["data"]["nodes"]) == (0, ["work-1"])
    assert [pod[1] for pod in facts["pods"]] == ["web-2"], "and nothing on another node"
    assert facts["nodes"]["work-1"]["unschedulable"]


def test_a_reboot_ends_uncordoned_and_one_that_is_held_up_goes_on_later(up, envelope):
    facts = guarded(up)
    assert envelope("nodes", "reboot", "work-1")[0] == 15
    assert "boots" not in up.host("work-1").facts
    assert facts["nodes"]["work-1"] == {"unschedulable": True, "held": "reboot"}
    facts["budgets"] = []
    code, document = envelope("nodes", "reboot", "work-1", "work-2")
    assert (code, document["data"]["nodes"]) == (0, ["work-1", "work-2"])
    assert [up.host(name).facts["boots"] for name in ("work-1", "work-2")] == [1, 1]
    assert facts["nodes"]["work-1"] == {"unschedulable": False, "held": ""}


def test_a_reboot_leaves_a_node_cordoned_that_was_so_before(up, sloth):
    sloth("nodes", "cordon", "work-1")
    assert sloth("nodes", "reboot", "work-1").exit_code == 0
    assert up.host("cp-1").facts["nodes"]["work-1"]["unschedulable"]


def test_exec_tells_who_said_what_and_ends_with_the_worst(up, sloth, envelope):
    done = sloth("nodes", "exec", "--", "hostname")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == ["cp-1   | cp-1", "work-1 | work-1", "work-2 | work-2"]
    code, document = envelope("nodes", "exec", "--role", "worker", "fail work-2")
    assert code == 3
    assert [(row["node"], row["exit"]) for row in document["data"]["nodes"]] == [("work-1", 0), ("work-2", 3)]
    assert "work-2 | ended with 3" in sloth("nodes", "exec", "--pool", "work", "--", "fail work-2").stderr


def test_exec_tells_who_could_not_be_reached_and_asks_the_others(up, envelope):
    up.refused.add("work-1")
    code, document = envelope("nodes", "exec", "hostname")
    assert code == 13
    rows = {row["node"]: row for row in document["data"]["nodes"]}
    assert "does not answer" in rows["work-1"]["error"]
    assert rows["work-2"]["stdout"] == "work-2"


def test_a_command_is_in_no_journal_and_no_log(up, sloth):
    assert sloth("nodes", "exec", "--node", "work-1", "--", "echo s3cr3t-word").exit_code == 0
    kept = [path for path in (up.directory / "data").rglob("*") if path.is_file()]
    assert any("nodes-exec" in path.name for path in kept)
    assert [path for path in kept if b"s3cr3t-word" in path.read_bytes()] == []
    assert ("work-1", "run a command") in steps(up)


@pytest.mark.parametrize("words", [("add", "work"), ("remove", "work-1", "--yes"), DRAIN[1:], ("exec", "hostname")], ids=" ".join)
def test_one_at_a_time(up, envelope, monkeypatch, words):
    """The cluster's lock holds these verbs like the others, and what is refused has changed nothing."""
    from sloth.adapters.state_file import StateFile

    def taken(_state, _verb):
        raise StateError("state/locked", "somebody else is at work", hint="wait")

    before = up.spec.read_text()
    monkeypatch.setattr(StateFile, "lock", taken)
    code, document = envelope("nodes", *words)
    assert (code, codes(document)) == (16, ["state/locked"])
    assert up.spec.read_text() == before


def test_no_control_plane_node_no_verb(up, envelope):
    up.refused.add("cp-1")
    code, document = envelope(*DRAIN)
    assert (code, codes(document)) == (15, ["kubernetes/no-server"])
    assert "cp-1: silent" in document["errors"][0]["detail"]


def test_every_run_is_journalled(up, sloth):
    sloth(*DRAIN)
    verbs = [line["verb"] for line in journal(up) if line["kind"] == "run"]
    assert verbs == ["up", "nodes-drain"]


def test_ctrl_c_ends_after_the_steps_in_hand_and_the_same_command_goes_on(up, envelope):
    def interrupt(what):
        if what == "cp-1: patch nodes work-1":
            os.kill(os.getpid(), signal.SIGINT)

    up._tick = interrupt
    code, document = envelope("nodes", "reboot", "work-1")
    assert (code, codes(document)) == (130, ["run/interrupted"])
    assert document["errors"][0]["hint"] == "sloth nodes reboot work-1"
    assert "boots" not in up.host("work-1").facts, "nothing else was begun"
    assert up.state.owner() is None
    up._tick = lambda _what: None
    assert envelope("nodes", "reboot", "work-1")[0] == 0
    assert up.host("cp-1").facts["nodes"]["work-1"] == {"unschedulable": False, "held": ""}
