"""`sloth kube apply` beside `kubectl apply` against one real API server: 300 objects, at first and with nothing changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.bench.measure import Figure, median, once
from tests.kube.real import RealKube, mirror

EACH, RUNS = 100, 3


def manifests() -> str:
    """A hundred each of Deployments, Services and ConfigMaps, as a folder of small applications has them."""
    found: list[dict[str, Any]] = []
    for at in range(EACH):
        name, labels = f"app-{at:03}", {"app": f"app-{at:03}"}
        env = [{"name": f"VARIABLE_{number}", "value": f"value {number}"} for number in range(10)]
        container = {
            "name": "app",
            "image": "example.org/app:1",
            "env": env,
            "ports": [{"containerPort": 8080, "name": "http"}],
            "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
        }
        template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
        spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
        found.append({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": labels}, "spec": spec})
        # Headless: the server of the tests has 254 addresses for services.
        service = {"clusterIP": "None", "selector": labels, "ports": [{"port": 80, "targetPort": "http"}]}
        found.append({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": service})
        data = {f"setting-{number}": f"value {number} of {name}" for number in range(10)}
        found.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
    return yaml.safe_dump_all(found)


def tools(sloth: str) -> dict[str, list[str]]:
    """Their command lines, without namespace; kubectl also with server-side apply, which is what sloth does."""
    kubectl = sorted(mirror().glob("kubectl/*/linux-*/kubectl"), key=lambda path: path.stat().st_mtime)
    found = {"sloth": [sloth, "kube", "apply", "--filename", "many.yaml"]}
    if kubectl:
        found["kubectl"] = [str(kubectl[-1]), "apply", "--filename", "many.yaml"]
        found["kubectl-server-side"] = [*found["kubectl"], "--server-side"]
    return found


def figures(server: RealKube, folder: Path, sloth: str, env: dict[str, str]) -> dict[str, dict[str, Figure]]:
    """Medians by case and tool. Every first apply has a namespace of its own; tools take turns, the first turn is a warm-up."""
    from sloth.kube.client import Client

    (folder / "many.yaml").write_text(manifests())
    taken: dict[str, dict[str, list[Figure]]] = {"first": {}, "unchanged": {}}
    with Client(server.connection) as client:
        for turn in range(RUNS + 1):
            for name, command in tools(sloth).items():
                space = f"apply-{turn}-{name}"
                client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}})
                for case in ("first", "unchanged"):
                    figure = once([*command, "--namespace", space], cwd=folder, env=env)
                    if turn:
                        taken[case].setdefault(name, []).append(figure)
                assert len(client.list("deployments", space)) == EACH, (name, space)
    return {case: {name: median(each) for name, each in by_tool.items()} for case, by_tool in taken.items()}


def main() -> None:
    """These figures alone: `python -m tests.bench.kube_apply`."""
    from tests.bench.kube import main as parts

    parts(["apply"])


if __name__ == "__main__":
    main()
