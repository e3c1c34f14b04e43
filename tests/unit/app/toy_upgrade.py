"""The toy distribution, able to upgrade: what its hosts do with the steps of `sloth upgrade`, and what no upgrade may do.

A host refuses (exit 9) what must not happen: work on a node that is not drained, a worker before the last control plane, two
control planes away at once, an upgrade without its images.
"""

from __future__ import annotations

import re

from sloth.model.step import Do, Put
from tests.unit.app.toy import Toy, ToyHost
from tests.unit.app.toy_nodes import KUBECTL
from tests.unit.app.world import World

OLD, NEW = "v1.35.9", "v1.36.3"
SPEC = """apiVersion: sloth.dev/v1
kind: Cluster
metadata: {{name: demo}}
spec:
  kubernetes: {{version: "{version}"}}
  upgrade: {{pause: 1s, batch: "2"}}
  pools:
    - {{name: cp, role: control-plane, provider: local, count: {control}}}
    - {{name: work, role: worker, provider: local, count: {workers}}}
"""
NODE, CONTROL, IMAGES = "/etc/toy.version", "/etc/toy.control", "/etc/toy.images"


class UpgradableToy(Toy):
    """Versions are files."""

    def versions(self):
        return (NEW, OLD)

    def prepare(self, node, cluster):
        return [*super().prepare(node, cluster), Put(path=NODE, content=cluster.version)]

    def preload(self, node, cluster):
        return [Put(path=IMAGES, content=cluster.version)]

    def upgrade(self, node, cluster, *, first):
        if node.is_control_plane:
            how = "first" if first else "next"
            yield [Do(title="upgrade", run=f"toy upgrade {how} {cluster.version}", unless=f"toy control is {cluster.version}")]
        else:
            yield Do(title="upgrade", run=f"toy upgrade worker {cluster.version}", unless=f"toy node is {cluster.version}")


class UpgradeWorld(World):
    """A world of upgradable toys."""

    def write(self, *, control=1, workers=2, protect="false", version="1.35"):
        self.spec.write_text(SPEC.format(control=control, workers=workers, version=version))

    def host(self, name):
        host = super().host(name)
        if COMPILED[0] not in host.handlers:
            host.handlers[:0] = COMPILED
        return host

    def install(self, monkeypatch):
        from sloth import registry

        super().install(monkeypatch)
        toy = UpgradableToy()
        monkeypatch.setattr(registry, "distribution", lambda name: toy)
        return self

    def cordoned(self, host, name):
        facts = host.others()[name].facts
        return bool(facts.get("cordoned")), facts.get("by", "")

    def cordon(self, host, name, cordoned, held):
        assert (cordoned, held) == (True, "upgrade")
        _change(host.others()[name], cordoned=True, by=held)

    def emptied(self, host, name):
        node = host.others()[name]
        if node.facts.get("cordoned") and not node.facts.get("drained"):
            _change(node, drained=True, drains=node.facts.get("drains", 0) + 1)
            self.tick(f"{host.name}: drained {name}")


def _version(host: ToyHost, path: str) -> str:
    return host.text(path) if host.has(path) else ""


def _control(host: ToyHost) -> str:
    """What the control plane there runs: it came with the node, until an upgrade changes it alone."""
    return _version(host, CONTROL) or _version(host, NODE)


def _change(host: ToyHost, **facts) -> None:
    host.facts.update(facts)
    host._save()


def _members(host: ToyHost) -> dict[str, ToyHost]:
    return {name: other for name, other in sorted(host.others().items()) if other.has("/var/lib/toy/member")}


def _look(host, _match):
    lines = ["= nodes"]
    for name, other in _members(host).items():
        cordoned = "true" if other.facts.get("cordoned") else ""
        lines.append("\t".join([name, _version(other, NODE), "True", cordoned, other.facts.get("by", "")]))
    lines.append("= servers")
    lines += [f"10.90.0.{name[-1]} {_control(other)}" for name, other in _members(host).items() if name.startswith("cp-")]
    return "\n".join([*lines, "= budgets", "= workloads", "Deployment\tdefault/web\t3\t3", "= snapshot", "= apis", "read"])


def _cordons(host, match):
    rows = []
    for name in match["names"].split():
        other = host.others()[name]
        rows.append(f"{name}   {'true' if other.facts.get('cordoned') else '<none>'}   {other.facts.get('by') or '<none>'}")
    return "\n".join(rows)


def _uncordon(host, match):
    for name in match["names"].split():
        _change(host.others()[name], cordoned=False, by="", drained=False)


def _upgrade(host, match):
    servers = [other for name, other in _members(host).items() if name.startswith("cp-")]
    away = [other.name for other in servers if other.facts.get("drained")]
    if not host.facts.get("drained") or _version(host, IMAGES) != match["version"]:
        return 9
    if match["how"] == "worker":
        return None if all(_version(other, NODE) == match["version"] for other in servers) else 9
    if away != [host.name]:
        return 9
    if (match["how"] == "first") == any(_version(other, NODE) == match["version"] for other in servers):
        return 9
    host.write(CONTROL, match["version"])
    return None


def _well(host, match):
    fine = all(_version(host.others()[name], NODE) == match["version"] for name in match["names"].split())
    return 0 if fine else 1


KUBE = re.escape(KUBECTL)
HANDLERS = [
    (r"echo '= nodes'\n.*", _look),
    (rf"{KUBE} get --raw /readyz >/dev/null 2>&1", lambda *_: None),
    (rf"{KUBE} get nodes (?P<names>.*?) --no-headers -o custom-columns='NAME:\.metadata\.name,CORDONED.*", _cordons),
    (rf"{KUBE} uncordon (?P<names>.*?) >/dev/null && .*", _uncordon),
    (rf'\[ "\$\({KUBE} get nodes (?P<names>.*?) --no-headers .*?\$2 == "(?P<version>\S+)".*', _well),
    (rf"{KUBE} get deployments,statefulsets,daemonsets -A --no-headers .*", lambda *_: None),
    (r"sleep \d+", lambda *_: None),
    (r"toy control is (\S+)", lambda host, match: 0 if _version(host, CONTROL) == match[1] else 1),
    (r"toy node is (\S+)", lambda host, match: 0 if _version(host, NODE) == match[1] else 1),
    (r"toy upgrade (?P<how>\w+) (?P<version>\S+)", _upgrade),
]
COMPILED = [(re.compile(pattern, re.DOTALL), handler) for pattern, handler in HANDLERS]
