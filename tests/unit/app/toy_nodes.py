"""What a toy host understands of kubectl and of reboots, for the verbs about single nodes.

Kubernetes' own memory (who is cordoned, which pods and budgets there are) is in the facts of the host that is asked.
"""

from __future__ import annotations

import json
import re

from sloth.kube.api import Api
from sloth.kube.kinds import Kinds
from sloth.kube.wire import Answer
from sloth.model.step import Result

KUBECTL = "toy kubectl"
_K = re.escape(KUBECTL)
_GET = rf"{_K} get node (?P<name>\S+) -o jsonpath="


def _nodes(host):
    return host.facts.setdefault("nodes", {})


def _node(host, name):
    return _nodes(host).setdefault(name, {"unschedulable": False, "held": ""})


def _cordoned(host, match):
    return 0 if _node(host, match["name"])["unschedulable"] else 1


def _cordon(host, match):
    _node(host, match["name"])["unschedulable"] = True


def _patch(host, match):
    body = json.loads(match["body"])
    node = _node(host, match["name"])
    node["held"] = body["metadata"]["annotations"]["sloth.dev/cordoned"] or ""
    node["unschedulable"] = bool(body["spec"]["unschedulable"])


def _held(host, match):
    return 1 if _node(host, match["name"])["held"] else 0


def _seen(host, match):
    return f"{match['name']} True" if match["name"] in host.members() else ""


def _drain(host, match):
    """Evicts pods that no budget of `facts["budgets"]` holds; a pod is `[namespace, name, node, app, owner]`."""
    _cordon(host, match)
    pods = host.facts.setdefault("pods", [])
    held = [pod for pod in pods if pod[2] == match["name"] and any(_covers(b, pod) for b in host.facts.get("budgets", []))]
    host.facts["pods"] = [pod for pod in pods if pod[2] != match["name"] or pod in held]
    return Result(exit=1, err="Cannot evict pod as it would violate the pod's disruption budget.") if held else None


def _covers(budget, pod):
    return (budget[0], budget[2]) == (pod[0], pod[3])


def _pods(host, match):
    mine = [pod for pod in host.facts.get("pods", []) if pod[2] == match["name"]]
    return "\n".join(f'{x[0]}\t{x[1]}\t{{"app":"{x[3]}"}}\t{x[4].replace("/", chr(9))}\tRunning' for x in mine)


def _budgets(host, _match):
    found = host.facts.get("budgets", [])
    return "\n".join(f'{space}\t{name}\t{{"matchLabels":{{"app":"{app}"}}}}\t0\t1\t1' for space, name, app in found)


def _delete_pods(host, match):
    gone = match["pods"].split()
    host.facts["pods"] = [x for x in host.facts["pods"] if not (x[0] == match["space"] and x[1] in gone)]


def _boot(host, _match):
    return f"boot-{host.facts.get('boots', 0)}\n1"


def _reboot(host, _match):
    host.facts["boots"] = host.facts.get("boots", 0) + 1


def _other_boot(host, match):
    return 0 if _boot(host, match) != match["before"] else 1


def _ready(host, match):
    return 0 if match["name"] in host.members() else 1


def _listed(host, _match):
    """The nodes, as `sloth status` asks for them."""
    return "\n".join(
        f"{name}\tv1.36.3\t{'true' if _node(host, name)['unschedulable'] else ''}\tReady=True" for name in host.members()
    )


