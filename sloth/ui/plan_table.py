"""The plan as one table: machines, mesh, steps on nodes, Kubernetes; what goes or is replaced is red and says why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sloth.model.options import Options
from sloth.model.plan import SERVER, title_of
from sloth.model.words import counted
from sloth.ui.console import print_table, stdout
from sloth.ui.named import named

STEPS_IN_FULL = 60  # lines; of a longer plan only the number of steps is shown
_EACH = 10  # new nodes whose addresses are shown one by one
_MARKS = {
    "create": ("+", "green"), "import": ("+", "green"), "start": ("~", "yellow"), "update": ("~", "yellow"),
    "change": ("~", "yellow"), "replace": ("±", "bold red"), "delete": ("-", "bold red"),
}  # fmt: skip
_KUBERNETES = ("Remove nodes", "Control plane", "Workers", "Cluster services", "Kubeconfig")  # phases


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    action: str  # one of _MARKS; "" = belongs to the line above
    what: str
    on: str = ""
    detail: str = ""
    predicted: bool = False


def plan(data: dict[str, Any], options: Options) -> None:
    """What would be done."""
    show_plan(data, stdout(options), full=options.debug)


def show_plan(data: dict[str, Any], console: Console, *, full: bool = False) -> None:
    """The same on this console. `full` names every step, however many there are."""
    found = sections(data, full=full)
    if not found:
        console.print(f"{data['cluster']}: nothing to change")
    else:
        print_table(console, _table(found), shrink="WHAT")
        console.print()
        console.print(Text.assemble((in_short(data["summary"]), "bold"), (_guesses(data["steps"]), "dim")), soft_wrap=True)
    if data.get("saved"):
        console.print(Text(f"saved in {data['saved']['file']}, {data['saved']['digest']}"), soft_wrap=True)
        console.print(Text(f"next: sloth up {data['saved']['file']}"), soft_wrap=True)


def sections(data: dict[str, Any], *, full: bool = False) -> dict[str, list[Row]]:
    """Title -> lines, empty sections left out. Also what the Markdown summary is made of."""
    told = {(x["node"], title_of(x["action"], x["kind"], x["name"])) for x in data["machines"]}
    steps = [step for step in data["steps"] if (step["node"], step["title"]) not in told]
    groups = _groups(steps, [lease["node"] for lease in data["leases"]])
    full = full or sum(len(titles) for _, titles, _ in groups) <= STEPS_IN_FULL
    mine = {title: [group for group in groups if _section(group[0]) == title] for title in ("Mesh", "Hosts", "Kubernetes")}
    found = {
        "Machines": list(_machines(data["machines"])),
        "Mesh": [*_peers(data), *_steps(mine["Mesh"], full)],
        "Hosts": list(_steps(mine["Hosts"], full)),
        "Kubernetes": [*_objects(data["objects"]), *_steps(mine["Kubernetes"], full)],
    }
    return {title: rows for title, rows in found.items() if rows}


def in_short(summary: dict[str, Any]) -> str:
    """`3 to create, 0 to replace, 1 to delete, 2 nodes to change; 5 unchanged`."""
    changing = f"{counted(summary['change'], 'node')} to change"
    rare = [f"{summary[word]} to {word}" for word in ("import", "start") if summary[word]]
    words = [f"{summary['create']} to create", *rare, *(f"{summary[word]} to {word}" for word in ("replace", "delete")), changing]
    shared = ", ".join(f"{count} to {action}" for action, count in summary["resources"].items())
    return f"{', '.join(words)}; {summary['unchanged']} unchanged" + (f"; shared resources: {shared}" if shared else "")


def _guesses(steps: Sequence[dict[str, Any]]) -> str:
    guessed = sum(step["predicted"] for step in steps)
    return f" ({len(steps)} steps, {guessed} predicted: they follow from what is not there yet)" if guessed else ""


def _section(phase: str) -> str:
    return "Mesh" if phase == "Mesh" else "Kubernetes" if phase in _KUBERNETES else "Hosts"


def _machines(changes: Iterable[dict[str, Any]]) -> Iterator[Row]:
    """Equal changes of several nodes' machines are one line; what is replaced and deleted comes first."""
    folded: dict[tuple[str, ...], list[str]] = {}
    for x in sorted(changes, key=lambda x: list(_MARKS)[::-1].index(x["action"])):
        what = f"{x['action']} {'machine' if x['kind'] == SERVER else x['kind']}"
        name = "" if x["kind"] == SERVER and x["name"] in (x["node"], "") else x["name"]
        key = (x["action"], what, x["provider"], x["detail"], ", ".join(x["cause"]), "" if x["node"] else name)
        folded.setdefault(key, []).append(x["node"])
    for (action, what, provider, detail, cause, name), nodes in folded.items():
        why = f"because of {cause}" if cause else ""
        yield Row(action, what, name or named(nodes), "; ".join(word for word in (why, provider, detail) if word))


