"""What `wait --for=…` waits for, in kubectl's words: a condition, a JSONPath, being there, being gone.

Words: kubectl reference, `kubectl wait`. A condition that was said of an older generation does not count, as there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sloth.errors import UsageError
from sloth.kube.wire import Object

READY, DELETE, CREATE = "ready", "delete", "create"
_HINT = "--for=delete, --for=create, --for=condition=Ready, --for=jsonpath='{.status.phase}'=Running"


@dataclass(frozen=True, slots=True)
class Wanted:
    """`word`: ready, delete, create, condition or jsonpath; `holds` says of an object whether it is so; `text` for people."""

    word: str
    text: str
    holds: Callable[[Object], bool] = lambda item: True


def wanted(text: str) -> Wanted:
    """By the words of `--for`; nothing means ready. Raises UsageError."""
    word, sign, rest = text.partition("=")
    word = word.strip().lower()
    if not text or (word == READY and not sign):
        return Wanted(READY, "is ready")
    if word in (DELETE, CREATE) and not sign:
        return Wanted(word, "is gone" if word == DELETE else "is there")
    if word == "condition" and rest:
        from sloth.kube.fronts.waits import condition_is

        name, _, value = rest.partition("=")
        return Wanted(word, f"has condition {name}={value or 'True'}", lambda item: condition_is(item, rest))
    if word == "jsonpath" and rest:
        return _by_path(rest)
    raise UsageError("kube/wait-for", f"`{text}` cannot be waited for", hint=_HINT)


def _by_path(text: str) -> Wanted:
    """`{.status.phase}=Running`, `.status.phase=Running`, or without a value: it is there, whatever it is."""
    from sloth.kube.workloads.columns import relaxed

    text = text.strip("'\"") if text[:1] == text[-1:] and text[:1] in "'\"" else text
    path, sign, value = _parted(text)
    parts = relaxed(path.strip("'\""))
    value = value.strip("'\"")

    def holds(item: Object) -> bool:
        found = _found(parts, item)
        if not sign:
            return bool(found)
        if len(found) > 1 or any(isinstance(each, dict | list) for each in found):
            raise UsageError(
                "kube/wait-for", f"{path} is not one value that could be compared", hint="name one field, or leave =VALUE out"
            )
        from sloth.kube.workloads.jsonpath import shown

        return bool(found) and shown(found[0]) == value

    return Wanted("jsonpath", f"has {path}{sign}{value}", holds)


def _found(parts: Sequence[Any], item: Object) -> list[Any]:
    from sloth.kube.workloads.jsonpath_walk import walk

    return [value for part in parts if isinstance(part, tuple) for value in walk(part, [item])]


def _parted(text: str) -> tuple[str, str, str]:
    """Path, sign, value: at the first `=` that is not part of the path itself, whose filters may have some."""
    depth = 0
    for at, letter in enumerate(text):
        depth += (letter in "{[(") - (letter in "}])")
        if letter == "=" and not depth:
            return text[:at], "=", text[at + 1 :]
    return text, "", ""
