"""`sloth state`: what is remembered of clusters, its history, and ways in and out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sloth.cli.options import verb
from sloth.model.options import Options, Outcome

if TYPE_CHECKING:
    from sloth.contracts.state import Kept, Version
    from sloth.model.record import Record

Revision = Annotated[
    int, typer.Argument(min=0, help="A revision of `sloth state list`; default: the current one.", show_default=False)
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def register(group: typer.Typer) -> None:
    """Add the verbs of the group."""

    @verb(group, "list")
    def list_(options: Options) -> Outcome:
        """List the clusters; with --cluster or --file, the saved revisions of that cluster's record."""
        return list_versions(options) if options.cluster or options.files else list_clusters(options)

    @verb(group, "show")
    def show(options: Options, revision: Revision = 0) -> Outcome:
        """Print a record as YAML, secrets masked."""
        return show_record(options, revision)

    @verb(group, "export")
    def export(
        options: Options,
        file: Annotated[Path, typer.Argument(help="A file that is not there yet; made with mode 0600.", show_default=False)],
        revision: Annotated[int, typer.Option("--revision", min=0, help="Default: the current one.", show_default=False)] = 0,
        reveal_secrets: Annotated[bool, typer.Option("--reveal-secrets", help="In plain JSON, secrets included.")] = False,
        yes: Yes = False,
    ) -> Outcome:
        """Write a record to a file, encrypted as it is."""
        return export_record(options, file, revision, reveal=reveal_secrets, yes=yes)

    @verb(group, "import")
    def import_(
        options: Options,
        file: Annotated[Path, typer.Argument(help="What `sloth state export` wrote.", show_default=False)],
        yes: Yes = False,
    ) -> Outcome:
        """Save the record in a file as the newest revision. Refused if it is another cluster's or of a newer sloth."""
        return import_record(options, file, yes=yes)

    @verb(group, "rollback")
    def rollback(
        options: Options,
        revision: Annotated[int, typer.Argument(min=1, help="A revision of `sloth state list`.", show_default=False)],
        yes: Yes = False,
    ) -> Outcome:
        """Save an older revision as the newest one. Machines and nodes are not touched: `sloth plan` tells what follows."""
        return roll_back(options, revision, yes=yes)


def list_clusters(options: Options) -> Outcome:
    """All clusters with their current revision. Raises SlothError."""
    from sloth.app import known_clusters, state_of

    rows = []
    for name in known_clusters(options):
        state = state_of(options, name)
        newest = next(iter(state.versions()), None)
        rows.append({"name": name, **_row(newest), "locked": state.holder})
    data = {"clusters": rows}

    def show(chosen: Options) -> None:
        from sloth.ui.state_table import clusters

        clusters(data, chosen)

    return Outcome("Clusters", data=data, show=show)


def list_versions(options: Options) -> Outcome:
    """The revisions of one cluster's record. Raises SlothError."""
    from sloth.app import cluster_name, state_of

    name = cluster_name(options)
    state = state_of(options, name)
    data = {"cluster": name, "locked": state.holder, "versions": [_row(version) for version in state.versions()]}

    def show(chosen: Options) -> None:
        from sloth.ui.state_table import versions

        versions(data, chosen)

    return Outcome("StateVersions", data=data, show=show)


def _row(version: Version | None) -> dict[str, Any]:
    if version is None:  # gone between two looks
        return {"revision": 0, "saved": "", "by": "", "verb": "", "size": 0, "state": "missing"}
    state = "damaged" if version.damaged else "current" if version.current else "older"
    kept = {key: getattr(version, key) for key in ("revision", "saved", "by", "verb", "size")}
    return {**kept, "state": state}


def show_record(options: Options, revision: int) -> Outcome:
    """A record for people's eyes. Raises SlothError."""
    import yaml

    from sloth.adapters.record_json import readable
    from sloth.app import cluster_name, state_of

    data = readable(state_of(options, cluster_name(options)).revision(revision))
    return Outcome("Record", data=data, text=yaml.safe_dump(data, sort_keys=False, allow_unicode=True))


def export_record(options: Options, file: Path, revision: int, *, reveal: bool, yes: bool) -> Outcome:
    """A record to a file. Raises SlothError."""
    from sloth.adapters.record_file import in_plain, write_export
    from sloth.app import cluster_name, confirm, state_of

    name = cluster_name(options)
    state = state_of(options, name)
    if reveal:
        record = state.revision(revision)
        if not yes:
            confirm(f"{file} will hold every key of {name} in plain. Write it?")
        write_export(file, in_plain(record))
    else:
        write_export(file, state.sealed(revision))
    data = {"cluster": name, "file": str(file), "encrypted": not reveal}
    return Outcome("StateExport", data=data, text=f"{name} is in {file}" + (", in plain: keep it safe" if reveal else ""))


def import_record(options: Options, file: Path, *, yes: bool) -> Outcome:
    """A record from a file. Raises SlothError."""
    from sloth.adapters.record_file import read_export
    from sloth.app import cluster_name, confirm, state_of

    name = cluster_name(options)
    state = state_of(options, name)
    record = read_export(file, state, name)
    there = state.versions()
    warnings = _forgotten(state, record)
    if there and not yes:
        confirm(f"Replace the record of {name}, revision {there[0].revision}, by that in {file}, revision {record.revision}?")
    with _locked(state, "state import"):
        saved = state.restore(record)
    data = {"cluster": name, "revision": saved.revision, "from": record.revision}
    text = f"{name} has the record of {file} now, as revision {saved.revision}"
    return Outcome("StateImport", data=data, text=text, warnings=warnings)


def roll_back(options: Options, revision: int, *, yes: bool) -> Outcome:
    """An older revision as the newest one. Raises SlothError."""
    from sloth.app import cluster_name, confirm, state_of

    name = cluster_name(options)
    state = state_of(options, name)
    record = state.revision(revision)
    warnings = _forgotten(state, record)
    if not yes:
        confirm(f"Make revision {revision} the record of {name} again? Machines and nodes are not touched.")
    with _locked(state, "state rollback"):
        saved = state.restore(record)
    data = {"cluster": name, "revision": saved.revision, "from": revision}
    text = f"{name} is as in revision {revision} again, saved as revision {saved.revision}"
    return Outcome("StateRollback", data=data, text=text, warnings=warnings)


def _forgotten(state: Kept, record: Record) -> tuple[str, ...]:
    """Nodes that the current record can log in to and this one cannot, in words; said on stderr before any question."""
    from sloth.app import say
    from sloth.errors import StateError

    try:
        now = state.load()
    except StateError:  # it cannot be opened: that may be why it is replaced
        return ()
    nodes = now.nodes if now else {}
    lost = sorted(name for name, node in nodes.items() if node.host_keys != record.node(name).host_keys)
    if not lost:
        return ()
    text = f"that record does not know the host keys of {', '.join(lost)}: sloth will refuse to log in there"
    say(text)
    return (text,)


@contextmanager
def _locked(state: Kept, verb: str) -> Iterator[None]:
    state.lock(verb)
    try:
        yield
    finally:
        state.unlock()
