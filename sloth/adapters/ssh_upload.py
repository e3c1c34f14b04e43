"""How a file gets to a node: asked for in the batch, sent on a channel of its own if it is not there, once for each digest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from shlex import quote

from sloth.engine.shell import upload_check
from sloth.model.step import Result, Step, Upload

_ABSENT = "sloth:absent"
_ABSENT_EXIT = 97
_DIGEST_WRONG = 65  # sysexits(3): the data are not as promised
_PIECE = 1024 * 1024  # bytes read from a local file at a time


def as_step(step: Step) -> Step:
    """An upload as a step that a batch can carry: where the file is not as it should be, the batch stops and says so."""
    if not isinstance(step, Upload):
        return step
    check = upload_check(step)
    return replace(check, run=f"{{ {check.run}\n}} || {{ echo {_ABSENT}; exit {_ABSENT_EXIT}; }}", check=True)


def is_absent(result: Result) -> bool:
    """Whether this is that stop: the file has to be sent."""
    return result.exit == _ABSENT_EXIT and result.out == _ABSENT


def receiver(step: Upload) -> str:
    """Shell text that takes the file from standard input. The file stands under its name only when its digest is right."""
    path, folder = quote(step.path), quote(str(Path(step.path).parent))
    return (
        f"umask 022; mkdir -p -- {folder} || exit; umask 077; t={path}.part-$$; trap 'rm -f -- \"$t\"' EXIT HUP TERM PIPE; "
        f'cat >"$t" || exit; got=$(sha256sum <"$t") || exit; [ "${{got%% *}}" = {step.sha256} ] || '
        f'{{ echo "what arrived has the digest ${{got%% *}}, not {step.sha256}" >&2; exit {_DIGEST_WRONG}; }}; '
        f'chmod {step.mode:o} -- "$t" && mv -fT -- "$t" {path}'
    )


def pieces(path: str) -> Iterator[bytes]:
    """A local file, piece by piece."""
    with Path(path).open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece
