r"""kubectl's JSONPath templates: text with expressions in braces, `range` and `end`.

    {range .items[*]}{.metadata.name}{"\t"}{.status.phase}{"\n"}{end}

The dialect: kubernetes.io, "JSONPath Support"; k8s.io/client-go, util/jsonpath (what that page leaves open: what a missing field
is, where an index is out of bounds, what may be compared). It is no other dialect: RFC 9535 differs in unions, filters and text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sloth.errors import UsageError
from sloth.kube.workloads.jsonpath_walk import All, Field, Filter, Index, Path, Recursive, Step, Union, Value, walk

_STOP = frozenset(" \t\r\n.,[]$@{}")
_NUMBER = re.compile(r"[+-]?\d[\d.]*|[+-]")
_WORD = re.compile(r"\w+")
_COMPARED = re.compile(r"^([^!<>=]+)([!<>=]+)(.+?)$", re.S)
_SLICE = re.compile(r"^(-?\d*)(:-?\d*)?(:-?\d*)?$")
_KEY = re.compile(r"^'([^']*)'$")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"', "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


@dataclass(frozen=True, slots=True)
class Range:
    """The parts between `range` and `end`, once for each value of the path."""

    over: Path
    parts: tuple[Part, ...]


Part: TypeAlias = "str | Path | Range"


def wrong(text: str, why: str) -> UsageError:
    """The failure for what is no template."""
    return UsageError(
        "kube/jsonpath", f"this is no JSONPath template: {why}", detail=text, hint="kubernetes.io/docs/reference/kubectl/jsonpath"
    )


def parse(text: str) -> tuple[Part, ...]:
    """A template. Raises UsageError."""
    parts = list(_pieces(text))
    found, rest = _block(parts, 0)
    if rest != len(parts):
        raise wrong(text, "`end` without `range`")
    return found


@dataclass(frozen=True, slots=True)
class _Word:
    """`range` or `end`, and the path that follows it."""

    word: str
    path: Path


def _pieces(text: str) -> Iterator[str | Path | _Word]:
    at = 0
    while at < len(text):
        begin = text.find("{", at)
        if begin != at:
            yield text[at : begin if begin >= 0 else len(text)]
        if begin < 0:
            return
        reader = _Reader(text, begin + 1)
        word, steps = reader.action()
        yield _Word(word, steps) if word else steps
        at = reader.at


def _block(pieces: Sequence[str | Path | _Word], at: int, *, inside: bool = False) -> tuple[tuple[Part, ...], int]:
    """The parts up to the `end` of this block, and where to go on."""
    found: list[Part] = []
    while at < len(pieces):
        piece = pieces[at]
        if not isinstance(piece, _Word):
            found.append(piece)
            at += 1
        elif piece.word == "end":
            return tuple(found), at + 1 if inside else at
        else:
            inner, at = _block(pieces, at + 1, inside=True)
            found.append(Range(piece.path, inner))
    return tuple(found), at  # a range that nobody ended goes to the end


class _Reader:
    """Reads one expression, from after its opening brace to after its closing one."""

    def __init__(self, text: str, at: int) -> None:
        self.text, self.at = text, at

    def action(self, until: str = "}") -> tuple[str, Path]:
        """The word `range` or `end` if it begins so, and the steps. `until` empty: the whole text."""
        word = ""
        steps: list[Step] = []
        while True:
            if self.at >= len(self.text):
                if not until:
                    return word, tuple(steps)
                raise wrong(self.text, "a brace is not closed")
            letter = self.text[self.at]
            if letter == until:
                self.at += 1
                return word, tuple(steps)
            found = self._next(letter)
            if isinstance(found, str):
                word = found
            elif found:
                if steps and steps[-1] == Recursive() == found[0]:
                    raise wrong(self.text, "`..` twice")
                steps += found

    def _next(self, letter: str) -> str | list[Step] | None:
        rest = self.text[self.at : self.at + 3]
        if rest == "[?(":
            return [self._filter()]
        if rest.startswith(".."):
            self.at += 2
            follows = self.text[self.at : self.at + 1]
            return [Recursive(), *(self._field(0) if follows.isalnum() or follows == "_" else [])]
        if letter in " @$":
            self.at += 1
            return None
        if letter == "[":
            return self._bracket()
        return self._field(1) if letter == "." else self._literal(letter)

    def _literal(self, letter: str) -> str | list[Step]:
        """A quoted text, a number, or a word."""
        if letter in "\"'":
            return [Value(self._quoted(letter))]
        number = _NUMBER.match(self.text, self.at)
        if not number:
            return self._identifier(letter)
        self.at = number.end()
        try:
            return [Value(float(number[0]) if "." in number[0] else int(number[0]))]
        except ValueError:
            raise wrong(self.text, f"`{number[0]}` is no number") from None

    def _identifier(self, letter: str) -> str | list[Step]:
        word = _WORD.match(self.text, self.at)
        if not word:
            raise wrong(self.text, f"`{letter}` is not understood")
        self.at = word.end()
        if word[0] in ("true", "false"):
            return [Value(word[0] == "true")]
        if word[0] in ("range", "end"):
            return word[0]
        raise wrong(self.text, f"`{word[0]}` is not understood: a field begins with a dot")

    def _field(self, skip: int) -> list[Step]:
        self.at += skip
        begin = self.at
        while self.at < len(self.text) and self.text[self.at] not in _STOP:
            self.at += 2 if self.text[self.at] == "\\" else 1
        name = self.text[begin : self.at]
        return [All() if name == "*" else Field(name.replace("\\", ""))]

    def _quoted(self, quote: str) -> str:
        found, at = [], self.at + 1
        while at < len(self.text) and self.text[at] != quote:
            if self.text[at] == "\\":
                at += 1
                found.append(_ESCAPES.get(self.text[at : at + 1], "\\" + self.text[at : at + 1]))
            else:
                found.append(self.text[at])
            at += 1
        if at >= len(self.text):
            raise wrong(self.text, "a quoted text is not closed")
        self.at = at + 1
        return "".join(found)

    def _bracket(self) -> list[Step]:
        end = self.text.find("]", self.at)
        if end < 0:
            raise wrong(self.text, "a bracket is not closed")
        inside, self.at = self.text[self.at + 1 : end], end + 1
        return self._inside(inside)

    def _inside(self, inside: str) -> list[Step]:
        if inside == "*":
            return [Index(None, None)]
        several = inside.split(",")
        if len(several) > 1:
            return [Union(tuple(tuple(self._inside(each.strip())) for each in several))]
        key = _KEY.match(inside)
        if key:  # a quoted name is a path of its own: kubectl's union of fields is written so
            return list(_Reader(f".{key[1]}", 0).action("")[1])
        found = _SLICE.match(inside)
        if not found:
            raise wrong(self.text, f"[{inside}] is no index")
        first, last, step = found[1], found[2], found[3]
        if "-" in (first, (last or ":")[1:], (step or ":")[1:]):
            raise wrong(self.text, f"[{inside}] is no index")
        if last is None:  # `[]` is the first, as at kubectl
            return [Index(int(first or 0), int(first or 0) + 1, single=True)]
        return [Index(_int(first), _int(last[1:]), _int((step or ":")[1:]))]

    def _filter(self) -> Step:
        begin = at = self.at + 3
        quote = ""
        while at < len(self.text):
            letter = self.text[at]
            if quote:
                quote = "" if letter == quote and self.text[at - 1] != "\\" else quote
            elif letter in "\"'":
                quote = letter
            elif letter == ")":
                break
            at += 1
        if self.text[at : at + 2] != ")]":
            raise wrong(self.text, "a filter ends with `)]`")
        inside, self.at = self.text[begin:at], at + 2
        found = _COMPARED.match(inside)
        if not found:
            return Filter(_Reader(inside, 0).action("")[1])
        if found[2] not in ("==", "!=", "<", "<=", ">", ">="):
            raise wrong(self.text, f"`{found[2]}` compares nothing")
        return Filter(_Reader(found[1], 0).action("")[1], found[2], _Reader(found[3], 0).action("")[1])


def _int(text: str) -> int | None:
    return int(text) if text else None


def render(template: Sequence[Part], data: Any, *, as_json: bool = False) -> str:
    """The template filled in. Missing fields are nothing. Raises UsageError (an index out of bounds, unlike things compared)."""
    groups = list(_filled(template, data))
    if as_json:
        return json.dumps([value for group in groups for value in group], indent=4, ensure_ascii=False)
    return "".join(" ".join(shown(value) for value in group) for group in groups)


def _filled(template: Sequence[Part], data: Any) -> Iterator[list[Any]]:
    for part in template:
        if isinstance(part, str):
            yield [part]
        elif isinstance(part, Range):
            for value in walk(part.over, [data]):
                yield from _filled(part.parts, value)
        else:
            yield walk(part, [data])


def shown(value: Any) -> str:
    """As Go's `fmt` prints plain values; maps and lists as JSON."""
    if isinstance(value, dict | list):
        # Go's encoder escapes what HTML would act on.
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True)
        return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float(value)
    return str(value)


def _float(value: float) -> str:
    """Shortest form; an exponent only below 1e-4 and from 1e21 on."""
    if value == 0 or 1e-4 <= abs(value) < 1e21:
        text = format(value, "f") if value == int(value) else repr(value)
        return text.removesuffix(".000000")
    return re.sub(r"e([+-])(\d)$", r"e\g<1>0\2", repr(value))
