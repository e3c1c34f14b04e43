"""The text of `describe`: titled sections, aligned fields, tables. Everything from the cluster is made harmless for terminals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sloth.kube.show import aligned, cell

_LONG = 400  # characters of one value
APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class Prose:
    """Lines as they come. `inside` indents what is added within."""

    def __init__(self, indent: int = 0) -> None:
        self._lines: list[str] = []
        self._indent = "  " * indent

    def fields(self, pairs: Iterable[tuple[str, object]]) -> None:
        """Names and values in two columns; values that are nothing are left out."""
        kept = [(name, _word(value)) for name, value in pairs if value not in (None, "", [], {}, ())]
        width = max((len(name) for name, _ in kept), default=0) + 1
        self._lines += [f"{self._indent}{f'{name}:'.ljust(width)}  {value}" for name, value in kept]

    def table(self, title: str, rows: Sequence[Sequence[object]]) -> None:
        """A titled table whose first row are its heads; nothing if that is all."""
        if len(rows) > 1:
            text = aligned([[_word(each) for each in row] for row in rows])
            self._lines += [f"{self._indent}{title}:", *(f"{self._indent}  {line}" for line in text.splitlines())]

    def part(self, title: str, inner: Prose) -> None:
        """Another prose below a title; nothing if it is empty."""
        if inner._lines:
            self._lines += [f"{self._indent}{title}:", *(f"{self._indent}  {line}" for line in inner._lines)]

    def tree(self, title: str, value: Any) -> None:
        """Anything, as YAML would show it, without empty fields."""
        lines = list(_tree(value))
        if lines:
            self._lines += [f"{self._indent}{title}:", *(f"{self._indent}  {line}" for line in lines)]

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join(self._lines)


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return cell(", ".join(f"{key}={inner}" for key, inner in value.items()))
    if isinstance(value, list | tuple):
        return cell(", ".join(map(str, value)))
    text = cell(value)
    return text if len(text) <= _LONG else f"{text[:_LONG]}… ({len(text)} characters)"


def _tree(value: Any) -> Iterable[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if inner in (None, "", [], {}):
                continue
            if isinstance(inner, Mapping | list):
                yield f"{cell(key)}:"
                yield from (f"  {line}" for line in _tree(inner))
            else:
                yield f"{cell(key)}: {_word(inner)}"
    elif isinstance(value, list):
        for each in value:
            first, *rest = list(_tree(each)) or [""]
            yield f"- {first}"
            yield from (f"  {line}" for line in rest)
    elif value is not None:
        yield _word(value)


def notes(item: Mapping[str, Any]) -> dict[str, str]:
    """An object's annotations without the long one that says what kubectl applied last."""
    found = (item.get("metadata") or {}).get("annotations") or {}
    return {key: value for key, value in found.items() if key != APPLIED}
