"""What every verb shares: its options, how its outcome is shown, and how failures become exit codes.

Only Typer is imported at the top: `sloth --help` must not pay for anything else.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import typer

from sloth.cli.executing import execute
from sloth.model.options import Options, Outcome

Files = Annotated[
    list[Path] | None,
    typer.Option("--file", "-f", help="Cluster spec; repeat for overlays. Default: ./sloth.yaml.", show_default=False),
]
Output = Annotated[Literal["text", "json"], typer.Option("--output", "-o", help="Form of the result on stdout.")]
NoColor = Annotated[bool, typer.Option("--no-color", help="No colours (also: NO_COLOR).")]
LogFormat = Annotated[Literal["text", "json"], typer.Option("--log-format", help="Form of the progress on stderr.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show every step, and tracebacks of defects.")]
Env = Annotated[str, typer.Option("--env", help="Overlay of that name: sloth.d/ENV.yaml.", show_default=False)]
ClusterName = Annotated[
    str,
    typer.Option("--cluster", "-c", help="A cluster that sloth knows, when its spec file is not at hand.", show_default=False),
]
StateDir = Annotated[
    Path | None,
    typer.Option(
        "--state-dir",
        envvar="SLOTH_DATA_DIR",
        help="Directory on this machine: records (unless --state), key, journals, logs. Default: the user's data directory.",
        show_default=False,
    ),
]
StateUrl = Annotated[
    str,
    typer.Option(
        "--state",
        envvar="SLOTH_STATE",
        help="Where records live, to share them: s3://BUCKET/PREFIX, gs://…, azblob://…, file:///PATH.",
        show_default=False,
    ),
]
SummaryFile = Annotated[
    Path | None,
    typer.Option("--summary", help="Append a summary in Markdown to this file ($GITHUB_STEP_SUMMARY).", show_default=False),
]
Targets = Annotated[
    list[str] | None,
    typer.Option("--target", help="Only this node; repeat for more. Others are left as they are.", show_default=False),
]
PANEL = "Options of every command"


def _shared(panel: str = PANEL, output: Any = Output) -> list[inspect.Parameter]:
    hints: dict[str, tuple[Any, Any]] = {
        "files": (Files, None),
        "env": (Env, ""),
        "cluster": (ClusterName, ""),
        "output": (output, "text"),
        "log_format": (LogFormat, "text"),
        "no_color": (NoColor, False),
        "debug": (Debug, False),
        "state_dir": (StateDir, None),
        "state": (StateUrl, ""),
    }
    parameters = []
    for name, (hint, default) in hints.items():
        hint.__metadata__[0].rich_help_panel = panel
        parameters.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint))
    return parameters


def verb(
    app: typer.Typer,
    name: str,
    *,
    output: Any = Output,
    adapt: Callable[[dict[str, Any]], None] | None = None,
    **settings: Any,
) -> Callable[[Callable[..., Outcome]], Callable[..., None]]:
    """Register `function(options, **own)` as a command with the shared options added to its own.

    A verb may take more in `--output` than the others (`output`, its annotation), which `adapt` then turns into what they take.
    """

    def register(function: Callable[..., Outcome]) -> Callable[..., None]:
        hints = get_type_hints(function, include_extras=True)
        own = [
            parameter.replace(annotation=hints[parameter.name], kind=inspect.Parameter.KEYWORD_ONLY)
            for parameter in list(inspect.signature(function).parameters.values())[1:]
        ]

        @functools.wraps(function)
        def command(**values: Any) -> None:
            if adapt:
                adapt(values)
            shared = {
                key: values.pop(key)
                for key in ("env", "cluster", "output", "no_color", "log_format", "debug", "state_dir", "state")
            }
            options = Options(files=tuple(values.pop("files") or ()), **shared)
            code = execute(options, lambda: function(options, **values))
            if code:
                raise typer.Exit(code)

        parameters = [*own, *_shared(output=output)]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        del command.__wrapped__  # Typer would look through it to the original signature
        app.command(name, **settings)(command)
        return command

    return register
