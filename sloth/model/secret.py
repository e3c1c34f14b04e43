"""A text that must not be shown: it has two renderings, and is known to the masker from birth."""

from __future__ import annotations

MASK = "***"
_SHORTEST_MASKED = 6  # characters; masking shorter values would eat ordinary words
_known: set[str] = set()


class Secret:
    """A secret text. `str()`, `repr()` and f-strings give `***`; only `reveal()` gives the value."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
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
    """Have `mask` hide this value, and each of its longer lines, from now on."""
    lines = [line.strip() for line in value.splitlines()]
    markers = ("-----BEGIN", "-----END")
    for text in (value.strip(), *lines):
        if len(text) >= _SHORTEST_MASKED and not text.startswith(markers):
            _known.add(text)


def mask(text: str) -> str:
    """`text` with every known secret value replaced by `***`."""
    for value in sorted(_known, key=len, reverse=True):
        if value in text:
            text = text.replace(value, MASK)
    return text


def known_values() -> frozenset[str]:
    """Every value that this process must not show; for tests that search a run's leavings."""
    return frozenset(_known)
