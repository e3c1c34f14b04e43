"""The verbs that operate a cluster, whole, on toy machines: status, health, drift, recover, rotation of keys."""

import json
from types import SimpleNamespace

import pytest

from sloth.app import state_of
from sloth.cli.certs import check_certificates, rotate_what
from sloth.cli.drift import show_drift
from sloth.cli.health import show_health
from sloth.cli.looking import watched
from sloth.cli.recover import recover_cluster
from sloth.cli.status import show_status
from sloth.cli.up import bring_up
from sloth.errors import KubernetesError, UsageError
from sloth.model.options import Options, Outcome
from tests.unit.app.world import World


@pytest.fixture
def world(tmp_path, monkeypatch):
    made = World(tmp_path).install(monkeypatch)
    bring_up(made.options, yes=True)
    return made


def test_health_lists_everything_that_was_looked_at(world):
    outcome = show_health(world.options)
    assert (outcome.exit, outcome.failure, outcome.warnings) == (0, None, ())
    areas = {row["area"] for row in outcome.data["findings"]}
    assert areas >= {"machines", "nodes", "pods", "mesh", "disk", "clock", "versions"}
    assert areas.isdisjoint({"etcd", "certificates"})  # the toy has neither
    assert outcome.data["severity"] == "healthy"


def test_what_is_not_well_is_in_the_envelope(world):
    world.machines.stop("work-1")
    outcome = show_health(world.options)
    assert outcome.exit == 15
    errors = outcome.failure.exceptions
    assert {error.code for error in errors} == {"health/critical", "health/unknown"}
    assert {(error.where, error.exit) for error in errors} >= {("work-1", 15), ("work-1", 5)}
    assert all(error.hint for error in errors)


def test_a_look_changes_nothing_and_asks_each_node_once(world):
    before, saved = world.snapshot(), world.state.load()
    trips = {name: host.round_trips for name, host in world.living().items()}
    show_status(world.options)
    assert {name: host.round_trips - trips[name] for name, host in world.living().items()} == dict.fromkeys(trips, 1)
    assert world.snapshot() == before
    assert world.state.load() == saved


def test_watching_looks_until_it_is_stopped(world, capsys):
    looks, pauses = [], []

    def once():
        looks.append(show_status(world.options, quiet=True))
        return looks[-1]

    def pause(seconds):
        pauses.append(seconds)
        if len(pauses) == 2:
            world.machines.stop("work-1")
        if len(pauses) == 3:
            raise KeyboardInterrupt

    options = Options(**{**vars(world.options), "output": "json"})
    last = watched(options, once, 7.0, pause)
    assert (len(looks), pauses) == (3, [7.0, 7.0, 7.0])
    assert (last.kind, last.exit) == ("", 15)
    decoder, text, found = json.JSONDecoder(), capsys.readouterr().out, []
    while text.strip():
        document, end = decoder.raw_decode(text.lstrip())
        found.append(document["ok"])
        text = text.lstrip()[end:]
    assert found == [True, True, False]


def test_watching_that_is_stopped_during_a_look_ends_with_the_look_before():
    def once():
        raise KeyboardInterrupt

    assert watched(Options(), once, 1.0) == Outcome("")


def drift(world):
    outcome = show_drift(world.options)
    return outcome.exit, {(row["layer"], row["node"], row["what"]) for row in outcome.data["drift"]}


def test_a_cluster_that_is_as_asked_has_no_drift(world):
    assert drift(world) == (0, set())


def test_a_file_changed_by_hand_is_drift_although_its_stamp_is_believed(world):
    host = world.host("work-1")
    host.write("/etc/toy.conf", "address=elsewhere\n")
    assert drift(world) == (4, {("host", "work-1", "write /etc/toy.conf")})


def test_every_layer_is_compared(world):
    world.machines.stop("work-2")
    world.host("cp-1").facts["enabled"] = False
    world.host("work-1").facts["state"] = "broken"
    code, found = drift(world)
    assert code == 4
    assert ("machines", "work-2", "start machine") in found
    assert ("mesh", "cp-1", "have the mesh come up at boot") in found
    assert ("kubernetes", "work-1", "it is no working member of Kubernetes") in found


def test_what_the_spec_asks_for_anew_and_not_any_more_is_drift(world):
    world.write(workers=3)
    assert ("machines", "work-3", "create machine") in drift(world)[1]
    world.write(workers=1)
    assert ("machines", "work-2", "the spec does not ask for this node any more") in drift(world)[1]


def test_a_node_that_does_not_answer_was_not_compared(world):
    world.refused.add("work-1")
    outcome = show_drift(world.options)
    assert outcome.exit == 5
    assert {(row["node"], row["unread"]) for row in outcome.data["drift"]} == {("work-1", True)}
    assert outcome.failure.code == "health/unknown"


def test_comparing_changes_nothing(world):
    world.host("work-1").write("/etc/toy.conf", "address=elsewhere\n")
    before, saved = world.snapshot(), world.state.load()
    drift(world)
    assert world.snapshot() == before
    assert world.state.load() == saved
    assert world.host("work-1").text("/etc/toy.conf") == "address=elsewhere\n"


def test_recover_has_nothing_to_do_where_all_is_well(world):
    outcome = recover_cluster(world.options)
    assert (outcome.exit, outcome.data["found"]) == (0, [])


