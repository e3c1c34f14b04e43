"""Composition for clouds: the engine, its state and credentials for one cluster at one cloud."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from sloth import registry
from sloth.contracts.cloud import Cloud
from sloth.contracts.provider import Emit, Machines
from sloth.model.cloud import Catalogue, Wanted
from sloth.model.plan import MachineRequest
from sloth.model.record import Record
from sloth.model.secret import Secret
from sloth.model.spec import ClusterSpec

if TYPE_CHECKING:
    from sloth.adapters.pulumi.locks import Shelf
    from sloth.adapters.pulumi.stack import Engine
    from sloth.engine.stop import Stop


def cloud_machines(
    cloud: Cloud,
    spec: ClusterSpec,
    *,
    root: Path,
    state: str = "",
    emit: Emit,
    stop: Stop,
    record: Callable[[], Record | None],
    pinned: Mapping[str, str] | None = None,
) -> Machines:
    """The cluster's machines at a cloud. Raises MachinesError, ConfigError or CredentialsError naming what is missing."""
    from sloth.adapters.public_address import public_address
    from sloth.adapters.pulumi.machines import CloudMachines
    from sloth.cloud.access import access_of

    return CloudMachines(
        cloud=cloud,
        spec=spec,
        engine=engine_of(cloud, spec, root, emit, state=state, key=known.engine_key if (known := record()) else None),
        stop=stop,
        record=record,
        access=cache(lambda: access_of(spec, public_address)),
        user_data=lambda request: _user_data(cloud, spec, request),
        pinned=pinned or {},
    )


def engine_of(cloud: Cloud, spec: ClusterSpec, root: Path, emit: Emit, *, state: str = "", key: Secret | None = None) -> Engine:
    """The engine for one cluster at one cloud. `state`: address of shared state, beside which the engine keeps its own.

    `key` seals the secrets in it; without one, nothing is there yet and only questions and plans are possible.
    """
    from sloth.adapters.paths import cache_dir
    from sloth.adapters.pulumi import plugins, tool
    from sloth.adapters.pulumi.command import Command
    from sloth.adapters.pulumi.install import engine_home
    from sloth.adapters.pulumi.stack import SCRATCH_KEY, Engine

    path, version = tool.find(cache_dir())
    home = engine_home()
    plugins.require(home, cloud.sdk)
    folder = root / "clusters" / spec.name / "engine"
    backend, variables = _backend(state, folder / "state")
    return Engine(
        cloud=cloud.name,
        project=_project(spec.name),
        command=Command(path, version, {}),
        home=home,
        work=folder / cloud.name,
        backend=backend,
        passphrase=key or SCRATCH_KEY,
        environment={**variables, **cloud.environment(spec)},
        faults=cloud.faults,
        emit=emit,
        sweep=partial(_sweep, spec.name, root, state),
    )


def unlock_engine(cluster: str, root: Path, state: str) -> list[str]:
    """Take away what dead engines hold of a cluster; answers whose it was. Raises StateError if one lives on this machine."""
    from sloth.adapters.pulumi.locks import unlock

    shelf, below = _shelf(cluster, root, state)
    return unlock(shelf, _project(cluster), below)


def forget_engine(cluster: str, root: Path, state: str) -> None:
    """Delete what the engine keeps of a cluster that is gone: it leaves its history. Raises StateError."""
    from sloth.adapters.pulumi.locks import purge

    shelf, below = _shelf(cluster, root, state)
    purge(shelf, _project(cluster), below)


def _sweep(cluster: str, root: Path, state: str, stack: str) -> list[str]:
    from sloth.adapters.pulumi.locks import sweep

    shelf, below = _shelf(cluster, root, state)
    return sweep(shelf, _project(cluster), stack, below)


def _shelf(cluster: str, root: Path, state: str) -> tuple[Shelf, str]:
    """Where the engine's state lies, and what comes before its own paths there."""
    from sloth.adapters.object_url import parse_url
    from sloth.adapters.pulumi.locks import Directory

    if not state:
        return Directory(root / "clusters" / cluster / "engine" / "state"), ""
    place = parse_url(state)
    if place.scheme == "file":
        return Directory(place.folder / "engine"), ""
    from sloth.adapters.object_store import connect

    return connect(place), "engine/"


def _project(cluster: str) -> str:
    return f"sloth-{cluster}"


def _backend(state: str, folder: Path) -> tuple[str, Mapping[str, str]]:
    """URL of the engine's state and what it needs for that: beside shared records, else in the cluster's folder."""
    from sloth.adapters.object_url import engine_backend

    url, variables = engine_backend(state) if state else (f"file://{folder}", {})
    if url.startswith("file://"):
        Path(url.removeprefix("file://")).mkdir(parents=True, exist_ok=True, mode=0o700)
    return url, variables


def _user_data(cloud: Cloud, spec: ClusterSpec, request: MachineRequest) -> Secret:
    from sloth.adapters.pulumi.layout import server
    from sloth.cloud.user_data import user_data
    from sloth.mesh.host import PACKAGES

    volumes = server(request.name, request.placement, None).volumes if request.placement else ()
    packages = (*PACKAGES, *registry.distribution(spec.kubernetes.distribution).packages)
    return user_data(request, packages, volumes, cloud.user, files=cloud.files, way_out=cloud.way_out(spec))


def offer(cloud: Cloud, spec: ClusterSpec) -> Catalogue:
    """What the cloud offers this account, asked through the engine; of a long catalogue, what the spec names (or the example).

    Leaves nothing behind. Raises MachinesError or CredentialsError.
    """
    from tempfile import TemporaryDirectory

    from sloth.adapters.pulumi.questions import ask
    from sloth.cloud.choose import wanted

    wish = wanted(cloud, spec)
    wish = Wanted(
        sizes=wish.sizes or (cloud.example["size"],),
        locations=wish.locations or (cloud.example["location"],),
        images=wish.images or (cloud.default_image,),
    )
    with TemporaryDirectory(prefix="sloth-") as folder:
        return ask(engine_of(cloud, spec, Path(folder), lambda _event: None), lambda: cloud.catalogue(spec, wish))
