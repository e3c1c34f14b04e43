"""`sloth audit`: what was done to clusters from here, and whether the log of it is as it was written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from sloth.cli.options import verb
from sloth.model.options import Options, Outcome

Last = Annotated[int, typer.Option("--last", min=0, help="Only so many of the newest; 0 shows all.")]
OfCluster = Annotated[str, typer.Option("--of", help="Only this cluster: name of the context, or server.", show_default=False)]
Kind = Annotated[str, typer.Option("--kind", help="Only this kind: configmaps, deployments.apps.", show_default=False)]
Name = Annotated[str, typer.Option("--name", help="Only objects of this name.", show_default=False)]
Plan = Annotated[
    str, typer.Option("--plan", help="Only what belongs to the plan with this digest (or its beginning).", show_default=False)
]
Failed = Annotated[bool, typer.Option("--failed", help="Only what failed, or whose result is not known.")]
Wet = Annotated[bool, typer.Option("--no-dry-runs", help="Leave dry runs out.")]
Anchor = Annotated[
    str, typer.Option("--contains", help="A hash that an earlier verify printed: its line must be there.", show_default=False)
]


@dataclass(frozen=True)
class Wanted:
    """Which entries are shown."""

    last: int = 50
    cluster: str = ""
    kind: str = ""
    name: str = ""
    plan: str = ""
    failed: bool = False
    wet: bool = False

    def takes(self, entry: dict[str, Any]) -> bool:
        """Whether this one is."""
        return (
            self.cluster in ("", entry.get("cluster"), entry.get("server"))
            and self.kind in ("", entry.get("kind"))
            and self.name in ("", entry.get("name"))
            and str(entry.get("plan") or "").startswith(self.plan)
            and not (self.failed and (entry.get("result") or {}).get("ok"))
            and not (self.wet and entry.get("dry_run"))
        )


def register(group: typer.Typer) -> None:
    """Add the verbs of the group."""

    @verb(group, "show")
    def show(
        options: Options,
        *,
        last: Last = 50,
        of: OfCluster = "",
        kind: Kind = "",
        name: Name = "",
        plan: Plan = "",
        failed: Failed = False,
        no_dry_runs: Wet = False,
    ) -> Outcome:
        """List the calls that may have changed a cluster: who, as whom, what, with which result."""
        return show_entries(options, Wanted(last, of, kind, name, plan, failed, no_dry_runs))

    @verb(group, "verify")
    def verify(options: Options, contains: Anchor = "") -> Outcome:
        """Check that no line was changed, moved or taken away since it was written. Names the first that was."""
        return verify_log(options, contains)


def log_folder(options: Options) -> Path:
    """Where the log is, below sloth's data directory."""
    from sloth.adapters.paths import data_dir

    return data_dir(options.state_dir) / "audit"


def show_entries(options: Options, wanted: Wanted) -> Outcome:
    """The verb without its command line. Raises SlothError."""
    from sloth.kube.audit.reading import entries
    from sloth.kube.show import aligned

    found = [entry for entry in entries(log_folder(options)) if wanted.takes(entry)]
    found = found[-wanted.last :] if wanted.last else found
    rows = [["TIME", "BY", "WHO", "CLUSTER", "VERB", "OBJECT", "RESULT", "MS", "PLAN"], *map(_row, found)]
    text = aligned(rows) if found else "nothing is in the audit log"
    return Outcome("Audit", data={"calls": found}, text=text)


def verify_log(options: Options, anchor: str) -> Outcome:
    """The verb without its command line. Raises SlothError, StateError (`kube/audit-broken`) among them."""
    from sloth.errors import StateError
    from sloth.kube.audit.reading import verify

    folder = log_folder(options)
    verdict = verify(folder, anchor)
    if verdict.finding:
        found = verdict.finding
        raise StateError(
            "kube/audit-broken",
            f"the audit log is not as it was written: {found.file}, line {found.line}",
            detail=f"{found.why}\nlines before it are good up to number {verdict.last.seq} of the log",
            where=f"{folder / found.file}:{found.line}",
            hint=f"sed -n {found.line}p {folder / found.file}",
        )
    data = {"lines": verdict.lines, "last": verdict.last.seq, "hash": verdict.last.hash}
    text = f"{verdict.lines} lines, all as they were written\nlast line {verdict.last.seq}: {verdict.last.hash}"
    return Outcome("AuditVerified", data=data, text=text if verdict.lines else "nothing was written yet")


def _row(entry: dict[str, Any]) -> list[str]:
    result, acting = entry.get("result"), entry.get("as") or {}
    place = "/".join(str(entry[part]) for part in ("namespace", "name") if entry.get(part))
    subresource = f" ({entry['subresource']})" if entry.get("subresource") else ""
    thing = f"{entry.get('kind') or entry.get('path')} {place}{subresource}".strip()
    cells = [
        str(entry.get("at", ""))[:19].replace("T", " "),
        str(entry.get("by", "")),
        f"{entry.get('who', '')}{' as ' + str(acting['user']) if acting else ''}",
        str(entry.get("cluster") or entry.get("server") or ""),
        f"{entry.get('verb', '')}{' (dry run)' if entry.get('dry_run') else ''}",
        thing,
        str(result["word"]) if result else "not known",
        f"{entry['ms']:.0f}" if isinstance(entry.get("ms"), (int, float)) else "-",
        str(entry.get("plan") or "")[:12] or "-",
    ]
    return ["".join(each if each.isprintable() else "?" for each in cell) for cell in cells]  # no escapes of the terminal
