"""Typed views of the common kinds.

    from sloth.kube.workloads.views import Pod

    for item in client.each("pods", "*"):
        pod = Pod(item)
        print(pod.name, pod.phase, pod.restarts)

Fields: API reference of Kubernetes 1.36 (kubernetes.io/docs/reference/kubernetes-api).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from sloth.kube.workloads.quantity import quantity
from sloth.kube.workloads.times import when
from sloth.kube.workloads.view import Map, View, images, number, part, parts, text
from sloth.model.secret import Secret as Hidden

_ROLE = "node-role.kubernetes.io/"


class Pod(View):
    """A pod."""

    __slots__ = ()
    KIND = "Pod"

    @property
    def node(self) -> str:
        """Where it runs; empty as long as nobody chose."""
        return text(self.spec, "nodeName")

    @property
    def phase(self) -> str:
        """Pending, Running, Succeeded, Failed, Unknown."""
        return text(self.status, "phase")

    @property
    def ip(self) -> str:
        """Its first address."""
        return text(self.status, "podIP")

    @property
    def ready(self) -> bool:
        """Whether it takes requests."""
        return self.condition("Ready") is True

    @property
    def containers(self) -> list[str]:
        """Names of its containers."""
        return [text(each, "name") for each in parts(self.spec, "containers")]

    @property
    def images(self) -> list[str]:
        """Their images, those of init containers first."""
        return images(self.spec)

    @property
    def restarts(self) -> int:
        """Of all its containers together."""
        return sum(number(each, "restartCount") for each in parts(self.status, "containerStatuses"))


class _Scaled(View):
    """What has replicas made of a pod template."""

    __slots__ = ()
    API = "apps/v1"

    @property
    def replicas(self) -> int:
        """How many there shall be."""
        return number(self.spec, "replicas", 1)

    @property
    def ready(self) -> int:
        """How many take requests."""
        return number(self.status, "readyReplicas")

    @property
    def selector(self) -> Map:
        """The label selector of its pods."""
        return part(self.spec, "selector")

    @property
    def images(self) -> list[str]:
        """Images of the pod template."""
        return images(part(part(self.spec, "template"), "spec"))


class Deployment(_Scaled):
    """A Deployment."""

    __slots__ = ()
    KIND = "Deployment"

    @property
    def updated(self) -> int:
        """How many are of the latest template."""
        return number(self.status, "updatedReplicas")

    @property
    def available(self) -> int:
        """How many are ready for long enough."""
        return number(self.status, "availableReplicas")

    @property
    def paused(self) -> bool:
        """Whether its rollout is held."""
        return self.spec.get("paused") is True


class StatefulSet(_Scaled):
    """A StatefulSet."""

    __slots__ = ()
    KIND = "StatefulSet"

    @property
    def updated(self) -> int:
        """How many are of the latest template."""
        return number(self.status, "updatedReplicas")

    @property
    def service(self) -> str:
        """The Service that gives its pods their names."""
        return text(self.spec, "serviceName")


class ReplicaSet(_Scaled):
    """A ReplicaSet."""

    __slots__ = ()
    KIND = "ReplicaSet"

    @property
    def available(self) -> int:
        """How many are ready for long enough."""
        return number(self.status, "availableReplicas")


class DaemonSet(View):
    """A DaemonSet."""

    __slots__ = ()
    KIND, API = "DaemonSet", "apps/v1"

    @property
    def desired(self) -> int:
        """How many nodes shall have one of its pods."""
        return number(self.status, "desiredNumberScheduled")

    @property
    def ready(self) -> int:
        """How many nodes have one that is ready."""
        return number(self.status, "numberReady")

    @property
    def updated(self) -> int:
        """How many nodes have one of the latest template."""
        return number(self.status, "updatedNumberScheduled")

    @property
    def images(self) -> list[str]:
        """Images of the pod template."""
        return images(part(part(self.spec, "template"), "spec"))


class Job(View):
    """A Job."""

    __slots__ = ()
    KIND, API = "Job", "batch/v1"

    @property
    def active(self) -> int:
        """Pods at work."""
        return number(self.status, "active")

    @property
    def succeeded(self) -> int:
        """Pods that did it."""
        return number(self.status, "succeeded")

    @property
    def failed(self) -> int:
        """Pods that did not."""
        return number(self.status, "failed")

    @property
    def done(self) -> bool | None:
        """True: complete; False: failed for good; None: neither yet."""
        return True if self.condition("Complete") else False if self.condition("Failed") else None


class CronJob(View):
    """A CronJob."""

    __slots__ = ()
    KIND, API = "CronJob", "batch/v1"

    @property
    def schedule(self) -> str:
        """As cron writes it."""
        return text(self.spec, "schedule")

    @property
    def suspended(self) -> bool:
        """Whether it makes no Jobs for now."""
        return self.spec.get("suspend") is True

    @property
    def active(self) -> int:
        """Jobs at work."""
        return len(parts(self.status, "active"))

    @property
    def last(self) -> datetime | None:
        """When it made the last Job."""
        return when(self.status.get("lastScheduleTime"))


class Service(View):
    """A Service."""

    __slots__ = ()
    KIND = "Service"

    @property
    def type(self) -> str:
        """ClusterIP, NodePort, LoadBalancer, ExternalName."""
        return text(self.spec, "type")

    @property
    def cluster_ip(self) -> str:
        """Its address; `None` as a text if it is headless."""
        return text(self.spec, "clusterIP")

    @property
    def ports(self) -> list[tuple[str, int, str]]:
        """Name, number and protocol of each."""
        return [(text(each, "name"), number(each, "port"), text(each, "protocol") or "TCP") for each in parts(self.spec, "ports")]

    @property
    def selector(self) -> Mapping[str, str]:
        """Labels of the pods behind it."""
        return part(self.spec, "selector")

    @property
    def addresses(self) -> list[str]:
        """What its load balancer is reached by."""
        return [text(each, "ip") or text(each, "hostname") for each in parts(part(self.status, "loadBalancer"), "ingress")]


class ConfigMap(View):
    """A ConfigMap."""

    __slots__ = ()
    KIND = "ConfigMap"

    @property
    def data(self) -> Mapping[str, str]:
        """Its texts."""
        return part(self.raw, "data")

    @property
    def binary(self) -> dict[str, bytes]:
        """Its bytes, decoded."""
        return {key: base64.b64decode(value) for key, value in part(self.raw, "binaryData").items()}


class Secret(View):
    """A Secret. Its values hide themselves in logs and failures: `reveal()` is what shows one."""

    __slots__ = ()
    KIND = "Secret"

    @property
    def type(self) -> str:
        """`Opaque`, `kubernetes.io/tls` …."""
        return text(self.raw, "type")

    @property
    def keys(self) -> list[str]:
        """The names of its values."""
        return sorted(part(self.raw, "data"))

    def value(self, key: str) -> Hidden | None:
        """One value as text, if it is there. Raises UnicodeDecodeError for what is no text."""
        found = part(self.raw, "data").get(key)
        return None if found is None else Hidden(base64.b64decode(found).decode())

    def __repr__(self) -> str:
        return f"Secret({self.namespace}/{self.name}: {', '.join(self.keys)})"


class Namespace(View):
    """A Namespace."""

    __slots__ = ()
    KIND = "Namespace"

    @property
    def active(self) -> bool:
        """Whether objects can be made in it."""
        return text(self.status, "phase") == "Active"


class Node(View):
    """A Node."""

    __slots__ = ()
    KIND = "Node"

    @property
    def ready(self) -> bool:
        """Whether its kubelet says so."""
        return self.condition("Ready") is True

    @property
    def cordoned(self) -> bool:
        """Whether it takes no new pods."""
        return self.spec.get("unschedulable") is True

    @property
    def roles(self) -> list[str]:
        """`control-plane`, `worker` …."""
        return sorted(key.removeprefix(_ROLE) for key in self.labels if key.startswith(_ROLE))

    @property
    def version(self) -> str:
        """Of its kubelet."""
        return text(part(self.status, "nodeInfo"), "kubeletVersion")

    @property
    def addresses(self) -> list[tuple[str, str]]:
        """Type and address of each."""
        return [(text(each, "type"), text(each, "address")) for each in parts(self.status, "addresses")]

    @property
    def taints(self) -> list[str]:
        """`key=value:Effect`."""
        words = [(text(each, "key"), text(each, "value"), text(each, "effect")) for each in parts(self.spec, "taints")]
        return [f"{key}={value}:{effect}" if value else f"{key}:{effect}" for key, value, effect in words]

    def allocatable(self, resource: str) -> Decimal:
        """What pods can have of it: cores, bytes, pieces."""
        return quantity(part(self.status, "allocatable").get(resource))


class PersistentVolume(View):
    """A PersistentVolume."""

    __slots__ = ()
    KIND = "PersistentVolume"

    @property
    def phase(self) -> str:
        """Available, Bound, Released, Failed."""
        return text(self.status, "phase")

    @property
    def size(self) -> Decimal:
        """Bytes."""
        return quantity(part(self.spec, "capacity").get("storage"))

    @property
    def claim(self) -> str:
        """`namespace/name` of the claim that has it, if any."""
        found = part(self.spec, "claimRef")
        return f"{text(found, 'namespace')}/{text(found, 'name')}" if found else ""

    @property
    def storage_class(self) -> str:
        """The class that it is of."""
        return text(self.spec, "storageClassName")


class PersistentVolumeClaim(View):
    """A PersistentVolumeClaim."""

    __slots__ = ()
    KIND = "PersistentVolumeClaim"

    @property
    def phase(self) -> str:
        """Pending, Bound, Lost."""
        return text(self.status, "phase")

    @property
    def volume(self) -> str:
        """The volume that it has, if any."""
        return text(self.spec, "volumeName")

    @property
    def wanted(self) -> Decimal:
        """Bytes that it asks for."""
        return quantity(part(part(self.spec, "resources"), "requests").get("storage"))

    @property
    def storage_class(self) -> str:
        """The class that it asks for; empty: the default one, or none."""
        return text(self.spec, "storageClassName")


VIEWS: dict[tuple[str, str], type[View]] = {
    (view.API, view.KIND): view
    for view in (
        Pod, Deployment, StatefulSet, ReplicaSet, DaemonSet, Job, CronJob, Service, ConfigMap, Secret, Namespace, Node,
        PersistentVolume, PersistentVolumeClaim,
    )
}  # fmt: skip


def view(item: Map) -> View:
    """The view of an object's kind; the plain one for kinds that have none of their own."""
    return VIEWS.get((text(item, "apiVersion"), text(item, "kind")), View)(item)
