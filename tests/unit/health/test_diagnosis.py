"""What `recover` makes of a look: cause and cure; what was not seen is not taken for lost, nothing dear is done on the side."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sloth.health.diagnosis import ORDER, Case, diagnose
from sloth.health.view import MEMBERS, SILENT, STATUS, WORDS
from sloth.model.facts import Facts
from tests.unit.health.test_rules import with_etcd
from tests.unit.health.views import certificate, healthy_view, member, status, told, told_by_all

ALL = [member(n, f"cp-{n}") for n in (1, 2, 3)]


def case(view=None, **more):
    view = view or healthy_view()
    return Case(view=view, members=frozenset(view.names), **more)


def found(of):
    return [(each.kind, each.node, each.cure) for each in diagnose(of)]


def silent(view, *names):
    return replace(view, facts={**view.facts, **{name: Facts(values={SILENT: "no answer"}) for name in names}})


def gone(view, *names):
    facts = {name: fact for name, fact in view.facts.items() if name not in names}
    return replace(view, running=view.running - set(names), facts=facts)


def test_a_cluster_that_is_well_has_no_ailment():
    assert diagnose(case()) == []


def test_services_that_stopped_are_started():
    view = told(healthy_view(), "work-1", values={"unit.kubelet": "inactive", "unit.containerd": "failed"})
    (ailment,) = diagnose(case(view))
    assert (ailment.kind, ailment.cure) == ("service-stopped", "services")
    assert ailment.cause == "not running: containerd, kubelet"
    assert ailment.command == "sloth ssh work-1 -- systemctl start containerd kubelet"


@pytest.mark.parametrize("state", ["broken", "none"])
def test_a_half_joined_node_is_finished(state):
    assert found(case(told(healthy_view(), "work-1", values={"kube.state": state}))) == [("half-joined", "work-1", "up")]


def test_a_stopped_machine_is_started_and_a_missing_one_made_anew():
    view = gone(healthy_view(), "work-1", "cp-3")
    statuses = with_etcd(ALL, [status(1), status(2)])
    view = replace(view, facts={name: statuses.facts[name] for name in view.facts})
    assert found(case(view, stopped=frozenset({"work-1"}))) == [
        ("machine-lost", "cp-3", "up"),
        ("machine-stopped", "work-1", "up"),
    ]


def test_a_lost_majority_is_for_a_person_to_decide():
    view = with_etcd(ALL, [status(1, leader=0)])
    view = gone(view, "cp-2", "cp-3")
    ailments = diagnose(case(view))
    assert ailments[0].kind == "quorum-lost"
    assert ailments[0].command == "sloth backup restore --survivor cp-1"
    assert "1 of 3 members answer, 2 are needed" in ailments[0].cause
    assert {each.cure for each in ailments} == {"by-hand"}


def test_a_majority_that_only_stands_still_is_started_first():
    view = gone(with_etcd(ALL, [status(1, leader=0)]), "cp-2", "cp-3")
    assert ("quorum-lost", "", "by-hand") not in found(case(view, stopped=frozenset({"cp-2"})))


def test_nobody_answers():
    view = silent(healthy_view(), "cp-1", "cp-2", "cp-3")
    assert found(case(view))[0] == ("quorum-lost", "", "by-hand")
    assert all(cure == "by-hand" for _, _, cure in found(case(view)))


def test_a_node_that_does_not_answer_is_only_made_anew_by_name():
    assert found(case(silent(healthy_view(), "work-1"))) == [("node-silent", "work-1", "replace")]


def test_expired_leaves_are_renewed_and_expired_authorities_are_not():
    leaf = told(healthy_view(), "cp-1", values={"cert./pki/apiserver.crt": certificate(-1)})
    assert found(case(leaf)) == [("certificate-expired", "cp-1", "certificates")]
    both = told(leaf, "cp-1", values={"cert./pki/ca.crt": certificate(-1)})
    assert found(case(both)) == [("authority-expired", "cp-1", "by-hand")]


def test_a_kubelet_that_cannot_log_in_any_more_is_joined_anew_by_name():
    view = told(healthy_view(), "work-1", values={"cert./pki/kubelet.pem": certificate(-1)})
    assert found(case(view)) == [("certificate-expired", "work-1", "replace")]


def test_a_changed_address_is_put_right_by_the_mesh_phase():
    assert found(case(moved=frozenset({"work-1"}))) == [("address-changed", "work-1", "up")]


DAMAGED = '{"msg":"failed to open database","error":"invalid database"}'


def damaged(view, *names):
    for name in names:
        view = told(view, name, values={WORDS: DAMAGED, MEMBERS: None, STATUS: None, "kube.etcd": "down", "kube.api": "down"})
    return view


def test_a_member_whose_data_is_damaged_leaves_and_joins_again():
    view = damaged(with_etcd(ALL, [status(1), status(2)]), "cp-3")
    (ailment,) = diagnose(case(view))
    assert (ailment.kind, ailment.node, ailment.cure) == ("member-damaged", "cp-3", "member")
    assert ailment.cause == "the data of its etcd member is damaged: “invalid database”"


def test_without_a_majority_of_others_nobody_leaves_and_a_member_with_its_data_is_the_survivor():
    view = damaged(with_etcd(ALL, [status(3, leader=0)]), "cp-1", "cp-2")
    (ailment,) = diagnose(case(view))
    assert (ailment.kind, ailment.cure, ailment.command) == ("quorum-lost", "by-hand", "sloth backup restore --survivor cp-3")


@pytest.mark.parametrize(
    "more",
    [
        {WORDS: '{"error":"no space left on device"}'},  # it can go on with what it has
        {WORDS: None},
        {"unit.kubelet": "inactive"},  # an old log: its service is started first
    ],
)
def test_a_member_that_is_only_silent_keeps_its_data(more):
    view = told(damaged(with_etcd(ALL, [status(1), status(2)]), "cp-3"), "cp-3", values=more)
    assert not [each for each in diagnose(case(view)) if each.cure == "member"]


def test_old_words_of_a_member_that_answers_mean_nothing():
    view = told(with_etcd(ALL, [status(1), status(2), status(3)]), "cp-3", values={WORDS: DAMAGED})
    assert diagnose(case(view)) == []


def test_a_control_plane_node_without_a_member_joins_again():
    """As a recovery leaves it that was cut off between the two halves."""
    view = damaged(with_etcd(ALL[:2], [status(1), status(2)]), "cp-3")
    assert found(case(view)) == [("member-missing", "cp-3", "member")]


def speaks_for_itself(view, *numbers):
    """Each of these has only its own member's answer, which knows no leader."""
    for n in numbers:
        view = told(view, f"cp-{n}", values={STATUS: json.dumps([status(n, leader=0)])})
    return view


