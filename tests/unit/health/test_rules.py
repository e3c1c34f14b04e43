"""What each rule says: healthy only of what was read and is well; the cause, where something is not."""

import json
from dataclasses import replace

import pytest

from sloth.health.certificates import of, question
from sloth.health.etcd import leader, members
from sloth.health.mesh import pairs
from sloth.health.report import assess
from sloth.health.severity import Severity
from sloth.health.view import MEMBERS, NODES, PODS, SILENT, STATUS, WORDS
from sloth.model.facts import Facts
from sloth.testing.contract import reads_only
from tests.unit.health.views import (
    FILES,
    NOW,
    certificate,
    healthy_view,
    member,
    node_line,
    pod_line,
    status,
    told,
    told_by_all,
)  # fmt: skip


def problems(view, area=""):
    """(severity, subject, summary) of all that is not healthy."""
    return [
        (finding.severity.word, finding.subject, finding.summary)
        for finding in assess(view).problems
        if area in ("", finding.area)
    ]


def test_a_cluster_that_is_well_is_healthy():
    report = assess(healthy_view())
    assert report.problems == []
    assert report.healthy
    assert {finding.area for finding in report.findings} == {
        "machines", "nodes", "etcd", "pods", "mesh", "certificates", "disk", "clock", "versions",
    }  # fmt: skip


def test_a_cluster_without_nodes_is_not_healthy():
    view = replace(healthy_view(), leases=(), running=frozenset(), facts={})
    assert assess(view).severity == Severity.CRITICAL


def test_a_machine_that_is_gone_is_critical_and_the_rest_of_it_unknown():
    view = healthy_view()
    found = problems(replace(view, running=view.running - {"work-1"}))
    assert found[0] == ("critical", "work-1", "its machine is missing or stopped")
    assert {("unknown", "work-1")} == {(severity, subject) for severity, subject, _ in found[1:]}


def test_a_node_that_does_not_answer_says_why():
    view = healthy_view()
    silent = replace(view, facts={**view.facts, "work-1": Facts(values={SILENT: "work-1 refused the connection"})})
    assert ("critical", "work-1", "it does not answer: work-1 refused the connection") in problems(silent, "nodes")
    assert {"unknown"} == {severity for severity, *_ in problems(silent, "disk") + problems(silent, "certificates")}


@pytest.mark.parametrize("unit", ["kubelet", "containerd"])
def test_a_service_that_stopped_is_the_cause_before_kubernetes_notices(unit):
    view = told(healthy_view(), "work-1", values={f"unit.{unit}": "inactive"})
    assert problems(view) == [("critical", "work-1", f"its service {unit} is inactive")]


@pytest.mark.parametrize(
    ("values", "severity", "words"),
    [
        ({"kube.state": "broken"}, "critical", "membership is broken"),
        ({"kube.state": "none"}, "critical", "no member"),
        ({"kube.state": None}, "unknown", "did not say"),
        ({"kube.api": "down"}, "critical", "API server"),
        ({"kube.etcd": "down"}, "critical", "etcd"),
    ],
)
def test_what_a_node_says_of_itself(values, severity, words):
    found = problems(told(healthy_view(), "cp-2", values=values), "nodes")
    assert [(each, words in summary) for each, _, summary in found] == [(severity, True)]


def test_ready_is_unknown_where_no_control_plane_node_says_it():
    assert {severity for severity, *_ in problems(told_by_all(healthy_view(), "kube.nodes", None), "nodes")} == {"unknown"}


def test_not_ready_cordoned_and_pressed_nodes():
    view = told_by_all(healthy_view(), "kube.nodes", "cp-1:Ready cp-2:Ready cp-3:Ready work-1:NotReady stranger:Ready")
    lines = [node_line("work-1", cordoned="true", more="DiskPressure=True ")]
    found = problems(told_by_all(view, NODES, "\n".join(lines)), "nodes")
    assert found == [
        ("critical", "work-1", "Kubernetes says it is not Ready"),
        ("warning", "work-1", "Kubernetes reports DiskPressure"),
        ("warning", "work-1", "it is cordoned: no pod is placed on it"),
        ("warning", "stranger", "Kubernetes has a node that this cluster's record does not know"),
    ]


def test_the_running_version_counts_not_the_installed_one():
    view = told_by_all(healthy_view(), NODES, "\n".join([node_line("work-1", version="v1.35.9")]))
    assert problems(view, "versions") == [("warning", "work-1", "it runs v1.35.9, the spec asks for v1.36.3")]
    assert problems(told(view, "cp-1", values={"kube.version": None}), "versions")[0][:2] == ("unknown", "cp-1")
    suffixed = told_by_all(healthy_view(), NODES, "\n".join([node_line("work-1", version="v1.36.3+k3s1")]))
    assert problems(suffixed, "versions") == []


def with_etcd(listed, statuses):
    view = told_by_all(healthy_view(), MEMBERS, json.dumps({"members": listed}))
    return told_by_all(view, STATUS, json.dumps(statuses))


