"""Verb groups whose modules are imported when one of their verbs is wanted: other verbs do not pay for them."""

from __future__ import annotations

from collections.abc import MutableMapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_group


def add_group(app: typer.Typer, name: str, module: str, text: str) -> None:
    """Add a verb group; `register(group)` of `module` adds its verbs when they are asked for. `text` = its help."""

    class Group(TyperGroup):
        _loaded: MutableMapping[str, Any] | None = None

        @property
        def commands(self) -> MutableMapping[str, Any]:
            """Its verbs."""
            if self._loaded is None:
                whole = typer.Typer()
                import_module(module).register(whole)
                self._loaded = get_group(whole).commands
            return self._loaded

        @commands.setter
        def commands(self, value: MutableMapping[str, Any]) -> None:
            """Those that Typer knows at first: none."""

    app.add_typer(typer.Typer(cls=Group, no_args_is_help=True, help=text), name=name)
