"""`sloth mirror`: make and serve a mirror of everything that nodes need."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sloth.cli.options import verb
from sloth.model.options import Options, Outcome

FromSource = Annotated[bool, typer.Option("--from-source", help="Build from Go modules instead of downloading.")]
Directory = Annotated[
    Path | None,
    typer.Option("--directory", help="The mirror's folder. Default: in the user's cache directory.", show_default=False),
]
Version = Annotated[
    str,
    typer.Option("--version", help="For this Kubernetes version, not the spec's: a minor or an exact one.", show_default=False),
]


def register(group: typer.Typer) -> None:
    """Add the verbs of the group."""

    @verb(group, "create")
    def create(
        options: Options, *, from_source: FromSource = False, directory: Directory = None, version: Version = ""
    ) -> Outcome:
        """Fetch or build what the spec's nodes need, verify it, and pin it in sloth.lock."""
        return make_mirror(options, from_source=from_source, directory=directory, version=version)

    @verb(group, "serve")
    def serve(
        options: Options,
        bind: Annotated[str, typer.Option("--bind", help="Address to listen on; never all of them.")] = "127.0.0.1",
        port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 picks a free one.")] = 8099,
        directory: Directory = None,
    ) -> Outcome:
        """Serve the mirror to nodes over HTTP, read-only, until Ctrl-C. Nodes verify digests."""
        return serve_mirror(options, bind=bind, port=port, directory=directory)


def make_mirror(options: Options, *, from_source: bool, directory: Path | None, version: str = "") -> Outcome:
    """Without a spec, the mirror is for what `sloth init` prints, and nothing is pinned. Raises SlothError."""
    from sloth.app import DEFAULT_SPEC, load, mirror_spec
    from sloth.desk import views
    from sloth.engine.bus import Bus
    from sloth.supply import exact, fetch, mirror_dir, version_of

    loaded = load(options) if options.files or DEFAULT_SPEC.is_file() else mirror_spec()
    wanted = exact(loaded.spec, version) if version else ""
    with Bus(views(options, quiet=False)) as bus:
        artifacts = fetch(
            loaded, bus.emit, version=wanted, from_source=from_source, directory=directory, beside=[version_of(loaded.spec)]
        )
    where = directory or mirror_dir()
    size = sum(artifact.size for artifact in artifacts)
    data = {
        "directory": str(where),
        "bytes": size,
        "artifacts": [{"name": a.name, "version": a.version, "sha256": a.sha256, "origin": a.origin} for a in artifacts],
    }
    return Outcome("Mirror", data=data, text=f"{where}: {len(artifacts)} artifacts, {size / 1e6:.0f} MB, all verified")


def serve_mirror(options: Options, *, bind: str, port: int, directory: Path | None) -> Outcome:
    """Serve until Ctrl-C. Raises SlothError."""
    from sloth.adapters.artifacts.serve import serve
    from sloth.app import say
    from sloth.supply import mirror_dir

    server = serve(directory or mirror_dir(), bind, port)
    say(f"serving {directory or mirror_dir()} at {server.url}; Ctrl-C ends")
    try:
        server.wait()
    except KeyboardInterrupt:
        server.close()
    return Outcome("MirrorServed", data={"url": server.url})
