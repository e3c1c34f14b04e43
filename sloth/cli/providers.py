"""`sloth providers`: what gives machines, what each can do, and what it wants to know."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sloth.cli.options import verb
from sloth.errors import UsageError
from sloth.model.options import Options, Outcome

if TYPE_CHECKING:
    from sloth.contracts.cloud import Cloud
    from sloth.contracts.provider import Provider

Name = Annotated[str, typer.Argument(help="As `sloth providers list` names it.", show_default=False)]
ABILITIES = {
    "balancer": "API load balancer",
    "dns": "DNS record of the API",
    "volumes": "volumes",
    "private": "private machines",
    "spot": "spot machines",
    "several_locations": "several locations in one network",
}

_NEEDS = {"public": "private", "spot": "spot", "volumes": "volumes"}  # field of a pool -> ability without which it is refused


def register(group: typer.Typer) -> None:
    """Add the verbs of the group."""

    @verb(group, "list")
    def list_(options: Options) -> Outcome:
        """List the providers. Asks no cloud."""
        return list_providers()

    @verb(group, "show")
    def show(
        options: Options,
        name: Name,
        live: Annotated[bool, typer.Option("--live", help="Ask the cloud what this account can have.")] = False,
    ) -> Outcome:
        """Show one provider: what it can do, its credentials and options, an example. Only --live asks the cloud."""
        return show_provider(name, options if live else None)


def list_providers() -> Outcome:
    """The verb without its command line."""
    from sloth import registry

    rows = [summary(registry.provider(name)) for name in registry.names("providers")]
    return Outcome("Providers", data={"providers": rows}, show=lambda chosen: _table(rows, chosen))


def show_provider(name: str, live: Options | None = None) -> Outcome:
    """The verb without its command line. With options it also asks the cloud. Raises SlothError."""
    from sloth import registry

    plugin = registry.provider(name)
    data = describe(plugin)
    if live is not None:
        data["live"] = _live(plugin, live)
    return Outcome("Provider", data=data, text="\n".join(lines(data)))


def _live(plugin: Provider, options: Options) -> dict[str, Any]:
    """What the account can have: that of the spec where one is given, else that of the environment's credentials."""
    from sloth.app import load
    from sloth.clouds import offer
    from sloth.contracts.cloud import Cloud
    from sloth.model.spec import ClusterSpec

    if not isinstance(plugin, Cloud):
        raise UsageError(
            "usage/no-offers", f"{plugin.name} is no cloud: there is nobody to ask", hint=f"sloth providers show {plugin.name}"
        )
    catalogue = offer(plugin, load(options).spec if options.files else ClusterSpec(name="providers"))
    return {
        "locations": sorted(catalogue.locations),
        "sizes": [
            {
                "name": size.name,
                "cpus": size.cpus,
                "memory_mib": size.memory,
                "architecture": size.architecture,
                "locations": sorted(size.locations),
                "prices": dict(size.prices),
            }
            for size in sorted((catalogue.sizes or {}).values(), key=lambda size: (size.cpus, size.memory, size.name))
        ],
        "images": dict(catalogue.images),
        "currency": catalogue.currency,
        "quotas": [{"what": each.what, "limit": each.limit, "used": each.used} for each in catalogue.quotas],
    }


def summary(plugin: Provider) -> dict[str, Any]:
    """One row: name, kind, what it is, what it can do, and whether its SDK is installed."""
    from sloth.contracts.cloud import Cloud

    cloud = plugin if isinstance(plugin, Cloud) else None
    return {
        "name": plugin.name,
        "kind": "cloud" if cloud else "built in",
        "about": (type(plugin).__doc__ or "").strip().split("\n", 1)[0],
        "abilities": [words for field, words in ABILITIES.items() if cloud and getattr(cloud.abilities, field)],
        "installed": importlib.util.find_spec(cloud.sdk.module) is not None if cloud else True,
        "install": f"pip install 'sloth-kubernetes[{cloud.sdk.extra}]'" if cloud else "",
    }


def describe(plugin: Provider) -> dict[str, Any]:
    """All of one provider: the row, and its credentials, options and example."""
    from sloth.config.assemble import assemble, own_pool_fields, pool_schema, resolve
    from sloth.contracts.cloud import Cloud

    document = assemble((plugin.name,), ())
    options = document["properties"]["spec"]["properties"]["providers"]["properties"][plugin.name]["properties"]
    pool = pool_schema(document, plugin.name)["properties"]
    impossible = {
        field for field, ability in _NEEDS.items() if isinstance(plugin, Cloud) and not getattr(plugin.abilities, ability)
    }
    own = sorted(own_pool_fields(document, plugin.name) - impossible)
    fields = [_field(name, resolve(document, node)) for name, node in options.items()]
    return {
        **summary(plugin),
        "credentials": list(_credentials(plugin, fields)),
        "options": fields,
        "pool_options": [_field(name, resolve(document, pool[name])) for name in own],
        "example": _example(plugin) if isinstance(plugin, Cloud) else "",
    }


