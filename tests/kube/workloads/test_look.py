"""Looking: events, describe, top, who is who."""

import json
import sys
import threading
from datetime import UTC, datetime

import pytest

from sloth.errors import CredentialsError, KubernetesError
from sloth.kube.workloads.describing import describe
from sloth.kube.workloads.happenings import About, events, in_order, row
from sloth.kube.workloads.identity import review, who_am_i
from sloth.kube.workloads.quantity import mebibytes, millicores, quantity
from sloth.kube.workloads.times import age, span, when
from sloth.kube.workloads.usage import top_nodes
from sloth.model.secret import Secret
from tests.kube.test_contract import config, wait_for
from tests.kube.workloads.cluster import ready_status
from tests.kube.workloads.conftest import eventually, node
from tests.kube.workloads.things import budget, daemon_set, deployment, pod, stateful_set, template

NOW = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)


def event(name, minute, about="web", kind="Normal", **more):
    stamp = f"2026-01-02T11:{minute:02d}:00Z"
    return {
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": name}, "type": kind, "reason": f"R{minute}",
        "message": f"said {name}", "firstTimestamp": stamp, "lastTimestamp": stamp,
        "involvedObject": {"kind": "Pod", "name": about, "uid": about}, **more,
    }  # fmt: skip


def put(client, space, *found):
    for each in found:
        each["involvedObject"]["namespace"] = space
        client.create(each, space)


def test_events_of_an_object_in_their_order(client, space):
    put(client, space, event("b", 30), event("a", 10), event("x", 20, about="other"), event("w", 40, kind="Warning"))
    pods = client.run(client.kinds.find("pods"))
    found = client.run(events(client.api, space, about=About(pods, "web")))
    assert [each["metadata"]["name"] for each in found] == ["a", "b", "w"]
    assert [each["metadata"]["name"] for each in client.run(events(client.api, space, types=["warning"]))] == ["w"]
    assert client.run(events(client.api, space, about=About(pods, "web", "another"))) == []


def test_events_on_the_command_line(run, client, space):
    put(client, space, event("a", 10), event("b", 30, about="bad\x1b[2Jname", kind="Warning"))
    code, out, _ = run("events")
    assert code == 0
    assert [line.split()[1:3] for line in out.splitlines()[1:]] == [["Normal", "R10"], ["Warning", "R30"]]
    assert "\x1b" not in out
    assert run("events", "--for", "pod/web", "--no-headers")[1].split()[-2:] == ["said", "a"]
    assert "NAMESPACE" in run("events", "-A", "--types", "Warning")[1].splitlines()[0]
    code, out, err = run("events", "--for", "pod/nobody")
    assert (code, out, "no events" in err) == (0, "", True)
    assert run("events", "--for", "web")[0] == 2


def test_events_as_they_come(run, client, space, monkeypatch):
    from sloth.cli import kube_events
    from sloth.cli.kube_where import Where
    from sloth.model.options import Options

    put(client, space, event("a", 10))
    lines = []
    later = threading.Thread(target=put, args=(client, space, event("n", 50), event("w", 51, kind="Warning")))

    class Sink:
        def write(self, text):
            lines.append(text)
            if "said a" in text:
                later.start()
            if "said w" in text:
                raise KeyboardInterrupt

        def flush(self):
            pass

    monkeypatch.setattr(sys, "stdout", Sink())
    with pytest.raises(KeyboardInterrupt):
        kube_events.follow_events(Where(Options()), kube_events.Wanted())
    later.join()
    assert [[word for word in ("said a", "said n", "said w") if word in each] for each in lines] == [
        ["said a"],
        ["said n"],
        ["said w"],
    ]


def test_when_an_event_was_last_seen():
    series = {
        "metadata": {},
        "series": {"count": 7, "lastObservedTime": "2026-01-02T11:59:30.123456Z"},
        "eventTime": "2026-01-02T10:00:00Z",
    }
    old = {"metadata": {"creationTimestamp": "2026-01-01T12:00:00Z"}}
    assert in_order([series, old]) == [old, series]
    assert row(series, NOW)[0] == "29s (x7 over 120m)"
    assert row(old, NOW)[0] == "24h"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"), (119, "119s"), (120, "2m"), (330, "5m30s"), (600, "10m"), (10799, "179m"), (10800, "3h"), (12000, "3h20m"),
        (172799, "47h"), (172800, "2d"), (180000, "2d2h"), (700000, "8d"), (365 * 86400, "365d"), (800 * 86400, "2y70d"),
        (9 * 365 * 86400, "9y"),
    ],
)  # fmt: skip
def test_ages(seconds, text):
    assert span(seconds) == text


