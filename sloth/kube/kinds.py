"""Kinds by any of their names: `pods`, `po`, `Pod`, `deployments.apps`, `deployments.v1.apps`, `apps/v1/Deployment`, `all`.

What every server has is known without asking (`builtin`); for anything else the server is asked once, and a file may keep the
answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from sloth.errors import UsageError
from sloth.kube.builtin import BUILTIN
from sloth.kube.discovery import Found, discover
from sloth.kube.resource import Resource
from sloth.kube.wire import Call


class Keeper(Protocol):
    """Where discoveries are kept between runs."""

    def load(self) -> Found | None:
        """What was kept last, if anything."""
        ...

    def save(self, found: Found) -> None:
        """Keep this instead."""
        ...


class Kinds:
    """The kinds of one server. Thread-safe; two threads may ask at the same time, and the later answer stays."""

    def __init__(self, keeper: Keeper | None = None) -> None:
        self._keeper = keeper
        self._found: Found | None = None

    def find(self, name: str | Resource) -> Call[Resource]:
        """The kind of that name. Raises UsageError where the server has none."""
        if isinstance(name, Resource):
            return name
        found = match(BUILTIN, name)
        if found:
            return found
        if name == "all":
            raise UsageError("kube/unknown-kind", "`all` is a category, no kind", hint="name one kind")
        for fresh in (False, True):
            found = match((yield from self.all(fresh=fresh)), name)
            if found:
                return found
        raise UsageError("kube/unknown-kind", f"the cluster has no kind `{name}`", hint="sloth kube api-resources")

    def of(self, api_version: str, kind: str) -> Call[Resource]:
        """The resource of an object's apiVersion and kind. Raises UsageError."""
        return (yield from self.find(f"{api_version}/{kind}"))

    def category(self, name: str) -> Call[list[Resource]]:
        """The preferred kinds of a category such as `all`; none if there is no such category."""
        listed = list(BUILTIN) if name == "all" else (yield from self.all())
        return preferred(each for each in listed if name in each.categories)

    def all(self, *, fresh: bool = False) -> Call[tuple[Resource, ...]]:
        """Every kind, from memory or the file unless `fresh`. A fresh look costs two short answers if nothing changed."""
        found = self._found or (self._keeper.load() if self._keeper else None)
        if found is None or fresh:
            before = found
            found = yield from discover(before)
            if self._keeper and found != before:
                self._keeper.save(found)
        self._found = found
        return found.resources


def match(known: Iterable[Resource], name: str) -> Resource | None:
    """The first of these that the name may mean: plural, singular, kind or short name, with a group or a group and version."""
    if "/" in name:
        api_version, _, word = name.rpartition("/")
        return next((each for each in known if each.api_version == api_version and _called(each, word)), None)
    known = tuple(known)
    word, _, rest = name.partition(".")
    if not rest:
        return next((each for each in known if _called(each, word)), None)
    return next(
        (each for each in known if _called(each, word) and rest in (each.group, f"{each.version}.{each.group}".rstrip("."))), None
    )


def _called(each: Resource, word: str) -> bool:
    low = word.lower()
    return low in (each.plural, each.singular, each.kind.lower()) or low in each.short


def preferred(listed: Iterable[Resource]) -> list[Resource]:
    """One version of each kind: the first."""
    return list({(each.group, each.plural): each for each in reversed(list(listed))}.values())[::-1]
