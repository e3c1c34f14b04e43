"""The Kubernetes client beside lightkube, the official client, kr8s and kubectl: whole processes against one real API server,
in turn."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml

from tests.bench import kube_apply
from tests.bench.measure import Figure, median, once
from tests.kube.real import RealKube, mirror

PINNED = ("lightkube==1.0.1", "lightkube-models==1.37.0.8", "kubernetes==37.0.2", "kr8s==0.20.15")
RUNS = 9
# Each program lists what its arguments say (kind, namespaced or not) and prints how many there were: the same question for all.
PROGRAMS = {
    "sloth": """
import sys
from sloth.kube import Client
kind = sys.argv[1]
with Client.from_kubeconfig() as client:
    print(sum(1 for _ in client.each(kind, "*")))
""",
    "lightkube": """
import sys
from lightkube import Client
from lightkube.resources.core_v1 import Namespace, Pod
kind = sys.argv[1]
if kind == "pods":
    print(sum(1 for _ in Client().list(Pod, namespace="*", chunk_size=500)))
else:
    print(sum(1 for _ in Client().list(Namespace, chunk_size=500)))
""",
    "official": """
import sys
from kubernetes import client, config
kind = sys.argv[1]
config.load_kube_config()
api = client.CoreV1Api()
call = api.list_pod_for_all_namespaces if kind == "pods" else api.list_namespace
count, token = 0, None
while True:
    page = call(limit=500, _continue=token) if token else call(limit=500)
    count += len(page.items)
    token = page.metadata._continue
    if not token:
        break
print(count)
""",
    "kr8s": """
import sys
import kr8s
kind = sys.argv[1]
print(sum(1 for _ in kr8s.get(kind, namespace=kr8s.ALL)))
""",
}


def bench_home() -> Path:
    """Where that environment is, or will be."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sloth" / "bench-kube-venv"


def bench_python() -> str:
    """The interpreter of an environment with the other clients; made when it is missing or differs from PINNED."""
    home = bench_home()
    stamp, python = home / "pinned", home / "bin" / "python"
    wanted = "\n".join((*PINNED, sys.version))
    if not stamp.is_file() or stamp.read_text() != wanted:
        venv.create(home, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PINNED], check=True)
        subprocess.run([python, "-m", "compileall", "-q", str(home / "lib")], check=False)
        stamp.write_text(wanted)
    return str(python)


def kubeconfig(server: RealKube) -> str:
    """For all of them; the official client and kr8s know no `tls-server-name`, and the certificate has 127.0.0.1 in it too."""
    connection = server.connection
    assert connection.token
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "b",
        "clusters": [
            {
                "name": "b",
                "cluster": {
                    "server": connection.server,
                    "certificate-authority-data": base64.b64encode(connection.ca).decode(),
                },
            }
        ],
        "users": [{"name": "b", "user": {"token": connection.token.reveal()}}],
        "contexts": [{"name": "b", "context": {"cluster": "b", "user": "b", "namespace": "default"}}],
    }
    return yaml.safe_dump(document)  # as kubeconfigs are, which costs those who read YAML with Python


def pod(number: int) -> dict[str, object]:
    """About 10 kB as the server gives it back, as pods of real clusters have."""
    env = [{"name": f"VARIABLE_{at}", "value": f"the value of variable {at} of pod {number}"} for at in range(60)]
    container = {
        "name": "app",
        "image": "example.org/app:1",
        "env": env,
        "resources": {"requests": {"cpu": "1", "memory": "1Gi"}},
    }
    notes = {f"sloth.test/note-{at}": "x" * 60 for at in range(30)}
    labels = {"app": f"app-{number % 50}"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"pod-{number:06}", "labels": labels, "annotations": notes},
        "spec": {"containers": [container]},
    }


def fill(server: RealKube, begin: int, end: int) -> None:
    """Make these pods, side by side."""
    from sloth.kube.api import Api
    from sloth.kube.client import Client
    from sloth.kube.decode import dumps, ok
    from sloth.kube.wire import JSON, Call, Request, ask_all

    def made(api: Api) -> Call[None]:
        resource = yield from api.kinds.find("pods")
        requests = [
            Request("POST", resource.path("default"), (), {"Content-Type": JSON}, dumps(pod(number)), f"create pod {number}")
            for number in range(begin, end)
        ]
        answers = yield from ask_all(requests)
        for answer, request in zip(answers, requests, strict=True):
            ok(answer, request)

    with Client(server.connection, rate=1e6, burst=10**6) as client:
        client.run(made(client.api))


@contextmanager
def _server() -> Iterator[tuple[RealKube, Path]]:
    with tempfile.TemporaryDirectory(prefix="sloth-bench-kube-") as folder:
        server = RealKube(Path(folder))
        try:
            (Path(folder) / "config").write_text(kubeconfig(server))
            yield server, Path(folder)
        finally:
            server.stop()


def _commands(folder: Path, python: str, kind: str) -> dict[str, list[str]]:
    others = bench_python()
    found = {}
    for name, text in PROGRAMS.items():
        (folder / f"list_with_{name}.py").write_text(text)
        found[name] = [python if name == "sloth" else others, str(folder / f"list_with_{name}.py"), kind]
    if tool := kubectl():
        found["kubectl"] = [tool, "get", kind, "--all-namespaces", "-o", "json"]
    return found


