"""The small cluster of the examples: a Deployment `web` with two revisions, its pod `web-0` on the node `work-1`, a ConfigMap."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import datetime

import yaml

from sloth.testing import kube_logs
from sloth.testing.kube import FakeKube

TIME = "2026-11-26T10:00:00Z"
NUMBER, CAUSE = "deployment.kubernetes.io/revision", "kubernetes.io/change-cause"
LABELS = {"app": "web"}


def template(image):
    containers = [{"name": "app", "image": image, "ports": [{"containerPort": 8080}]}, {"name": "side", "image": "side:1"}]
    return {"metadata": {"labels": LABELS}, "spec": {"containers": containers}}


def deployment():
    """Two revisions on, and all of it rolled out."""
    notes = {NUMBER: "2", CAUSE: "faster"}
    status = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1}
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "labels": LABELS, "annotations": notes},
        "spec": {"replicas": 1, "selector": {"matchLabels": LABELS}, "template": template("app:2")}, "status": status,
    }  # fmt: skip


def replica_set(number, cause, image, owner):
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": owner, "controller": True}
    meta = {"name": f"web-{number}", "labels": LABELS, "annotations": {NUMBER: str(number), CAUSE: cause}}
    return {
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {**meta, "ownerReferences": [reference]},
        "spec": {"replicas": number - 1, "selector": {"matchLabels": LABELS}, "template": template(image)},
    }  # fmt: skip


def pod():
    status = {"phase": "Running", "podIP": "10.9.0.1", "conditions": [{"type": "Ready", "status": "True"}]}
    spec = {**template("app:2")["spec"], "nodeName": "work-1"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-0", "labels": LABELS}, "spec": spec, "status": status}


def event(reason, kind):
    about = {"kind": "Pod", "name": "web-0", "namespace": "default"}
    return {
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": f"web-0.{reason.lower()}"}, "involvedObject": about,
        "reason": reason, "type": kind, "message": "", "lastTimestamp": TIME,
    }  # fmt: skip


@contextmanager
def world(folder, monkeypatch):
    """The server; KUBECONFIG names it, and the current folder is `folder`, with a page and a manifest in it."""
    with FakeKube(execute=True) as server:
        state = server.state

        def put(item, group="", version="v1", plural=""):
            place = "" if item["kind"] == "Node" else "default"
            return state.create(state.resource(group, version, plural or item["kind"].lower() + "s"), place, item, "test")

        put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "greeting"}, "data": {"text": "hello"}})
        put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "work-1"}, "spec": {}})
        uid = put(deployment(), "apps")["metadata"]["uid"]
        put(replica_set(1, "first", "app:1", uid), "apps")
        put(replica_set(2, "faster", "app:2", uid), "apps")
        put(pod())
        service = {"selector": LABELS, "ports": [{"port": 80, "targetPort": 8080}]}
        put({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": service})
        put(event("Started", "Normal"))
        put(event("Unhealthy", "Warning"))
        running = state.get(state.resource("", "v1", "pods"), "default", "web-0")
        state.update(state.resource("", "v1", "pods"), "default", "web-0", {**running, "status": pod()["status"]}, "kubelet")
        at = datetime.fromisoformat(TIME)
        kube_logs.write(state, "web-0", "starting", "listening on :8080", "GET /", at=at)
        kube_logs.write(state, "web-0", "connected", container="side", at=at)
        (folder / "config").write_text(yaml.safe_dump(kubeconfig(server)))
        (folder / "page.html").write_text("<h1>hello</h1>")
        monkeypatch.setenv("KUBECONFIG", str(folder / "config"))
        monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
        monkeypatch.chdir(folder)
        yield server


def kubeconfig(server):
    return {
        "apiVersion": "v1", "kind": "Config", "current-context": "shop",
        "clusters": [{"name": "shop", "cluster": {"server": server.url}}],
        "users": [{"name": "me", "user": {"token": server.connection.token.reveal()}}],
        "contexts": [{"name": "shop", "context": {"cluster": "shop", "user": "me", "namespace": "default"}}],
    }  # fmt: skip


class PlainSeal:
    """What would encrypt; here a test's own."""

    def close(self, plain, about):
        return about.encode() + b"\0" + plain[::-1]

    def open(self, sealed, about):
        found, _, plain = sealed.partition(b"\0")
        assert found.decode() == about
        return plain[::-1]
