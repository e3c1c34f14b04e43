"""Where things live on this machine: the XDG base directories, with overrides for tests and for people."""

from __future__ import annotations

import os
import re
from pathlib import Path

from sloth.errors import UsageError

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")  # a DNS label, RFC 1123


def _folder(given: Path | None, override: str, variable: str, fallback: str) -> Path:
    chosen = given or os.environ.get(override)
    if chosen:
        return Path(chosen).expanduser().absolute()
    base = os.environ.get(variable)
    # The XDG specification says: relative paths in these variables are to be ignored.
    return (Path(base) if base and Path(base).is_absolute() else Path.home() / fallback) / "sloth"


def data_dir(given: Path | None = None) -> Path:
    """Records, keys, journals: `given`, else $SLOTH_DATA_DIR, else $XDG_DATA_HOME/sloth."""
    return _folder(given, "SLOTH_DATA_DIR", "XDG_DATA_HOME", ".local/share")


def cache_dir(given: Path | None = None) -> Path:
    """What can be made again: `given`, else $SLOTH_CACHE_DIR, else $XDG_CACHE_HOME/sloth."""
    return _folder(given, "SLOTH_CACHE_DIR", "XDG_CACHE_HOME", ".cache")


def cluster_dir(root: Path, cluster: str) -> Path:
    """One cluster's folder below the data directory. Raises UsageError for what cannot be a cluster's name."""
    if not _NAME.fullmatch(cluster):
        raise UsageError(
            "usage/cluster-name",
            f"`{cluster}` cannot be the name of a cluster",
            detail="names are lower-case letters, digits and hyphens, at most 63 of them",
            hint="sloth status --cluster NAME, with a name as in the spec's metadata.name",
        )
    return root / "clusters" / cluster


def private(path: Path) -> Path:
    """The folder, made with mode 0700 if it is not there; so are those parents that are missing. Raises OSError."""
    if not path.is_dir():
        private(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
    return path
