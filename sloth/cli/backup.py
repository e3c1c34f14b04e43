"""`sloth backup`: sealed backups of the control plane, and the way back from them."""

from __future__ import annotations

from typing import Annotated

import typer

from sloth.cli.options import verb
from sloth.model.options import Options, Outcome

Name = Annotated[
    str, typer.Argument(metavar="[NAME]", help="As `sloth backup list` shows it; default: the newest.", show_default=False)
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Survivor = Annotated[
    str,
    typer.Option(
        "--survivor",
        metavar="NODE",
        help="After a lost majority: go on with the data of this control-plane node, not with a backup.",
        show_default=False,
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be deleted.")]


def register(group: typer.Typer) -> None:
    """Add the verbs of the group."""

    @verb(group, "create")
    def create(options: Options) -> Outcome:
        """Make a backup of etcd and the cluster's keys, sealed on the node, and bring it to its place."""
        from sloth.cli.backup_work import create_backup

        return create_backup(options)

    @verb(group, "list")
    def list_(options: Options) -> Outcome:
        """List the backups at their place. Asks no node."""
        from sloth.cli.backup_work import list_backups

        return list_backups(options)

    @verb(group, "verify")
    def verify(options: Options, name: Name = "") -> Outcome:
        """Restore a backup into a scratch etcd on a node and compare revision, hash and number of keys."""
        from sloth.cli.backup_work import verify_backup

        return verify_backup(options, name)

    @verb(group, "restore")
    def restore(options: Options, name: Name = "", *, survivor: Survivor = "", yes: Yes = False) -> Outcome:
        """Put a backup's data back, on the machines that are there or on new ones. The present data is put aside."""
        from sloth.cli.backup_restore import restore_backup

        return restore_backup(options, name, survivor=survivor, yes=yes)

    @verb(group, "schedule")
    def schedule(options: Options) -> Outcome:
        """Have the control plane make backups by itself as the spec says, and show what its timers say."""
        from sloth.cli.backup_work import schedule_backups

        return schedule_backups(options)

    @verb(group, "prune")
    def prune(options: Options, *, yes: Yes = False, dry_run: DryRun = False) -> Outcome:
        """Delete backups that spec.backup.keep does not keep. The newest and the newest verified one always stay."""
        from sloth.cli.backup_work import prune_backups

        return prune_backups(options, yes=yes, dry_run=dry_run)
