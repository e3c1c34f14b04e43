"""Logs of the fake API server's pods: what a test says that they wrote, followed while more is written.

What it answers is what the API server and kubelet answer (kubernetes.io, API reference, PodLogOptions).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sloth.testing.kube_patch import Refused
from sloth.testing.kube_state import State

_KINDS = ("initContainers", "containers", "ephemeralContainers")
Key = tuple[str, str, str, bool]
_OVER = ("Succeeded", "Failed")


def write(
    state: State, pod: str, *texts: str | bytes, namespace: str = "default", container: str = "app", previous: bool = False,
    at: datetime | None = None,
) -> None:  # fmt: skip
    """The container writes these lines, now or `at` that time; `previous`: in its run before this one."""
    with state.lock:
        log = state.logs.setdefault((namespace, pod, container, previous), [])
        log += [(at or datetime.now(UTC), text.encode() if isinstance(text, str) else text) for text in texts]
        state.lock.notify_all()


def log(state: State, pod: dict[str, Any], query: Mapping[str, str], stopping: threading.Event) -> bytes | Iterator[bytes]:
    """The log that is asked for; with `follow` as it comes. Raises Refused."""
    meta = pod["metadata"]
    container, previous = _container(pod, query.get("container", "")), query.get("previous") == "true"
    key = (meta["namespace"], meta["name"], container, previous)
    if previous and key not in state.logs:
        raise Refused(400, "BadRequest", f'previous terminated container "{container}" in pod "{meta["name"]}" not found')
    found = _wanted(state.logs.get(key, []), query)
    if query.get("follow") != "true":
        whole = b"".join(found)
        return whole[: int(query.get("limitBytes") or len(whole))]
    return _followed(state, key, meta["uid"], found, query=query, stopping=stopping)


def _container(pod: Mapping[str, Any], wanted: str) -> str:
    names = [str(each["name"]) for kind in _KINDS for each in pod["spec"].get(kind) or ()]
    if wanted and wanted not in names:
        raise Refused(400, "BadRequest", f"container {wanted} is not valid for pod {pod['metadata']['name']}")
    if not wanted and len(names) > 1:
        listed = " ".join(str(each["name"]) for each in pod["spec"]["containers"])
        text = f"a container name must be specified for pod {pod['metadata']['name']}, choose one of: [{listed}]"
        raise Refused(400, "BadRequest", text)
    return wanted or names[0]


def _wanted(lines: list[tuple[datetime, bytes]], query: Mapping[str, str]) -> list[bytes]:
    since = datetime.min.replace(tzinfo=UTC)
    if "sinceSeconds" in query:
        since = datetime.now(UTC) - timedelta(seconds=int(query["sinceSeconds"]))
    elif "sinceTime" in query:
        since = datetime.fromisoformat(query["sinceTime"])
    found = [(at, text) for at, text in lines if at >= since]
    tail = int(query.get("tailLines", len(found)))
    return [_line(at, text, query) for at, text in found[len(found) - min(tail, len(found)) :]]


def _line(at: datetime, text: bytes, query: Mapping[str, str]) -> bytes:
    stamp = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ ").encode() if query.get("timestamps") == "true" else b""
    return stamp + text + b"\n"


def _followed(
    state: State, key: Key, uid: str, first: list[bytes], *, query: Mapping[str, str], stopping: threading.Event
) -> Iterator[bytes]:
    """Until the pod is over or gone."""
    pods, seen = state.resource("", "v1", "pods"), len(state.logs.get(key, []))
    if first:
        yield b"".join(first)

    def over() -> bool:
        pod = state.objects.get((pods.group, pods.plural, *key[:2]))
        return stopping.is_set() or pod is None or pod["metadata"]["uid"] != uid or pod["status"].get("phase") in _OVER

    while True:
        with state.lock:
            while len(state.logs.get(key, [])) == seen and not over():
                state.lock.wait()
            new = state.logs.get(key, [])[seen:]
            done = over() and not new
        if done:
            return
        seen += len(new)
        yield b"".join(_line(at, text, query) for at, text in new)
