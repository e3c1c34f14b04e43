"""What a toy host understands of kubectl and of reboots, for the verbs about single nodes; its API is in `toy_api`.

Kubernetes' own memory (who is cordoned, which pods and budgets there are) is in the facts of the host that is asked.
"""

from __future__ import annotations

import json
import re

KUBECTL = "toy kubectl"
_K = re.escape(KUBECTL)
_GET = rf"{_K} get node (?P<name>\S+) -o jsonpath="


def _nodes(host):
    return host.facts.setdefault("nodes", {})


def node(host, name):
    """What Kubernetes, as that host knows it, keeps of a node."""
    return _nodes(host).setdefault(name, {"unschedulable": False, "held": ""})


def _patch(host, match):
    body = json.loads(match["body"])
    found = node(host, match["name"])
    found["held"] = body["metadata"]["annotations"]["sloth.dev/cordoned"] or ""
    found["unschedulable"] = bool(body["spec"]["unschedulable"])


def _held(host, match):
    return 1 if node(host, match["name"])["held"] else 0


def _seen(host, match):
    return f"{match['name']} True" if match["name"] in host.members() else ""


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
        f"{name}\tv1.36.3\t{'true' if node(host, name)['unschedulable'] else ''}\tReady=True" for name in host.members()
    )


BOOT_ID = (re.compile("cat /proc/sys/kernel/random/boot_id"), lambda host, _: f"boot-{host.facts.get('boots', 0)}")
HANDLERS = [
    (rf"{_K} get nodes -o jsonpath=.*", _listed),
    (rf"{_K} get pods -n kube-system .*", lambda host, _: f"toy\tDaemonSet\ttoy\t{host.name}\tRunning\tTrue\t"),
    (rf'\[ "\$\({_K} get --raw /readyz 2>/dev/null\)" = ok \]', lambda host, _: 0 if host.members() else 1),
    (rf"held=\$\({_GET}'\{{\.metadata\.annotations\.[^']*'\) && \[ -z \"\$held\" \]", _held),
    (rf"held=\$\({_GET}.* \|\| {_K} patch node .* -p '(?P<body>[^']*)' >/dev/null; \}}", _patch),
    (rf"{_K} get node (?P<name>\S+) --ignore-not-found -o .*", _seen),
    (r"curl -sk -m 3 -o /dev/null https://\S+:10250/healthz", lambda *_: None),
    (r"cat /proc/sys/kernel/random/boot_id; cut [^)]* /proc/1/stat", _boot),
    (r"\[ \"\$\(cat /proc\S+; cut .*\)\" != '(?P<before>[^']*)' \](?: && curl .*)?", _other_boot),
    (r"systemd-run .* systemctl reboot", _reboot),
    (rf"case \"\$\({_K} get node (?P<name>\S+) .*", _ready),
    (r"\(eval hostname\)\n.*", lambda host, _: f"{host.name}\n\nsloth-exit 0"),
    (r"\(eval (?P<text>.*)\)\ncode=.*", lambda host, match: f"\nsloth-exit {3 if host.name in match['text'] else 0}"),
]
