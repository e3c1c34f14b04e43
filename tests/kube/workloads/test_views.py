"""Typed views: the same dict, read with types."""

import subprocess
import sys
from datetime import UTC, datetime

import pytest

from sloth.errors import UsageError
from sloth.kube.workloads import views
from sloth.kube.workloads.view import View
from sloth.kube.workloads.views import VIEWS, view
from tests.kube.workloads.conftest import eventually, node
from tests.kube.workloads.things import daemon_set, deployment, pod, stateful_set, template

META = {"metadata": {"name": "x"}}
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
JOB = {"template": template("j", restartPolicy="Never")}


def of(kind, api="v1", **more):
    return {"apiVersion": api, "kind": kind, **META, **more}


SAMPLES = [
    pod("x"), deployment("x"), stateful_set("x"), daemon_set("x"), node("x"), of("Namespace"),
    of("Job", "batch/v1", spec=JOB),
    of("CronJob", "batch/v1", spec={"schedule": "* * * * *", "jobTemplate": {"spec": JOB}}),
    of("Service", spec={"ports": [{"port": 80}]}), of("ConfigMap", data={"a": "1"}, binaryData={"b": "AAE="}),
    of("Secret", data={"k": "aHVudGVyMg=="}),
    of("PersistentVolume", spec={"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}}),
    of("PersistentVolumeClaim", spec=CLAIM),
    of("ReplicaSet", "apps/v1", spec={"selector": {"matchLabels": {"app": "x"}}, "template": template("x")}),
]  # fmt: skip


def test_there_is_a_sample_of_every_view():
    assert {(each["apiVersion"], each["kind"]) for each in SAMPLES} == set(VIEWS)


@pytest.mark.parametrize("raw", SAMPLES, ids=lambda raw: raw["kind"])
def test_every_property_reads_what_a_server_sends_and_what_is_empty(client, space, raw):
    """Of the least that can be sent, of what the server makes of it, and of nothing but a name."""
    place = None if raw["kind"] in ("Node", "Namespace", "PersistentVolume") else space
    name = f"x-{space}"
    raw = {**raw, "metadata": {**raw["metadata"], "name": name}}
    stored = client.create(raw, place, dry_run=True)
    for each in (raw, stored, {"apiVersion": raw["apiVersion"], "kind": raw["kind"]}):
        found = view(each)
        assert found.raw is each
        assert type(found).__name__ == raw["kind"]
        for word in dir(type(found)):
            if isinstance(getattr(type(found), word), property):
                getattr(found, word)
    assert view(stored).name == name
    assert view(stored).namespace == (place or "")
    assert view(stored) == view(dict(stored))


@pytest.mark.kube
def test_what_real_controllers_write(real_client, real_space):
    real_client.create(deployment("web", 2), real_space)
    eventually(lambda: views.Deployment(real_client.get("deploy", "web", real_space)).available == 2)
    found = views.Deployment(real_client.get("deploy", "web", real_space))
    assert (found.replicas, found.ready, found.updated, found.paused, found.images) == (2, 2, 2, False, ["app:1"])
    assert found.health.word == "Current" and found.condition("Available") is True
    pods = [views.Pod(each) for each in real_client.list("pods", real_space)]
    assert [(each.phase, each.ready, each.containers, bool(each.node)) for each in pods] == [("Running", True, ["app"], True)] * 2
    sets = [views.ReplicaSet(each) for each in real_client.list("rs", real_space)]
    assert [(each.replicas, each.available) for each in sets] == [(2, 2)]


def test_values():
    item = of("Secret", data={"k": "aHVudGVyMg=="})
    secret = views.Secret(item)
    assert secret.keys == ["k"] and secret.value("k").reveal() == "hunter2" and secret.value("none") is None
    assert "hunter2" not in repr(secret) + repr(secret.value("k")) and "aHVu" not in repr(secret)
    assert views.ConfigMap(of("ConfigMap", binaryData={"b": "AAE="})).binary == {"b": b"\x00\x01"}
    status = {"conditions": [{"type": "Failed", "status": "True"}], "failed": 3}
    assert (views.Job(of("Job", "batch/v1", status=status)).done, views.Job(of("Job", "batch/v1")).done) == (False, None)
    cron = of("CronJob", "batch/v1", status={"lastScheduleTime": "2026-01-02T03:04:05Z", "active": [{}]}, spec={"suspend": True})
    assert views.CronJob(cron).last == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert (views.CronJob(cron).active, views.CronJob(cron).suspended) == (1, True)
    taints = [{"key": "a", "value": "b", "effect": "NoSchedule"}, {"key": "c", "effect": "NoExecute"}]
    one = node("n")
    one["spec"] = {"unschedulable": True, "taints": taints}
    one["metadata"]["labels"] = {"node-role.kubernetes.io/worker": ""}
    found = views.Node(one)
    assert (found.ready, found.cordoned, found.roles) == (True, True, ["worker"])
    assert found.taints == ["a=b:NoSchedule", "c:NoExecute"]
    assert found.allocatable("memory") == 7 * 2**30
    volume = of("PersistentVolume", spec={"claimRef": {"namespace": "n", "name": "c"}, "capacity": {"storage": "1Gi"}})
    assert (views.PersistentVolume(volume).claim, views.PersistentVolume(volume).size) == ("n/c", 2**30)
    balanced = of("Service", status={"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}, {"hostname": "lb"}]}})
    assert views.Service(balanced).addresses == ["10.0.0.1", "lb"]
    assert repr(view({**of("Widget", "x/v1")})) == "View(x)"


def test_an_object_of_another_kind_is_refused():
    with pytest.raises(UsageError) as caught:
        views.Pod(of("Service"))
    assert caught.value.code == "kube/other-kind"
    with pytest.raises(UsageError):
        views.Deployment(of("Deployment", "extensions/v1beta1"))
    with pytest.raises(AttributeError):
        views.Pod(pod("x")).anything = 1
    with pytest.raises(AttributeError):
        views.Pod(pod("x")).phase = "Running"
    assert View.__hash__ is None


def test_views_cost_no_http():
    code = "import sys; import sloth.kube.workloads.views; assert not {'httpx2', 'msgspec', 'yaml', 'typer'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
