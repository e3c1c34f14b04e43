"""Objects that the tests make."""

from __future__ import annotations

CONTAINER = {"name": "app", "image": "app:1"}


def template(app, image="app:1", **spec):
    """A pod template."""
    return {"metadata": {"labels": {"app": app}}, "spec": {"containers": [{"name": "app", "image": image}], **spec}}


def deployment(name, replicas=2, image="app:1", cause="", **spec):
    """A Deployment with a change cause."""
    notes = {"kubernetes.io/change-cause": cause} if cause else {}
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "annotations": notes},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template(name, image), **spec},
    }  # fmt: skip


def stateful_set(name, replicas=2, image="app:1"):
    """A StatefulSet whose pods start side by side."""
    return {
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name},
        "spec": {
            "replicas": replicas, "serviceName": name, "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": {"app": name}}, "template": template(name, image),
        },
    }  # fmt: skip


def daemon_set(name, image="app:1"):
    """A DaemonSet."""
    return {
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": template(name, image)},
    }  # fmt: skip


def pod(name, node="", labels=None, owner=None, **spec):
    """A pod, perhaps bound to a node already."""
    meta = {"name": name, "labels": labels or {}, **({"ownerReferences": [owner]} if owner else {})}
    where = {"nodeName": node} if node else {}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": [CONTAINER], **where, **spec}}


def owned_by(item):
    """The owner reference of a controller."""
    return {
        "apiVersion": item["apiVersion"], "kind": item["kind"], "name": item["metadata"]["name"], "uid": item["metadata"]["uid"],
        "controller": True, "blockOwnerDeletion": True,
    }  # fmt: skip


def budget(name, labels, **spec):
    """A PodDisruptionBudget."""
    return {
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": labels}, **spec},
    }  # fmt: skip
