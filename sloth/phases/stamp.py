"""Stamps: what a finished stage leaves on a node, so that the next run can see in one question that nothing is to do.

`/var/lib/sloth/stamps/NAME` holds the digest of the stage's steps and then a `stat` line for each file that the stage manages.
A file that somebody changed, or other steps, make the stage run again. A stage takes its stamp away before it begins, so that
one that was cut off halfway never looks finished.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from shlex import quote
from typing import Any

from sloth.model.secret import Secret
from sloth.model.step import Do, Step

FOLDER = "/var/lib/sloth/stamps"
_STAT = "stat -c '%n %s %Y %a %U:%G'"
_LENGTH = 32  # hexadecimal digits of a digest
# How a step looks, how long it may take and where its file lies on this machine do not change what is done.
_WORDS = {"title", "hint", "timeout", "retry", "every", "diagnose", "expected", "secret", "check", "source"}

# Prints `stamp.NAME=DIGEST ok|drift` for every stamp: two processes each. Reads only. Managed paths hold no blanks.
VERIFY = f"""for stamp in {FOLDER}/*; do
  [ -f "$stamp" ] || continue
  {{
    read -r digest || continue
    set --
    wanted=''
    while read -r path rest; do
      set -- "$@" "$path"
      wanted="$wanted$path $rest
"
    done
  }} <"$stamp"
  state=drift
  [ $# = 0 ] && state=ok
  [ $# = 0 ] || [ "$({_STAT} "$@" 2>/dev/null)
" != "$wanted" ] || state=ok
  echo "stamp.${{stamp##*/}}=$digest $state"
done
"""


def digest(steps: Sequence[Step]) -> str:
    """What the steps do, in a few characters. Secrets count by their hash."""
    lines = [json.dumps([type(step).__name__, _content(step)], sort_keys=True, default=_plain) for step in steps]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:_LENGTH]


def _content(step: Step) -> dict[str, Any]:
    return {field.name: getattr(step, field.name) for field in fields(step) if field.name not in _WORDS}


def _plain(value: Any) -> Any:
    if isinstance(value, Secret):
        return {"secret": hashlib.sha256(value.reveal().encode()).hexdigest()}
    if isinstance(value, bytes):
        return {"bytes": hashlib.sha256(value).hexdigest()}
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a step cannot hold {type(value).__name__}")


def stamped(name: str, steps: Sequence[Step], paths: Sequence[str]) -> list[Step]:
    """The steps between one that takes the stage's old stamp away and one that stamps it. Raises ValueError for odd paths."""
    odd = [path for path in paths if not path.startswith("/") or len(path.split()) != 1]
    if odd:
        raise ValueError(f"not a path that a stamp can hold: {odd[0]!r}")
    stamp = f"{FOLDER}/{name}"
    stat = f" && {_STAT} {' '.join(map(quote, paths))}" if paths else ""
    begin = Do(title=f"begin {name}", run=f"rm -f {stamp}", unless=f"[ ! -e {stamp} ]")
    write = f"{{ echo {digest(steps)}{stat}; }} >{FOLDER}/.{name} && mv -fT {FOLDER}/.{name} {stamp}"
    end = Do(title=f"stamp {name}", run=f"mkdir -p -m 0700 {FOLDER} && {write}")
    return [begin, *steps, end]
