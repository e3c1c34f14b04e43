"""Small changes to a spec file that leave everything else as its author wrote it: comments, order, quotes, line ends.

A change is made at the place where a value is written, then the whole spec is loaded from the new text and must be the old one
but for that change. What cannot be done so is refused, with what to write by hand.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sloth.config.load import STDIN, Loaded, file_bytes, load
from sloth.config.tree import Mark, Path
from sloth.errors import ConfigError, UsageError

_BOM = b"\xef\xbb\xbf"
_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")  # as PyYAML counts lines (yaml/reader.py)
_NUMBER = re.compile(r"[0-9]+")
_KEY = re.compile(r"""(?:name|"name"|'name')[ ]*:[ ]+\Z""")
_ITEM = re.compile(r"[ ]*-[ ]+\Z")


@dataclass(frozen=True, kw_only=True)
class Edit:
    """A change that is ready to be written."""

    texts: Mapping[str, bytes]  # file -> its new content
    before: Mapping[str, bytes]  # file -> the content that was changed
    loaded: Loaded  # the spec of the new content
    notes: tuple[str, ...]  # for people: `sloth.yaml:9: count of pool work: 3 → 2`


@dataclass(frozen=True, kw_only=True)
class _Splice:
    file: str
    start: int  # in characters
    end: int
    text: str
    note: str


def edit(loaded: Loaded, counts: Mapping[str, int], hosts: Collection[tuple[str, str]] = ()) -> Edit:
    """Give pools these counts, and take hosts (pool, host name) out of their lists. Writes nothing.

    Raises UsageError for a spec that came from standard input, ConfigError for one that would not be valid any more, or that is
    written in a way that cannot be changed safely.
    """
    if STDIN in loaded.files:
        raise UsageError(
            "usage/spec-from-stdin", "a spec that is read from standard input cannot be changed", hint="sloth nodes … -f FILE"
        )
    before = {name: file_bytes(name) for name in loaded.files}
    documents = {name: text.removeprefix(_BOM).decode("utf-8", "replace") for name, text in before.items()}
    pools = {pool.name: index for index, pool in enumerate(loaded.spec.pools)}
    counts = {**counts, **_fewer_hosts(loaded, hosts)}
    splices = [_count(loaded, documents, pools[name], count) for name, count in counts.items()]
    splices += [_host(loaded, documents, pools[pool], host) for pool, host in hosts]
    texts = {name: before[name] for name in before}
    for name in {splice.file for splice in splices}:
        mine = sorted((splice for splice in splices if splice.file == name), key=lambda splice: -splice.start)
        document = documents[name]
        for splice in mine:
            document = document[: splice.start] + splice.text + document[splice.end :]
        bom = _BOM if before[name].startswith(_BOM) else b""
        texts[name] = bom + document.encode()
    after = load(loaded.files, texts=texts)
    if dict(after.raw) != _wanted(loaded, counts, hosts):
        raise _by_hand(loaded, counts, hosts)
    changed = {name: text for name, text in texts.items() if text != before[name]}
    return Edit(texts=changed, before=before, loaded=after, notes=tuple(splice.note for splice in splices))


def _count(loaded: Loaded, documents: Mapping[str, str], index: int, count: int) -> _Splice:
    pool = loaded.spec.pools[index]
    path: Path = ("spec", "pools", index)
    mark = loaded.origins.get((*path, "count"))
    note = f"count of pool {pool.name}: {pool.count} → {count}"
    if mark is not None:
        start = _offset(documents[mark.file], mark)
        number = _NUMBER.match(documents[mark.file], start)
        if number is None:
            raise _by_hand(loaded, {pool.name: count})
        return _Splice(file=mark.file, start=start, end=number.end(), text=str(count), note=f"{mark.file}:{mark.line}: {note}")
    mark = loaded.origins[(*path, "name")]
    document = documents[mark.file]
    end = _offset(document, mark)
    line = _line_start(document, mark.line)
    key = _KEY.search(document, line, end)
    if key is None:
        raise _by_hand(loaded, {pool.name: count})
    inline = document[line : key.start()].rstrip().endswith(("{", ","))
    ending = ", " if inline else f"{_ending(document)}{' ' * (key.start() - line)}"
    place = f"{mark.file}:{mark.line}"
    return _Splice(file=mark.file, start=key.start(), end=key.start(), text=f"count: {count}{ending}", note=f"{place}: {note}")


def _host(loaded: Loaded, documents: Mapping[str, str], index: int, host: str) -> _Splice:
    pool = loaded.spec.pools[index]
    number = next(at for at, each in enumerate(pool.hosts) if each.name == host)
    mark = loaded.origins[("spec", "pools", index, "hosts", number)]
    document = documents[mark.file]
    start = _line_start(document, mark.line)
    dash = _ITEM.match(document, start, _offset(document, mark))
    if dash is None:
        raise _by_hand(loaded, {}, [(pool.name, host)])
    depth = len(dash[0]) - len(dash[0].lstrip(" "))
    end = _line_start(document, mark.line + 1)
    while end < len(document):
        following = _line_start(document[end:], 2) + end
        line = document[end:following]
        if not line.strip() or len(line) - len(line.lstrip(" ")) <= depth:
            break
        end = following
    note = f"{mark.file}:{mark.line}: host {host} of pool {pool.name} taken out"
    return _Splice(file=mark.file, start=start, end=end, text="", note=note)


def _fewer_hosts(loaded: Loaded, hosts: Collection[tuple[str, str]]) -> dict[str, int]:
    """New counts of pools whose hosts are counted in the file, too."""
    return {
        pool.name: pool.count - sum(name == pool.name for name, _ in hosts)
        for index, pool in enumerate(loaded.spec.pools)
        if ("spec", "pools", index, "count") in loaded.origins and any(name == pool.name for name, _ in hosts)
    }


def _wanted(loaded: Loaded, counts: Mapping[str, int], hosts: Collection[tuple[str, str]]) -> dict[str, Any]:
    wanted: dict[str, Any] = copy.deepcopy(dict(loaded.raw))
    for pool in wanted["spec"]["pools"]:
        pool["count"] = counts.get(pool["name"], pool["count"])
        gone = {host for name, host in hosts if name == pool["name"]}
        if gone:
            pool["hosts"] = [host for host in pool["hosts"] if host["name"] not in gone]
            pool["count"] = len(pool["hosts"])
    return wanted


def _by_hand(loaded: Loaded, counts: Mapping[str, int], hosts: Collection[tuple[str, str]] = ()) -> ConfigError:
    what = [f"count: {count} in pool {name}" for name, count in counts.items()]
    what += [f"no host {host} in pool {name}" for name, host in hosts]
    return ConfigError(
        "config/not-editable",
        f"{', '.join(loaded.files)}: this cannot be changed for you without changing more (an alias, a list in one line, quotes)",
        where=loaded.files[-1],
        hint=f"write {' and '.join(what)} yourself, then sloth up",
    )


def _offset(document: str, mark: Mark) -> int:
    return _line_start(document, mark.line) + mark.column - 1


def _line_start(document: str, line: int) -> int:
    """Where a line (from 1) begins; the end of the text for one after the last."""
    start = 0
    for _ in range(line - 1):
        found = _BREAK.search(document, start)
        if found is None:
            return len(document)
        start = found.end()
    return start


def _ending(document: str) -> str:
    found = _BREAK.search(document)
    return found[0] if found else "\n"
