"""What `describe` says of pods, nodes and services in particular."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from sloth.kube.api import Api
from sloth.kube.wire import Call, Object
from sloth.kube.workloads.listing import listed
from sloth.kube.workloads.prose import Prose
from sloth.kube.workloads.quantity import mebibytes, millicores, percent, quantity
from sloth.kube.workloads.times import age

Map = Mapping[str, Any]
ROLE = "node-role.kubernetes.io/"


def pod(api: Api, item: Object, prose: Prose, now: datetime) -> Call[None]:
    """Where it runs, and each container: state, last state, restarts, resources, environment, mounts."""
    spec, status = item["spec"], item.get("status") or {}
    prose.fields(
        [
            ("Node", spec.get("nodeName") or "not scheduled"),
            ("Phase", status.get("phase")),
            ("Reason", status.get("reason")),
            ("Message", status.get("message")),
            ("Addresses", [each.get("ip") for each in status.get("podIPs") or ()] or status.get("podIP")),
            ("QoS class", status.get("qosClass")),
            ("Service account", spec.get("serviceAccountName")),
            ("Priority", spec.get("priorityClassName")),
            ("Node selector", spec.get("nodeSelector")),
            ("Tolerations", [_toleration(each) for each in spec.get("tolerations") or ()]),
        ]
    )
    for title, containers, states in (
        ("Init container", "initContainers", "initContainerStatuses"),
        ("Container", "containers", "containerStatuses"),
        ("Ephemeral container", "ephemeralContainers", "ephemeralContainerStatuses"),
    ):
        found = {each["name"]: each for each in status.get(states) or ()}
        for each in spec.get(containers) or ():
            inner = Prose()
            _container(inner, each, found.get(each["name"]) or {}, now)
            prose.part(f"{title} {each['name']}", inner)
    prose.table("Volumes", [["NAME", "SOURCE"], *(_volume(each) for each in spec.get("volumes") or ())])
    yield from ()  # everything is in the pod itself


def _container(prose: Prose, spec: Map, status: Map, now: datetime) -> None:
    resources = spec.get("resources") or {}
    prose.fields(
        [
            ("Image", spec.get("image")),
            ("State", _state(status.get("state"), now)),
            ("Last state", _state(status.get("lastState"), now)),
            ("Ready", status.get("ready")),
            ("Restarts", status.get("restartCount")),
            ("Command", [*(spec.get("command") or ()), *(spec.get("args") or ())]),
            ("Ports", [f"{each['containerPort']}/{each.get('protocol', 'TCP')}" for each in spec.get("ports") or ()]),
            ("Requests", resources.get("requests")),
            ("Limits", resources.get("limits")),
            *((f"{name[:-5].capitalize()} probe", _probe(spec[name])) for name in _PROBES if spec.get(name)),
        ]
    )
    env = [[each["name"], _value(each)] for each in spec.get("env") or ()]
    env += [["*", _source(each)] for each in spec.get("envFrom") or ()]
    prose.table("Environment", [["NAME", "VALUE"], *env])
    mounts = [
        [each["mountPath"], each["name"], "ro" if each.get("readOnly") else "rw"] for each in spec.get("volumeMounts") or ()
    ]
    prose.table("Mounts", [["PATH", "VOLUME", ""], *mounts])


_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


def _state(state: Map | None, now: datetime) -> str:
    """`Running for 3h`, `Terminated 5m ago: Error, exit code 1`, `Waiting: CrashLoopBackOff: …`."""
    if not state:
        return ""
    if state.get("running"):
        return f"Running for {age(state['running'].get('startedAt'), now)}"
    if state.get("terminated"):
        end = state["terminated"]
        signal = f", signal {end['signal']}" if end.get("signal") else ""
        said = f": {end['message']}" if end.get("message") else ""
        ago = age(end.get("finishedAt"), now)
        return f"Terminated {ago} ago: {end.get('reason', '')}, exit code {end.get('exitCode')}{signal}{said}"
    waiting = state.get("waiting") or {}
    return "Waiting: " + ": ".join(str(waiting[key]) for key in ("reason", "message") if waiting.get(key))


def _value(each: Map) -> str:
    """A plain value, or where it comes from: values of Secrets are never looked up."""
    source = each.get("valueFrom")
    return str(each.get("value", "")) if not source else _source(source)


def _source(source: Map) -> str:
    for key, word in (
        ("configMapKeyRef", "ConfigMap"),
        ("secretKeyRef", "Secret"),
        ("configMapRef", "ConfigMap"),
        ("secretRef", "Secret"),
    ):
        if source.get(key):
            found = source[key]
            return f"<from {word} {found.get('name', '')}{', key ' + found['key'] if found.get('key') else ''}>"
    if source.get("fieldRef"):
        return f"<field {source['fieldRef'].get('fieldPath', '')}>"
    return f"<resource {(source.get('resourceFieldRef') or {}).get('resource', '')}>"


def _probe(probe: Map) -> str:
    http, tcp, command, grpc = (probe.get(key) for key in ("httpGet", "tcpSocket", "exec", "grpc"))
    if http:
        what = f"{http.get('scheme', 'HTTP').lower()} get :{http.get('port')}{http.get('path', '/')}"
    elif tcp or grpc:
        what = f"{'tcp' if tcp else 'grpc'} :{(tcp or grpc or {}).get('port')}"
    else:
        what = " ".join((command or {}).get("command") or ())
    return f"{what}, every {probe.get('periodSeconds', 10)} s, {probe.get('failureThreshold', 3)} failures"


def _volume(volume: Map) -> list[str]:
    kind = next((key for key in volume if key != "name"), "")
    source = volume.get(kind) or {}
    said = [f"{key}={source[key]}" for key in ("name", "secretName", "claimName", "path", "medium", "driver") if source.get(key)]
    return [str(volume.get("name", "")), " ".join([kind, *said])]


def _toleration(each: Map) -> str:
    key = f"{each.get('key', '')}{'=' + each['value'] if each.get('value') else ''}" or "everything"
    effect = f":{each['effect']}" if each.get("effect") else ""
    return f"{key}{effect}" + (f" for {each['tolerationSeconds']}s" if "tolerationSeconds" in each else "")


def node(api: Api, item: Object, prose: Prose, now: datetime) -> Call[None]:
    """What it is, what it has, and what its pods ask for."""
    spec, status = item.get("spec") or {}, item.get("status") or {}
    info = status.get("nodeInfo") or {}
    labels = item["metadata"].get("labels") or {}
    prose.fields(
        [
            ("Roles", [key.removeprefix(ROLE) for key in labels if key.startswith(ROLE)]),
            ("Cordoned", bool(spec.get("unschedulable"))),
            (
                "Taints",
                [
                    f"{each.get('key')}{'=' + each['value'] if each.get('value') else ''}:{each.get('effect')}"
                    for each in spec.get("taints") or ()
                ],
            ),
            ("Addresses", [f"{each.get('type')} {each.get('address')}" for each in status.get("addresses") or ()]),
            ("Pod network", spec.get("podCIDRs") or spec.get("podCIDR")),
            ("System", [info[key] for key in ("osImage", "kernelVersion", "architecture") if info.get(key)]),
            ("Runtime", info.get("containerRuntimeVersion")),
            ("Kubelet", info.get("kubeletVersion")),
        ]
    )
    has, room = status.get("capacity") or {}, status.get("allocatable") or {}
    prose.table("Capacity", [["RESOURCE", "HAS", "FOR PODS"], *([key, has[key], room.get(key, "")] for key in sorted(has))])
    name = item["metadata"]["name"]
    pods = yield from listed(api, "pods", "*", fields=f"spec.nodeName={name},status.phase!=Succeeded,status.phase!=Failed")
    _requests(prose, pods, room, now)


def _requests(prose: Prose, pods: list[Object], room: Map, now: datetime) -> None:
    rows: list[list[object]] = [["NAMESPACE", "POD", "CPU REQUEST", "CPU LIMIT", "MEMORY REQUEST", "MEMORY LIMIT", "AGE"]]
    cores, size = quantity(room.get("cpu")), quantity(room.get("memory"))
    sums = [Decimal(0)] * 4
    for each in pods:
        found = [_asked(each["spec"], part, name) for name in ("cpu", "memory") for part in ("requests", "limits")]
        sums = [one + two for one, two in zip(sums, found, strict=True)]
        meta = each["metadata"]
        rows.append([meta["namespace"], meta["name"], *_shown(found, cores, size), age(meta.get("creationTimestamp"), now)])
    if pods:
        rows.append(["", f"{len(pods)} pods", *_shown(sums, cores, size), ""])
    prose.table("Pods", rows)


def _shown(found: list[Decimal], cores: Decimal, size: Decimal) -> list[str]:
    cpu = [f"{millicores(each)} ({percent(each, cores)})" for each in found[:2]]
    return cpu + [f"{mebibytes(each)} ({percent(each, size)})" for each in found[2:]]


def _asked(spec: Map, part: str, name: str) -> Decimal:
    """What a pod asks for: all containers together, or the greatest of those that run before them, and its overhead.

    Source: kubernetes.io, "Resource Management for Pods and Containers", "Sidecar Containers" (resource sharing), KEP-753.
    """

    def of(container: Map) -> Decimal:
        return quantity(((container.get("resources") or {}).get(part) or {}).get(name))

    always, first = Decimal(0), Decimal(0)
    for each in spec.get("initContainers") or ():
        if each.get("restartPolicy") == "Always":
            always += of(each)
            first = max(first, always)
        else:
            first = max(first, always + of(each))
    together = always + sum((of(each) for each in spec.get("containers") or ()), Decimal(0))
    return max(first, together) + quantity((spec.get("overhead") or {}).get(name))


def service(api: Api, item: Object, prose: Prose, now: datetime) -> Call[None]:
    """Addresses, and each port with the endpoints behind it."""
    spec, meta = item["spec"], item["metadata"]
    ingress = ((item.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    prose.fields(
        [
            ("Type", spec.get("type")),
            ("Addresses", spec.get("clusterIPs") or spec.get("clusterIP")),
            ("External name", spec.get("externalName")),
            (
                "External addresses",
                [*(spec.get("externalIPs") or ()), *(each.get("ip") or each.get("hostname") for each in ingress)],
            ),
            ("Selector", spec.get("selector") or "none"),
            ("Affinity", spec.get("sessionAffinity")),
            ("Traffic policy", spec.get("externalTrafficPolicy")),
        ]
    )
    slices = yield from listed(api, "endpointslices", meta["namespace"], labels=f"kubernetes.io/service-name={meta['name']}")
    rows: list[list[object]] = [["PORT", "PROTOCOL", "TARGET", "NODE PORT", "ENDPOINTS"]]
    for port in spec.get("ports") or ():
        name = f"{port['port']}{' ' + port['name'] if port.get('name') else ''}"
        behind = ", ".join(_endpoints(slices, port.get("name", ""))) or "none is ready"
        rows.append([name, port.get("protocol", "TCP"), port.get("targetPort", port["port"]), port.get("nodePort", ""), behind])
    prose.table("Ports", rows)
    waiting = [each for slice_ in slices for each in slice_.get("endpoints") or () if not _ready(each)]
    prose.fields([("Not ready", [" ".join(each.get("addresses") or ()) for each in waiting])])


def _ready(endpoint: Map) -> bool:
    return (endpoint.get("conditions") or {}).get("ready") is not False


def _endpoints(slices: Iterable[Map], name: str) -> list[str]:
    return [
        f"{address}:{port['port']}"
        for each in slices
        for port in each.get("ports") or ()
        if (port.get("name") or "") == name
        for endpoint in each.get("endpoints") or ()
        if _ready(endpoint)
        for address in endpoint.get("addresses") or ()
    ]
