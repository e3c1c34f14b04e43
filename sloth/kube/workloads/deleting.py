"""Deleting objects, many at once, and waiting until they are really gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sloth.errors import KubernetesError, raise_all
from sloth.kube.api import Api, Propagation
from sloth.kube.decode import document
from sloth.kube.faults import fault
from sloth.kube.resource import Resource
from sloth.kube.wire import Answer, Call, Object, Pause, Request, ask_all
from sloth.kube.workloads.listing import looked_up

EVERY = 1.0  # seconds between two looks


@dataclass(frozen=True, slots=True)
class Target:
    """One object that is to go; with `uid` only if it is that very one."""

    resource: Resource
    namespace: str
    name: str
    uid: str = ""

    def __str__(self) -> str:
        word = f"{self.resource.singular or self.resource.kind.lower()}.{self.resource.group}".rstrip(".")
        return f"{word} {self.namespace}/{self.name}" if self.namespace else f"{word} {self.name}"


@dataclass(frozen=True, slots=True)
class How:
    """How to delete. `grace` is seconds; `version`: only if the object is of that resource version.

    `missing_ok`: an object that is not there is no failure.
    """

    propagation: Propagation = "Background"
    grace: int | None = None
    version: str = ""
    dry_run: bool = False
    missing_ok: bool = False


DEFAULT = How()


def delete_all(api: Api, targets: Sequence[Target], how: How = DEFAULT) -> Call[list[Target]]:
    """Delete these side by side: those that were there, each with its uid.

    All are tried, then the failures of those that were refused are raised: ApiError, or ManyErrors of several.
    """
    requests: list[Request] = []
    for each in targets:
        requests.append(
            (
                yield from api.delete_request(
                    each.resource, each.name, each.namespace or None, propagation=how.propagation, uid=each.uid,
                    version=how.version, grace=how.grace, dry_run=how.dry_run,
                )
            )
        )  # fmt: skip
    answers = yield from ask_all(requests)
    failed, done = [], []
    for each, answer, request in zip(targets, answers, requests, strict=True):
        if answer.status == 404 and how.missing_ok:
            continue
        if answer.status >= 400:
            failed.append(fault(answer, request))
        else:
            done.append(replace(each, uid=each.uid or _uid(answer)))
    raise_all(f"{len(failed)} of {len(targets)} objects were not deleted", failed)
    return done


def _uid(answer: Answer) -> str:
    """Of the deleted object: the server answers with it, or with a Status about it."""
    found = document(answer)
    about = (found.get("details") if found.get("kind") == "Status" else found.get("metadata")) or {}
    return str(about.get("uid", ""))


def wait_gone(targets: Sequence[Target], seconds: float, every: float = EVERY) -> Call[None]:
    """Look until none of these is there any more; another object of the same name is not the same.

    `seconds` counts the pauses between looks. Raises KubernetesError that says what holds each that is left, ApiError.
    """
    left = list(targets)
    looks = max(1, round(seconds / every) + 1)
    for look in range(looks):
        items = yield from looked_up((each.resource, each.namespace, each.name) for each in left)
        there = [(each, item) for each, item in zip(left, items, strict=True) if item is not None and _same(each, item)]
        if not there:
            return
        if look == looks - 1:
            raise _left(there, seconds)
        left = [each for each, _ in there]
        yield Pause(every)


def _same(target: Target, item: Object) -> bool:
    return target.uid in ("", str(item["metadata"].get("uid", "")))


def _left(there: Sequence[tuple[Target, Object]], seconds: float) -> KubernetesError:
    lines = []
    for each, item in there:
        held = ", ".join(item["metadata"].get("finalizers") or ())
        grace = item["metadata"].get("deletionGracePeriodSeconds")
        why = f"held by finalizers: {held}" if held else f"it has {grace} s to end" if grace else "it is still there"
        lines.append(f"{each}: {why}")
    first = there[0][0]
    place = f" --namespace {first.namespace}" if first.namespace else ""
    return KubernetesError(
        "kube/still-there",
        f"{len(there)} objects are not gone after {seconds:g} s",
        detail="\n".join(lines),
        hint=f"sloth kube describe {first.resource.plural} {first.name}{place}",
    )