def test_recover_starts_what_is_stopped_after_a_yes(world):
    world.machines.stop("work-1")
    shown = recover_cluster(world.options, dry_run=True)
    assert (shown.exit, shown.data["left"][0]["kind"]) == (3, "machine-stopped")
    assert "work-1" not in {m.name for m in world.machines.survey() if m.running}
    with pytest.raises(UsageError) as failure:  # there is no terminal to answer on
        recover_cluster(world.options)
    assert failure.value.code == "usage/no-terminal"
    outcome = recover_cluster(world.options, yes=True)
    assert (outcome.exit, outcome.data["left"]) == (0, [])
    assert show_status(world.options).exit == 0


def test_recover_takes_back_only_what_the_record_knows(world):
    """What the spec asks for beside it waits for `up`."""
    world.write(workers=3)
    world.machines.stop("work-1")
    recover_cluster(world.options, yes=True)
    assert sorted(world.living()) == ["cp-1", "work-1", "work-2"]


def test_a_silent_node_is_left_to_a_person(world):
    world.refused.add("work-1")
    before = {machine.name: machine.id for machine in world.machines.survey()}
    with pytest.raises(KubernetesError) as failure:
        recover_cluster(world.options, yes=True)
    assert failure.value.code == "recover/needs-decision"
    assert failure.value.hint == "sloth up --replace work-1"
    assert {machine.name: machine.id for machine in world.machines.survey()} == before


def test_a_silent_node_that_was_named_is_made_anew(world):
    world.refused.add("work-1")
    before = {machine.name: machine.id for machine in world.machines.survey()}
    delete = world.machines.delete

    def deleted(names):
        world.refused -= set(names)  # another machine answers
        delete(names)

    world.machines.delete = deleted
    recover_cluster(world.options, yes=True, anew=["work-1"])
    after = {machine.name: machine.id for machine in world.machines.survey()}
    assert after["work-1"] != before["work-1"]
    assert (after["cp-1"], after["work-2"]) == (before["cp-1"], before["work-2"])
    assert show_status(world.options).exit == 0


def test_what_a_distribution_cannot_is_said(world):
    for work in (lambda: check_certificates(world.options), lambda: rotate_what(world.options, [], yes=True)):
        with pytest.raises(UsageError) as failure:
            work()
        assert failure.value.code == "certs/not-supported"
    with pytest.raises(UsageError) as failure:
        rotate_what(world.options, ["ca"], yes=True)
    assert failure.value.code == "certs/authorities-stay"
    with pytest.raises(UsageError) as failure:
        rotate_what(world.options, ["encryption-key"], yes=True)
    assert failure.value.code == "certs/not-supported", "no success is told where nothing was done"


def test_two_rotations_at_once_are_refused(world):
    with pytest.raises(UsageError) as failure:
        rotate_what(world.options, ["ssh-key", "mesh-keys"], yes=True)
    assert failure.value.code == "usage/not-together"


def test_a_record_gets_another_passphrase(world, monkeypatch, tmp_path):
    """Sealed with this machine's key until now."""
    before = world.state.load()
    monkeypatch.setenv("SLOTH_NEW_PASSPHRASE", "swordfish and friends")
    outcome = rotate_what(world.options, ["passphrase"], yes=True)
    assert outcome.data["revision"] == before.revision + 1
    monkeypatch.delenv("SLOTH_NEW_PASSPHRASE")
    with pytest.raises(Exception, match="passphrase") as failure:
        state_of(world.options, world.name).load()
    assert failure.value.code == "state/wrong-passphrase"
    (tmp_path / "new").write_text("swordfish and friends\n")
    monkeypatch.setenv("SLOTH_PASSPHRASE_FILE", str(tmp_path / "new"))
    after = state_of(world.options, world.name).load()
    assert (after.leases, after.ssh_key) == (before.leases, before.ssh_key)
    assert state_of(world.options, world.name).holder == ""


@pytest.mark.parametrize("both", [False, True])
def test_a_new_passphrase_is_given_exactly_once(world, monkeypatch, both):
    if both:
        monkeypatch.setenv("SLOTH_NEW_PASSPHRASE", "one")
        monkeypatch.setenv("SLOTH_NEW_PASSPHRASE_FILE", "/two")
    with pytest.raises(UsageError) as failure:
        rotate_what(world.options, ["passphrase"], yes=True)
    assert failure.value.code == "usage/no-new-passphrase"


def test_json_and_people_see_the_same(world, capsys):
    world.machines.stop("work-1")
    for outcome in (show_status(world.options), show_health(world.options), show_drift(world.options)):
        outcome.show(world.options)
        text = capsys.readouterr().out
        rows = outcome.data.get("findings") or outcome.data["drift"]
        bad = [row for row in rows if row.get("severity", "warning") != "healthy"]
        assert bad
        for row in bad:
            assert (row.get("summary") or row["what"]) in text
        assert "next: " in text


def test_hints_are_said_once_each(capsys):
    from sloth.ui.health_table import show_problems

    said = []
    console = SimpleNamespace(print=lambda *words, **_: said.append(" ".join(map(str, words))))
    row = {"area": "nodes", "severity": "critical", "summary": "gone", "hint": "sloth up"}
    show_problems({"cluster": "c", "severity": "critical", "findings": [{**row, "subject": n} for n in "abcd"]}, console)
    assert [line for line in said if line.startswith("next")] == ["next: sloth up"]
