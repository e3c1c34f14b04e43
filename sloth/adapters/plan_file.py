"""Plan files: what `sloth plan --out` saves and `sloth up FILE` holds against the world before it does anything.

A plan file is no programme: `up` never does what the file says, it plans anew and goes on only if the result is the same. So
the digest is there to notice damage and edits, not to keep anybody out, and a forged file can at most be refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from sloth.adapters.durable import create_file, replace_file
from sloth.errors import ConfigError, StateError, UsageError
from sloth.model.plan import SavedPlan
from sloth.model.secret import mask

KIND = "sloth plan"
FORMAT = 1
_MAX_BYTES = 256 * 1024 * 1024
_NEW = "sloth plan --out FILE makes a new one"


def check_target(path: Path) -> None:
    """Refuse, before the work is done, to write over what is no plan. Raises UsageError."""
    try:
        known = not path.exists() or _document(path).get("kind") == KIND
    except ConfigError:
        known = False
    if not known:
        raise UsageError(
            "plan/not-a-plan",
            f"{path} is there already and is no plan file: it is not overwritten",
            hint="give --out another name",
        )


def save(path: Path, plan: SavedPlan) -> str:
    """Write the file, mode 0600, whole or not at all; returns its digest. Raises StateError."""
    content = {"kind": KIND, "format": FORMAT, **{field.name: getattr(plan, field.name) for field in fields(plan)}}
    digest = _digest(content)
    text = json.dumps({"digest": digest, **content}, indent=1, ensure_ascii=False)
    try:
        (replace_file if path.exists() else create_file)(path, text.encode() + b"\n")
    except OSError as error:
        raise StateError(
            "plan/not-saved",
            f"{path} cannot be written: {error.strerror or error}",
            hint="sloth plan --out FILE, with another FILE",
        ) from error
    return digest


def load(path: Path, cluster: str) -> SavedPlan:
    """The plan of this cluster. Raises UsageError if there is no file, ConfigError if it is not to be trusted."""
    content = _document(path)
    if content.get("kind") != KIND or not isinstance(content.get("format"), int):
        raise _unreadable(path, "it is no plan of sloth")
    if content["format"] > FORMAT:
        raise ConfigError(
            "plan/newer",
            f"{path} was made by a newer sloth ({str(content.get('sloth', ''))[:20]}), in format {content['format']}",
            detail=f"this sloth reads format {FORMAT}",
            where=str(path),
            hint="sloth plan --out FILE, with this sloth",
        )
    told = content.pop("digest", "")
    if told != _digest(content):
        raise ConfigError(
            "plan/edited",
            f"{path} is not as `sloth plan` wrote it: its digest does not fit its content; nothing was done",
            where=str(path),
            hint=f"change the spec, not the plan; {_NEW}",
        )
    try:
        plan = SavedPlan(**{field.name: content[field.name] for field in fields(SavedPlan)})
    except KeyError as error:
        raise _unreadable(path, f"it lacks {error}") from error
    if plan.cluster != cluster:
        raise ConfigError(
            "plan/other-cluster",
            f"{path} is a plan of {plan.cluster}, and the spec is of {cluster}; nothing was done",
            where=str(path),
            hint=f"sloth up {path} -f SPEC, with the spec of {plan.cluster}",
        )
    return plan


def _document(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise _unreadable(path, "it is too large")
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise UsageError("plan/no-file", f"there is no plan file {path}", hint=f"sloth plan --out {path}") from None
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    except (ValueError, RecursionError) as error:
        raise _unreadable(path, "it is no JSON") from error
    if not isinstance(content, dict):
        raise _unreadable(path, "it is no plan of sloth")
    return content


def _unreadable(path: Path, why: str) -> ConfigError:
    return ConfigError("plan/unreadable", f"{path} cannot be used as a plan: {why}", where=str(path), hint=_NEW)


def _digest(content: Mapping[str, Any]) -> str:
    """Over the content in one canonical form: order of keys and white space do not count."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def masked(value: Any) -> Any:
    """The value as JSON has it, with known secrets masked in all texts."""
    if isinstance(value, Mapping):
        return {str(key): masked(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [masked(item) for item in value]
    return mask(value) if isinstance(value, str) else value


def spec_digests(raw: Mapping[str, Any]) -> dict[str, str]:
    """Path -> digest of each value of a spec: enough to say what changed, without keeping the values."""
    return {path: hashlib.sha256(repr((path, value)).encode()).hexdigest()[:16] for path, value in _leaves(raw, "")}


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, (list, tuple)) and value:
        for number, item in enumerate(value):
            name = item.get("name", number) if isinstance(item, Mapping) else number
            yield from _leaves(item, f"{path}[{name}]")
    else:
        yield path, value


def lock_digest(path: Path | None) -> str:
    """SHA-256 of sloth.lock; "" where there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path is not None and path.is_file() else ""
