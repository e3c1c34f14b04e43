"""The API's name in a DNS zone: what a cloud's DNS service is asked to hold, and what it says that it holds.

Beside the address stands a TXT record that says whose it is, since records carry no tags at most clouds. Nothing is changed or
deleted at a name without it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sloth.model.cloud import CLUSTER_TAG

PARTS = {"A": "api", "AAAA": "api-v6", "CNAME": "api", "TXT": "mark"}  # type of a record -> logical name
_MARK = "_sloth."  # before the name: where the mark stands


@dataclass(frozen=True, kw_only=True)
class Entry:
    """All records of one name and type."""

    type: str  # A, AAAA, CNAME, TXT
    name: str  # whole, without the last dot
    label: str  # inside the zone; `@` is the zone itself
    values: tuple[str, ...]

    @property
    def part(self) -> str:
        """Logical name of the resource that holds them all."""
        return PARTS[self.type]

    @property
    def written(self) -> tuple[str, ...]:
        """Values as in a zone file (RFC 1035, 5.1): texts in quotes, names with the last dot."""
        forms = {"TXT": '"{}"', "CNAME": "{}."}
        return tuple(forms.get(self.type, "{}").format(value) for value in self.values)

    @property
    def each(self) -> Iterator[tuple[str, Entry]]:
        """One for each value, for services whose resource is one record: its logical name, and it."""
        for value in self.values:
            entry = Entry(type=self.type, name=self.name, label=self.label, values=(value,))
            yield (self.part if self.type == "TXT" else f"{self.part}-{_word(value)}"), entry


@dataclass(frozen=True, kw_only=True)
class Listed:
    """Records that are in the zone, as the service lists them."""

    type: str
    name: str  # whole, without the last dot
    values: tuple[str, ...]
    token: str  # type token of the engine
    id: str = ""  # the engine imports it by that; "" = it cannot
    part: str = ""  # logical name that they would have here


@dataclass(frozen=True, kw_only=True)
class NamePlan:
    """Where the API's name shall point."""

    cluster: str
    host: str  # the API's name, in `zone`
    zone: str
    ttl: int = 300  # seconds
    targets: tuple[str, ...] = ()  # addresses; or one name

    @property
    def alias(self) -> bool:
        """Whether the target is a name itself."""
        return any(_version(target) == 0 for target in self.targets)

    @property
    def mark(self) -> str:
        """What the record beside it says."""
        return f"{CLUSTER_TAG}={self.cluster}"

    @property
    def names(self) -> tuple[str, str]:
        """The API's name, and that of the mark."""
        return self.host, f"{_MARK}{self.host}"

    @property
    def pattern(self) -> str:
        """Regular expression of both names, for services that filter by one."""
        return rf"^({re.escape(_MARK)})?{re.escape(self.host)}\.?$"

    def entries(self) -> list[Entry]:
        """The mark first, so that no address is ever without it."""
        kinds = {"AAAA": 6, "A": 4, "CNAME": 0}
        found = {kind: tuple(each for each in self.targets if _version(each) == number) for kind, number in kinds.items()}
        return [
            self._entry("TXT", self.names[1], (self.mark,)),
            *(self._entry(kind, self.host, values) for kind, values in found.items() if values),
        ]

    def listed(self, kind: str, name: str, values: Iterable[Any], token: str, ident: str = "", *, single: bool = False) -> Listed:
        """What a service lists, in one form. `single`: its resource is one record."""
        plain = tuple(str(value).strip('"').rstrip(".") for value in values)
        part = PARTS.get(kind, kind)
        if single and kind != "TXT":
            part = f"{part}-{_word(plain[0])}"
        return Listed(type=kind, name=name.rstrip("."), values=plain, token=token, id=ident, part=part)

    def label(self, name: str) -> str:
        """A name as it is said inside the zone."""
        return "@" if name == self.zone else name.removesuffix(f".{self.zone}")

    def whole(self, label: str) -> str:
        """The other way round."""
        return self.zone if label in ("", "@") else f"{label}.{self.zone}"

    def _entry(self, kind: str, name: str, values: tuple[str, ...]) -> Entry:
        return Entry(type=kind, name=name, label=self.label(name), values=values)


def _version(target: str) -> int:
    """4 or 6; 0 = a name."""
    try:
        return ipaddress.ip_address(target).version
    except ValueError:
        return 0


def _word(value: str) -> str:
    return value.replace(".", "-").replace(":", "-").strip("-")
