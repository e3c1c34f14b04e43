"""`sloth recover` for a damaged etcd member: it is told, planned and brought back; of two nobody is touched."""

import pytest

from sloth.cli.health import show_health
from sloth.cli.recover import recover_cluster
from sloth.errors import KubernetesError
from tests.unit.app import member_flow
from tests.unit.app.member_flow import DATA, SERVERS

SNAPSHOT = "save a snapshot of etcd"


def test_it_is_told_planned_and_brought_back(tmp_path, monkeypatch, capsys):
    world = member_flow.standing(tmp_path, monkeypatch)
    told = {row["summary"] for row in show_health(world.options).data["findings"] if row["subject"] == "cp-2"}
    assert "this member does not answer: its data is damaged (“invalid database”)" in told
    before = {name: len(host.ran) for name, host in world.living().items()}
    shown = recover_cluster(world.options, dry_run=True)
    assert [(row["node"], row["kind"], row["cure"]) for row in shown.data["left"]] == [("cp-2", "member-damaged", "member")]
    assert world.host("cp-2").text(DATA) == "damaged"
    done = recover_cluster(world.options, yes=True)
    assert (done.exit, done.data["left"]) == (0, [])
    assert "without cp-2: 2 voting, 2 healthy, 2 needed: quorum stays" in capsys.readouterr().err
    assert {name: world.host(name).text(DATA) for name in SERVERS} == dict.fromkeys(SERVERS, "whole")
    did = {
        name: [title for title, _ in world.host(name).ran[before[name] :] if title in ("halt", "dismiss cp-2", "join", SNAPSHOT)]
        for name in SERVERS
    }
    # The second dismissal is that of `up`, which finds a node without data of its own: there is nothing left for it to do.
    assert did == {"cp-1": [SNAPSHOT, "dismiss cp-2", "dismiss cp-2"], "cp-2": ["halt", "join"], "cp-3": []}


def test_two_of_three_are_for_a_person_and_the_one_that_is_whole_is_named(tmp_path, monkeypatch):
    world = member_flow.standing(tmp_path, monkeypatch, damaged=("cp-1", "cp-2"))
    with pytest.raises(KubernetesError) as caught:
        recover_cluster(world.options, yes=True)
    assert (caught.value.code, caught.value.hint) == ("recover/needs-decision", "sloth backup restore --survivor cp-3")
    assert world.host("cp-1").text(DATA) == world.host("cp-2").text(DATA) == "damaged"
