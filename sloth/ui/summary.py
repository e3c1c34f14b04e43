"""What a run did or would do as Markdown, for `--summary FILE`: fit to be appended to a job's summary page.

Texts come from specs, clouds and nodes: they are escaped, so that none of them becomes a link, an image or HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from sloth.errors import ManyErrors, SlothError
from sloth.model.secret import mask
from sloth.model.words import counted
from sloth.ui.error_panel import anchor
from sloth.ui.json_view import errors_of
from sloth.ui.named import named
from sloth.ui.plan_table import in_short, sections

_ROWS = 200  # of one table; job pages have a limit of 1 MiB
_FAILURES = 20
_EVIDENCE = 20  # lines
_MARKUP = re.compile(r"([\\`*_\[\]{}|~#!])")


def page_text(verb: str, cluster: str, lines: Sequence[str], *, ok: bool, took: str) -> str:
    """The whole page: a heading with the outcome, what is to say, how long it took."""
    name = f" {plain(cluster)}" if cluster else ""
    outcome = "✅" if ok else "❌"
    return "\n".join([f"### {outcome} sloth {verb}{name}", "", *lines, "", f"{took}", "", ""])


def plan_lines(data: dict[str, Any]) -> list[str]:
    """What would change."""
    found = sections(data)
    if not found:
        return ["Nothing to change."]
    rows = [
        (title, row.what.strip(), row.on, row.detail) for title, group in found.items() for row in group if row.action
    ]  # single steps are left out: the log has them
    grave = {"replace": "**replace**", "delete": "**delete**"}
    marks = [grave.get(row.action, row.action) for group in found.values() for row in group if row.action]
    cells = [(mark, *map(plain, row)) for mark, row in zip(marks, rows, strict=True)]
    lines = [f"**{plain(in_short(data['summary']))}**", "", *_table(("", "part", "what", "on", "detail"), cells)]
    if data.get("saved"):
        lines += ["", f"Saved in {code(data['saved']['file'])}, {code(data['saved']['digest'])}"]
    return lines


def up_lines(data: dict[str, Any], nodes: Sequence[dict[str, str]]) -> list[str]:
    """What was changed, and the nodes as they are now."""
    changed = set(data["changed"])
    count = counted(len(nodes), "node")
    gone = sorted(changed - {row["node"] for row in nodes})
    news = f"{plain(named(sorted(changed)))}" if changed else "nothing"
    lines = [f"{count} Ready, Kubernetes {plain(data['kubernetes'])}, API {code(data['api'])}. Changed: {news}.", ""]
    if gone:
        lines += [f"Removed: {plain(named(gone))}.", ""]
    rows = [(*(plain(str(value)) for value in row.values()), "yes" if row["node"] in changed else "") for row in nodes]
    return lines + _table((*(nodes[0] if nodes else ()), "changed"), rows)


def down_lines(data: dict[str, Any]) -> list[str]:
    """What was deleted."""
    lines = [f"{len(data['deleted'])} deleted, {len(data['left'])} left.", ""]
    return lines + _table(("deleted",), [(plain(thing),) for thing in data["deleted"]])


def failure_lines(error: SlothError | ManyErrors, log_path: str = "") -> list[str]:
    """Each failure with its evidence and what to do next."""
    failures = errors_of(error)
    lines: list[str] = []
    for each in failures[:_FAILURES]:
        where = f" at {code(each.where)}" if each.where and each.where not in each.summary else ""
        lines += [f"**{plain(each.summary)}**{where}", ""]
        evidence = mask(each.detail).strip("\n").splitlines()[-_EVIDENCE:]
        lines += [*fenced(evidence), ""] if evidence else []
        lines += [f"Next: {code(each.hint)} · {code(each.code)}, explained in {code(anchor(each.code))}", ""]
    if len(failures) > _FAILURES:
        lines += [f"… and {len(failures) - _FAILURES} more.", ""]
    return [*lines, f"Full log: {code(log_path)}"] if log_path else lines


def plain(text: str) -> str:
    """Text that means itself in Markdown, on one line, also in a cell of a table."""
    one = " ".join(mask(text).split())
    return _MARKUP.sub(r"\\\1", one.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


def code(text: str) -> str:
    """Text as code on one line, whatever backticks are in it."""
    one = " ".join(mask(text).split()) or " "
    fence = "`" * (max((len(run) for run in re.findall("`+", one)), default=0) + 1)
    pad = " " if one.startswith("`") or one.endswith("`") else ""
    return f"{fence}{pad}{one}{pad}{fence}"


def fenced(lines: Iterable[str]) -> list[str]:
    """A block of code that nothing in it can end."""
    body = list(lines)
    longest = max((len(run) for line in body for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}text", *body, fence]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    if not rows:
        return []
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    lines += [f"| {' | '.join(row)} |" for row in rows[:_ROWS]]
    return [*lines, "", f"… and {len(rows) - _ROWS} more."] if len(rows) > _ROWS else lines
