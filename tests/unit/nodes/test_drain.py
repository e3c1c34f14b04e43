"""A drain: what is run, what is said when it does not end, and how it goes on by name."""

import json
from dataclasses import replace

import pytest

from sloth.errors import KubernetesError, StepError, UsageError
from sloth.model.step import Result
from sloth.nodes.cordon import HELD, cordon, hold, release
from sloth.nodes.drain import drain, drain_seen
from sloth.nodes.leave import leave
from tests.unit.distributions.kubeadm.clusters import cluster
from tests.unit.distributions.kubeadm.run import run

KUBECTL = "kubectl --kubeconfig /k"
LED = "wait until controllers and scheduler are at work"
FAILED = StepError(
    "step/failed", "drain failed", detail="Cannot evict pod as it would violate the pod's disruption budget.", hint="x"
)
PODS = "\n".join(
    [
        'shop\tweb-7f9c-x\t{"app":"web","pod-template-hash":"7f9c"}\tReplicaSet\tweb-7f9c\tRunning',
        'shop\tdb-0\t{"app":"db"}\tStatefulSet\tdb\tRunning',
        "kube-system\tproxy\t{}\tDaemonSet\tkube-proxy\tRunning",
    ]
)
BUDGETS = "\n".join(
    f'shop\t{name}\t{{"matchLabels":{{"app":"{name}"}}}}\t{allowed}\t1\t1' for name, allowed in (("web", 0), ("db", 1))
)
SEEN = {"list the pods on work-1": PODS, "list the disruption budgets": BUDGETS}


def test_a_living_node_is_waited_for_and_a_dead_one_is_not():
    done = run(drain("work-1", KUBECTL, seconds=90))
    assert done.titles == [LED, "drain work-1"]
    assert "--ignore-daemonsets --delete-emptydir-data --timeout=90s" in done.text("drain work-1")
    assert "--force" not in done.text("drain work-1")
    dead = run(drain("work-1", KUBECTL, lives=False))
    assert "--skip-wait-for-delete-timeout=1 --grace-period=0 --force" in dead.text("drain work-1")


def test_the_budget_in_the_way_is_named_with_its_pods_owner():
    error = run(drain("work-1", KUBECTL), {"drain work-1": FAILED, **SEEN}).error
    assert isinstance(error, KubernetesError)
    assert error.code == "node/drain-blocked"
    assert "shop/web lets no pod of Deployment/web go" in error.summary
    assert "shop/web allows no disruption (1 healthy, 1 needed): pod web-7f9c-x of Deployment/web" in error.detail
    assert "shop/db" not in error.detail, "this one allows one to go"
    assert error.hint.endswith("sloth nodes drain work-1 --force-budget shop/web")
    assert FAILED.detail in error.detail


def test_all_budgets_in_the_way_are_named():
    both = BUDGETS.replace("\t1\t1\t1", "\t0\t1\t1")
    error = run(drain("work-1", KUBECTL), {"drain work-1": FAILED, **SEEN, "list the disruption budgets": both}).error
    assert "(and 1 more budgets)" in error.summary
    assert error.hint.endswith("--force-budget shop/web --force-budget shop/db")


def test_pods_that_nobody_would_make_anew_are_named():
    pods = "shop\tlonely\t{}\t\t\tRunning"
    error = run(drain("work-1", KUBECTL), {"drain work-1": FAILED, "list the pods on work-1": pods}).error
    assert error.code == "node/drain-unmanaged"
    assert error.hint == "if it may go: kubectl -n shop delete pod lonely"


def test_any_other_failure_is_told_in_the_words_of_kubectl():
    error = run(drain("work-1", KUBECTL), {"drain work-1": FAILED}).error
    assert (error.code, error.detail) == ("node/drain-failed", FAILED.detail)


def test_a_forced_budget_s_pods_are_deleted_and_no_others():
    done = run(drain("work-1", KUBECTL, force=["shop/web"]), SEEN)
    assert done.error is None
    assert done.titles == [
        "cordon work-1", "list the pods on work-1", "list the disruption budgets",
        "delete pods on work-1 against budget shop/web", LED, "drain work-1",
    ]  # fmt: skip
    delete = done.text("delete pods on work-1 against budget shop/web")
    assert delete == f"{KUBECTL} -n shop delete pods web-7f9c-x --ignore-not-found --wait=false >/dev/null"


def test_a_forced_budget_that_holds_nothing_needs_no_force():
    done = run(drain("work-1", KUBECTL, force=["shop/db"]), SEEN)
    assert not any("delete pods" in title for title in done.titles)


def test_a_budget_that_is_not_there_is_refused_before_any_pod_goes():
    done = run(drain("work-1", KUBECTL, force=["shop/wbe"]), SEEN)
    assert isinstance(done.error, UsageError)
    assert done.error.code == "usage/unknown-budget"
    assert "shop/web, shop/db" in done.error.detail
    assert "drain work-1" not in done.titles


@pytest.mark.parametrize(
    ("node", "kubelet", "dead"),
    [("work-1 True", 0, False), ("work-1 Unknown", 7, True), ("work-1 True", 7, True), ("work-1 False", 0, False)],
)
def test_a_drain_finds_out_whether_the_node_lives(node, kubelet, dead):
    answers = {"look at node work-1": node, "ask whether the kubelet of work-1 lives": Result(exit=kubelet)}
    done = run(drain_seen("work-1", cluster(1, 1), KUBECTL), answers)
    assert ("--force" in done.text("drain work-1")) is dead


def test_a_drain_takes_as_long_as_the_pool_allows_unless_it_is_told_otherwise():
    of = cluster(1, 1)
    pools = tuple(replace(pool, drain_timeout=900.0 if pool.name == "work" else 60.0) for pool in of.spec.pools)
    of = replace(of, spec=replace(of.spec, pools=pools))
    seen = {"look at node work-1": "work-1 True"}
    assert "--timeout=900s" in run(drain_seen("work-1", of, KUBECTL), seen).text("drain work-1")
    assert "--timeout=5s" in run(drain_seen("work-1", of, KUBECTL, seconds=5), seen).text("drain work-1")
    leaving = run(leave(of.nodes[0], "work-1", of, kubectl=KUBECTL, etcd=None), seen)
    assert "--timeout=900s" in leaving.text("drain work-1")
    without = replace(of, spec=replace(of.spec, pools=pools[:1]))
    assert "--timeout=300s" in run(drain_seen("work-1", without, KUBECTL), seen).text("drain work-1")


def test_a_node_that_kubernetes_does_not_know_is_not_drained():
    error = run(drain_seen("work-1", cluster(1, 1), KUBECTL)).error
    assert error.code == "node/not-joined"


def test_holding_and_releasing_are_one_request_each_with_a_note():
    held, released = hold("work-1", KUBECTL, "reboot"), release("work-1", KUBECTL)
    body = held.run.split(" -p '")[1].split("'")[0]
    assert json.loads(body) == {"metadata": {"annotations": {HELD: "reboot"}}, "spec": {"unschedulable": True}}
    assert held.unless == cordon("work-1", KUBECTL).unless, "who is cordoned already gets no note"
    assert '"sloth.dev/cordoned": null' in released.run
    assert '"unschedulable": null' in released.run
    assert "annotations.sloth\\.dev/cordoned" in released.unless
