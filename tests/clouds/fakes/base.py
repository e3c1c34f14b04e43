"""A strict fake cloud: a resource provider that the real engine attaches to (PULUMI_DEBUG_PROVIDERS), and a store behind it.

A cloud's fake is a subclass with `rules` for each kind that exists there, `catalogues` of what it knows, `functions` for
questions, and the `texts` of its refusals. Whatever is not declared is refused: unknown kinds, functions and properties, wrong
types, missing properties, references to what is not there, and deleting what is in use.
"""

from __future__ import annotations

import ipaddress
import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

from tests.clouds import sdk
from tests.clouds.fakes.rules import Faults, Item, Ref, Refused, Rules
from tests.clouds.fakes.wire import at

CHANGING = ("Create", "Update", "Delete")


@dataclass(frozen=True)
class Call:
    """One call as it came in."""

    method: str
    token: str
    name: str  # logical name, "" for functions
    inputs: Mapping[str, Any]  # secrets masked
    refused: str = ""  # with which text


class Fake:
    """One account at one cloud. Every method may be called from many threads."""

    plugin: ClassVar[str]  # the engine's name, prefix of tokens
    rules: ClassVar[Mapping[str, Rules]]
    catalogues: ClassVar[Mapping[str, frozenset[str]]] = {}
    functions: ClassVar[Mapping[str, Callable[[Any, dict[str, Any]], Mapping[str, Any]]]] = {}
    credential: ClassVar[tuple[str, ...]] = ("token",)  # provider options that hold the secret
    allowed: ClassVar[int] = 64  # what the account's limit says: servers or vCPUs, as the cloud counts
    texts: ClassVar[Mapping[str, str]] = {
        "credentials": "401 unauthorized: the token is not valid",
        "quota": "403 limit exceeded: no more servers may be made",
        "capacity": "no capacity for {size} in {location}",
        "rate-limit": "429 too many requests, Retry-After: {seconds}",
        "broken": "503 service unavailable",
        "in-use": "409 {what} is still in use by {by}",
        "not-found": "404 {what} not found",
        "conflict": "409 {what} already exists",
        "lost": "unexpected EOF while waiting for the answer",
    }

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.items: dict[tuple[str, str], Item] = {}
        self.calls: list[Call] = []
        self.faults = Faults()
        self.limit = self.allowed
        self.token = "valid"  # what the engine's plugin was given; "" and "expired" are refused
        self.tells = True  # user-data to whom asks for a server: some clouds do, and others may begin to
        self.stopped = threading.Event()  # ends all waiting
        self.on_server: Callable[[Item, str], str] | None = (
            None  # (item, user-data) -> the machine's public address, "" = made up
        )
        self.on_gone: Callable[[Item], None] | None = None  # a server was deleted
        self._numbers = itertools.count(4_000_001)
        self._hosts: dict[str, Iterator[Any]] = {}
        self._creates = itertools.count(1)
        self._used = 0

    # What a test asks

    def all(self, token: str) -> list[Item]:
        """Every resource of a kind, in the order of creation. Short tokens will do: `Server`."""
        with self.lock:
            return [item for (kind, _), item in self.items.items() if kind == token or kind.rpartition(":")[2] == token]

    def made(self, method: str = "Create") -> list[str]:
        """Logical names of the calls of a method that were not refused."""
        with self.lock:
            return [call.name for call in self.calls if call.method == method and not call.refused]

    # What the cloud does

    def check(self, token: str, inputs: Mapping[str, Any]) -> list[str]:
        """Complaints about inputs before anything is made. Unknown values are not looked at."""
        if token not in self.rules:
            return [f"the fake {self.plugin} does not know {token}"]
        kind = sdk.resource(token)
        return sdk.properties(kind.inputs, kind.required, inputs, "") + self._strangers(token, inputs)

    def create(self, token: str, name: str, inputs: dict[str, Any]) -> Item:
        """Make a resource. Raises Refused."""
        self._admit("Create")
        with self.lock:
            item = Item(token, "", name, inputs)
            self._refuse_bad(item)
            rules = self.rules[token]
            if rules.server:
                self._refuse_server(item, rules)
            item.id = rules.id(self, item) if rules.id else str(next(self._numbers))
            if (token, item.id) in self.items and not rules.again:
                raise self.refuse("conflict", what=f"{token.rpartition(':')[2]} {item.id}")
            self.items[token, item.id] = item
            item.outputs = {"id": item.id, **inputs, **(rules.outputs(self, item) if rules.outputs else {})}
            ordinal = next(self._creates)
        if rules.server and self.on_server:
            address = self.on_server(item, str(next(at(inputs, rules.user_data), "")))
            if address:
                item.outputs[rules.address] = address
        if self.faults.lost & {name, ordinal}:
            self.faults.lost -= {name, ordinal}
            raise Refused(self.texts["lost"])
        return item

    def read(self, token: str, ident: str) -> Item | None:
        """What is there of that id."""
        self._admit("Read")
        with self.lock:
            alias = self.rules[token].alias
            found = self.items.get((token, ident))
            return found or next((item for item in self.all(token) if alias and alias(item) == ident), None)

    def replaces(self, token: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[list[str], list[str]]:
        """Properties that differ, and those of them for which the resource has to be made anew."""
        names = {name for name in {*old, *new} if not name.startswith("__")}
        differ = sorted(name for name in names if old.get(name) != new.get(name))
        return differ, [name for name in differ if name in self.rules[token].replaces]

    def update(self, token: str, ident: str, inputs: dict[str, Any]) -> Item:
        """Change a resource in place. Raises Refused."""
        self._admit("Update")
        with self.lock:
            item = self._existing(token, ident)
            _, fixed = self.replaces(token, item.inputs, inputs)
            if fixed:
                raise Refused(f"{token}: {', '.join(fixed)} cannot be changed in place")
            changed = Item(token, ident, item.name, inputs)
            self._refuse_bad(changed)
            rules = self.rules[token]
            kept = {key: value for key, value in item.outputs.items() if key not in item.inputs}
            changed.outputs = {**(rules.outputs(self, changed) if rules.outputs else {}), **kept, **inputs}
            self.items[token, ident] = changed
            return changed

    def delete(self, token: str, ident: str) -> None:
        """Delete a resource; one that is gone already is no error. Raises Refused."""
        self._admit("Delete")
        with self.lock:
            item = self.items.get((token, ident))
            if item is None:
                return
            what = f"{token.rpartition(':')[2]} {item.name}"
            if self.faults.stubborn.get(item.name, 0) > 0:
                self.faults.stubborn[item.name] -= 1
                raise Refused(self.texts["in-use"].format(what=what, by="a resource that is being deleted"))
            if user := next(self._users(item), None):
                raise Refused(self.texts["in-use"].format(what=what, by=f"{user.token.rpartition(':')[2]} {user.name}"))
            del self.items[token, ident]
        if self.rules[token].server and self.on_gone:
            self.on_gone(item)

    def ask(self, token: str, args: dict[str, Any]) -> dict[str, Any]:
        """Answer a function. Raises Refused."""
        self._admit("Invoke")
        if token not in self.functions:
            raise Refused(f"the fake {self.plugin} does not know the function {token}")
        kind = sdk.function(token)
        given = {name: value for name, value in args.items() if value is not None}
        if wrong := sdk.properties(kind.inputs, kind.required, given, ""):
            raise Refused(f"{token}: {'; '.join(wrong)}")
        with self.lock:
            answer = {"id": token, **given, **self.functions[token](self, given)}
        strange = sorted(set(answer) - set(kind.outputs) - {"id", *given})
        assert not strange, f"the fake's own answer of {token} has properties that the SDK does not know: {strange}"
        return {name: value for name, value in answer.items() if name in kind.outputs}

    # Helpers for subclasses

    def number(self) -> int:
        """A number that nothing else has."""
        return next(self._numbers)

    def address(self, cidr: str = "203.0.113.0/24") -> str:
        """The next address of that network, none twice; of a documentation network (RFC 5737) by default."""
        with self.lock:
            if cidr not in self._hosts:
                hosts = itertools.islice(ipaddress.ip_network(cidr).hosts(), 10, None)
                # When the documentation network is used up: the benchmarking network of RFC 2544, 131,000 addresses.
                more = ipaddress.ip_network("198.18.0.0/15").hosts() if cidr == "203.0.113.0/24" else ()
                self._hosts[cidr] = itertools.chain(hosts, more)
            return str(next(self._hosts[cidr]))

    def cancel(self) -> None:
        """End all waiting that goes on now."""
        with self.lock:
            waiting, self.stopped = self.stopped, threading.Event()
        waiting.set()

    # Reasons to refuse

    def refuse(self, kind: str, **words: Any) -> Refused:
        """The refusal of that kind in the cloud's words."""
        return Refused(self.texts[kind].format(**words))

    def _admit(self, method: str) -> None:
        """Credentials first, then the faults that strike any call; then the time that the cloud takes."""
        with self.lock:
            self._used += 1
            if self.faults.expires_after is not None and self._used > self.faults.expires_after:
                self.token = "expired"
            if self.token in ("", "expired"):
                raise self.refuse("credentials")
            if method in CHANGING and self.faults.rate_limited > 0:
                self.faults.rate_limited -= 1
                raise self.refuse("rate-limit", seconds=self.faults.retry_after)
            if method in CHANGING and self.faults.broken > 0:
                self.faults.broken -= 1
                raise self.refuse("broken")
        if method in CHANGING and self.faults.latency:
            self.stopped.wait(self.faults.latency)

    def _refuse_bad(self, item: Item) -> None:
        rules = self.rules.get(item.token)
        wrong = self.check(item.token, item.inputs)
        if rules is None or wrong:
            raise Refused(f"{item.token}: {'; '.join(wrong)}")
        for path, ref in rules.refs.items():
            for value in at(item.inputs, path):
                if not self._is_there(ref, str(value)):
                    raise self.refuse("not-found", what=f"{ref.token.rpartition(':')[2]} `{value}` ({path})")
        twins = [other for other in self.all(item.token) if rules.unique and other.id != item.id]
        if any(other.inputs.get(rules.unique) == item.inputs.get(rules.unique) for other in twins):
            raise self.refuse("conflict", what=f"{item.token.rpartition(':')[2]} {item.inputs.get(rules.unique)}")
        if rules.checks and (why := rules.checks(self, item)):
            raise Refused(why)

    def _is_there(self, ref: Ref, value: str) -> bool:
        if ref.by == "id":
            return (ref.token, value) in self.items
        return any(str(other[ref.by]) == value for other in self.all(ref.token))

    def _strangers(self, token: str, inputs: Mapping[str, Any]) -> list[str]:
        """Values that the cloud's catalogues do not have."""
        return [
            self.texts["not-found"].format(what=f"{catalogue} `{value}`")
            for path, catalogue in self.rules[token].known.items()
            for value in at(inputs, path)
            if value != sdk.UNKNOWN and str(value) not in self.catalogues[catalogue]
        ]

    def _refuse_server(self, item: Item, rules: Rules) -> None:
        servers = [other for other in self.items.values() if self.rules[other.token].server]
        if self.faults.quota is not None and len(servers) >= self.faults.quota:
            raise self.refuse("quota")
        where = rules.location
        location = where(self, item) if callable(where) else next(at(item.inputs, where), "")
        size = next(at(item.inputs, rules.size), "")
        if self.faults.full & {location, size, f"{size}@{location}"}:
            raise self.refuse("capacity", size=size, location=location)

    def _existing(self, token: str, ident: str) -> Item:
        if (token, ident) not in self.items:
            raise self.refuse("not-found", what=f"{token.rpartition(':')[2]} {ident}")
        return self.items[token, ident]

    def _users(self, item: Item) -> Iterator[Item]:
        """Who names this resource and holds it."""
        for other in self.items.values():
            for path, ref in self.rules[other.token].refs.items():
                if ref.token == item.token and ref.holds and str(item[ref.by]) in map(str, at(other.inputs, path)):
                    yield other

    # To run it

    @contextmanager
    def serve(self) -> Iterator[str]:
        """Serve on a free port of 127.0.0.1 until the block ends; gives this fake's part of PULUMI_DEBUG_PROVIDERS."""
        from tests.clouds.fakes.servicer import serve

        with serve(self) as port:
            yield f"{self.plugin}:{port}"
