"""One strict fake per cloud, in a module of the cloud's name (`fakes/hcloud.py`, class `Fake`); base.py is what they share."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any


def find(name: str) -> Any | None:
    """The fake's class of a cloud, if it has one."""
    if importlib.util.find_spec(f"{__name__}.{name}") is None:
        return None
    return importlib.import_module(f"{__name__}.{name}").Fake


def functions(name: str) -> Callable[[str, dict[str, Any]], dict[str, Any]] | None:
    """`ask(token, args)` of a fresh fake: what the cloud's functions answer, for programs that run without the engine."""
    fake = find(name)
    return None if fake is None else fake().ask
