"""Events: of one object or of a namespace, in the order in which they were last seen."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from sloth.kube.api import Api
from sloth.kube.resource import EVERYWHERE, Resource
from sloth.kube.wire import Call, Object
from sloth.kube.workloads.listing import listed
from sloth.kube.workloads.times import age, when

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class About:
    """The object whose events are meant; `uid` only of that very one."""

    resource: Resource
    name: str
    uid: str = ""

    def fields(self) -> str:
        """As a field selector."""
        words = [f"involvedObject.kind={self.resource.kind}", f"involvedObject.name={self.name}"]
        return ",".join([*words, f"involvedObject.uid={self.uid}"] if self.uid else words)


def events(
    api: Api, namespace: str | None = None, *, about: About | None = None, types: Collection[str] = ()
) -> Call[list[Object]]:
    """Events, the latest last; only of these types (`Normal`, `Warning`) if any are given. Raises ApiError.

    Those of an object that is in no namespace may be in any.
    """
    place = EVERYWHERE if about and not about.resource.namespaced else namespace
    found = yield from listed(api, "events", place, fields=about.fields() if about else "")
    return in_order(each for each in found if wanted(each, types))


def wanted(event: Object, types: Collection[str]) -> bool:
    """Whether it is of one of these types, in any case of letters; no types are all."""
    return not types or str(event.get("type", "")).lower() in {each.lower() for each in types}


def in_order(found: Iterable[Object]) -> list[Object]:
    """By the time when they were last seen."""
    return sorted(found, key=lambda each: when(last_seen(each)) or _LONG_AGO)


def last_seen(event: Object) -> str:
    """The time of its last occurrence: of its series, or as older components say it."""
    series = event.get("series") or {}
    made = event["metadata"].get("creationTimestamp")
    return str(
        series.get("lastObservedTime")
        or event.get("lastTimestamp")
        or event.get("eventTime")
        or event.get("firstTimestamp")
        or made
    )


def row(event: Object, now: datetime, *, namespaces: bool = False) -> list[str]:
    """LAST SEEN, TYPE, REASON, OBJECT, MESSAGE; with their namespace first if that is asked for."""
    about = event.get("involvedObject") or {}
    subject = f"{str(about.get('kind', '')).lower()}/{about.get('name', '')}"
    cells = [_seen(event, now), str(event.get("type", "")), str(event.get("reason", "")), subject, str(event.get("message", ""))]
    return [str(event["metadata"].get("namespace", "")), *cells] if namespaces else cells


def _seen(event: Object, now: datetime) -> str:
    count = (event.get("series") or {}).get("count") or event.get("count") or 1
    last = age(last_seen(event), now)
    if count < 2:
        return last
    first = event.get("firstTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp")
    return f"{last} (x{count} over {age(first, now)})"


HEAD = ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
