"""HTTP/2 and protobuf beside HTTP/1.1 and JSON: one client, four ways, whole processes in turn against one real API server.

python -m tests.bench.transport [PODS]
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.kube import fill, kubeconfig
from tests.bench.measure import Figure, median
from tests.kube.real import RealKube

PODS, UPDATES, TURNS = 10_000, 3_000, 3
WAYS = {
    "http1-json": {},
    "http2-json": {"http2": True},
    "http1-protobuf": {"protobuf": True},
    "http2-protobuf": {"http2": True, "protobuf": True},
}
# Each gets its options as JSON. `watch` prints READY, then what its updates cost; the others are measured as whole processes.
_COMMON = """
import atexit, json, re, resource, sys, threading
from sloth.kube import Client
def used():
    mine = resource.getrusage(resource.RUSAGE_SELF)
    return mine.ru_utime + mine.ru_stime
def said(since=0.0):
    peak = re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())  # of this program alone, not of what started it
    return {"cpu": used() - since, "peak": int(peak[1]) / 1024}
client = Client.from_kubeconfig(rate=1e6, burst=10**6, **json.loads(sys.argv[1]))
def side_by_side(count, work):
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""
_WHOLE = _COMMON + "atexit.register(lambda: print(json.dumps(said())))\n"
PROGRAMS = {
    "first": _WHOLE + "client.get('namespaces', 'default')\n",
    "list": _WHOLE + "assert sum(1 for _ in client.each('pods', '*')) == int(sys.argv[2])\n",
    "hold": _WHOLE + "found = client.list('pods', '*')\nassert len(found) == int(sys.argv[2])\n",
    "reads": _WHOLE + "side_by_side(16, lambda: [client.get('pods', 'pod-000000') for _ in range(100)])\n",
    "watches": _WHOLE
    + """
def follow():
    for _ in client.watch('namespaces', fields='metadata.name=default'):
        return ready.wait()
ready = threading.Barrier(60)
side_by_side(60, follow)
""",
    "watch": _COMMON
    + """
left, listed, start = int(sys.argv[2]), 0, 0.0
for event in client.watch('pods', 'default'):
    if event.type == 'ADDED':
        listed += 1
        if listed == int(sys.argv[3]):
            print('READY', flush=True)
            start = used()
    elif event.type == 'MODIFIED':
        left -= 1
        if not left:
            break
print(json.dumps(said(start)), flush=True)
""",
}


def _sizes(server: RealKube) -> dict[str, int]:
    """Bytes of the whole list in each form, as the server sends them when nobody packs them."""
    from sloth.kube import Client
    from sloth.kube.wire import JSON, Request, ask

    def size(client: Client, accept: str) -> int:
        total, token = 0, ""
        while True:
            headers = {"Accept": accept, "Accept-Encoding": "identity"}
            total += len(client.run(ask(Request("GET", "/api/v1/pods", (("limit", "500"), ("continue", token)), headers))).body)
            token = client.run(client.api.page("pods", "*", limit=500, token=token)).token
            if not token:
                return total

    with Client(server.connection) as client:
        return {
            form: size(client, accept) for form, accept in (("json", JSON), ("protobuf", "application/vnd.kubernetes.protobuf"))
        }


def _touch(server: RealKube, pods: int) -> None:
    """That many updates, as fast as the server takes them."""
    from concurrent.futures import ThreadPoolExecutor

    from sloth.kube import Client

    with Client(server.connection, rate=1e6, burst=10**6) as client, ThreadPoolExecutor(8) as threads:

        def one(number: int) -> None:
            client.patch("pods", f"pod-{number % pods:06}", {"metadata": {"labels": {"touched": str(time.time_ns())}}}, "default")

        list(threads.map(one, range(UPDATES)))


def _watched(server: RealKube, program: Path, options: dict[str, bool], env: dict[str, str], pods: int) -> dict[str, Any]:
    process = subprocess.Popen(
        [sys.executable, str(program), json.dumps(options), str(UPDATES), str(pods)], stdout=subprocess.PIPE, text=True, env=env
    )
    assert process.stdout
    try:
        assert process.stdout.readline() == "READY\n"
        _touch(server, pods)
        found: dict[str, Any] = json.loads(process.stdout.readline())
        return {**found, "events": UPDATES, "cpu-per-event-ms": found["cpu"] / UPDATES * 1000}
    finally:
        process.kill()
        process.wait()


def _in_turn(program: Path, env: dict[str, str], pods: int) -> dict[str, Figure]:
    taken: dict[str, list[Figure]] = {way: [] for way in WAYS}
    for turn in range(TURNS + 1):
        for way, options in WAYS.items():
            begin = time.monotonic()
            command = [sys.executable, str(program), json.dumps(options), str(pods)]
            done = subprocess.run(command, env=env, stdout=subprocess.PIPE, check=True)
            figure = Figure(wall=time.monotonic() - begin, **json.loads(done.stdout))
            if turn:  # the first turn warms caches
                taken[way].append(figure)
    return {way: median(figures) for way, figures in taken.items()}


def _figures(server: RealKube, folder: Path, pods: int) -> Iterator[tuple[str, object]]:
    env = {"KUBECONFIG": str(folder / "config"), "PATH": "/usr/bin:/bin", "HOME": str(folder)}
    yield "bytes", _sizes(server)
    for name, text in PROGRAMS.items():
        program = folder / f"{name}.py"
        program.write_text(text)
        if name == "watch":
            yield name, {way: _watched(server, program, options, env, pods) for way, options in WAYS.items()}
            continue
        figures = _in_turn(program, env, pods)
        yield name, {way: {"wall": each.wall, "cpu": each.cpu, "peak": each.peak} for way, each in figures.items()}


def run(pods: int = PODS) -> dict[str, object]:
    """First request, lists (passed through and held), reads by 16 threads, 60 watches at once, one watch of many changes."""
    with tempfile.TemporaryDirectory(prefix="sloth-bench-transport-") as folder:
        server = RealKube(Path(folder))
        try:
            Path(folder, "config").write_text(kubeconfig(server))
            fill(server, 0, pods)
            return {"kube-transport": {"pods": pods, **dict(_figures(server, Path(folder), pods))}}
        finally:
            server.stop()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(int(sys.argv[1]) if len(sys.argv) > 1 else PODS), indent=2) + "\n")