ALL = [member(n, f"cp-{n}") for n in (1, 2, 3)]


def test_etcd_knows_its_leader():
    assert leader(healthy_view()) == "cp-1"
    assert len(members(healthy_view())) == 3


def test_a_member_that_does_not_answer():
    found = problems(with_etcd(ALL, [status(1), status(2)]), "etcd")
    assert found == [
        ("critical", "cp-3", "this member does not answer"),
        ("warning", "", "2 of 3 members answer: with one less there is no majority"),
    ]


def test_lost_quorum_is_said_with_its_arithmetic():
    found = problems(with_etcd(ALL, [status(1, leader=0)]), "etcd")
    assert ("critical", "", "etcd has no leader: nothing can be written") in found
    assert ("critical", "", "1 of 3 members answer, 2 are needed for a majority") in found


def test_two_leaders_of_one_term_are_not_believed():
    assert problems(with_etcd(ALL, [status(1, leader=1), status(2, leader=2), status(3, leader=1)]), "etcd")[0][0] == "critical"
    # An older term's leader is one that does not know yet.
    assert problems(with_etcd(ALL, [status(1), status(2), status(3, leader=2, term=3)]), "etcd") == []


def test_a_learner_an_alarm_and_a_full_database():
    listed = [ALL[0], ALL[1], member(3, "cp-3", isLearner=True)]
    statuses = [status(1, errors=["memberID:1 alarm:NOSPACE"]), status(2, dbSizeInUse=1900 << 20), status(3)]
    assert problems(with_etcd(listed, statuses), "etcd") == [
        ("critical", "cp-1", "this member reports memberID:1 alarm:NOSPACE"),
        ("warning", "cp-2", "its data takes 1900 of 2048 MiB: above that it takes no more writes"),
        ("warning", "cp-3", "this member is still a learner: it has no vote"),
    ]


def test_a_member_without_a_node_and_a_node_without_a_member():
    listed = [ALL[0], ALL[1], member(9, "gone")]
    found = problems(with_etcd(listed, [status(1), status(2), status(9)]), "etcd")
    assert ("critical", "cp-3", "it is a control-plane node and has no etcd member") in found
    assert ("warning", "gone", "etcd has a member that is on no node of this cluster") in found


def test_a_member_whose_data_is_damaged_says_so():
    view = told(with_etcd(ALL, [status(1), status(2)]), "cp-3", values={WORDS: "panic: invalid database"})
    text = "this member does not answer: its data is damaged (“invalid database”)"
    assert ("critical", "cp-3", text) in problems(view, "etcd")


@pytest.mark.parametrize("text", [None, "", "no JSON", "[]", "{}", '[{"Status": 1}]'])
def test_etcd_that_says_nothing_of_use_is_unknown(text):
    assert problems(told_by_all(healthy_view(), STATUS, text), "etcd") == [
        ("unknown", "", "no control-plane node could say anything about etcd")
    ]


def test_a_workload_is_judged_as_a_whole():
    lines = [
        pod_line("coredns-1", "ReplicaSet", "coredns-1", "cp-1", ready="False", reason="CrashLoopBackOff"),
        pod_line("kube-proxy-1", "DaemonSet", "kube-proxy", "cp-1"),
        pod_line("kube-proxy-2", "DaemonSet", "kube-proxy", "work-1", ready="False"),
        pod_line("kube-scheduler-cp-1", "Node", "cp-1", "cp-1", ready="False"),
        pod_line("job-1", "Job", "job", "cp-1", ready="False", phase="Succeeded"),
        pod_line("lonely", "ReplicaSet", "x", "", ready="", phase="Pending"),
    ]
    assert problems(told_by_all(healthy_view(), PODS, "\n".join(lines)), "pods") == [
        ("critical", "ReplicaSet coredns-1", "is not ready (on cp-1): CrashLoopBackOff"),
        ("critical", "ReplicaSet x", "is not ready (on no node)"),
        ("critical", "kube-scheduler-cp-1", "is not ready (on cp-1)"),
        ("warning", "DaemonSet kube-proxy", "1 of its 2 pods are not ready (on work-1)"),
    ]


def test_pods_that_nobody_listed_are_unknown():
    assert problems(told_by_all(healthy_view(), PODS, None), "pods")[0][0] == "unknown"


def test_a_silent_pair_is_named_once_with_its_last_handshake():
    view = told(healthy_view(), "cp-1", values={"mesh.silent.work-1": "yes", "mesh.seen.work-1": "400"})
    view = told(view, "work-1", values={"mesh.silent.cp-1": "yes", "mesh.seen.cp-1": "-1"})
    assert problems(view, "mesh") == [
        ("critical", "cp-1 work-1", "work-1 does not answer cp-1 in the mesh; their last handshake was 400 s ago")
    ]


