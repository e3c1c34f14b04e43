"""Waiting until objects are what their specs say."""

from __future__ import annotations

from collections.abc import Sequence

from sloth.errors import KubernetesError
from sloth.kube.api import Api
from sloth.kube.decode import document, ok
from sloth.kube.kstatus import Health, health
from sloth.kube.resource import Resource
from sloth.kube.wire import Call, Pause, Request, ask_all
from sloth.model.words import counted

EVERY = 1.0  # seconds between two looks


def wait_current(api: Api, targets: Sequence[tuple[Resource, str, str]], seconds: float) -> Call[None]:
    """Look at (resource, namespace, name) until all are current; a failed one ends it at once.

    `seconds` counts the pauses between looks. Raises KubernetesError with the state of each that is not, ApiError.
    """
    left = list(targets)
    looks = max(1, round(seconds / EVERY) + 1)
    for look in range(looks):
        states = yield from _look(left)
        failed = [each for each, state in states if state.word == "Failed"]
        left = [each for each, state in states if state.word != "Current"]
        if not left:
            return
        if failed or look == looks - 1:
            raise _not_healthy([pair for pair in states if pair[1].word != "Current"], seconds, failed=bool(failed))
        yield Pause(EVERY)


def _look(targets: Sequence[tuple[Resource, str, str]]) -> Call[list[tuple[tuple[Resource, str, str], Health]]]:
    requests = [
        Request("GET", resource.path(namespace, name), what=resource.words("get", namespace, name))
        for resource, namespace, name in targets
    ]
    answers = yield from ask_all(requests)
    return [
        (target, Health("InProgress", "it is not there") if answer.status == 404 else health(document(ok(answer, request))))
        for target, answer, request in zip(targets, answers, requests, strict=True)
    ]


def _not_healthy(states: Sequence[tuple[tuple[Resource, str, str], Health]], seconds: float, *, failed: bool) -> KubernetesError:
    lines = []
    for (resource, namespace, name), state in states:
        place = "/".join(part for part in (namespace, name) if part)
        lines.append(f"{resource.kind} {place}: {state.word}: {state.why}")
    first, namespace, name = states[0][0]
    place = f" --namespace {namespace}" if namespace else ""
    return KubernetesError(
        "kube/not-healthy",
        f"{'failed or not ready' if failed else f'not ready after {seconds:g} s'}: {counted(len(states), 'object')}",
        detail="\n".join(lines),
        hint=f"sloth kube get {first.singular or first.plural}/{name}{place} --output yaml",
    )
