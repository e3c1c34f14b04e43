"""Text of a spec file to a tree with marks: PyYAML's nodes, with everything refused that a spec does not need.

Refused: more than one document, duplicate keys, merge keys, custom tags, bombs of anchors, and numbers that YAML 1.1 and
YAML 1.2 read differently. Every refusal is a ConfigError with the place.
"""

from __future__ import annotations

import math
import re
from typing import Any

import yaml

from sloth.config.tree import Mark, Tree
from sloth.errors import ConfigError

MAX_BYTES = 1 << 20  # a spec of 5000 existing hosts is about 400 kB
MAX_NODES = 100_000  # values and keys, aliases counted as often as they are used
MAX_DEPTH = 32
MAX_DIGITS = 18  # more is no number that a spec can mean

_TAG = "tag:yaml.org,2002:"
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]*)?([eE][-+]?[0-9]+)?\Z")
_TRUE = ("true", "yes", "on")

# What PyYAML says (beginning of its words) -> what that means, "" for its own words -> what to do.
# Source: yaml/scanner.py, yaml/parser.py and yaml/composer.py of PyYAML 6.
_ADVICE = (
    (
        "mapping values are not allowed",
        "a `:` where none can be",
        "put quotes round a value with `: ` in it, or correct the indentation",
    ),
    ("could not find expected ':'", "a key without its `:`", "write `key: value`, with a colon and a space"),
    (
        "expected <block end>",
        "this line's indentation fits none of the lines above",
        "give this line the same indentation as its neighbours",
    ),
    ("expected ',' or", "an open bracket or brace is not closed before this", "close it, or put a comma between the items"),
    ("found unexpected end of stream", "the text ends within quotes", "close the quotation mark"),
    ("found undefined alias", "", "write the value out in place of the alias"),
    ("found unknown escape", "", "use single quotes, or write `\\\\` for a backslash"),
    ("found character", "", "put the value in quotes"),
)
_OTHERWISE = ("", "", "correct the line, then run `sloth validate`")
_ESCAPE = re.compile(r"\\U(?!000|0010)[0-9A-Fa-f]{8}")  # beyond U+10FFFF