def _credentials(plugin: Provider, fields: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """A cloud's own list; of other providers the options that refer to secrets."""
    from sloth.contracts.cloud import Cloud

    for each in plugin.credentials if isinstance(plugin, Cloud) else ():
        field = f"spec.providers.{plugin.name}.{each.option}" if each.option else ""
        ways = f"to log in by {' or '.join(each.ways)}" if each.ways else ""
        notes = (each.what, f"or {field}" if field else "", ways, "" if each.needed else "not always needed")
        yield {"name": each.variable, "field": field, "needed": each.needed, "description": "; ".join(filter(None, notes))}
    if not isinstance(plugin, Cloud):
        for option in (option for option in fields if option["type"] == "secret"):
            field = f"spec.providers.{plugin.name}.{option['name']}"
            yield {"name": field, "field": field, "needed": False, "description": option["description"]}


def _field(name: str, node: Mapping[str, Any]) -> dict[str, Any]:
    kind = "secret" if node.get("x-secret") else str(node.get("type") or "name or list of names")
    rule = str(node.get("x-rule", ""))
    if "enum" in node:
        rule = f"one of {', '.join(map(str, node['enum']))}"
    example = next(iter(node.get("examples", ())), None)
    return {
        "name": name,
        "type": kind,
        "description": str(node.get("description", "")),
        "default": node.get("default"),
        "rule": rule,
        "example": example,
    }


def _example(cloud: Cloud) -> str:
    """The least of a spec with this cloud, as YAML."""
    import yaml

    pool = {"name": "control", "role": "control-plane", "provider": cloud.name, "count": 3, **cloud.example}
    document = {
        "apiVersion": "sloth.dev/v1",
        "kind": "Cluster",
        "metadata": {"name": "demo"},
        "spec": {"pools": [pool]},
    }
    text: str = yaml.safe_dump(document, sort_keys=False)
    return text


def lines(data: Mapping[str, Any]) -> Iterator[str]:
    """The page for people."""
    yield f"{data['name']} ({data['kind']}): {data['about']}"
    if data["kind"] == "cloud":
        yield f"can:      {', '.join(data['abilities']) or 'machines only'}"
        yield f"SDK:      {'installed' if data['installed'] else 'not installed; ' + data['install']}"
    for title, key in (
        ("Credentials", "credentials"),
        (f"spec.providers.{data['name']}", "options"),
        ("In a pool", "pool_options"),
    ):
        if data[key]:
            yield ""
            yield title
            yield from (f"  {line}" for each in data[key] for line in _field_lines(each))
    if "live" in data:
        yield from _live_lines(data["live"])
    if data["example"]:
        yield ""
        yield "Example"
        yield from (f"  {line}" for line in data["example"].splitlines())


def _live_lines(live: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield "This account"
    yield f"  locations: {', '.join(live['locations']) or 'not told'}"
    for size in live["sizes"]:
        prices = sorted(size["prices"].values())
        price = f", from {prices[0]:.2f} {live['currency']} a month" if prices else ""
        where = ", ".join(size["locations"]) or "everywhere"
        yield f"  {size['name']}: {size['cpus']} CPUs, {size['memory_mib']} MiB, {size['architecture']}{price} ({where})"
    yield from (f"  image {name}: {found}" for name, found in live["images"].items())
    yield from (f"  {each['what']}: {each['used']:g} of {each['limit']:g} in use" for each in live["quotas"])


def _field_lines(field: Mapping[str, Any]) -> Iterator[str]:
    default = f" (default: {json.dumps(field['default'])})" if field.get("default") is not None else ""
    yield f"{field['name']}{default}"
    yield f"    {field['description']}"
    if field.get("rule") or field.get("example") is not None:
        example = f"for example {json.dumps(field['example'])}" if field.get("example") is not None else ""
        yield f"    {'; '.join(text for text in (field.get('rule', ''), example) if text)}"


def _table(rows: list[dict[str, Any]], options: Options) -> None:
    from sloth.ui.tables import providers

    providers(rows, options)