def test_a_majority_that_only_cannot_reach_itself_is_not_taken_for_lost():
    """To go on with one of them alone would throw away what the others hold."""
    (ailment,) = diagnose(case(speaks_for_itself(healthy_view(), 1, 2, 3)))
    assert (ailment.kind, ailment.node, ailment.cure, ailment.command) == ("mesh-cut", "", "by-hand", "sloth health")
    assert "3 of 3 members run" in ailment.cause


def test_a_member_that_is_cut_off_is_named_and_left_alone():
    view = speaks_for_itself(with_etcd(ALL, [status(1), status(2)]), 3)
    assert found(case(view)) == [("mesh-cut", "cp-3", "by-hand")]


NAMES = sorted(healthy_view().names)


@given(st.sets(st.sampled_from(NAMES)), st.sets(st.sampled_from(NAMES)), st.sets(st.sampled_from(NAMES)))
def test_cures_come_in_order_and_without_a_majority_nothing_is_deleted(away, quiet, stopped):
    answering = [n for n in (1, 2, 3) if f"cp-{n}" not in away | quiet]
    view = with_etcd(ALL, [status(n, leader=answering[0] if len(answering) > 1 else 0) for n in answering])
    view = silent(view, *(quiet - away))
    view = gone(view, *away)
    ailments = diagnose(case(view, stopped=frozenset(stopped & away)))
    assert [ORDER[each.cure] for each in ailments] == sorted(ORDER[each.cure] for each in ailments)
    assert all(each.cause and each.command for each in ailments)
    back = len(answering) + len([name for name in stopped & away if name.startswith("cp")])
    if answering and back < 2:
        assert not any(each.cure == "replace" for each in ailments)
        assert not any(each.kind == "machine-lost" and each.cure == "up" and each.node.startswith("cp") for each in ailments)
    assert {each.node for each in ailments if each.node} >= away | quiet


def test_what_nobody_said_is_not_taken_for_a_lost_majority():
    view = told_by_all(told_by_all(healthy_view(), MEMBERS, None), STATUS, None)
    assert diagnose(case(view)) == []
