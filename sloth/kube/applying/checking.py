"""All manifests against all schemas, and what is found as text with file, line and column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sloth.kube.api import Api
from sloth.kube.applying.manifests import Manifest
from sloth.kube.applying.marks import locate
from sloth.kube.applying.schemas import Keeper, Schemas, defined, fetch
from sloth.kube.applying.validate import check, meant
from sloth.kube.resource import Resource
from sloth.kube.wire import Call


@dataclass(frozen=True, slots=True)
class Checked:
    """`findings`: a line each. `unknown`: objects whose kind has no schema, so that only the server can check them."""

    findings: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def check_all(api: Api, manifests: Sequence[Manifest], keeper: Keeper | None = None) -> Call[Checked]:
    """Look at every object. Nothing is sent but questions for schemas and kinds. Raises ApiError."""
    coming: Schemas = {}
    for each in manifests:
        if each.object["kind"] == "CustomResourceDefinition":
            coming |= defined(each.object)
    served = yield from fetch([str(each.object["apiVersion"]) for each in manifests], keeper)
    # What comes with this very apply is what counts.
    schemas = {**(served or {}), **coming}
    findings: list[str] = []
    unknown: list[str] = []
    listed: Sequence[Resource] | None = None
    for each in manifests:
        schema = schemas.get(each.kind)
        if schema:
            found = sorted(check(each.object, schema), key=lambda one: locate(each.node, one.path))
            findings += [f"{each.place(one.path)}: {_dotted(one.path)}{one.what}" for one in found]
            continue
        listed = listed if listed is not None else (yield from api.kinds.all())
        if any((kind.api_version, kind.kind) == (each.object["apiVersion"], each.object["kind"]) for kind in listed):
            unknown.append(f"{each.where}: {each.kind} {each.name}")
        else:
            findings.append(f"{each.place(('kind',))}: {_no_kind(each, listed)}")
    return Checked(tuple(findings), tuple(unknown))


def _dotted(path: Sequence[str | int]) -> str:
    """`spec.containers[0].image: `, as the server writes it."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
    return f"{text}: " if text else ""


def _no_kind(each: Manifest, listed: Sequence[Resource]) -> str:
    """That there is no such kind, and what is likely meant: the same kind elsewhere, or another way to write it."""
    version, kind = str(each.object["apiVersion"]), str(each.object["kind"])
    elsewhere = sorted({other.api_version for other in listed if other.kind == kind})
    if elsewhere:
        return f"`{kind}` is not of {version} but of {', '.join(elsewhere)}"
    here = {other.kind for other in listed if other.api_version == version} or {other.kind for other in listed}
    return f"the cluster has no kind `{kind}` of {version}{meant(kind, here)}"
