"""A kind as the API serves it: where its objects live and what it is called."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

import msgspec

from sloth.kube.wire import Object

EVERYWHERE = "*"
"""As a namespace: all of them."""


class Resource(msgspec.Struct, frozen=True):
    """One resource of one version of one API group. `group` is empty for the core group."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    singular: str = ""
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        """As in manifests: `v1`, `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def full_name(self) -> str:
        """As in RBAC rules and kubectl: `pods`, `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path of an object, or of the collection without a name. Namespace `*` or none: the whole cluster's."""
        parts = ["/apis", self.group, self.version] if self.group else ["/api", self.version]
        if self.namespaced and namespace and namespace != EVERYWHERE:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        parts += [quote(part, safe="") for part in (name, subresource) if part]
        return "/".join(parts)

    def words(self, verb: str, namespace: str = "", name: str = "") -> str:
        """A request in words, for failures: `get pods default/web`."""
        place = "/".join(part for part in (namespace if namespace != EVERYWHERE else "", name) if part)
        return f"{verb} {self.full_name} {place}".rstrip()


def key_of(item: Object) -> str:
    """`namespace/name`, or the name alone, as client-go's caches call it."""
    meta: Mapping[str, str] = item.get("metadata") or {}
    namespace, name = meta.get("namespace", ""), meta.get("name", "")
    return f"{namespace}/{name}" if namespace else name
