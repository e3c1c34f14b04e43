"""The engine's plugins, one for each cloud: which version its SDK asks for, whether it is here, and how it is had.

A plugin comes with its published checksum, from a mirror, or from a cache that exists; the engine never fetches one by itself.
Look-up order of the engine: pulumi/pulumi, sdk/go/common/workspace/plugins.go.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from pathlib import Path

from sloth.contracts.cloud import Sdk
from sloth.errors import ConfigError, MachinesError
from sloth.model.artifact import Need

_GITHUB = "github://api.github.com/"  # how SDKs write a download server that is a project's releases


def installed(sdk: Sdk) -> bool:
    """Whether the cloud's SDK is here. Does not import it."""
    return importlib.util.find_spec(sdk.module) is not None


def version(sdk: Sdk) -> str:
    """The version of the plugin that the SDK asks for. Raises ConfigError where the SDK is not installed."""
    spec = importlib.util.find_spec(sdk.module)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(
            "cloud/no-sdk",
            f"the SDK of {sdk.plugin} is not installed",
            hint=f"pip install 'sloth-kubernetes[{sdk.extra}]'",
        )
    if sdk.version:
        return sdk.version
    about = json.loads((Path(spec.submodule_search_locations[0]) / "pulumi-plugin.json").read_text(encoding="utf-8"))
    return str(about["version"])


def need(sdk: Sdk) -> Need:
    """The plugin with its upstream address and published checksums."""
    project = sdk.server.removeprefix(_GITHUB) if sdk.server else f"pulumi/pulumi-{sdk.plugin}"
    base = f"https://github.com/{project}/releases/download/{{version}}/"
    return Need(
        name=f"pulumi-resource-{sdk.plugin}",
        version=f"v{version(sdk)}",
        kind="binary",
        url=f"{base}pulumi-resource-{sdk.plugin}-{{version}}-linux-{{arch}}.tar.gz",
        checksum_url=f"{base}pulumi-{sdk.plugin}_{{number}}_checksums.txt",
        member=f"pulumi-resource-{sdk.plugin}",
    )


def folder(home: Path, sdk: Sdk) -> Path:
    """Where the engine looks for exactly this version."""
    return home / "plugins" / f"resource-{sdk.plugin}-v{version(sdk)}"


def there(home: Path, sdk: Sdk) -> bool:
    """Whether the engine will find it: attached by hand, in PATH, or in its own folder."""
    attached = [each.partition(":")[0] for each in os.environ.get("PULUMI_DEBUG_PROVIDERS", "").split(",")]
    program = f"pulumi-resource-{sdk.plugin}"
    if sdk.plugin in attached or shutil.which(program) is not None:
        return True
    return (folder(home, sdk) / program).is_file() and not _aside(folder(home, sdk)).exists()


def _aside(target: Path) -> Path:
    """Where a plugin is put together. While it is there, the engine takes no notice of it, nor of the finished one."""
    return target.with_name(f"{target.name}.partial")


def place(home: Path, sdk: Sdk, binary: Path) -> Path:
    """Put a plugin's program where the engine looks for it: complete, or not there at all."""
    target = folder(home, sdk)
    aside = _aside(target)
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True, mode=0o700)
    program = aside / f"pulumi-resource-{sdk.plugin}"
    shutil.copyfile(binary, program)
    program.chmod(0o755)
    shutil.rmtree(target, ignore_errors=True)
    aside.rename(target)
    return target


def require(home: Path, sdk: Sdk) -> None:
    """Raise MachinesError naming what is missing, with its version, before the engine stumbles over it."""
    if not there(home, sdk):
        raise MachinesError(
            "engine/no-plugin",
            f"the engine's plugin for {sdk.plugin} (pulumi-resource-{sdk.plugin} v{version(sdk)}) is not here",
            detail=f"looked in PATH and {folder(home, sdk)}",
            hint="sloth doctor --fix",
        )
