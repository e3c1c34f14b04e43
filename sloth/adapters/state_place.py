"""Where records live, by address: an object store, a directory of the user's choice, or sloth's own directory."""

from __future__ import annotations

from pathlib import Path

from sloth.adapters.object_url import parse_url
from sloth.adapters.secrets_provider import keys_for
from sloth.contracts.state import Kept


def state_at(url: str, data: Path, cluster: str) -> Kept:
    """One cluster's record and lock at an address; without one, in `data`. Raises UsageError, StateError."""
    from sloth.adapters.state_file import StateFile

    if not url:
        return StateFile(data, cluster, lambda: keys_for(data, cluster, shared=False))
    place = parse_url(url)
    if place.scheme == "file":
        return StateFile(place.folder, cluster, lambda: keys_for(data, cluster, shared=False), data)
    from sloth.adapters.object_store import connect
    from sloth.adapters.state_object import StateObject

    return StateObject(connect(place), cluster, lambda: keys_for(data, cluster, shared=True), data)


def clusters_at(url: str, data: Path) -> list[str]:
    """Names of all clusters that something is remembered of there, sorted. Raises UsageError, StateError."""
    from sloth.adapters.state_file import list_clusters

    if not url:
        return list_clusters(data)
    place = parse_url(url)
    if place.scheme == "file":
        return list_clusters(place.folder)
    from sloth.adapters.object_store import connect
    from sloth.adapters.state_object import clusters_in

    return clusters_in(connect(place))