def kubectl() -> str:
    """The newest of the mirror, which is of the server's version; empty if there is none."""
    found = sorted(mirror().glob("kubectl/*/linux-*/kubectl"), key=lambda path: path.stat().st_mtime)
    return str(found[-1]) if found else ""


def _in_turn(commands: dict[str, list[str]], runs: int, env: dict[str, str]) -> dict[str, Figure]:
    """Medians of all of them, one after the other in every turn; the first turn warms caches and is not counted."""
    taken: dict[str, list[Figure]] = {name: [] for name in commands}
    for turn in range(runs + 1):
        for name, command in commands.items():
            figure = once(command, env=env)
            if turn:
                taken[name].append(figure)
    return {name: median(figures) for name, figures in taken.items()}


def _beside(figures: dict[str, Figure]) -> dict[str, object]:
    ours = figures["sloth"]
    return {
        name: {
            "wall": each.wall,
            "cpu": each.cpu,
            "peak": each.peak,
            "ratio": ours.wall / each.wall,
            "memory": ours.peak / each.peak,
        }
        for name, each in figures.items()
    }


def _first(server: RealKube, folder: Path, sloth: str, python: str, env: dict[str, str]) -> dict[str, dict[str, Figure]]:
    return {"kube-first-list": _in_turn(_commands(folder, python, "namespaces"), RUNS, env)}


def _apply(server: RealKube, folder: Path, sloth: str, python: str, env: dict[str, str]) -> dict[str, dict[str, Figure]]:
    return {f"kube-apply-300-{case}": each for case, each in kube_apply.figures(server, folder, sloth, env).items()}


def _pods(server: RealKube, folder: Path, sloth: str, python: str, env: dict[str, str]) -> dict[str, dict[str, Figure]]:
    fill(server, 0, 1000)
    tables = {"sloth": [sloth, "kube", "get", "pods"]}
    if tool := kubectl():
        tables["kubectl"] = [tool, "get", "pods"]
    whole = _in_turn(tables, RUNS, {**env, "PWD": str(folder)})
    return {"kube-get-pods-table": whole, "kube-pods-1000": _in_turn(_commands(folder, python, "pods"), 3, env)}


def _many(server: RealKube, folder: Path, sloth: str, python: str, env: dict[str, str]) -> dict[str, dict[str, Figure]]:
    fill(server, 0, 10_000)
    commands = _commands(folder, python, "pods")
    commands.pop("kr8s", None)  # minutes, without saying more than at 1,000
    return {"kube-pods-10000": _in_turn(commands, 2, env)}


def _walk(server: RealKube, folder: Path, sloth: str, python: str, env: dict[str, str]) -> dict[str, dict[str, Figure]]:
    """A paged walk over 10,000 and over 100,000 custom objects of 1 kB, which are written straight into etcd."""
    from tests.bench import informer

    informer._served(server)
    (folder / "walk.py").write_text(PROGRAMS["sloth"])
    command = [python, str(folder / "walk.py"), f"{informer.PLURAL}.{informer.GROUP}"]
    found = {}
    for number in (10_000, 100_000):
        informer.write(server.etcd_port, range(number // 10 if number > 10_000 else 0, number), 0, number)
        found[f"walk-{number}"] = {"sloth": once(command, env=env)}
    return found


PARTS = {"first": _first, "apply": _apply, "pods": _pods, "many": _many, "walk": _walk}


def run(sloth: str, python: str = sys.executable, parts: Sequence[str] = tuple(PARTS)) -> dict[str, object]:
    """First list of namespaces, applies of 300 objects, `sloth kube get pods` beside kubectl, lists of 1,000 and 10,000 pods, a
    walk over 100,000 objects.

    Each part has a server of its own: what one leaves behind is nothing to the next.
    """
    return {case: _beside(figures) for case, figures in _measured(sloth, python, parts).items()}


def _measured(sloth: str, python: str, parts: Sequence[str]) -> dict[str, dict[str, Figure]]:
    results: dict[str, dict[str, Figure]] = {}
    for part in parts:
        with _server() as (server, folder):
            env = {**os.environ, "KUBECONFIG": str(folder / "config"), "SLOTH_CACHE_DIR": str(folder / "cache"), "NO_COLOR": "1"}
            results |= PARTS[part](server, folder, sloth, python, env)
    return results


def lines(measured: Mapping[str, Mapping[str, Figure]]) -> str:
    """The table of docs/benchmarks.md: wall and CPU seconds and MB of each, and sloth's part of it."""
    rows = ["| case | tool | wall | CPU | memory | sloth ÷ it: wall, CPU, memory |", "|---|---|---|---|---|---|"]
    for case, figures in measured.items():
        ours = figures["sloth"]
        for name, each in figures.items():
            ratios = f"{ours.wall / each.wall:.2f}, {ours.cpu / each.cpu:.2f}, {ours.peak / each.peak:.2f}"
            rows.append(f"| {case} | {name} | {each.wall:.3f} s | {each.cpu:.3f} s | {each.peak:.0f} MB | {ratios} |")
    return "\n".join(rows)


def main(parts: Sequence[str]) -> None:
    """Some parts alone, with the `sloth` beside this interpreter: `python -m tests.bench.kube first pods`."""
    measured = _measured(str(Path(sys.executable).parent / "sloth"), sys.executable, parts or tuple(PARTS))
    print(json.dumps({case: _beside(each) for case, each in measured.items()}, indent=1), "", lines(measured), sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
