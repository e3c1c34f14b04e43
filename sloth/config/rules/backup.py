"""What `spec.backup` must say for its parts to fit together."""

from __future__ import annotations

from collections.abc import Iterator

from sloth.backup.schedule import calendar
from sloth.config.problem import Finding
from sloth.config.rules.desk import Desk, Rule


def schedule(desk: Desk) -> Iterator[Finding]:
    """A cron line that a timer can say."""
    line = desk.spec.backup.schedule
    try:
        if line:
            calendar(line)
    except ValueError as error:
        yield desk.find(
            "config/backup-schedule",
            ("spec", "backup", "schedule"),
            f"this is no schedule: {error}",
            'write for example "0 */6 * * *": at every sixth hour',
            rule="five fields as in crontab(5), or @hourly, @daily, @weekly, @monthly",
            value=line,
        )


def keys(desk: Desk) -> Iterator[Finding]:
    """Both halves of a key, or none; and only where it is used."""
    backup = desk.spec.backup
    if bool(backup.access_key) != bool(backup.secret_key):
        there, missing = ("accessKey", "secretKey") if backup.access_key else ("secretKey", "accessKey")
        yield desk.find(
            "config/backup-key",
            ("spec", "backup", there),
            f"`{there}` is of no use without `{missing}`",
            f"add `{missing}`, or remove `{there}`",
            rule="both, or none",
        )
    elif backup.access_key and not backup.to.startswith("s3://"):
        yield desk.find(
            "config/backup-key",
            ("spec", "backup", "accessKey"),
            f"a key is of no use at {backup.to or 'a directory'}",
            "remove `accessKey` and `secretKey`",
            rule="only with an address that begins with s3://",
        )


RULES: tuple[Rule, ...] = (schedule, keys)
