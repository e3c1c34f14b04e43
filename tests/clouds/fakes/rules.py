"""What a fake cloud must be told of each kind of resource, and of what can go wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


class Refused(Exception):
    """The fake refuses a call, in the words of the real cloud."""


@dataclass
class Item:
    """One resource that exists."""

    token: str
    id: str
    name: str  # its logical name in the program
    inputs: dict[str, Any]
    outputs: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        return self.outputs.get(name, self.inputs.get(name))

    def get(self, name: str, default: Any = None) -> Any:
        """A property, outputs first."""
        value = self[name]
        return default if value is None else value


@dataclass(frozen=True, kw_only=True)
class Ref:
    """A property that names another resource."""

    token: str
    by: str = "id"  # the other's property that is named: `id`, `arn`, `selfLink` …
    holds: bool = True  # the other cannot be deleted while this one names it


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How one kind of resource behaves."""

    refs: Mapping[str, Ref] = field(default_factory=dict)  # path -> what it names
    known: Mapping[str, str] = field(default_factory=dict)  # path -> the catalogue that must have the value
    replaces: frozenset[str] = frozenset()  # a change of these makes a new one
    unique: str = ""  # property that no two may share
    outputs: Callable[[Any, Item], Mapping[str, Any]] | None = None  # (fake, item) -> what the cloud computes
    id: Callable[[Any, Item], str] | None = None  # else a number
    alias: Callable[[Item], str] | None = None  # another id by which it can be imported
    again: bool = False  # to make the same twice is no error
    server: bool = False  # a machine: counts for the quota, and is told to `on_server`
    location: str | Callable[[Any, Item], str] = ""  # path of where a server is, or what finds it
    size: str = ""  # path of its machine type
    user_data: str = ""  # path of its user-data
    address: str = ""  # output that holds its public address
    checks: Callable[[Any, Item], str] | None = None  # (fake, item) -> why the cloud refuses it, "" if it does not


@dataclass
class Faults:
    """Switches; all may be set while calls run. Counts go down as they are used."""

    latency: float = 0.0  # seconds that each create, update and delete takes
    rate_limited: int = 0  # so many changing calls are answered 429
    retry_after: int = 1  # seconds, in the text of the 429
    broken: int = 0  # so many changing calls are answered 503
    quota: int | None = None  # servers that the account may have
    full: set[str] = field(default_factory=set)  # locations, sizes or SIZE@LOCATION without capacity
    lost: set[str | int] = field(default_factory=set)  # creates (by logical name, or the k-th from 1) that succeed unheard
    stubborn: dict[str, int] = field(default_factory=dict)  # logical name -> so many deletes are answered "still in use"
    expires_after: int | None = None  # calls, then the token is refused
