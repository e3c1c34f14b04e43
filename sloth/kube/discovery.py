"""Which kinds a server serves: aggregated discovery, and group by group where a server has none (before Kubernetes 1.26).

Format: k8s.io/api/apidiscovery/v2 (APIGroupDiscoveryList); KEP-3352 (content negotiation, ETag).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from sloth.kube.decode import document, ok
from sloth.kube.resource import Resource
from sloth.kube.wire import Answer, Call, Request, ask_all

_LIST = "as=APIGroupDiscoveryList"
ACCEPT = (
    ",".join(f"application/json;g=apidiscovery.k8s.io;v={version};{_LIST}" for version in ("v2", "v2beta1")) + ",application/json"
)


class Found(msgspec.Struct, frozen=True):
    """What was discovered: preferred versions first, and the ETags by which it can be asked whether it is still so."""

    resources: tuple[Resource, ...]
    etags: tuple[str, str] = ("", "")


def discover(before: Found | None = None) -> Call[Found]:
    """Ask the server. With `before`, two short answers say that nothing changed. Raises ApiError."""
    etags = before.etags if before else ("", "")
    requests = [_root(path, tag) for path, tag in zip(("/api", "/apis"), etags, strict=True)]
    answers = yield from ask_all(requests)
    if before and all(answer.status == 304 for answer in answers):
        return before
    if any(answer.status == 304 for answer in answers):
        return (yield from discover())
    for answer, request in zip(answers, requests, strict=True):
        ok(answer, request)
    if all(_LIST in answer.headers.get("content-type", "") for answer in answers):
        core, groups = answers
        tags = (core.headers.get("etag", ""), groups.headers.get("etag", ""))
        return Found((*aggregated(document(core)), *aggregated(document(groups))), tags if all(tags) else ("", ""))
    return Found(tuple((yield from _one_by_one(*answers))))


def _root(path: str, tag: str) -> Request:
    headers = {"Accept": ACCEPT, **({"If-None-Match": tag} if tag else {})}
    return Request("GET", path, headers=headers, what="read which kinds there are")


def aggregated(listing: Mapping[str, Any]) -> Iterable[Resource]:
    """The resources of an APIGroupDiscoveryList, in the server's order: preferred versions first."""
    for group in listing.get("items") or ():
        name = group.get("metadata", {}).get("name", "")
        for version in group.get("versions") or ():
            if version.get("freshness") == "Stale":
                continue  # its server does not answer: better unknown than as it was
            for each in version.get("resources") or ():
                yield Resource(
                    group=name,
                    version=version["version"],
                    plural=each["resource"],
                    kind=(each.get("responseKind") or {}).get("kind", ""),
                    namespaced=each.get("scope") == "Namespaced",
                    singular=each.get("singularResource", ""),
                    short=tuple(each.get("shortNames") or ()),
                    categories=tuple(each.get("categories") or ()),
                    verbs=tuple(each.get("verbs") or ()),
                    subresources=tuple(sub["subresource"] for sub in each.get("subresources") or ()),
                )


def _one_by_one(core: Answer, groups: Answer) -> Call[list[Resource]]:
    """Every group version by itself, those whose server does not answer left out."""
    paths = [f"/api/{version}" for version in document(core).get("versions") or ()]
    for group in document(groups).get("groups") or ():
        preferred = (group.get("preferredVersion") or {}).get("groupVersion", "")
        listed = [each["groupVersion"] for each in group.get("versions") or ()]
        paths += [f"/apis/{each}" for each in sorted(listed, key=lambda each: each != preferred)]
    answers = yield from ask_all([Request("GET", path, what=f"read the kinds of {path}") for path in paths])
    return [each for answer in answers if answer.status < 400 for each in plain(document(answer))]


def plain(listing: Mapping[str, Any]) -> Iterable[Resource]:
    """The resources of an APIResourceList."""
    group, _, version = str(listing.get("groupVersion", "")).rpartition("/")
    entries = listing.get("resources") or ()
    for each in entries:
        if "/" not in each["name"]:
            yield Resource(
                group=each.get("group") or group,
                version=each.get("version") or version,
                plural=each["name"],
                kind=each["kind"],
                namespaced=bool(each.get("namespaced")),
                singular=each.get("singularName", ""),
                short=tuple(each.get("shortNames") or ()),
                categories=tuple(each.get("categories") or ()),
                verbs=tuple(each.get("verbs") or ()),
                subresources=tuple(sub["name"].split("/", 1)[1] for sub in entries if sub["name"].startswith(f"{each['name']}/")),
            )
