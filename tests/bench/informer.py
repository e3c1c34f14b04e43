"""sloth's informer beside the official client's: 10,000 objects, 1,000 updates a second for a minute, from a real API server.

The objects are of a custom kind, which API servers keep as JSON, and the updates go straight into etcd, one transaction each: so
the API server only passes them on, and the two cores of a small machine are left to the informers. For the official client that
is the best case: it decodes them to dicts, while the kinds that it knows become models. Each update holds its number and the time
of its writing; an informer's lag is the time until its subscriber has it.
"""

from __future__ import annotations

import base64
import json
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.kube import bench_python, kubeconfig
from tests.kube.real import RealKube

OBJECTS, RATE, SECONDS, WARM, WARM_SERVER = 10_000, 1_000, 60, 5, 15
WIDE = 8  # divides the number of objects
GROUP, PLURAL = "bench.sloth.dev", "gauges"
_SCHEMA = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"{PLURAL}.{GROUP}"},
    "spec": {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {"plural": PLURAL, "singular": "gauge", "kind": "Gauge", "listKind": "GaugeList"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": _SCHEMA}}],
    },
}
# Both print READY when they hold all objects, take updates until the last one, and print what they saw.
_COMMON = """
import json, os, resource, sys, time
objects, updates = int(sys.argv[1]), int(sys.argv[2])
lags, seen, start = [], set(), []
def used():
    mine = resource.getrusage(resource.RUSAGE_SELF)
    return mine.ru_utime + mine.ru_stime
def highest():  # of this program: ru_maxrss begins with what the parent had
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM:")) / 1024
def took(item):
    number = item["spec"]["number"]
    if number > 0:
        start or start.append(used())
        lags.append(time.time_ns() - item["spec"]["sent"])
        seen.add(number)
    return len(seen)
def told(versions, merged):
    print(json.dumps({"cpu": used() - start[0], "lags": lags, "seen": len(seen), "merged": merged, "versions": versions,
                      "peak": highest()}), flush=True)
"""
PROGRAMS = {
    "sloth": _COMMON
    + """
from sloth.kube import Client, Informer
with Client.from_kubeconfig() as client, Informer(client, "gauges.bench.sloth.dev", "*") as informer:
    informer.synced(120)
    assert len(informer.store) == objects
    subscription = informer.subscribe(limit=10**6)
    for _ in range(objects):
        subscription.take(60)
    merged = subscription.merged
    print("READY", flush=True)
    while took(subscription.take(30).object) + subscription.merged - merged < updates:
        pass
    told({each["metadata"]["name"]: each["metadata"]["resourceVersion"] for each in informer.store.all()},
         subscription.merged - merged)
""",
    "official": _COMMON
    + """
import threading
from types import SimpleNamespace
from kubernetes import client, config
from kubernetes.informer import SharedInformer
config.load_kube_config()
api = client.CustomObjectsApi()
def listing(**more) -> object:
    got = api.list_cluster_custom_object("bench.sloth.dev", "v1", "gauges", **more)
    if more.get("watch"):
        return got
    return SimpleNamespace(items=got["items"], metadata=SimpleNamespace(resource_version=got["metadata"]["resourceVersion"]))
done = threading.Event()
informer = SharedInformer(list_func=listing)
informer.add_event_handler("MODIFIED", lambda item: took(item) == updates and done.set())
informer.start()
while len(informer.cache.list_keys()) < objects:
    time.sleep(0.1)
time.sleep(1)
print("READY", flush=True)
done.wait(300)
told({each["metadata"]["name"]: each["metadata"]["resourceVersion"] for each in informer.cache.list()}, 0)
os._exit(0)
""",
}


