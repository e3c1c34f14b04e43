"""The base of typed views: an object's own dict, read through properties, never copied and never changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, ClassVar

from sloth.errors import UsageError
from sloth.kube.kstatus import Health, conditions, health
from sloth.kube.workloads.times import when

Map = Mapping[str, Any]


class View:
    """A read-only look at an object. `raw` is the very dict: send that back, and no field is lost.

    Views raise UsageError for an object of another kind; a field that is not there is empty, None or 0, as its property says.
    """

    __slots__ = ("raw",)
    KIND: ClassVar[str] = ""
    API: ClassVar[str] = "v1"

    def __init__(self, raw: Map) -> None:
        if self.KIND and (raw.get("apiVersion"), raw.get("kind")) != (self.API, self.KIND):
            raise UsageError(
                "kube/other-kind",
                f"this is no {self.API} {self.KIND} but a {raw.get('apiVersion')} {raw.get('kind')}",
                hint="use the view of its kind, or the dict itself",
            )
        self.raw = raw

    def __repr__(self) -> str:
        return f"{type(self).__name__}({f'{self.namespace}/' if self.namespace else ''}{self.name})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, View) and self.raw == other.raw

    __hash__ = None  # type: ignore[assignment]  # what it shows can change

    @property
    def meta(self) -> Map:
        """`metadata`."""
        return part(self.raw, "metadata")

    @property
    def spec(self) -> Map:
        """`spec`."""
        return part(self.raw, "spec")

    @property
    def status(self) -> Map:
        """`status`."""
        return part(self.raw, "status")

    @property
    def name(self) -> str:
        """`metadata.name`."""
        return text(self.meta, "name")

    @property
    def namespace(self) -> str:
        """`metadata.namespace`; empty for what is in none."""
        return text(self.meta, "namespace")

    @property
    def uid(self) -> str:
        """`metadata.uid`."""
        return text(self.meta, "uid")

    @property
    def labels(self) -> Mapping[str, str]:
        """`metadata.labels`."""
        return part(self.meta, "labels")

    @property
    def annotations(self) -> Mapping[str, str]:
        """`metadata.annotations`."""
        return part(self.meta, "annotations")

    @property
    def created(self) -> datetime | None:
        """When it was made."""
        return when(self.meta.get("creationTimestamp"))

    @property
    def deleting(self) -> bool:
        """Whether it is on its way out."""
        return bool(self.meta.get("deletionTimestamp"))

    @property
    def health(self) -> Health:
        """Whether it is what its spec says, by the rules of kstatus."""
        return health(self.raw)

    def condition(self, name: str) -> bool | None:
        """Whether that condition is true; None where it is unknown or not there."""
        found = conditions(self.raw).get(name) or {}
        return {"True": True, "False": False}.get(str(found.get("status")))


def part(where: Map, name: str) -> Map:
    """A map inside; empty if it is not there."""
    found = where.get(name)
    return found if isinstance(found, Mapping) else {}


def parts(where: Map, name: str) -> list[Map]:
    """The maps of a list inside."""
    return [each for each in where.get(name) or () if isinstance(each, Mapping)]


def text(where: Map, name: str) -> str:
    """A text inside; empty if it is not there."""
    found = where.get(name)
    return "" if found is None else str(found)


def number(where: Map, name: str, default: int = 0) -> int:
    """A number inside."""
    found = where.get(name)
    return default if found is None else int(found)


def images(pod_spec: Map) -> list[str]:
    """The images of a pod's containers, those that run first in front."""
    listed: Iterable[Map] = [*parts(pod_spec, "initContainers"), *parts(pod_spec, "containers")]
    return [text(each, "image") for each in listed]
