"""docs/reference/providers.md says what the plugins say: `make docs` writes it anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from sloth import registry
from sloth.cli.providers import ABILITIES, describe

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "providers.md"
HEAD = """# Providers

<!-- Made from the plugins by `make docs`: change the plugin, not this page. -->

What `sloth providers list` and `sloth providers show NAME` tell. Options of each are in the [spec reference](spec.md); how
several clouds make one cluster is in [the guide](../guide/multi-cloud.md).
"""


def page() -> Iterator[str]:
    found = [describe(registry.provider(name)) for name in registry.names("providers")]
    clouds = [data for data in found if data["kind"] == "cloud"]
    yield HEAD
    yield "## What each can do\n"
    yield f"| provider | what it is | {' | '.join(ABILITIES.values())} |"
    yield f"|---|---|{'---|' * len(ABILITIES)}"
    for data in clouds:
        marks = ["yes" if words in data["abilities"] else "" for words in ABILITIES.values()]
        yield f"| `{data['name']}` | {data['about']} | {' | '.join(marks)} |"
    yield "\nNot clouds, and always there:\n"
    yield from (f"- `{data['name']}`: {data['about']}" for data in found if data["kind"] != "cloud")
    yield "\n## Credentials\n"
    yield "Environment variables, and the fields of the spec that may give them instead (as references, where they are secret).\n"
    yield "| provider | where | what |\n|---|---|---|"
    for data in found:
        yield from (f"| `{data['name']}` | `{each['name']}` | {each['description']} |" for each in data["credentials"])
    yield "\n## Install\n"
    yield "Each cloud needs its SDK, and only that one.\n"
    yield "```"
    yield from (data["install"] for data in clouds)
    yield "```"


def test_the_page_is_current(golden: Callable[[Path, str], None]) -> None:
    golden(PAGE, "\n".join(page()) + "\n")


def test_no_cell_breaks_its_table() -> None:
    rows = [line for text in page() for line in text.splitlines() if line.startswith("|")]
    widths = {len(row.strip("|").split("|")) for row in rows}
    assert widths == {len(ABILITIES) + 2, 3}
