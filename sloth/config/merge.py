"""Overlays: several spec files to one tree.

Maps merge by key, pools by name, other lists replace, `null` removes. A `null` in the first file means "not given".
"""

from __future__ import annotations

from dataclasses import replace

from sloth.config.tree import Path, Tree

_BY_NAME: tuple[Path, ...] = (("spec", "pools"),)


def merge(base: Tree, over: Tree, path: Path = ()) -> Tree:
    """`over` laid on `base`; marks come from whichever file wrote the value."""
    if isinstance(base.value, dict) and isinstance(over.value, dict):
        merged = dict(base.value)
        for name, child in over.value.items():
            merged[name] = merge(merged[name], child, (*path, name)) if name in merged else child
        return replace(base, value=merged)
    if path in _BY_NAME and isinstance(base.value, list) and isinstance(over.value, list):
        return replace(base, value=_by_name(base.value, over.value, path))
    return over


def _by_name(base: list[Tree], over: list[Tree], path: Path) -> list[Tree]:
    """Items of the same name merge in place; new ones are added at the end. Items without a name are kept for the check."""
    merged = list(base)
    names = [_name(item) for item in base]
    for item in over:
        name = _name(item)
        if name is not None and name in names:
            at = names.index(name)
            merged[at] = merge(merged[at], item, (*path, at))
        else:
            merged.append(item)
    return merged


def _name(tree: Tree) -> object:
    found = tree.value.get("name") if isinstance(tree.value, dict) else None
    return found.value if isinstance(found, Tree) and isinstance(found.value, str) else None


def without_nulls(tree: Tree) -> Tree:
    """The tree without the keys whose value is `null`: they are not given, or removed."""
    if isinstance(tree.value, dict):
        kept = {name: without_nulls(child) for name, child in tree.value.items() if child.value is not None}
        return replace(tree, value=kept)
    if isinstance(tree.value, list):
        return replace(tree, value=[without_nulls(item) for item in tree.value])
    return tree
