"""The user's kubeconfig file: merge one cluster in, keep everything else, write 0600 and atomically.

Merging follows https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/ where several files are
listed in $KUBECONFIG: the first one is written.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sloth.adapters.durable import replace_file
from sloth.errors import StateError

SECTIONS = ("clusters", "users", "contexts")


def target() -> Path:
    """The file that kubectl would write: first of $KUBECONFIG, else ~/.kube/config."""
    listed = [part for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return Path(listed[0]) if listed else Path.home() / ".kube" / "config"


def merge_into(path: Path, kubeconfig: str) -> None:
    """Put the cluster, user and context of `kubeconfig` into the file and make the context current.

    Raises StateError if the file is there but is not a kubeconfig; it is left as it was then.
    """
    import yaml

    new = yaml.safe_load(kubeconfig)
    have = _read(path)
    for section in SECTIONS:
        names = {entry["name"] for entry in new[section]}
        have[section] = [x for x in have.get(section) or [] if x.get("name") not in names] + new[section]
    have["current-context"] = new["current-context"]
    _write(path, yaml.safe_dump(have, sort_keys=False))


def _read(path: Path) -> dict[str, Any]:
    import yaml

    if not path.exists():
        return {"apiVersion": "v1", "kind": "Config"}
    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise _unusable(path, str(error)) from error
    if document is None:
        return {"apiVersion": "v1", "kind": "Config"}
    lists = isinstance(document, dict) and all(isinstance(document.get(x) or [], list) for x in SECTIONS)
    entries = lists and all(isinstance(entry, dict) for x in SECTIONS for entry in document.get(x) or [])
    if not entries or document.get("kind", "Config") != "Config":
        raise _unusable(path, "its top level is not that of a kubeconfig")
    return dict(document)


def _unusable(path: Path, why: str) -> StateError:
    return StateError(
        "kubeconfig/not-a-kubeconfig",
        f"{path} is not a kubeconfig, so nothing was merged into it",
        detail=why,
        where=str(path),
        hint=f"mv {path} {path}.old, then sloth kubeconfig --merge",
    )


def _write(path: Path, text: str) -> None:
    real = path.resolve()  # a link stays a link
    try:
        real.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(real, text.encode())
    except OSError as error:
        raise StateError(
            "kubeconfig/not-written",
            f"{path} could not be written: {error.strerror}",
            where=str(path),
            hint="sloth kubeconfig > kubeconfig",
        ) from error
