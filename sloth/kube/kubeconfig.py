"""kubeconfig files: found, merged and read into a Connection.

The rules are those of kubernetes.io, "Organizing Cluster Access Using kubeconfig Files": an explicit file stands alone; else
the files of `KUBECONFIG`, else ~/.kube/config; missing files are passed over; the first file to have a name or a value wins;
relative paths are relative to the file that has them; `*-data` wins over its file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import msgspec

from sloth.errors import UsageError
from sloth.kube.connection import Connection
from sloth.kube.kubeconfig_entries import broken, connection_of

_PATHS = {"clusters": ("certificate-authority",), "users": ("client-certificate", "client-key", "tokenFile")}
_INNER = {"clusters": "cluster", "users": "user", "contexts": "context"}


@dataclass(slots=True)
class Kubeconfig:
    """Merged files: entries by name, each as its file has it (paths made absolute)."""

    clusters: dict[str, dict[str, Any]] = field(default_factory=dict)
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    contexts: dict[str, dict[str, Any]] = field(default_factory=dict)
    current: str = ""
    homes: dict[str, Path] = field(default_factory=dict)
    """The file of each user, where it is known: renewed tokens are written there."""

    def connection(self, context: str = "", *, cluster: str = "", user: str = "", namespace: str = "") -> Connection:
        """What a context says, each part of it replaceable. Raises UsageError (no such entry), KubernetesError (not usable)."""
        chosen = context or self.current
        if chosen and chosen not in self.contexts:
            raise _unknown("context", chosen, self.contexts)
        entry = self.contexts.get(chosen, {})
        cluster = cluster or entry.get("cluster", "")
        user = user or entry.get("user", "")
        if not cluster and not self.clusters:
            raise UsageError("kube/no-config", "there is no kubeconfig that names a cluster", hint="sloth kubeconfig --merge")
        if not cluster:
            raise _unknown("context", "", self.contexts)
        if cluster not in self.clusters:
            raise _unknown("cluster", cluster, self.clusters)
        if user and user not in self.users:
            raise _unknown("user", user, self.users)
        found = connection_of(
            chosen or cluster, self.clusters[cluster], self.users.get(user, {}), namespace or entry.get("namespace") or "default"
        )
        return (
            replace(found, oidc=msgspec.structs.replace(found.oidc, user=user, file=self.homes.get(user)))
            if found.oidc
            else found
        )


def _unknown(what: str, name: str, known: Mapping[str, object]) -> UsageError:
    return UsageError(
        "kube/unknown-context",
        f"the kubeconfig has no {what} `{name}`" if name else "the kubeconfig has no current context",
        detail=f"known: {', '.join(sorted(known)) or 'none'}",
        hint="sloth kube get nodes --context NAME",
    )


def paths(explicit: Path | None = None, env: Mapping[str, str] = os.environ) -> list[Path]:
    """The files that count, in order."""
    if explicit:
        return [explicit]
    listed = [Path(each) for each in env.get("KUBECONFIG", "").split(os.pathsep) if each]
    return listed or [Path(env.get("HOME") or Path.home(), ".kube", "config")]


def load(explicit: Path | None = None, env: Mapping[str, str] = os.environ) -> Kubeconfig:
    """Read and merge. Raises UsageError if an explicit file is missing, KubernetesError if a file is not a kubeconfig."""
    if explicit and not explicit.is_file():
        raise UsageError("kube/no-config", f"there is no file {explicit}", hint="sloth kubeconfig > FILE")
    found, files = [], []
    for path in dict.fromkeys(paths(explicit, env)):
        try:
            found.append((read(path.read_bytes(), str(path)), path.absolute().parent))
            files.append(path.absolute())
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise broken(str(path), str(error)) from error
    return merge(found, files)


def read(text: bytes, name: str) -> dict[str, Any]:
    """One file's document. Raises KubernetesError."""
    import yaml

    try:
        document = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) or {}  # noqa: S506  both are safe loaders
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        # Not the parser's own words: they quote the line, which may be a key.
        mark = getattr(error, "problem_mark", None)
        raise broken(name, f"line {mark.line + 1} is no YAML" if mark else "it is no YAML") from None
    if not isinstance(document, dict):
        raise broken(name, "it is no mapping")
    return document


def merge(documents: Sequence[tuple[dict[str, Any], Path]], files: Sequence[Path] = ()) -> Kubeconfig:
    """Documents with their folders (and files, if they are to be written to), the first to name something wins.

    Raises KubernetesError.
    """
    merged = Kubeconfig()
    for (document, folder), file in zip_longest(documents, files):
        merged.current = merged.current or _text(document.get("current-context"))
        for section, inner in _INNER.items():
            mine: dict[str, dict[str, Any]] = getattr(merged, section)
            for name, body in _entries(document, section, inner, folder):
                if file and section == "users" and name not in mine:
                    merged.homes[name] = file
                mine.setdefault(name, body)
    return merged


def _entries(document: dict[str, Any], section: str, inner: str, folder: Path) -> list[tuple[str, dict[str, Any]]]:
    listed = document.get(section) or []
    if not isinstance(listed, list):
        raise broken(str(folder), f"`{section}` is no list")
    found = []
    for entry in listed:
        body = entry.get(inner) or {} if isinstance(entry, dict) else None
        if not isinstance(body, dict) or not isinstance(entry.get("name"), str):
            raise broken(str(folder), f"an entry of `{section}` has no name, or its `{inner}` is no mapping")
        found.append((entry["name"], _absolute(body, section, folder)))
    return found


def _absolute(body: dict[str, Any], section: str, folder: Path) -> dict[str, Any]:
    found = {
        **body,
        **{key: str(folder / body[key]) for key in _PATHS.get(section, ()) if isinstance(body.get(key), str) and body[key]},
    }
    provider = body.get("auth-provider")
    config = provider.get("config") if isinstance(provider, dict) else None
    ca = config.get("idp-certificate-authority") if isinstance(config, dict) else None
    if isinstance(provider, dict) and isinstance(config, dict) and isinstance(ca, str) and ca:
        found["auth-provider"] = {**provider, "config": {**config, "idp-certificate-authority": str(folder / ca)}}
    plugin = body.get("exec")
    command = plugin.get("command") if isinstance(plugin, dict) else None
    if (
        isinstance(plugin, dict)
        and isinstance(command, str)
        and not os.path.isabs(command)
        and os.path.basename(command) != command
    ):
        # A bare word is looked up in PATH; with a slash it is relative to the file.
        found["exec"] = {**plugin, "command": str(folder / command)}
    return found


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
