"""Which pod and which container, and the requests for streams into them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sloth.errors import KubernetesError, UsageError
from sloth.kube.resource import EVERYWHERE, Resource
from sloth.kube.streams.handshake import Upgrade, upgrade
from sloth.kube.streams.ports import PROTOCOL
from sloth.kube.streams.remote import PROTOCOLS
from sloth.kube.wire import Call, Object

if TYPE_CHECKING:
    from sloth.kube.api import Api

_DEFAULT = "kubectl.kubernetes.io/default-container"
_OPERATORS = {"In": "{key} in ({values})", "NotIn": "{key} notin ({values})", "Exists": "{key}", "DoesNotExist": "!{key}"}


@dataclass(frozen=True, slots=True)
class Talk:
    """What is wanted of a container: a command (exec) or, without one, its main process (attach)."""

    command: tuple[str, ...] = ()
    container: str = ""
    stdin: bool = False
    tty: bool = False

    def query(self, container: str) -> list[tuple[str, str]]:
        """As query parameters (kubernetes.io, API reference, PodExecOptions). A terminal has no stderr of its own."""
        flags = (("stdin", self.stdin), ("stdout", True), ("stderr", not self.tty), ("tty", self.tty))
        words = [("command", word) for word in self.command] + [("container", container)]
        return words + [(name, "true") for name, wanted in flags if wanted]


def talk(api: Api, what: str, namespace: str | None, wanted: Talk) -> Call[Upgrade]:
    """The request of an exec or attach. `what`: a pod's name, or `deploy/web`. Raises ApiError, KubernetesError."""
    name, container = what.removeprefix("pod/").removeprefix("pods/"), wanted.container
    if "/" in name or not container:
        pod = yield from find_pod(api, what, namespace)
        name, container = pod["metadata"]["name"], container or default_container(pod)
    resource = yield from api.kinds.find("pods")
    place = _place(api, resource, namespace, name)
    verb = "exec" if wanted.command else "attach"
    words = resource.words(verb, place, name)
    return upgrade(resource.path(place, name, verb), wanted.query(container), PROTOCOLS, words)


def port(api: Api, pod: str, number: int, namespace: str | None) -> Call[Upgrade]:
    """The request of one connection to a port of a pod. Raises ApiError."""
    resource = yield from api.kinds.find("pods")
    place = _place(api, resource, namespace, pod)
    words = f"{resource.words('port-forward', place, pod)}:{number}"
    return upgrade(resource.path(place, pod, "portforward"), [("ports", str(number))], [PROTOCOL], words, again=True)


def _place(api: Api, resource: Resource, namespace: str | None, name: str) -> str:
    place = api.place(resource, namespace)
    if place == EVERYWHERE or not name:
        raise UsageError(
            "kube/which-pod", "a stream goes into one pod of one namespace", hint="--namespace NAME, and a pod's name"
        )
    return place


def find_pod(api: Api, what: str, namespace: str | None) -> Call[Object]:
    """The pod: by its name, or the best of a workload's or service's (`deploy/web`): ready, else running, else any.

    Raises ApiError, KubernetesError.
    """
    kind, _, name = what.rpartition("/")
    resource = yield from api.kinds.find(kind or "pods")
    found = yield from api.get(resource, name, namespace)
    if resource.kind == "Pod":
        return found
    labels = selector(found)
    if not labels:
        raise KubernetesError("kube/no-pods", f"{what} selects no pods", hint="name a pod: sloth kube get pods")
    from sloth.kube.api import Select

    page = yield from api.page("pods", namespace, select=Select(labels))
    pods = [pod for pod in page.items if not pod["metadata"].get("deletionTimestamp")]
    if not pods:
        raise KubernetesError("kube/no-pods", f"{what} has no pods", hint=f"sloth kube get pods --selector '{labels}'")
    return max(pods, key=_fitness)


def _fitness(pod: Object) -> tuple[bool, bool, str]:
    status = pod.get("status") or {}
    ready = any(each.get("type") == "Ready" and each.get("status") == "True" for each in status.get("conditions") or ())
    return ready, status.get("phase") == "Running", pod["metadata"].get("creationTimestamp") or ""


def selector(item: Object) -> str:
    """The label selector in an object's spec, in words: of a workload `matchLabels` and so on, of a service a plain map."""
    found: Mapping[str, Any] = (item.get("spec") or {}).get("selector") or {}
    if not found.keys() & {"matchLabels", "matchExpressions"}:
        return ",".join(f"{key}={value}" for key, value in found.items())
    parts = [f"{key}={value}" for key, value in (found.get("matchLabels") or {}).items()]
    for rule in found.get("matchExpressions") or ():
        parts.append(_OPERATORS[rule["operator"]].format(key=rule["key"], values=",".join(rule.get("values") or ())))
    return ",".join(parts)


def default_container(pod: Object) -> str:
    """The container that is meant when none is named: the annotated one, else the first."""
    names = [str(each["name"]) for each in pod["spec"]["containers"]]
    wanted = str((pod["metadata"].get("annotations") or {}).get(_DEFAULT, ""))
    return wanted if wanted in names else names[0]


def target_port(item: Object, pod: Object, wanted: str) -> int:
    """The number of a pod's port that `wanted` means: a number, a name of a container's port, or a port of the service `item`.

    Raises KubernetesError.
    """
    if item.get("kind") == "Service":
        wanted = _behind(item, wanted)
    if wanted.isdigit():
        return int(wanted)
    containers = pod["spec"]["containers"]
    named = [each for box in containers for each in box.get("ports") or () if each.get("name") == wanted]
    if not named:
        raise _no_port(f"pod {pod['metadata']['name']}", wanted, [str(each.get("name")) for each in _ports(containers)])
    return int(named[0]["containerPort"])


def _behind(service: Object, wanted: str) -> str:
    ports: Sequence[Mapping[str, Any]] = (service.get("spec") or {}).get("ports") or ()
    for each in ports:
        if wanted in (str(each["port"]), each.get("name")):
            return str(each.get("targetPort") or each["port"])
    raise _no_port(f"service {service['metadata']['name']}", wanted, [str(each["port"]) for each in ports])


def _ports(containers: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [each for box in containers for each in box.get("ports") or () if each.get("name")]


def _no_port(where: str, wanted: str, there: Sequence[str]) -> KubernetesError:
    return KubernetesError(
        "kube/no-port", f"{where} has no port {wanted}", detail=f"it has: {', '.join(there) or 'none'}",
        hint="name one of its ports, or the number of a pod's port",
    )  # fmt: skip