class _Loader(yaml.SafeLoader):
    """SafeLoader that stops composing at a depth and a number of nodes."""

    depth = 0
    nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose one node. Raises ConfigError at a limit."""
        self.depth += 1
        self.nodes += 1
        if self.depth > MAX_DEPTH or self.nodes > MAX_NODES:
            raise _too_big(_next(self), deep=self.depth > MAX_DEPTH)
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


def read(text: bytes, file: str) -> Tree:
    """The tree of one spec file. Raises ConfigError."""
    document = _decode(text, file)
    try:
        node = _compose(document, file)
    except yaml.MarkedYAMLError as error:
        raise _syntax(error, document, file) from None
    except yaml.reader.ReaderError as error:
        raise _unprintable(error, document, file) from None
    except (ValueError, OverflowError):
        # PyYAML lets `chr()` fail on an escape such as "\U00110000".
        raise _impossible_escape(document, file) from None
    return _Builder(file).tree(node, 0)


def _decode(text: bytes, file: str) -> str:
    if len(text) > MAX_BYTES:
        raise ConfigError(
            "config/too-large",
            f"{file} is larger than 1 MiB",
            where=file,
            hint="give sloth a cluster spec; `sloth init` prints one",
        )
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        column = error.start - (text.rfind(b"\n", 0, error.start) + 1) + 1
        raise ConfigError(
            "config/not-utf8",
            f"{file} is not UTF-8 text: byte 0x{text[error.start]:02x}",
            where=str(Mark(file, line, column)),
            hint=f"iconv -t utf-8 {file}",
        ) from None


def _compose(document: str, file: str) -> yaml.Node:
    loader = _Loader(document)
    loader.name = file
    try:
        if not loader.check_node():
            raise ConfigError("config/empty", f"{file} is empty", where=f"{file}:1:1", hint="sloth init > sloth.yaml")
        node = loader.get_node()
        if loader.check_node():
            raise ConfigError(
                "config/several-documents",
                f"{file} holds more than one YAML document",
                where=str(_next(loader)),
                hint="keep one cluster in one file: remove what follows the second `---`",
            )
    finally:
        loader.dispose()
    assert node is not None  # noqa: S101  (check_node has just said so)
    return node


def _next(loader: _Loader) -> Mark:
    event: Any = loader.peek_event()  # type: ignore[no-untyped-call]
    return _mark(loader.name, event.start_mark)


def _mark(file: str, mark: Any) -> Mark:
    return Mark(file, mark.line + 1, mark.column + 1) if mark else Mark(file, 1, 1)


def _syntax(error: yaml.MarkedYAMLError, document: str, file: str) -> ConfigError:
    mark = _mark(file, error.problem_mark or error.context_mark)
    words = error.problem or error.context or "cannot be read"
    line = document.splitlines()[mark.line - 1].strip() if mark.line <= len(document.splitlines()) else ""
    if "'\\t'" in words:
        return ConfigError(
            "config/tab",
            "a tab is used for indentation; YAML allows spaces only",
            where=str(mark),
            detail=line,
            hint=f"expand -t 2 {file}",
        )
    _, meaning, hint = next((entry for entry in _ADVICE if words.startswith(entry[0])), _OTHERWISE)
    detail = f"{line[:200]}\n{words}"
    return ConfigError("config/syntax", f"not valid YAML: {meaning or words}", where=str(mark), detail=detail, hint=hint)


def _impossible_escape(document: str, file: str) -> ConfigError:
    found = _ESCAPE.search(document)
    mark = _at(document, found.start() if found else 0, file)
    return ConfigError(
        "config/syntax",
        "not valid YAML: an escape that stands for no character",
        where=str(mark),
        hint="write the character itself",
    )


def _at(document: str, position: int, file: str) -> Mark:
    before = document[:position]
    return Mark(file, before.count("\n") + 1, position - before.rfind("\n"))


def _unprintable(error: yaml.reader.ReaderError, document: str, file: str) -> ConfigError:
    mark = _at(document, error.position, file)
    return ConfigError(
        "config/control-character",
        f"{file} contains the control character U+{ord(document[error.position]):04X}",
        where=str(mark),
        hint="delete the character",
    )


def _too_big(mark: Mark, *, deep: bool) -> ConfigError:
    what = (
        f"nested deeper than {MAX_DEPTH} levels" if deep else f"larger than {MAX_NODES} values when its aliases are written out"
    )
    return ConfigError(
        "config/bomb", f"the document is {what}", where=str(mark), hint="write the values out, without nesting aliases"
    )


class _Builder:
    """Nodes to trees, with aliases written out."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._count = 0

    def tree(self, node: yaml.Node, depth: int, key: Mark | None = None) -> Tree:
        mark = _mark(self._file, node.start_mark)
        self._count += 1
        if depth > MAX_DEPTH or self._count > MAX_NODES:
            raise _too_big(mark, deep=depth > MAX_DEPTH)
        if isinstance(node, yaml.MappingNode):
            _plain_tag(node, "map", mark)
            return Tree(value=self._mapping(node, depth), mark=mark, key=key)
        if isinstance(node, yaml.SequenceNode):
            _plain_tag(node, "seq", mark)
            return Tree(value=[self.tree(item, depth + 1) for item in node.value], mark=mark, key=key)
        return Tree(value=_scalar(node, mark), mark=mark, key=key, text=node.value if _is_plain(node) else "")

    def _mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Tree]:
        found: dict[str, Tree] = {}
        for key_node, value_node in node.value:
            mark = _mark(self._file, key_node.start_mark)
            name = _key(key_node, mark)
            if name in found:
                first = found[name].key
                raise ConfigError(
                    "config/duplicate-key",
                    f"the key `{name}` is written twice; it was first at {first}",
                    where=str(mark),
                    hint=f"keep one of the two `{name}`",
                )
            found[name] = self.tree(value_node, depth + 1, mark)
        return found