class Writer:
    """Puts into etcd over its JSON gateway (etcd.io, "gRPC gateway"), several at a time on one connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._rest = b""

    def send(self, number: int, name: str) -> None:
        """Ask for an update of this object; the answer is read by `revision`."""
        key = base64.b64encode(f"/registry/{GROUP}/{PLURAL}/default/{name}".encode()).decode()
        value = base64.b64encode(json.dumps(gauge(name, number), separators=(",", ":")).encode()).decode()
        body = f'{{"key":"{key}","value":"{value}"}}'
        head = f"POST /v3/kv/put HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nContent-Length: {len(body)}\r\n\r\n"
        self._socket.sendall(head.encode() + body.encode())

    def revision(self) -> str:
        """The revision of the next put that was answered."""
        while True:
            head, end, body = self._rest.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: *(\d+)", head)
            if end and length and len(body) >= int(length[1]):
                self._rest = body[int(length[1]) :]
                found = re.search(rb'"revision": *"(\d+)"', body)
                assert head.startswith(b"HTTP/1.1 200") and found, (head, body)
                return found[1].decode()
            data = self._socket.recv(65536)
            assert data, "etcd closed the connection"
            self._rest += data

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


def gauge(name: str, number: int) -> dict[str, Any]:
    """About 1 kB, as many custom objects are."""
    meta = {
        "name": name,
        "namespace": "default",
        "uid": f"uid-of-{name}",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "generation": 1,
    }
    labels = {f"label-{at}": f"value-{at}" for at in range(8)}
    conditions = [{"type": f"Condition{at}", "status": "True", "message": "x" * 60} for at in range(4)]
    return {
        "apiVersion": f"{GROUP}/v1", "kind": "Gauge", "metadata": {**meta, "labels": labels},
        "spec": {"number": number, "sent": time.time_ns()}, "status": {"conditions": conditions},
    }  # fmt: skip


def write(port: int, numbers: range, rate: int, objects: int = OBJECTS) -> dict[str, str]:
    """Updates with these numbers, so many a second (0: as fast as it goes): the last revision of each object.

    Over several connections, of which etcd serves each one request at a time; an object's updates all go over one.
    """
    writers, versions = [Writer(port) for _ in range(WIDE)], dict[str, str]()
    names = [f"gauge-{number % objects:05}" for number in numbers]

    def read(lane: int) -> None:
        for name in names[lane::WIDE]:
            versions[name] = writers[lane].revision()

    readers = [threading.Thread(target=read, args=(lane,)) for lane in range(WIDE)]
    for reader in readers:
        reader.start()
    begin = time.monotonic()
    for at, (number, name) in enumerate(zip(numbers, names, strict=True)):
        if rate and at % WIDE == 0:
            time.sleep(max(0.0, begin + at / rate - time.monotonic()))
        writers[at % WIDE].send(number, name)
    for reader, writer in zip(readers, writers, strict=True):
        reader.join()
        writer.close()
    return versions


def _served(server: RealKube) -> None:
    from sloth.errors import UsageError
    from sloth.kube import ApiError, Client

    with Client(server.connection) as client:
        client.apply(CRD)
        for _ in range(200):
            try:
                client.run(client.api.page(f"{PLURAL}.{GROUP}", "*", limit=1))
                return
            except (ApiError, UsageError):  # not served yet, or not known yet
                time.sleep(0.1)
    raise AssertionError("the custom kind is not served")


def _one(python: str, text: str, folder: Path, port: int, seconds: int) -> dict[str, Any]:
    updates = RATE * seconds
    program = folder / "informer_program.py"
    program.write_text(text)
    process = subprocess.Popen(
        [python, str(program), str(OBJECTS), str(updates)],
        stdout=subprocess.PIPE, text=True,
        env={"KUBECONFIG": str(folder / "config"), "PATH": "/usr/bin:/bin", "HOME": str(folder)},
    )  # fmt: skip
    assert process.stdout
    try:
        assert process.stdout.readline() == "READY\n"
        write(port, range(-WARM * RATE, 0), RATE)  # the first seconds are those of caches, of the server's too
        begin = time.monotonic()
        versions = write(port, range(1, updates + 1), RATE)
        wrote = time.monotonic() - begin
        said = json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
    lags = sorted(said["lags"])
    differing = sum(said["versions"].get(name) != version for name, version in versions.items())
    return {
        "cpu": said["cpu"], "cpu-share": said["cpu"] / wrote, "peak": said["peak"], "updates-per-second": updates / wrote,
        "lag-median-ms": statistics.median(lags) / 1e6, "lag-p99-ms": lags[int(len(lags) * 0.99)] / 1e6,
        "lag-max-ms": lags[-1] / 1e6,
        "lost": updates - said["seen"] - said["merged"], "merged": said["merged"], "objects-at-another-version": differing,
    }  # fmt: skip


def programs(python: str) -> Iterator[tuple[str, str, str]]:
    """Name, interpreter and text of each."""
    for name, text in PROGRAMS.items():
        yield name, python if name == "sloth" else bench_python(), text


def run(python: str = sys.executable, seconds: int = SECONDS) -> dict[str, object]:
    """Both, one after the other, on one server."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="sloth-bench-informer-") as folder:
        server = RealKube(Path(folder))
        try:
            Path(folder, "config").write_text(kubeconfig(server))
            _served(server)
            write(server.etcd_port, range(-OBJECTS, 0), 0)
            write(server.etcd_port, range(-WARM_SERVER * RATE, 0), RATE)  # whoever comes first must not pay for a cold server
            for name, interpreter, text in programs(python):
                found[name] = _one(interpreter, text, Path(folder), server.etcd_port, seconds)
        finally:
            server.stop()
    found["cpu-ratio"] = found["sloth"]["cpu"] / found["official"]["cpu"]
    return {"kube-informer": found}


def lines(found: dict[str, Any]) -> str:
    """The table of docs/benchmarks.md."""
    ours, theirs = found["sloth"], found["official"]
    rows = [
        "| figure | sloth | official | asked |",
        "|---|---|---|---|",
        f"| updates a second | {ours['updates-per-second']:.0f} | {theirs['updates-per-second']:.0f} | 1,000 |",
        f"| updates lost, by number and by resource version | {ours['lost']}, {ours['objects-at-another-version']} "
        f"| {theirs['lost']}, {theirs['objects-at-another-version']} | 0 |",
        f"| CPU of the process for all updates | {ours['cpu']:.2f} s | {theirs['cpu']:.2f} s | ≤ ½: {found['cpu-ratio']:.2f} |",
        f"| lag, median | {ours['lag-median-ms']:.0f} ms | {theirs['lag-median-ms']:.0f} ms | |",
        f"| lag, p99 | {ours['lag-p99-ms']:.0f} ms | {theirs['lag-p99-ms']:.0f} ms | ≤ 250 ms |",
        f"| peak memory | {ours['peak']:.0f} MB | {theirs['peak']:.0f} MB | |",
    ]
    return "\n".join(rows)


if __name__ == "__main__":
    result: Any = run(seconds=int(sys.argv[1]) if len(sys.argv) > 1 else SECONDS)
    sys.stdout.write(f"{json.dumps(result, indent=2)}\n\n{lines(result['kube-informer'])}\n")
