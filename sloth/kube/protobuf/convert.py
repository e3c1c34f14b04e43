"""A message as the dict that the same object's JSON gives.

Protobuf tells no difference between an empty list and none, and Kubernetes writes empty text and zeros that JSON leaves out.
What JSON does with an empty field is in the tags of the Go types, from which each field has a trait: `n` null if it is absent,
`z` left out if it is empty, `i` a struct whose fields belong to the one around it, none: it is there if it was sent.
"""

from __future__ import annotations

import threading
from base64 import b64encode
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from sloth.kube.protobuf import values
from sloth.kube.protobuf.descriptions import META, RUNTIME, Descriptions
from sloth.kube.protobuf.values import Take

_SCHEMAS = "k8s.io.apiextensions_apiserver.pkg.apis.apiextensions."
_ONE: dict[str, Take] = {
    "k8s.io.apimachinery.pkg.api.resource.Quantity": values.quantity,
    "k8s.io.apimachinery.pkg.api.resource.QuantityValue": values.quantity,
    "k8s.io.apimachinery.pkg.util.intstr.IntOrString": values.int_or_string,
    f"{META}.Time": values.time,
    f"{META}.MicroTime": values.micro_time,
    f"{META}.Duration": values.duration,
    f"{META}.FieldsV1": values.fields,
    **{f"{_SCHEMAS}{version}.JSON": values.within for version in ("v1", "v1beta1")},
}
# Protobuf says what an object is in its envelope alone. Of objects within objects that are stored, these are the only ones whose
# JSON says it too (k8s.io/kubernetes, pkg/apis/apps/v1, conversion.go).
_TYPED = {"k8s.io.api.apps.v1.StatefulSetSpec.volumeClaimTemplates": {"kind": "PersistentVolumeClaim", "apiVersion": "v1"}}
_AROUND: dict[str, Callable[[Take], Take]] = {
    f"{_SCHEMAS}{version}.JSONSchemaPropsOr{what}": made
    for version in ("v1", "v1beta1")
    for what, made in (
        ("Array", values.schema_or_array),
        ("Bool", values.schema_or_bool),
        ("StringArray", values.schema_or_texts),
    )
}


class Plan:
    """How messages of one type become dicts."""

    __slots__ = ("nulls", "takes")

    def __init__(self) -> None:
        self.takes: dict[FieldDescriptor, tuple[str, Take | None, bool, bool]] = {}
        self.nulls: tuple[tuple[str, type[list[Any]] | None], ...] = ()

    def __call__(self, message: Any) -> dict[str, Any]:
        """One message."""
        found: dict[str, Any] = {}
        takes = self.takes
        for field, value in message.ListFields():
            name, take, dropped, inline = takes[field]
            if take:
                value = take(value)  # noqa: PLW2901  what it is in JSON
            if dropped and not value:
                continue
            if inline:
                found.update(value)
            else:
                found[name] = value
        for name, kind in self.nulls:
            if name not in found:
                found[name] = kind() if kind else None
        return found


class Converter:
    """Plans by message type, made when they are first needed. Thread-safe: a plan is shown when all that it needs is whole."""

    def __init__(self, known: Descriptions, embedded: Take) -> None:
        self._known, self._embedded = known, embedded
        self._lock = threading.Lock()
        self._plans: dict[str, Take] = {}
        self._making: dict[str, Take] = {}

    def of(self, descriptor: Descriptor) -> Take:
        """What makes messages of this type what they are in JSON."""
        found = self._plans.get(descriptor.full_name)
        if found:
            return found
        with self._lock:
            made = self._made(descriptor)
            self._plans.update(self._making)
        return made

    def _made(self, descriptor: Descriptor) -> Take:
        name = descriptor.full_name
        found = self._making.get(name)
        if found:
            return found
        special = self._special(descriptor)
        if special:
            self._making[name] = special
            return special
        plan = self._making[name] = Plan()  # before it is filled: types may hold themselves
        self._fill(plan, descriptor)
        return plan

    def _special(self, descriptor: Descriptor) -> Take | None:
        name = descriptor.full_name
        if name == f"{RUNTIME}.RawExtension":
            return self._embedded
        if name in _AROUND:
            schema: Any = descriptor.fields_by_name["schema"].message_type
            return _AROUND[name](self._made(schema))
        return values.items if name in self._known.lists else _ONE.get(name)

    def _fill(self, plan: Plan, descriptor: Descriptor) -> None:
        traits = self._known.traits_of(descriptor)
        nulls = []
        for field in descriptor.fields:
            trait, name = traits.get(field.number, ""), field.json_name
            if trait == "n":
                # Lists of objects come from the server itself, which never has none there.
                nulls.append((name, list if (name == "items" and descriptor.name.endswith("List")) else None))
            plan.takes[field] = (name, self._take(field), trait == "z", trait == "i")
        plan.nulls = tuple(nulls)

    def _take(self, field: FieldDescriptor) -> Take | None:
        """What to do with a field's value, if anything."""
        inner = field.message_type
        if inner is not None and inner.GetOptions().map_entry:
            value = self._single(inner.fields_by_name["value"])
            return _mapped(value) if value else dict
        one = self._single(field)
        head = _TYPED.get(field.full_name)
        if head and one:
            one = _headed(head, one)
        if field.is_repeated:
            return _listed(one) if one else list
        return one

    def _single(self, field: FieldDescriptor) -> Take | None:
        if field.message_type is not None:
            return self._made(field.message_type)
        if field.type == FieldDescriptor.TYPE_BYTES:
            return _base64
        return _number if field.type == FieldDescriptor.TYPE_DOUBLE else None


def _headed(head: dict[str, str], one: Take) -> Take:
    return lambda value: {**head, **one(value)}


def _listed(one: Take) -> Take:
    return lambda value: [one(each) for each in value]


def _mapped(one: Take) -> Take:
    return lambda value: {key: one(each) for key, each in value.items()}


def _base64(value: bytes) -> str:
    return b64encode(value).decode("ascii")


def _number(value: float) -> int | float:
    return int(value) if value.is_integer() else value
