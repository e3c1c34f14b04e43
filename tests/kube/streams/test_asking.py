"""Which pod, which container, which port: what `deploy/web` and `8080:http` mean."""

import pytest

from sloth.errors import KubernetesError, UsageError
from sloth.kube import ApiError
from sloth.kube.streams import asking
from sloth.kube.streams.copying import split
from sloth.kube.streams.listener import Mapping, mapping


def pod(name, *, ready=False, phase="Running", made="2026-01-01T00:00:00Z", leaving=False, **labels):
    meta = {"name": name, "labels": labels, "creationTimestamp": made, **({"deletionTimestamp": made} if leaving else {})}
    status = {"phase": phase, "conditions": [{"type": "Ready", "status": str(ready)}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": [{"name": "app"}]}, "status": status}


def put(client, item):
    """Make it; a status is a second request, as for the kubelet."""
    client.create(item)
    if "status" in item:
        client.patch("pods", item["metadata"]["name"], {"status": item["status"]}, subresource="status")


SERVICE = {"selector": {"app": "shop"}, "ports": [{"name": "web", "port": 80, "targetPort": "http"}, {"port": 81}]}


@pytest.fixture
def shop(client):
    """A client of a cluster with a Deployment and a Service `shop`, without pods."""
    selector = {"matchLabels": {"app": "shop"}, "matchExpressions": [{"key": "tier", "operator": "In", "values": ["a", "b"]}]}
    put(client, {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "shop"}, "spec": {"selector": selector}})
    put(client, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "shop"}, "spec": SERVICE})
    return client


def find(client, what):
    return client.run(asking.find_pod(client.api, what, None))["metadata"]["name"]


def test_of_several_pods_the_one_that_can_answer(shop):
    with pytest.raises(KubernetesError) as caught:
        find(shop, "deploy/shop")
    assert caught.value.code == "kube/no-pods"
    for item in (
        pod("old", phase="Pending", app="shop", tier="a"), pod("other", ready=True, app="shop", tier="z"),
        pod("running", app="shop", tier="a"),
    ):  # fmt: skip
        put(shop, item)
    assert find(shop, "deploy/shop") == "running"
    put(shop, pod("ready", ready=True, app="shop", tier="b"))
    assert find(shop, "deployments.apps/shop") == "ready"
    assert find(shop, "svc/shop") in ("ready", "other")
    assert find(shop, "pod/web") == find(shop, "web") == "web"


def test_a_pod_that_is_leaving_is_none():
    """By hand: a server would not take the time of its deletion from us."""
    import json

    from sloth.kube.api import Api
    from sloth.kube.kinds import Kinds
    from sloth.kube.wire import Answer

    call = asking.find_pod(Api(Kinds(None)), "deploy/shop", None)
    assert next(call).path == "/apis/apps/v1/namespaces/default/deployments/shop"
    deployment = {"kind": "Deployment", "spec": {"selector": {"matchLabels": {"app": "shop"}}}}
    asked = call.send(Answer(200, json.dumps(deployment).encode()))
    assert ("labelSelector", "app=shop") in asked.query
    items = [
        pod("leaving", ready=True, leaving=True, made="2026-02-02T00:00:00Z"),
        pod("old"),
        pod("new", made="2026-02-01T00:00:00Z"),
    ]
    with pytest.raises(StopIteration) as done:
        call.send(Answer(200, json.dumps({"kind": "PodList", "apiVersion": "v1", "items": items}).encode()))
    assert done.value.value["metadata"]["name"] == "new"


def test_what_has_no_pods(shop):
    put(shop, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "outside"}, "spec": {"ports": [{"port": 1}]}})
    with pytest.raises(KubernetesError) as caught:
        find(shop, "svc/outside")
    assert caught.value.code == "kube/no-pods"
    with pytest.raises(ApiError):
        find(shop, "deploy/none")


def test_a_pod_in_every_namespace_is_none(client):
    for what, namespace in (("web", "*"), ("", None)):
        with pytest.raises(UsageError):
            client.exec(what, ["true"], namespace, container="app")


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"key": "a", "operator": "NotIn", "values": ["x"]}, "a notin (x)"), ({"key": "a", "operator": "Exists"}, "a"),
        ({"key": "a", "operator": "DoesNotExist"}, "!a"), ({"key": "a", "operator": "In", "values": ["x", "y"]}, "a in (x,y)"),
    ],
)  # fmt: skip
def test_selectors_in_words(rule, words):
    assert asking.selector({"spec": {"selector": {"matchExpressions": [rule]}}}) == words


def test_the_container_that_is_meant():
    item = {"metadata": {}, "spec": {"containers": [{"name": "a"}, {"name": "b"}]}}
    assert asking.default_container(item) == "a"
    item["metadata"]["annotations"] = {"kubectl.kubernetes.io/default-container": "b"}
    assert asking.default_container(item) == "b"
    item["metadata"]["annotations"] = {"kubectl.kubernetes.io/default-container": "gone"}
    assert asking.default_container(item) == "a"


def test_ports_by_number_by_name_and_behind_a_service():
    boxes = [{"name": "a"}, {"name": "b", "ports": [{"name": "http", "containerPort": 8080}, {"containerPort": 9}]}]
    item = {"kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": boxes}}
    service = {"kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": [
        {"name": "web", "port": 80, "targetPort": "http"}, {"port": 81}, {"port": 82, "targetPort": 9000}]}}  # fmt: skip
    assert [asking.target_port(item, item, wanted) for wanted in ("8080", "http", "1")] == [8080, 8080, 1]
    assert [asking.target_port(service, item, wanted) for wanted in ("80", "web", "81", "82")] == [8080, 8080, 81, 9000]
    for of in (item, service):
        with pytest.raises(KubernetesError) as caught:
            asking.target_port(of, item, "https")
        assert caught.value.code == "kube/no-port"


@pytest.mark.parametrize(
    ("text", "means"),
    [
        (8080, Mapping(8080, "8080")), ("8080", Mapping(8080, "8080")), ("80:8080", Mapping(80, "8080")),
        (":80", Mapping(0, "80")), ("0:80", Mapping(0, "80")), ("80:http", Mapping(80, "http")), ("http", Mapping(0, "http")),
    ],
)  # fmt: skip
def test_ports_as_kubectl_takes_them(text, means):
    assert mapping(text) == means


@pytest.mark.parametrize("text", ["", ":", "80:", "a:b:c", "65536", "0", "80:0", "70000:80", "-1", "80:HTTP", "1.5", "8080 "])
def test_what_is_no_port(text):
    with pytest.raises(UsageError) as caught:
        mapping(text)
    assert caught.value.code == "kube/bad-port"


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("/a/b", ("/a", "b")), ("/a/b/", ("/a", "b")), ("a", (".", "a")), ("/", ("/", ".")), (".", (".", ".")),
        ("/a/../b", ("/", "b")), ("-x", (".", "-x")), ("./-x", (".", "-x")),
    ],
)  # fmt: skip
def test_paths_in_a_container(path, parts):
    assert split(path) == parts


@pytest.mark.parametrize("path", ["", "..", "a/../..", "a\0"])
def test_paths_that_are_none(path):
    with pytest.raises(UsageError):
        split(path)