def test_what_is_no_time():
    assert (age("soon", NOW), age(None, NOW), when("2026-01-02T12:00:00")) == ("<unknown>", "<unknown>", NOW)


def told(client, kind, name, space=None):
    return client.run(describe(client.api, kind, name, space, now=datetime.now(UTC)))


def test_a_pod(client, space):
    item = pod("web", labels={"hand": "none"})
    item["spec"]["containers"] = [
        {
            "name": "app", "image": "app:1", "command": ["run", "me"], "ports": [{"containerPort": 80}],
            "env": [
                {"name": "A", "value": "plain"},
                {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            ],
            "envFrom": [{"configMapRef": {"name": "c"}}],
            "resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "1Gi"}},
            "livenessProbe": {"httpGet": {"path": "/live", "port": 80}},
            "volumeMounts": [{"name": "v", "mountPath": "/data", "readOnly": True}],
        }
    ]  # fmt: skip
    item["spec"]["volumes"] = [{"name": "v", "configMap": {"name": "c"}}]
    made = client.create(item, space)
    status = ready_status(made)
    status["containerStatuses"][0] |= {
        "restartCount": 3, "ready": False, "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
        "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-01-02T11:00:00Z"}},
    }  # fmt: skip
    status["conditions"] = [{**each, "status": "False"} if each["type"] == "Ready" else each for each in status["conditions"]]
    client.patch("pods", "web", {"status": status}, space, subresource="status")
    put(client, space, event("a", 10, **{"involvedObject": {"kind": "Pod", "name": "web", "uid": made["metadata"]["uid"]}}))
    text = told(client, "po", "web", space)
    for words in (
        "State:  Failed: a container ends again", "Container app:", "Waiting: CrashLoopBackOff: back-off",
        "OOMKilled, exit code 137", "Restarts:", "<from Secret s, key k>", "<from ConfigMap c>", "cpu=100m", "memory=1Gi",
        "http get :80/live", "/data", "configMap name=c", "said a", "not scheduled",
    ):  # fmt: skip
        assert " ".join(words.split()) in " ".join(text.split()), words


def test_a_node_with_what_its_pods_ask_for(client, space):
    name = f"n-{space}"
    item = node(name)
    item["metadata"]["labels"] = {"node-role.kubernetes.io/worker": ""}
    client.create(item)
    for number in (1, 2):
        one = pod(f"p{number}", name, {"hand": "none"})
        one["spec"]["containers"] = [{"name": "app", "image": "i", "resources": {"requests": {"cpu": "380m", "memory": "7Mi"}}}]
        one["spec"]["initContainers"] = [{"name": "i", "image": "i", "resources": {"requests": {"cpu": str(number)}}}]
        client.create(one, space)
    text = " ".join(told(client, "node", name).split())
    assert "Roles: worker" in text
    assert "2 pods 3000m (78%) 0m (0%) 14Mi (0%) 0Mi (0%)" in text
    assert "cpu 4 3800m" in text
    for number in (1, 2):
        client.delete("pods", f"p{number}", space, grace=0)
    client.delete("nodes", name)


def test_a_service_with_its_endpoints(client, space):
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    client.create(
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"selector": {"app": "web"}, "ports": ports}},
        space,
    )
    client.create(
        {
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": "s-1", "labels": {"kubernetes.io/service-name": "s"}}, "ports": [{"name": "http", "port": 8080}],
            "endpoints": [
                {"addresses": ["10.0.0.5"], "conditions": {"ready": True}},
                {"addresses": ["10.0.0.6"], "conditions": {"ready": False}},
            ],
        },
        space,
    )  # fmt: skip
    text = " ".join(told(client, "svc", "s", space).split())
    assert "80 http TCP 8080 10.0.0.5:8080" in text
    assert "Not ready: 10.0.0.6" in text


