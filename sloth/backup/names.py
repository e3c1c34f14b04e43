"""What backups are called: `CLUSTER-YYYYMMDDTHHMMSSZ`, so that sorting by name sorts by time; and which files make one up."""

from __future__ import annotations

import calendar
import re
import time

ARCHIVE = ".tar.gz.cms"  # the sealed archive
MANIFEST = ".json"  # what is in it, signed; written last: a backup without it does not exist
VERIFIED = ".verified.json"  # that it was restored into a scratch etcd, and when
_STAMP = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"(?P<cluster>[a-z0-9]([-a-z0-9]*[a-z0-9])?)-(?P<stamp>[0-9]{8}T[0-9]{6}Z)\Z")


def name_of(cluster: str, taken: float) -> str:
    """The name of a backup of that cluster, taken at that moment (Unix seconds)."""
    return f"{cluster}-{time.strftime(_STAMP, time.gmtime(taken))}"


def cluster_of(name: str) -> str:
    """Whose backup that is; "" if it is no backup's name."""
    found = _NAME.match(name)
    return found["cluster"] if found else ""


def taken_at(name: str) -> int:
    """When it was taken, in Unix seconds. Raises ValueError for what is no backup's name."""
    found = _NAME.match(name)
    if not found:
        raise ValueError(f"no name of a backup: {name!r}")
    return calendar.timegm(time.strptime(found["stamp"], _STAMP))


def backups_in(files: list[str], cluster: str) -> list[str]:
    """Names of that cluster's complete backups among the files of a place, the newest first."""
    there = set(files)
    found = [file.removesuffix(MANIFEST) for file in files if file.endswith(MANIFEST) and not file.endswith(VERIFIED)]
    return sorted((name for name in found if cluster_of(name) == cluster and name + ARCHIVE in there), reverse=True)
