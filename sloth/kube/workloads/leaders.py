"""Whether the control plane is at work: its API server, and the leaders of controllers and scheduler.

Without the latter no Service learns that a pod goes, and none comes in its place.
"""

from __future__ import annotations

from sloth.errors import KubernetesError
from sloth.kube.api import Api
from sloth.kube.wire import Call, Object, Pause, Request, ask
from sloth.kube.workloads.listing import looked_up

COMPONENTS = ("kube-controller-manager", "kube-scheduler")
_LOOK = 0.5  # seconds from one look to the next


def ready(seconds: float = 60.0) -> Call[None]:
    """Until the API server that answers says that it is ready: one that has just started knows no roles and refuses everybody.

    Raises KubernetesError after `seconds`.
    """
    spent = 0.0
    while True:
        answer = yield from ask(Request("GET", "/readyz", what="get /readyz"))
        if answer.status == 200:
            return
        if spent >= seconds:
            raise KubernetesError(
                "kubernetes/not-ready",
                f"the API server is not ready within {seconds:g} s",
                detail=answer.body.decode("utf-8", "replace")[-2000:],
                hint="sloth health",
            )
        yield Pause(_LOOK)
        spent += _LOOK


def led(api: Api, seconds: float = 60.0) -> Call[None]:
    """Until their leaders renewed their leases while this looked on. A component without a lease does not elect one.

    A leader that dies keeps its lease for 15 s, so its age tells nothing; a living one renews it every 2 s
    (kube-controller-manager reference, `--leader-elect-*`). Raises KubernetesError after `seconds`, ApiError.
    """
    before = yield from _leases(api)
    still = set(before)
    spent = 0.0
    while still:
        if spent >= seconds:
            raise _unled([before[name] for name in sorted(still)], seconds)
        yield Pause(_LOOK)
        spent += _LOOK
        now = yield from _leases(api)
        still = {name for name in still if name in now and _version(now[name]) == _version(before[name])}


def _leases(api: Api) -> Call[dict[str, Object]]:
    resource = yield from api.kinds.find("leases.coordination.k8s.io")
    found = yield from looked_up((resource, "kube-system", name) for name in COMPONENTS)
    return {name: item for name, item in zip(COMPONENTS, found, strict=True) if item}


def _version(lease: Object) -> str:
    return str(lease["metadata"]["resourceVersion"])


def _unled(leases: list[Object], seconds: float) -> KubernetesError:
    lines = []
    for lease in leases:
        spec = lease.get("spec") or {}
        lines.append(f"{lease['metadata']['name']} held by {spec.get('holderIdentity')}, renewed {spec.get('renewTime')}")
    return KubernetesError(
        "kubernetes/not-led",
        f"controllers or scheduler are not at work: no leader renewed its lease within {seconds:g} s",
        detail="\n".join(lines),
        hint="sloth health",
    )
