"""Verb groups whose modules are imported when one of their verbs is wanted: other verbs do not pay for them."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_group


def add_group(app: typer.Typer, name: str, module: str, text: str, homes: Mapping[str, str] = MappingProxyType({})) -> None:
    """Add a verb group; `register(group)` of `module` adds its verbs when they are asked for. `text` = its help.

    `homes`: verbs for which the `register` of another module is enough, if just that verb is wanted.
    """

    class Group(TyperGroup):
        _loaded: MutableMapping[str, Any] | None = None

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            """One verb."""
            if self._loaded is None and cmd_name in homes:
                return _registered(homes[cmd_name])[cmd_name]
            return super().get_command(ctx, cmd_name)

        @property
        def commands(self) -> MutableMapping[str, Any]:
            """Its verbs."""
            if self._loaded is None:
                self._loaded = _registered(module)
            return self._loaded

        @commands.setter
        def commands(self, value: MutableMapping[str, Any]) -> None:
            """Those that Typer knows at first: none."""

    app.add_typer(typer.Typer(cls=Group, no_args_is_help=True, help=text), name=name)


def _registered(module: str) -> MutableMapping[str, Any]:
    whole = typer.Typer()
    import_module(module).register(whole)
    return get_group(whole).commands
