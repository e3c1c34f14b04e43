"""The effective spec as YAML: defaults are marked, and with overlays each value names the file and line it came from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sloth.config.load import Loaded
from sloth.config.tree import Path

_ORDER = ("apiVersion", "kind", "metadata", "spec", "name", "role", "provider", "count")
_COLUMN = 40  # where comments begin


def effective(loaded: Loaded) -> str:
    """The spec with everything filled in. Reading it again gives the same spec."""
    return "".join(f"{line}\n" for line in _lines(loaded, loaded.raw, (), 0))


def _lines(loaded: Loaded, value: Any, path: Path, indent: int) -> Iterator[str]:
    pad = "  " * indent
    if isinstance(value, list):
        for index, item in enumerate(value):
            below = (*path, index)
            nested = list(_lines(loaded, item, below, indent + 1)) if _is_block(item) else []
            if nested:
                yield f"{pad}- {nested[0].lstrip()}"
                yield from nested[1:]
            else:
                yield _commented(f"{pad}- {_scalar(item)}", _origin(loaded, below))
        return
    for name in sorted(value, key=lambda key: _ORDER.index(key) if key in _ORDER else len(_ORDER)):
        child, below = value[name], (*path, name)
        if _is_block(child):
            yield _commented(f"{pad}{_scalar(name)}:", "default" if below in loaded.defaulted else "")
            yield from _lines(loaded, child, below, indent + 1)
        else:
            yield _commented(f"{pad}{_scalar(name)}: {_scalar(child)}", _origin(loaded, below))


def _is_block(value: Any) -> bool:
    return isinstance(value, (dict, list)) and bool(value)


def _origin(loaded: Loaded, path: Path) -> str:
    if any(path[: length + 1] in loaded.defaulted for length in range(len(path))):
        return "default"
    mark = loaded.origins.get(path)
    return f"{mark.file}:{mark.line}" if mark and len(loaded.files) > 1 else ""


def _commented(line: str, comment: str) -> str:
    return f"{line:<{_COLUMN}}  # {comment}" if comment else line


def _scalar(value: Any) -> str:
    import yaml

    text = yaml.safe_dump(value, allow_unicode=True, width=10**6, default_flow_style=True)
    if isinstance(value, str) and "\n" in text.strip().removesuffix("\n..."):
        text = yaml.safe_dump(value, allow_unicode=False, width=10**6, default_style='"')
    return text.removesuffix("\n").removesuffix("\n...")
