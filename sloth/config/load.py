"""Load a cluster spec: read the files, lay overlays on each other, check, complete.

This module is the door to `sloth.config`; PyYAML and jsonschema are imported when a spec is really loaded.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path as FilePath
from typing import Any

from sloth.config.problem import advice, shown
from sloth.config.tree import Mark, Path, Tree, plant
from sloth.errors import ConfigError
from sloth.model.spec import ClusterSpec

STDIN = "-"


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A valid spec, and where everything in it comes from."""

    spec: ClusterSpec
    raw: Mapping[str, Any]  # the file's own names and nesting, overlays applied, defaults filled in
    origins: Mapping[Path, Mark]  # place of each value that was written
    defaulted: frozenset[Path]  # paths that were filled in
    files: tuple[str, ...]


def load(paths: Sequence[FilePath | str], *, env: str | None = None, texts: Mapping[str, bytes] | None = None) -> Loaded:
    """Load a spec with its overlays, in the order given; `env` adds `sloth.d/ENV.yaml` beside the first file.

    `texts` = contents to take in place of what files hold, by name. Raises ConfigError, with all problems at once.
    """
    from sloth.config.merge import merge
    from sloth.config.reader import read

    names = [str(path) for path in paths] + ([_overlay(paths, env)] if env is not None else [])
    given = texts or {}
    trees = [read(given[name] if name in given else file_bytes(name), name) for name in names]
    merged = trees[0]
    for over in trees[1:]:
        merged = merge(merged, over)
    return _loaded(merged, names)


def from_document(document: Mapping[str, Any]) -> Loaded:
    """The spec of a document that was once `Loaded.raw`, as a record keeps it. Raises ConfigError if it does not fit any more."""
    name = "the cluster's record"
    return _loaded(plant(document, Mark(name, 1, 1)), [name])


def _loaded(merged: Tree, names: Sequence[str]) -> Loaded:
    from sloth.config.check import check

    checked = check(merged, names)
    return Loaded(
        spec=checked.spec,
        raw=checked.effective,
        origins={path: tree.mark for path, tree in merged.walk() if tree.value is not None},
        defaulted=checked.defaulted,
        files=tuple(names),
    )


def first_spec(name: str) -> str:
    """The commented text of a first cluster's spec, as `sloth init` prints it. Raises ConfigError for an impossible name."""
    from sloth.config.reader import read

    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?", name):
        raise ConfigError(
            "config/format",
            f"`{shown(name)}` is not a name for a cluster",
            detail="rule: a DNS-1123 label: lower-case letters, digits and `-`, at most 40 characters",
            hint="sloth init demo",
        )
    template = files("sloth.templates").joinpath("specs/first.yaml").read_text("utf-8")
    # A name such as `on` or `12` would not be text without quotes.
    plain = read(f"name: {name}".encode(), "") if name[0].isalpha() else None
    quoted = name if plain and plain.plain() == {"name": name} else f'"{name}"'
    return template.replace("name: demo ", f"name: {quoted} ", 1)


def _overlay(paths: Sequence[FilePath | str], env: str) -> str:
    folder = FilePath(paths[0]).parent / "sloth.d"
    path = folder / f"{env}.yaml"
    if not re.fullmatch(r"[A-Za-z0-9][-A-Za-z0-9_]*", env) or not path.is_file():
        known = sorted(item.stem for item in folder.glob("*.yaml")) if folder.is_dir() else []
        raise ConfigError(
            "config/unknown-env",
            f"there is no overlay `{env[:40]}` in {folder}",
            where=str(folder),
            hint=advice(env, known) if known else f"write {folder}/prod.yaml with what differs, and use --env prod",
        )
    return str(path)


def file_bytes(name: str) -> bytes:
    """What a spec file holds, or standard input for `-`. Raises ConfigError."""
    from sloth.config.reader import MAX_BYTES

    if name == STDIN:
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    try:
        with FilePath(name).open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError("config/no-file", f"there is no file {name}", where=name, hint="sloth init > sloth.yaml") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError("config/unreadable", f"{name} cannot be read: {reason}", where=name, hint=f"ls -l {name}") from None
