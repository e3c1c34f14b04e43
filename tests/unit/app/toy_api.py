"""The API of toy clusters, as `Api` orders reach it: nodes, pods, budgets, evictions. The first door that opens counts.

What there is, is in the facts of the toy host that is asked: `nodes` (who is cordoned, and for what), `pods`
(`[namespace, name, node, app, owner]`), `budgets` (`[namespace, name, app]`, which let no pod go). Pauses take no time.
"""

from __future__ import annotations

import json
import re

from sloth.kube.api import Api
from sloth.kube.kinds import Kinds
from sloth.kube.wire import Answer, Pause

HELD = "sloth.dev/cordoned"
NONE = Answer(404, b'{"kind": "Status", "reason": "NotFound", "code": 404}')
DONE = Answer(201, b'{"kind": "Status", "status": "Success"}')


class ToyApi:
    """Where sessions come from; `world` has the hosts."""

    def __init__(self, world):
        self._world = world

    def open(self, kubeconfig, doors):
        """A session with whom answers first."""
        assert kubeconfig.reveal()
        return ToyTalks(self._world, [door.login.node for door in doors])


class ToyTalks:
    """Talks with one toy cluster."""

    def __init__(self, world, names):
        self._world, self._names = world, names

    def run(self, talk):
        """Carry a talk through; what changed something is a tick of the world."""
        host = next(self._world.host(name) for name in self._names if name not in self._world.refused)
        call = talk(Api(Kinds()))
        try:
            wanted = next(call)
            while True:
                wanted = call.send(self._answers(host, wanted))
        except StopIteration as done:
            return done.value

    def close(self):
        """Nothing is open."""

    def _answers(self, host, wanted):
        if isinstance(wanted, Pause):
            return None
        if isinstance(wanted, tuple):
            return [self._answers(host, each) for each in wanted]
        with self._world.lock:
            answer = answered(host, wanted, self._world)
            if wanted.method != "GET":
                self._world.tick(f"{host.name}: {wanted.what}")
        return answer


def answered(host, request, world):
    """What the API server on that host says."""
    for method, path, handler in ROUTES:
        match = re.fullmatch(path, request.path)
        if request.method == method and match:
            return handler(host, request, match, world)
    raise AssertionError(f"unexpected: {request.method} {request.target}")


def _found(kind, item):
    return Answer(200, json.dumps({"apiVersion": "v1", "kind": kind, **item}).encode())


def _list(kind, items):
    return _found(f"{kind}List", {"metadata": {"resourceVersion": "1"}, "items": items})


def _node(host, request, match, world):
    name = match["name"]
    if name not in host.members():
        return NONE
    cordoned, held = world.cordoned(host, name)
    if request.method == "PATCH":
        change = json.loads(request.body)
        cordoned = bool(change["spec"]["unschedulable"])
        held = (change.get("metadata") or {}).get("annotations", {}).get(HELD, held) or ""
        world.cordon(host, name, cordoned, held)
    notes = {HELD: held} if held else {}
    return _found("Node", {"metadata": {"name": name, "annotations": notes}, "spec": {"unschedulable": cordoned}})


def _pod(row):
    space, name, node, app, owner = row
    kind, _, of = owner.partition("/")
    about = {"name": name, "namespace": space, "uid": f"{space}-{name}", "labels": {"app": app}}
    about["ownerReferences"] = [{"kind": kind, "name": of, "uid": of, "controller": True}]
    return {"metadata": about, "spec": {"nodeName": node}, "status": {"phase": "Running"}}


def _pods(host, request, _match, world):
    (chosen,) = [value for key, value in request.query if key == "fieldSelector"]
    node = chosen.removeprefix("spec.nodeName=")
    rows = [row for row in host.facts.get("pods", []) if row[2] == node]
    if not rows:
        world.emptied(host, node)
    return _list("Pod", [_pod(row) for row in rows])


def _budgets(host, _request, match, _world):
    rows = [row for row in host.facts.get("budgets", []) if match["space"] in (None, row[0])]
    status = {"disruptionsAllowed": 0, "currentHealthy": 1, "desiredHealthy": 1}
    return _list(
        "PodDisruptionBudget",
        [
            {
                "metadata": {"namespace": space, "name": name},
                "spec": {"selector": {"matchLabels": {"app": app}}},
                "status": status,
            }
            for space, name, app in rows
        ],
    )


def _evict(host, request, match, world):
    row = next((row for row in host.facts.get("pods", []) if row[:2] == [match["space"], match["name"]]), None)
    if row and [row[0], row[3]] in [[space, app] for space, _, app in host.facts.get("budgets", [])]:
        status = {"kind": "Status", "message": "Cannot evict pod as it would violate the pod's disruption budget."}
        return Answer(429, json.dumps(status).encode())
    return _delete(host, request, match, world)


def _delete(host, _request, match, _world):
    host.facts["pods"] = [row for row in host.facts.get("pods", []) if row[:2] != [match["space"], match["name"]]]
    return DONE


_SPACE, _NAME = r"namespaces/(?P<space>[^/]+)", r"(?P<name>[^/]+)"
ROUTES = [
    ("GET", "/readyz", lambda *_: Answer(200, b"ok")),
    ("GET", rf"/api/v1/nodes/{_NAME}", _node),
    ("PATCH", rf"/api/v1/nodes/{_NAME}", _node),
    ("GET", r"/apis/coordination\.k8s\.io/v1/namespaces/kube-system/leases/.*", lambda *_: NONE),
    ("GET", r"/api/v1/pods", _pods),
    ("GET", rf"/apis/policy/v1/(?:{_SPACE}/)?poddisruptionbudgets", _budgets),
    ("GET", rf"/apis/apps/v1/{_SPACE}/(?:daemonsets|replicasets)/.*", lambda *_: NONE),
    ("POST", rf"/api/v1/{_SPACE}/pods/{_NAME}/eviction", _evict),
    ("DELETE", rf"/api/v1/{_SPACE}/pods/{_NAME}", _delete),
]