@pytest.mark.kube
def test_a_deployment_with_real_controllers(real_client, real_space):
    item = deployment("web", 2, cause="first")
    item["spec"]["template"]["metadata"]["labels"]["hand"] = "none"
    real_client.create(item, real_space)
    eventually(lambda: len(real_client.list("pods", real_space)) == 2)
    eventually(lambda: real_client.get("deploy", "web", real_space)["status"].get("replicas") == 2)
    text = told(real_client, "deploy", "web", real_space)
    assert "1 (current)" in text and "first" in text
    assert text.count("web-") >= 3  # the ReplicaSet and both pods that are not ready
    assert "ScalingReplicaSet" in text  # the controller's event


@pytest.mark.kube
def test_other_workloads_with_real_controllers(real_client, real_space):
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "j"},
        "spec": {"template": template("j", restartPolicy="Never")},
    }
    job["spec"]["template"]["metadata"]["labels"]["hand"] = "none"
    for item in (stateful_set("db", 1), daemon_set("agent"), job):
        real_client.create(item, real_space)
    eventually(lambda: len(real_client.list("pods", real_space)) >= 3)
    eventually(lambda: real_client.get("sts", "db", real_space)["status"].get("readyReplicas") == 1)
    eventually(lambda: real_client.get("job", "j", real_space)["status"].get("active") == 1)
    words = " ".join(told(real_client, "sts", "db", real_space).split())
    assert "1 wanted: 1 new, 1 ready" in words and "1 (current) ControllerRevision db-" in words and "Pods not ready" not in words
    assert "Strategy: RollingUpdate" in " ".join(told(real_client, "ds", "agent", real_space).split())
    words = " ".join(told(real_client, "job", "j", real_space).split())
    assert "1 wanted: 1 at work" in words and "Pods not ready: POD WHY j-" in words


def test_a_secret_is_never_shown(client, space):
    client.create(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {}, "data": {"k": "aHVudGVyMg=="}}, space
    )
    text = told(client, "secret", "s", space)
    assert "hunter2" not in text and "aHVudGVyMg" not in text
    assert ["k", "7"] in [line.split() for line in text.splitlines()]


def test_anything_else(client, space):
    client.create(config("a", text="two\nlines", evil="\x1b[31m"), space)
    text = told(client, "cm", "a", space)
    assert "text: two lines" in text and "\x1b" not in text
    client.create(budget("b", {"app": "x"}, maxUnavailable=1), space)
    assert "maxUnavailable: 1" in told(client, "pdb", "b", space)


def test_describe_on_the_command_line(run, client, space):
    for name in ("web-1", "web-2", "db"):
        client.create(config(name), space)
    assert run("describe", "cm", "web-*")[1].count("Name:") == 2
    assert run("describe", "cm/db")[1].startswith("Name:")
    assert run("describe", "cm", "-l", "no=thing")[2] == "nothing found\n"
    assert run("describe", "cm", "a", "-l", "x=y")[0] == 2
    assert run("describe", "cm", "none")[0] == 15


