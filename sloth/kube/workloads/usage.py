"""What nodes and pods use, as the metrics API says (metrics.k8s.io/v1beta1; kubernetes.io, "Resource metrics pipeline")."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from sloth.errors import KubernetesError, UsageError
from sloth.kube.api import Api
from sloth.kube.faults import ApiError
from sloth.kube.wire import Call, Object
from sloth.kube.workloads.listing import listed
from sloth.kube.workloads.quantity import mebibytes, millicores, percent, quantity

Sort = Literal["name", "cpu", "memory"]


@dataclass(frozen=True, slots=True)
class Usage:
    """Cores and bytes of a node, a pod or one of its containers; `cores` and `bytes` of a node are what it has for pods."""

    name: str
    cpu: Decimal
    memory: Decimal
    namespace: str = ""
    container: str = ""
    cores: Decimal = Decimal(0)
    bytes: Decimal = Decimal(0)


def top_nodes(api: Api, labels: str = "") -> Call[list[Usage]]:
    """Every node's use and what it has. Raises KubernetesError where nobody measures, ApiError."""
    measured = yield from _measured(api, "nodes", None, labels)
    nodes = yield from listed(api, "nodes", labels=labels)
    has = {item["metadata"]["name"]: (item.get("status") or {}).get("allocatable") or {} for item in nodes}
    found = []
    for item in measured:
        name = item["metadata"]["name"]
        room = has.get(name, {})
        cpu, memory = _used(item.get("usage"))
        found.append(Usage(name, cpu, memory, cores=quantity(room.get("cpu")), bytes=quantity(room.get("memory"))))
    return found


def top_pods(api: Api, namespace: str | None = None, labels: str = "", *, containers: bool = False) -> Call[list[Usage]]:
    """Every pod's use, or every container's. Raises KubernetesError where nobody measures, ApiError."""
    found = []
    for item in (yield from _measured(api, "pods", namespace, labels)):
        meta = item["metadata"]
        parts = [(str(each.get("name", "")), *_used(each.get("usage"))) for each in item.get("containers") or ()]
        if containers:
            found += [Usage(meta["name"], cpu, memory, meta["namespace"], name) for name, cpu, memory in parts]
        else:
            cpu, memory = sum((cpu for _, cpu, _ in parts), Decimal(0)), sum((memory for *_, memory in parts), Decimal(0))
            found.append(Usage(meta["name"], cpu, memory, meta["namespace"]))
    return found


def _measured(api: Api, kind: str, namespace: str | None, labels: str) -> Call[list[Object]]:
    word = "PodMetrics" if kind == "pods" else "NodeMetrics"
    try:
        return (yield from listed(api, f"metrics.k8s.io/v1beta1/{word}", namespace, labels=labels))
    except UsageError as error:
        why = error.summary
    except ApiError as error:
        if error.status not in (404, 503):
            raise
        why = error.detail
    raise KubernetesError(
        "kube/no-metrics", "nothing measures nodes and pods in this cluster", detail=why, hint="kubernetes-sigs/metrics-server"
    )


def _used(usage: Object | None) -> tuple[Decimal, Decimal]:
    return quantity((usage or {}).get("cpu")), quantity((usage or {}).get("memory"))


def ordered(found: Sequence[Usage], by: Sort) -> list[Usage]:
    """By name, or the greatest first."""
    keys: dict[str, Callable[[Usage], tuple[Decimal | str, ...]]] = {
        "cpu": lambda each: (-each.cpu, each.namespace, each.name),
        "memory": lambda each: (-each.memory, each.namespace, each.name),
        "name": lambda each: (each.namespace, each.name, each.container),
    }
    return sorted(found, key=keys[by])


def node_rows(found: Sequence[Usage]) -> list[list[str]]:
    """NAME, CPU, CPU%, MEMORY, MEMORY%."""
    rows = [["NAME", "CPU", "CPU%", "MEMORY", "MEMORY%"]]
    rows += [
        [each.name, millicores(each.cpu), percent(each.cpu, each.cores), mebibytes(each.memory), percent(each.memory, each.bytes)]
        for each in found
    ]
    return rows


def pod_rows(found: Sequence[Usage], *, namespaces: bool, containers: bool, total: bool) -> list[list[str]]:
    """POD, CPU, MEMORY; with namespaces and containers if asked for; `total` adds the sum of all."""
    head = [*(["NAMESPACE"] if namespaces else []), "POD", *(["CONTAINER"] if containers else []), "CPU", "MEMORY"]
    rows = [head]
    for each in found:
        words = [*([each.namespace] if namespaces else []), each.name, *([each.container] if containers else [])]
        rows.append([*words, millicores(each.cpu), mebibytes(each.memory)])
    if total:
        cpu, memory = sum((each.cpu for each in found), Decimal(0)), sum((each.memory for each in found), Decimal(0))
        rows.append(["total", *[""] * (len(head) - 3), millicores(cpu), mebibytes(memory)])
    return rows