def test_pairs_are_listed_with_the_age_of_their_handshake():
    view = told(healthy_view(servers=2, workers=1), "cp-1", values={"mesh.seen.cp-2": "30", "mesh.silent.work-1": "yes"})
    view = told(view, "cp-2", values={"mesh.seen.cp-1": "31", "mesh.seen.work-1": "-1"})
    assert pairs(view) == [
        {"nodes": ["cp-1", "cp-2"], "answers": True, "handshake": 30},
        {"nodes": ["cp-1", "work-1"], "answers": False, "handshake": None},
        {"nodes": ["cp-2", "work-1"], "answers": True, "handshake": None},
    ]
    for name in view.names:
        view = told(view, name, values={"mesh.applied": None})
    assert {row["answers"] for row in pairs(view)} == {None}
    assert pairs(healthy_view(workers=60)) == []


def test_a_mesh_that_is_not_in_force_was_not_tried():
    view = healthy_view(servers=1, workers=1)
    for name in ("cp-1", "work-1"):
        view = told(view, name, values={"mesh.applied": None})
    assert [severity for severity, *_ in problems(view, "mesh")] == ["critical", "critical", "unknown"]


def test_in_a_large_cluster_only_pairs_that_met_lately_count_as_tried():
    view = healthy_view(servers=1, workers=51)
    assert problems(view, "mesh") == [("unknown", "", "none of 1326 pairs of nodes could be tried")]
    met = told(view, "cp-1", values={"mesh.seen.work-1": "170"})
    summary = next(finding.summary for finding in assess(met).findings if finding.area == "mesh")
    assert summary == "pairs of nodes that reach each other: 1; 1325 were not tried in this look"


@pytest.mark.parametrize(
    ("days", "severity", "words"),
    [(-1.5, "critical", "expired 2 days ago"), (6.5, "critical", "expires in 6 days"), (29.5, "warning", "expires in 29 days")],
)
def test_days_left(days, severity, words):
    found = problems(told(healthy_view(), "cp-1", values={"cert./pki/apiserver.crt": certificate(days)}), "certificates")
    assert found == [(severity, "cp-1", f"apiserver {words}")]


@pytest.mark.parametrize("text", [None, "", "bm8gY2VydGlmaWNhdGU=", "!"])
def test_a_certificate_that_cannot_be_read_is_unknown(text):
    assert problems(told(healthy_view(), "cp-1", values={"cert./pki/apiserver.crt": text}), "certificates")[0][0] == "unknown"


def test_a_missing_certificate_is_a_fault_unless_it_is_optional():
    view = told(healthy_view(), "cp-1", values={"cert./pki/apiserver.crt": "missing"})
    assert problems(view, "certificates") == [("critical", "cp-1", "apiserver is missing: /pki/apiserver.crt")]


def test_the_certificate_that_ends_first_is_named():
    summaries = [finding.summary for finding in assess(healthy_view()).findings if finding.area == "certificates"]
    assert summaries[0] == "apiserver ends first, in 200 days"
    assert summaries[-1] == "kubelet client ends first, in 300 days"
    assert {each.name for each in of(healthy_view()) if each.node == "work-1"} == {"kubelet client"}


def test_the_question_reads_only_and_asks_workers_for_less():
    assert reads_only(question(FILES, control_plane=True))
    assert "/pki/ca.crt" in question(FILES, control_plane=True)
    assert "/pki/ca.crt" not in question(FILES, control_plane=False)
    assert question((), control_plane=True) == ""


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"disk_free": "1000"}, [("critical", "only 1000 MiB are free on /var")]),
        ({"disk_free": None}, [("unknown", "the free space of /var could not be read")]),
        ({"disk./": "100000 14000"}, [("warning", "14 % of the space of / is free")]),
        ({"disk./": "100000 4000"}, [("critical", "4 % of the space of / is free")]),
        ({"inodes./": "1000 90"}, [("warning", "9 % of the inodes of / are free")]),
        ({"inodes./": "0 0"}, []),
    ],
)
def test_disks(values, found):
    view = told(healthy_view(), "work-1", values=values)
    assert [(severity, summary) for severity, _, summary in problems(view, "disk")] == found


def test_the_share_that_is_free_says_nothing_where_the_kubelet_evicts_nothing():
    view = told(healthy_view(), "work-1", values={"disk./": "100000 4000"})
    assert problems(replace(view, unevicting=frozenset({"work-1"})), "disk") == []
    full = told(view, "work-1", values={"disk_free": "1000"})
    assert problems(replace(full, unevicting=frozenset({"work-1"})), "disk")[0][0] == "critical"


def test_clocks_are_held_against_each_other():
    view = healthy_view()
    assert problems(told(view, "work-1", values={"clock": str(NOW + 8)}), "clock") == [
        ("warning", "work-1", "its clock is 8 s ahead of the other nodes'")
    ]
    assert problems(told(view, "work-1", values={"clock": str(NOW - 60)}), "clock")[0][0] == "critical"
    assert problems(told(view, "work-1", values={"clock": None}), "clock")[0][0] == "unknown"
    for name in view.names:
        view = told(view, name, values={"clock": str(NOW + 100)})
    assert problems(view, "clock") == [("warning", "this machine", "this machine's clock is 100 s behind the nodes'")]