BOOT_ID = (re.compile("cat /proc/sys/kernel/random/boot_id"), lambda host, _: f"boot-{host.facts.get('boots', 0)}")
HANDLERS = [
    (rf"{_K} get nodes -o jsonpath=.*", _listed),
    (rf"{_K} get pods -n kube-system .*", lambda host, _: f"toy\tDaemonSet\ttoy\t{host.name}\tRunning\tTrue\t"),
    (rf'\[ "\$\({_K} get --raw /readyz 2>/dev/null\)" = ok \]', lambda host, _: 0 if host.members() else 1),
    (rf"\[ \"\$\({_GET}'\{{\.spec\.unschedulable\}}'\)\" = true \]", _cordoned),
    (rf"held=\$\({_GET}'\{{\.metadata\.annotations\.[^']*'\) && \[ -z \"\$held\" \]", _held),
    (rf"held=\$\({_GET}.* \|\| {_K} patch node .* -p '(?P<body>[^']*)' >/dev/null; \}}", _patch),
    (rf"{_K} cordon (?P<name>\S+) >/dev/null", _cordon),
    (rf"{_K} patch node (?P<name>\S+) --type merge -p '(?P<body>[^']*)' >/dev/null", _patch),
    (rf"{_K} get node (?P<name>\S+) --ignore-not-found -o .*", _seen),
    (r"curl -sk -m 3 -o /dev/null https://\S+:10250/healthz", lambda *_: None),
    (rf"\(was=\$\({_K} get lease .*", lambda *_: None),
    (rf"{_K} drain (?P<name>\S+) .*", _drain),
    (rf"{_K} get pods -A --field-selector spec\.nodeName=(?P<name>\S+) .*", _pods),
    (rf"{_K} get poddisruptionbudgets .*", _budgets),
    (rf"{_K} -n (?P<space>\S+) delete pods (?P<pods>.*) --ignore-not-found --wait=false >/dev/null", _delete_pods),
    (r"cat /proc/sys/kernel/random/boot_id; cut [^)]* /proc/1/stat", _boot),
    (r"\[ \"\$\(cat /proc\S+; cut .*\)\" != '(?P<before>[^']*)' \](?: && curl .*)?", _other_boot),
    (r"systemd-run .* systemctl reboot", _reboot),
    (rf"case \"\$\({_K} get node (?P<name>\S+) .*", _ready),
    (r"\(eval hostname\)\n.*", lambda host, _: f"{host.name}\n\nsloth-exit 0"),
    (r"\(eval (?P<text>.*)\)\ncode=.*", lambda host, match: f"\nsloth-exit {3 if host.name in match['text'] else 0}"),
]


class ToyApi:
    """The API of toy clusters, as `Api` orders reach it: nodes, to be looked at and patched. The first door that opens counts."""

    def __init__(self, world):
        self._world = world

    def open(self, kubeconfig, doors):
        """A session: what it is asked is answered out of the facts of a toy host."""
        assert kubeconfig.reveal()
        return ToyTalks(self._world, [door.login for door in doors])


class ToyTalks:
    """Talks with one toy cluster."""

    def __init__(self, world, logins):
        self._world, self._logins = world, logins

    def run(self, talk):
        """Carry a talk through."""
        host = next(self._world.host(login.node) for login in self._logins if login.node not in self._world.refused)
        call = talk(Api(Kinds()))
        try:
            wanted = next(call)
            while True:
                with self._world.lock:
                    answer = _answered(host, wanted)
                    self._world.tick(f"{host.name}: {wanted.what}")
                wanted = call.send(answer)
        except StopIteration as done:
            return done.value

    def close(self):
        """Nothing is open."""


def _answered(host, request):
    name = re.fullmatch("/api/v1/nodes/([^/]+)", request.path)[1]
    if name not in host.members():
        return Answer(404, b'{"kind": "Status", "reason": "NotFound", "code": 404}')
    node = _node(host, name)
    if request.method == "PATCH":
        change = json.loads(request.body)
        node["unschedulable"] = bool(change["spec"]["unschedulable"])
        node["held"] = (change.get("metadata") or {}).get("annotations", {}).get("sloth.dev/cordoned", node["held"]) or ""
    else:
        assert request.method == "GET", request
    notes = {"sloth.dev/cordoned": node["held"]} if node["held"] else {}
    item = {"metadata": {"name": name, "annotations": notes}, "spec": {"unschedulable": node["unschedulable"]}}
    return Answer(200, json.dumps({"apiVersion": "v1", "kind": "Node", **item}).encode())