def _peers(data: dict[str, Any]) -> Iterator[Row]:
    mesh = data["mesh"]
    leases = {lease["node"]: lease for lease in data["leases"]}
    if len(mesh["new"]) <= _EACH:
        for name in mesh["new"]:
            yield Row("create", "new peer", name, f"{leases[name]['mesh']}, pods {leases[name]['pods']}")
    else:
        first, last = leases[mesh["new"][0]], leases[mesh["new"][-1]]
        yield Row("create", f"{len(mesh['new'])} new peers", named(mesh["new"]), f"{first['mesh']} … {last['mesh']}")
    if mesh["gone"]:
        yield Row("delete", "peer goes", named(mesh["gone"]))
    if mesh["peers"]:
        yield Row("change", "peers change", named(mesh["peers"]))


def _objects(objects: Iterable[dict[str, str]]) -> Iterator[Row]:
    folded: dict[tuple[str, str, str], list[str]] = {}
    for thing in objects:
        folded.setdefault((thing["action"], thing["kind"], thing["detail"]), []).append(thing["name"])
    for (action, kind, detail), names in folded.items():
        yield Row(action, kind, named(names), detail)


Group = tuple[str, tuple[tuple[str, bool], ...], list[str]]  # phase, steps (title, predicted), nodes


def _groups(steps: Iterable[dict[str, Any]], order: Sequence[str]) -> list[Group]:
    """Nodes with the same steps in a phase are one group, whichever of them was asked first."""
    lists: dict[str, dict[str, list[tuple[str, bool]]]] = {}
    for step in steps:
        lists.setdefault(step["phase"], {}).setdefault(step["node"], []).append((step["title"], step["predicted"]))
    place = {name: number for number, name in enumerate(order)}
    found: list[Group] = []
    for phase, nodes in lists.items():
        groups: dict[tuple[tuple[str, bool], ...], list[str]] = {}
        for node in sorted(nodes, key=lambda name: place.get(name, -1)):
            groups.setdefault(tuple(nodes[node]), []).append(node)
        found += [(phase, titles, names) for titles, names in groups.items()]
    return found


def _steps(groups: Iterable[Group], full: bool) -> Iterator[Row]:
    for phase, titles, nodes in groups:
        guessed = all(predicted for _, predicted in titles)
        count = counted(len(titles), "step")
        on = named(nodes) if any(nodes) else "the cluster"
        yield Row("change", f"{phase}: {count}", on, "predicted" if guessed else "", guessed)
        if full:
            for title, predicted in titles:
                yield Row("", f"  {title}", "", "predicted" if predicted and not guessed else "", predicted)


def _table(found: dict[str, list[Row]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", show_header=True)
    for header in ("", "WHAT", "ON", "DETAIL"):
        table.add_column(header, no_wrap=True)
    for title, rows in found.items():
        table.add_row("", Text(title, style="bold cyan"), "", "")
        for row in rows:
            mark, style = _MARKS.get(row.action, ("", "dim"))
            red = style if row.action in ("replace", "delete") else ""
            dim = "dim" if row.predicted or not row.action else red
            table.add_row(
                Text(mark, style=style), Text(row.what, style=style), Text(row.on, style=red), Text(row.detail, style=dim)
            )
    return table
