"""Checks of what clouds need: the engine's command line, each cloud's SDK and the engine's plugin for it."""

from __future__ import annotations

import time

from sloth import registry
from sloth.adapters.doctor.finding import Context, Finding, Say
from sloth.adapters.paths import cache_dir
from sloth.adapters.pulumi import plugins, tool
from sloth.adapters.pulumi.install import engine_home, install_plugin, install_tool
from sloth.contracts.cloud import Cloud
from sloth.contracts.provider import Emit
from sloth.errors import SlothError
from sloth.model.event import Event

_EVERY = 10.0  # seconds between two lines about one long thing


def findings(context: Context) -> list[Finding]:
    """Nothing without a cloud; else the command line, then two for each cloud."""
    known = registry.names("providers")
    clouds = [plugin for name in context.providers if name in known and isinstance(plugin := registry.provider(name), Cloud)]
    return [_tool(), *(found for cloud in clouds for found in (_sdk(cloud), _plugin(cloud)))] if clouds else []


def _tool() -> Finding:
    try:
        path, version = tool.find(cache_dir())
    except SlothError as error:
        return Finding(
            id="engine", title=f"Pulumi engine {tool.VERSION}", ok=False, detail=error.summary,
            fix=f"fetch the Pulumi engine {tool.VERSION}, or build it from its Go module (minutes, once)",
            hint="sloth doctor --fix", work=lambda say: install_tool(_telling(say)),
        )  # fmt: skip
    return Finding(id="engine", title="Pulumi engine", ok=True, detail=f"{version}, {path}")


def _sdk(cloud: Cloud) -> Finding:
    return Finding(
        id=f"sdk-{cloud.name}", title=f"SDK of {cloud.name}", ok=plugins.installed(cloud.sdk), detail=cloud.sdk.module,
        hint=f"pip install 'sloth-kubernetes[{cloud.sdk.extra}]'",
    )  # fmt: skip


def _plugin(cloud: Cloud) -> Finding:
    title = f"engine's plugin for {cloud.name}"
    if not plugins.installed(cloud.sdk):
        return Finding(
            id=f"plugin-{cloud.name}", title=title, ok=False, detail="its SDK says which version", hint="the SDK first"
        )
    version = plugins.version(cloud.sdk)
    ok = plugins.there(engine_home(), cloud.sdk)
    return Finding(
        id=f"plugin-{cloud.name}", title=title, ok=ok, detail=f"pulumi-resource-{cloud.sdk.plugin} v{version}",
        fix=f"fetch pulumi-resource-{cloud.sdk.plugin} v{version}", hint="sloth doctor --fix",
        work=lambda say: install_plugin(cloud.sdk, _telling(say)),
    )  # fmt: skip


def _telling(say: Say) -> Emit:
    """Events of a download or a build as a line now and then."""
    last = 0.0

    def tell(event: Event) -> None:
        nonlocal last
        if event.kind in ("note", "warning") or time.monotonic() - last > _EVERY:
            last = time.monotonic()
            share = f" {100 * event.done / event.total:.0f}%" if event.total else ""
            say(f"  {event.title}{share} {event.detail}".rstrip())

    return tell
