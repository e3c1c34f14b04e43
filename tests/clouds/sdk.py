"""What the typed SDKs say of resources and functions: their properties, which are required, and what type each has."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pulumi import _types

# Engine's name of a plugin -> Python package of its SDK, where that is not pulumi_NAME.
PACKAGES = {"vultr": "ediri_vultr"}
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"  # what the engine sends for a value that it does not know before it acts
_ANYTHING = (Any, object)


class Unknown(Exception):
    """No SDK has a resource or function of that token."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A resource or a function: property name as on the wire -> type hint."""

    token: str
    inputs: Mapping[str, Any]
    required: frozenset[str]
    outputs: Mapping[str, Any]


@cache
def package(plugin: str) -> str:
    """The Python package of a plugin's SDK, imported."""
    name = PACKAGES.get(plugin, f"pulumi_{plugin}")
    importlib.import_module(name)
    return name


@cache
def resource(token: str) -> Kind:
    """The resource of a type token such as `hcloud:index/server:Server`. Raises Unknown."""
    cls = _resource_class(token)
    module = sys.modules[cls.__module__]
    # `ServerArgs`, or `ServerNetworkInitArgs` where a nested type has the plain name already.
    arguments = getattr(module, next(name for name in module.__all__ if name.endswith("Args")))
    inputs, required = _parts(arguments)
    return Kind(token=token, inputs=inputs, required=required, outputs=_types.resource_types(cls))


def _resource_class(token: str) -> Any:
    from pulumi.runtime import rpc

    plugin, module, name = token.split(":")
    where = package(plugin)
    for found in rpc._RESOURCE_MODULES.get(f"{plugin}:{module}", []):
        info = found.mod_info  # type: ignore[attr-defined]
        if token in info["classes"]:
            return getattr(importlib.import_module(info["fqn"]), info["classes"][token])
    raise Unknown(f"{where} has no resource {token} ({name})")


@cache
def function(token: str) -> Kind:
    """The function of a token such as `hcloud:index/getServers:getServers`. Raises Unknown."""
    plugin, module, name = token.split(":")
    folder, _, file = module.partition("/")
    path = ".".join([package(plugin), *([] if folder == "index" else [folder]), snake(file)])
    try:
        # From the package, not from the part of it: the large SDKs load a package at the first look at it, and a part imported
        # before that would hide the function of its name.
        call = getattr(importlib.import_module(path.rpartition(".")[0]), snake(name))
        code = importlib.import_module(path)
    except (ImportError, AttributeError):
        raise Unknown(f"{path} has no function {name}") from None
    text = inspect.getsource(call)
    wire = {python: name for name, python in re.findall(r"__args__\['(\w+)'\] = (\w+)", text)}
    hints = typing.get_type_hints(call)
    parameters = inspect.signature(call).parameters
    required = {wire[name] for name in wire if parameters[name].default is inspect.Parameter.empty and not _optional(hints[name])}
    result = getattr(code, re.findall(r"typ=(\w+)", text)[0])
    inputs = {wire[name]: hints[name] for name in wire}
    return Kind(token=token, inputs=inputs, required=frozenset(required), outputs=_types.output_type_types(result))


def snake(name: str) -> str:
    """`getServerTypes` -> `get_server_types`, as the SDK's generator names modules."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def camel(name: str) -> str:
    """`user_data` -> `userData`: a property's name on the wire; of a path only its first part."""
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)


def _optional(hint: Any) -> bool:
    return type(None) in _members(hint)


def _members(hint: Any) -> tuple[Any, ...]:
    """The alternatives of a hint: unions taken apart, what only Python programs see (Output, Awaitable, TypedDict) left out."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return tuple(member for part in typing.get_args(hint) for member in _members(part))
    name = getattr(typing.get_origin(hint) or hint, "__name__", "")
    return () if name in ("Output", "Awaitable") or typing.is_typeddict(hint) else (hint,)


def complaints(hint: Any, value: Any, path: str) -> list[str]:
    """Why a value (from the wire) is not of the hinted type; empty if it is."""
    if value is None or value == UNKNOWN:
        return []
    tries = [_against(member, value, path) for member in _members(hint) if member is not type(None)]
    return min(tries, key=len) if tries else []


def _against(hint: Any, value: Any, path: str) -> list[str]:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint in _ANYTHING:
        return []
    if _types.is_input_type(hint) if isinstance(hint, type) else False:
        return _object(hint, value, path)
    if origin and issubclass(origin, Mapping):
        return _map(inner[1], value, path)
    if origin and issubclass(origin, Sequence):
        return _list(inner[0], value, path)
    return [] if _scalar(hint, value) else [f"{path}: {value!r} is no {getattr(hint, '__name__', hint)}"]


def _scalar(hint: Any, value: Any) -> bool:
    if hint is bool:
        return isinstance(value, bool)
    if hint is int:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and float(value).is_integer()
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, str)  # str, and enums of str


def _map(hint: Any, value: Any, path: str) -> list[str]:
    if not isinstance(value, Mapping):
        return [f"{path}: {value!r} is no map"]
    return [text for key, item in value.items() for text in complaints(hint, item, f"{path}.{key}")]


def _list(hint: Any, value: Any, path: str) -> list[str]:
    if isinstance(value, (str, Mapping)) or not isinstance(value, Sequence):
        return [f"{path}: {value!r} is no list"]
    return [text for index, item in enumerate(value) for text in complaints(hint, item, f"{path}[{index}]")]


def _object(hint: Any, value: Any, path: str) -> list[str]:
    if not isinstance(value, Mapping):
        return [f"{path}: {value!r} is no {hint.__name__}"]
    return properties(*_parts(hint), value, path)


@cache
def _parts(hint: Any) -> tuple[Mapping[str, Any], frozenset[str]]:
    """Properties of a nested type, and the required ones."""
    names = _types.input_type_py_to_pulumi_names(hint)
    parameters = inspect.signature(hint.__init__).parameters
    required = {names[name] for name, item in parameters.items() if name in names and item.default is inspect.Parameter.empty}
    return _types.input_type_types(hint), frozenset(required)


def properties(known: Mapping[str, Any], required: typing.AbstractSet[str], values: Mapping[str, Any], path: str) -> list[str]:
    """Complaints about a bag of properties: unknown ones, missing ones, wrong types."""
    where = f"{path}." if path else ""
    found = [f"{where}{name}: unknown property" for name in values if name not in known and not name.startswith("__")]
    found += [f"{where}{name}: missing required property" for name in sorted(required) if values.get(name) is None]
    return found + [
        text for name, value in values.items() if name in known for text in complaints(known[name], value, f"{where}{name}")
    ]