def metrics_kind(plural, kind, scope):
    """The metrics API as a custom kind: a stand-in for metrics-server that kubectl takes for it too."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.metrics.k8s.io", "annotations": {"api-approved.kubernetes.io": "unapproved, for tests"},
        },
        "spec": {
            "group": "metrics.k8s.io", "scope": scope, "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
            "versions": [{"name": "v1beta1", "served": True, "storage": True, "schema": schema}],
        },
    }  # fmt: skip


@pytest.fixture
def measured(client, space):
    """Numbers for a node and two pods."""
    for plural, kind, scope in (("nodes", "NodeMetrics", "Cluster"), ("pods", "PodMetrics", "Namespaced")):
        client.apply(metrics_kind(plural, kind, scope), force=True)
    wait_for(lambda: len([each for each in client.resources() if each.group == "metrics.k8s.io"]) == 2)
    head = {"apiVersion": "metrics.k8s.io/v1beta1", "timestamp": "2026-01-02T11:00:00Z", "window": "10s"}
    name = f"m-{space}"
    client.create(node(name))
    client.create(
        {**head, "kind": "NodeMetrics", "metadata": {"name": name}, "usage": {"cpu": "1900000001n", "memory": "3670016Ki"}}
    )
    for name, cpu in (("a", "10m"), ("b", "250m")):
        containers = [{"name": part, "usage": {"cpu": cpu, "memory": "64Mi"}} for part in ("x", "y")]
        client.create({**head, "kind": "PodMetrics", "metadata": {"name": name}, "containers": containers}, space)
    yield f"m-{space}"
    client.delete("nodes", f"m-{space}")
    for plural in ("nodes", "pods"):
        client.delete("crds", f"{plural}.metrics.k8s.io")
    wait_for(lambda: not [each for each in client.resources() if each.group == "metrics.k8s.io"])


def test_top(run, server, space, measured):
    assert [measured, "1901m", "50%", "3584Mi", "50%"] in [line.split() for line in run("top", "nodes")[1].splitlines()]
    assert [line.split() for line in run("top", "pods", "--sort-by", "cpu", "--sum")[1].splitlines()] == [
        ["POD", "CPU", "MEMORY"], ["b", "500m", "128Mi"], ["a", "20m", "128Mi"], ["total", "520m", "256Mi"],
    ]  # fmt: skip
    assert [line.split()[0] for line in run("top", "node", measured, "--no-headers")[1].splitlines()] == [measured]
    code, _, err = run("top", "pod", "nobody")
    assert (code, "kube/not-measured" in err, run("top", "moods")[0]) == (15, True, 2)
    by_container = run("top", "pods", "--containers", "--no-headers")[1].splitlines()
    assert by_container[0].split() == ["a", "x", "10m", "64Mi"] and len(by_container) == 4
    if server.connection.name == "real" and server.tool:
        theirs = [line.split() for line in server.kubectl(space, "top", "nodes", measured, "--no-headers").splitlines()]
        assert theirs == [line.split() for line in run("top", "nodes", "--no-headers")[1].splitlines() if measured in line]
        theirs = [line.split() for line in server.kubectl(space, "top", "pods", "--no-headers").splitlines()]
        assert theirs == [line.split() for line in run("top", "pods", "--no-headers")[1].splitlines()]


def test_where_nobody_measures(client):
    with pytest.raises(KubernetesError) as caught:
        client.run(top_nodes(client.api))
    assert caught.value.code == "kube/no-metrics"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("250m", "0.25"),
        ("1", "1"),
        ("1.5Gi", "1610612736"),
        ("2e3", "2000"),
        ("3k", "3000"),
        (".5", "0.5"),
        ("1e-3", "0.001"),
        ("x", "0"),
    ],
)
def test_quantities(text, number):
    assert quantity(text) == quantity(number)


def test_quantities_for_people():
    assert (millicores(quantity("1n")), mebibytes(quantity("1535Ki"))) == ("1m", "1Mi")


def test_who_is_who(client, server, run, tmp_path):
    user = client.run(who_am_i())
    assert user.name in ("tester", "admin")
    assert user.groups
    token = server.connection.token
    assert client.run(review(token)).name == user.name
    with pytest.raises(CredentialsError) as caught:
        client.run(review(Secret("no-such-token")))
    assert caught.value.code == "kube/token-refused"
    assert "no-such-token" not in json.dumps(caught.value.as_dict())
    assert run("whoami")[1].splitlines()[0].split() == ["user", user.name]
    (tmp_path / "token").write_text(token.reveal() + "\n")
    assert run("whoami", "--token-file", "token")[1].splitlines()[0].split() == ["user", user.name]
    assert run("whoami", "--token-file", "-", stdin="wrong-token-123")[0] == 11
    assert run("whoami", "--token-file", "nowhere")[0] == 2
    (tmp_path / "empty").write_text("\n")
    assert run("whoami", "--token-file", "empty")[0] == 2


@pytest.mark.kube
def test_kubectl_sees_the_same_user(real_run, kubectl):
    assert json.loads(kubectl("auth", "whoami", "-o", "json"))["status"]["userInfo"]["username"] in real_run("whoami")[1]
    ours = real_run("whoami", "--as", "jo", "--as-group", "crew")[1]
    theirs = json.loads(kubectl("auth", "whoami", "-o", "json", "--as", "jo", "--as-group", "crew"))["status"]["userInfo"]
    assert theirs["username"] == "jo" and all(group in ours for group in theirs["groups"])
