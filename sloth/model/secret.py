"""A text that must not be shown: it has two renderings, and is known to the masker from birth."""

from __future__ import annotations

import re
from functools import lru_cache

MASK = "***"
_SHORTEST_MASKED = 6  # characters; masking shorter values would eat ordinary words
# Base64, hex, tokens: long, without spaces, with a digit. Ordinary words and lines of such a text stay readable.
_RANDOM = re.compile(r"(?=[A-Za-z+/=_.-]*\d)[A-Za-z0-9+/=_.-]{16,}")
_known: set[str] = set()
_by_head: dict[str, tuple[str, ...]] = {}  # first characters -> values that begin so, longest first


class Secret:
    """A secret text. `str()`, `repr()` and f-strings give `***`; only `reveal()` gives the value.

    With `known` false the masker does not learn it: for bulk that no command prints, whose many lines would slow masking down.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str, *, known: bool = True) -> None:
        self._value = value
        if known:
            learn(value)

    def reveal(self) -> str:
        """The value itself, for the one place that sends or encrypts it."""
        return self._value

    def __str__(self) -> str:
        return MASK

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


def learn(value: str) -> None:
    """Have `mask` hide this value from now on; of a text of several lines (a key, a kubeconfig), also what looks random in it."""
    if len(value.strip()) >= _SHORTEST_MASKED:
        _add(value.strip())
    if "\n" in value.strip():
        for part in _RANDOM.findall(value):
            _add(part)


def _add(value: str) -> None:
    if value not in _known:
        _known.add(value)
        head = value[:_SHORTEST_MASKED]
        _by_head[head] = tuple(sorted((*_by_head.get(head, ()), value), key=len, reverse=True))
        mask.cache_clear()


@lru_cache(maxsize=2048)  # a step's title comes again for every node
def mask(text: str) -> str:
    """`text` with every known secret value replaced by `***`. Takes time by the length of the text, not by what is known."""
    parts, begin, at = [], 0, 0
    while at <= len(text) - _SHORTEST_MASKED:
        found = next((x for x in _by_head.get(text[at : at + _SHORTEST_MASKED], ()) if text.startswith(x, at)), "")
        if found:
            parts += [text[begin:at], MASK]
            begin = at + len(found)
        at = begin if found else at + 1
    return "".join([*parts, text[begin:]]) if parts else text


def known_values() -> frozenset[str]:
    """Every value that this process must not show; for tests that search a run's leavings."""
    return frozenset(_known)
