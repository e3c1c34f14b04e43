"""Having the engine here: through the same store, mirrors and checksums as everything else (`sloth.adapters.artifacts`)."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

from sloth.adapters.artifacts.ensure import ensure
from sloth.adapters.paths import cache_dir
from sloth.adapters.pulumi import plugins, tool
from sloth.contracts.cloud import Sdk
from sloth.contracts.provider import Emit
from sloth.errors import MachinesError
from sloth.model.artifact import Need
from sloth.model.event import Event

MIRROR = "SLOTH_ENGINE_MIRROR"  # a URL or folder in the layout of `sloth mirror`, for machines without a way out


def quiet(event: Event) -> None:
    """Tells nobody."""


def engine_home() -> Path:
    """PULUMI_HOME of all clusters: plugins are large and the same for all."""
    return cache_dir() / "engine" / "home"


def install_tool(emit: Emit = quiet) -> Path:
    """Have the pinned command line, from a mirror, from its release, or built from its Go module. Raises MachinesError."""
    target = tool.pinned(cache_dir())
    if target.is_file():
        return target
    binary = _had(tool.need(), emit)
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    aside = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        shutil.copyfile(binary, aside)
        aside.chmod(0o755)
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)
    return target


def install_plugin(sdk: Sdk, emit: Emit = quiet) -> Path:
    """Have the plugin that the SDK asks for. Raises MachinesError, ConfigError."""
    need = plugins.need(sdk)
    try:
        return plugins.place(engine_home(), sdk, _had(need, emit))
    except MachinesError as error:
        raise MachinesError(
            "engine/plugin-not-had",
            f"{need.name} {need.version} could not be had: {error.summary}",
            detail=error.detail,
            hint=f"export {MIRROR}=URL of a mirror that has it, or put {need.name} {need.version} into PATH",
        ) from None


def _had(need: Need, emit: Emit) -> Path:
    """The need's file in the store, verified. What has no Go module here comes from its release or a mirror only."""
    mirror = os.environ.get(MIRROR, "")
    artifacts = ensure(
        [need], source="auto" if need.source or mirror else "upstream", mirror=mirror, cache=cache_dir(),
        source_dirs=tool.SOURCE, emit=emit, directory=cache_dir() / "engine" / "mirror",
    )  # fmt: skip
    return cache_dir() / "engine" / "mirror" / artifacts[0].file