def _is_plain(node: yaml.Node) -> bool:
    """Whether it is a scalar without quotes."""
    return isinstance(node, yaml.ScalarNode) and not node.style


def _plain_tag(node: yaml.Node, expected: str, mark: Mark) -> None:
    if node.tag != _TAG + expected:
        raise _custom_tag(node, mark)


def _custom_tag(node: yaml.Node, mark: Mark) -> ConfigError:
    tag = node.tag.replace(_TAG, "!!")
    return ConfigError("config/tag", f"the YAML tag `{tag}` is not supported", where=str(mark), hint=f"remove `{tag}`")


def _key(node: yaml.Node, mark: Mark) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise ConfigError(
            "config/key",
            "a key must be a word, not a list or a map",
            where=str(mark),
            hint="put quotes round text that begins with { or [",
        )
    if node.tag == _TAG + "merge":
        raise ConfigError(
            "config/merge-key",
            "merge keys (`<<`) are not supported",
            where=str(mark),
            hint="write the values out, or put them in an overlay: sloth up -f sloth.yaml -f prod.yaml",
        )
    if _is_plain(node) and node.tag in {_TAG + kind for kind in ("bool", "int", "float", "null")}:
        raise ConfigError(
            "config/key",
            f"YAML reads the key `{node.value}` as {_kind(node.tag)}, not as text",
            where=str(mark),
            hint=f'write "{node.value}": …',
        )
    if node.tag not in (_TAG + "str", _TAG + "timestamp", _TAG + "value"):
        raise _custom_tag(node, mark)
    return _text(node.value, mark)


def _kind(tag: str) -> str:
    return {"bool": "true or false", "int": "a number", "float": "a number", "null": "nothing"}[tag.removeprefix(_TAG)]


def _scalar(node: yaml.Node, mark: Mark) -> Any:
    kind = node.tag.removeprefix(_TAG)
    text = str(node.value)
    if kind == "null":
        return None
    if kind == "bool":
        return _bool(text, mark)
    if kind in ("int", "float"):
        return _number(text, mark)
    # A timestamp is text: no field of a spec is a date, and YAML 1.2 has none. `=` alone is YAML 1.1's "value" tag.
    if kind == "str" or (kind in ("timestamp", "value") and _is_plain(node)):
        return _text(text, mark)
    raise _custom_tag(node, mark)


def _bool(text: str, mark: Mark) -> bool:
    if text.lower() not in (*_TRUE, "false", "no", "off"):
        raise ConfigError("config/number", f"`{text[:40]}` is not true or false", where=str(mark), hint="write true or false")
    return text.lower() in _TRUE


def _number(text: str, mark: Mark) -> int | float:
    if len(text) > MAX_DIGITS:
        raise ConfigError(
            "config/number", f"the number `{text[:40]}` is too large or too long", where=str(mark), hint="write a smaller number"
        )
    if _DECIMAL.match(text):
        return int(text)
    value = float(text) if _NUMBER.match(text) else math.inf
    if math.isinf(value):
        raise ConfigError(
            "config/number",
            f"`{text}` is read as different numbers by different YAML readers",
            where=str(mark),
            hint=f'write a plain decimal number, or put it in quotes: "{text}"',
        )
    return value


def _text(text: str, mark: Mark) -> str:
    bad = next(
        (char for char in text if "\ud800" <= char <= "\udfff" or (char < " " and char not in "\n\t") or char == "\x7f"), ""
    )
    if bad:
        raise ConfigError(
            "config/control-character",
            f"a text contains the control character U+{ord(bad):04X}",
            where=str(mark),
            hint="delete the character",
        )
    return text
