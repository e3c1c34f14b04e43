"""The envelope that every verb prints with `--output json`; its schema is envelope.schema.json, and a test pins both."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

from sloth.errors import ConfigError, ManyErrors, SlothError, flat
from sloth.model.secret import mask

API_VERSION = "sloth.dev/v1"


def envelope(kind: str, *, data: Any = None, warnings: Sequence[str] = (), error: SlothError | ManyErrors | None = None) -> str:
    """One JSON document. Everything but `data` is masked; data may be a secret that was asked for."""
    document = {
        "apiVersion": API_VERSION,
        "kind": kind,
        "ok": error is None,
        "data": data,
        "warnings": [mask(text) for text in warnings],
        "errors": [each.as_dict() for each in errors_of(error)],
    }
    return json.dumps(document, indent=2, ensure_ascii=False, default=_plain)


def errors_of(error: SlothError | ManyErrors | None) -> list[SlothError]:
    """Every single failure in a failure: members of groups, problems of a spec."""
    if error is None:
        return []
    if isinstance(error, ManyErrors):
        return [single for each in flat([error]) for single in errors_of(each)]
    return list(error.problems) if isinstance(error, ConfigError) and error.problems else [error]


def _plain(value: Any) -> Any:
    """What json does not know: read-only mappings, dataclasses, paths, and secrets (masked by their own `str`)."""
    if isinstance(value, Mapping):
        return dict(value)
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return sorted(value) if isinstance(value, (set, frozenset)) else str(value)
