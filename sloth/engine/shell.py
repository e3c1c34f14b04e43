"""Steps as one shell program, and what it prints as results. Pure: no connection, no clock, nothing of this machine.

`render` gives the text that a transport sends on stdin to a root shell (`sh -s`), so that nothing of it is an argument of a
process; `parse` reads the outcome from what that shell printed. The constant parts are `batch.sh` (runs the steps in a
session of their own, ends overdue ones, sends everything at the end) and `steps.sh` (one function for each kind of step).
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
import secrets
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from itertools import groupby
from pathlib import PurePosixPath
from shlex import quote

from sloth.model.secret import Secret
from sloth.model.step import Ask, Do, Put, Result, Step, Upload, Wait

LIMIT = 1 << 20  # bytes kept of each output stream of a step: the last ones
_DIAGNOSIS = 30.0  # seconds that the diagnosis after a `Wait` may take
_HEAD = re.compile(rb"^sloth-batch ([0-9a-f]{32}) \d+\n", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


class Truncated(ValueError):
    """The shell's output ends too early. `results` are the complete ones, `begun` counts the steps known to have begun."""

    def __init__(self, results: list[Result], begun: int) -> None:
        super().__init__(f"output cut off after {len(results)} results; {begun} steps were begun")
        self.results = results
        self.begun = begun


def render(steps: Sequence[Step], *, lock: str = "") -> bytes:
    """One POSIX shell program for all steps. Raises ValueError for what cannot be said in one, such as an Upload.

    With `lock`, a host works on one batch of that name at a time: one whose connection was lost is waited for (300 s).
    """
    tick = _tick(steps)
    values = {
        "MARK": secrets.token_hex(16),
        "COUNT": str(len(steps)),
        "TICK": f"{tick:g}",
        "LIMIT": str(LIMIT),
        "LOCK": _short(lock) if lock else "",
    }
    before, after = (_fill(part, values) for part in _text("batch.sh").split("@STEPS@\n"))
    body = [_fill(_text("steps.sh"), values), *_calls(steps, tick), "_s_over\n"]
    return before.encode() + "\n".join(body).encode("utf-8", "surrogateescape") + after.encode()


def upload_check(step: Upload) -> Ask:
    """A question that succeeds where the file is there already, with content and mode as wanted."""
    shape = f"{0o100000 | step.mode:x}"
    path = quote(step.path)
    run = (
        f'test "$(stat -c %f -- {path} 2>/dev/null)" = {shape} && '
        f"printf %s {quote(_sum_line(step.sha256, step.path))} | sha256sum -c --status --strict - 2>/dev/null"
    )
    return Ask(title=step.title, run=run, check=False, timeout=step.timeout)


def put_check(step: Put) -> Ask:
    """A question that succeeds where the file is as wanted already: content, mode, owner, and nothing left to do after it."""
    path = quote(step.path)
    run = (
        f"case \"$(stat -c '%f %U:%G %u:%g' -- {path} 2>/dev/null)\" in {_mode(step)}) ;; *) false ;; esac && "
        f"printf %s {quote(_sum_line(_digest(step), step.path))} | sha256sum -c --status --strict - 2>/dev/null"
    )
    if step.then:
        run = f"test ! -e {quote(_todo(step))} && {run}"
    return Ask(title=step.title, run=run, check=False, timeout=step.timeout)


def parse(steps: Sequence[Step], stdout: bytes) -> list[Result]:
    """One Result for each step that was begun, a failed one last. Raises Truncated if the output is not whole."""
    head = _HEAD.search(stdout)
    if head is None:
        raise Truncated([], 0)
    mark = head[1]
    rest = stdout[head.end() :]
    begun = 0
    outcomes: list[tuple[int, bool]] = []
    while not rest.startswith(mark + b" d\n"):
        line, newline, rest = rest.partition(b"\n")
        words = line.split(b" ")
        if not newline or words[0] != mark:
            raise Truncated([], begun)
        if words[1] == b"b":
            begun = int(words[2])
        else:
            outcomes.append((int(words[3]), words[4] == b"1"))
    streams = rest[len(mark) + 3 :].split(b"\n" + mark + b"\n")
    whole = streams.pop() == mark + b" end\n"
    pairs = zip(outcomes, streams[0::2], streams[1::2], strict=False)
    results = [Result(exit=code, out=_read(out), err=_read(err), changed=new) for (code, new), out, err in pairs]
    if not whole or len(results) < len(outcomes) or _missing(steps, results):
        raise Truncated(results, max(begun, len(outcomes)))
    return results


def failed(step: Step, result: Result) -> bool:
    """Whether this result ends a batch: anything but success, unless the step is a question that may fail."""
    return not result.ok and not (isinstance(step, Ask) and not step.check)


def _missing(steps: Sequence[Step], results: Sequence[Result]) -> bool:
    ended = bool(results) and failed(steps[len(results) - 1], results[-1])
    return len(results) < len(steps) and not ended


def _read(stream: bytes) -> str:
    return stream.decode("utf-8", "replace").rstrip("\n")


def _short(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


@cache
def _text(name: str) -> str:
    """A constant part, without what is there for readers only: it travels with every batch."""
    lines = [line.strip() for line in files(__package__).joinpath(name).read_text(encoding="utf-8").splitlines()]
    return "".join(f"{line}\n" for line in lines if line and not line.startswith("#"))


def _fill(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def _tick(steps: Sequence[Step]) -> float:
    """Seconds between two looks at the clock: one, or less when a step has little time."""
    return max(0.1, min([1.0, *(step.timeout / 4 for step in steps)]))


def _calls(steps: Sequence[Step], tick: float) -> Iterator[str]:
    numbered = list(enumerate(steps, start=1))
    for is_put, group in groupby(numbered, key=lambda item: isinstance(item[1], Put)):
        members = list(group)
        if is_put:
            yield from _puts([(number, step) for number, step in members if isinstance(step, Put)], tick)
        else:
            yield from (line for number, step in members for line in _plain(number, step, tick))


def _call(function: str, *words: object) -> str:
    texts = [str(word) for word in words]
    if any("\0" in text for text in texts):
        raise ValueError("a shell text cannot hold a NUL byte")
    return " ".join([function, *map(quote, texts)])


def _clock(step: Step, tick: float) -> tuple[int, str]:
    return math.ceil(step.timeout / tick), f"{step.timeout:g}"


def _plain(number: int, step: Step, tick: float) -> Iterator[str]:
    ticks, limit = _clock(step, tick)
    match step:
        case Ask():
            yield _call("_s_ask", number, ticks, "ask" if step.check else "may", limit, step.run)
        case Do():
            yield _call("_s_do", number, ticks, limit, step.run, step.unless, _exports(step))
        case Wait():
            yield _call("_s_wait", number, ticks, limit, f"{step.every:g}", step.until)
            if step.diagnose:
                yield _call("_s_diagnose", number, math.ceil(_DIAGNOSIS / tick), step.diagnose)
        case _:
            raise ValueError(f"{step.title}: a transport streams this step itself")


def _exports(step: Do) -> str:
    bad = [name for name in step.env if not _NAME.match(name)]
    if bad:
        raise ValueError(f"{step.title}: no name of an environment variable: {bad[0]!r}")
    return "\n".join(f"export {name}={quote(value.reveal())}" for name, value in step.env.items())


def _puts(members: Sequence[tuple[int, Put]], tick: float) -> Iterator[str]:
    """Neighbouring files are looked at together first: two processes instead of two for each file."""
    if len(members) > 1:
        sums = "\n".join(_sum_line(_digest(step), step.path) for _, step in members)
        modes = "'\n'".join(_mode(step) for _, step in members)
        first, step = members[0]
        longest = max((step for _, step in members), key=lambda step: step.timeout)
        yield _call("_s_same", first, *_clock(longest, tick), sums, modes, *(step.path for _, step in members))
    else:
        yield "_s_same=''"
    for number, step in members:
        yield _put(number, step, tick)


def _put(number: int, step: Put, tick: float) -> str:
    if not step.path.startswith("/") or step.path.endswith("/"):
        raise ValueError(f"{step.title}: not an absolute path of a file")
    content = _content(step)
    binary = b"\0" in content
    text = base64.b64encode(content).decode() if binary else content.decode("utf-8", "surrogateescape")
    return _call(
        "_s_put",
        number,
        *_clock(step, tick),
        _sum_line(_digest(step), step.path),
        _mode(step),
        step.path,
        f"{step.mode:04o}",
        step.owner,
        "base64" if binary else "text",
        text,
        PurePosixPath(_todo(step)).name if step.then else "",
        step.then,
    )


def _todo(step: Put) -> str:
    """The file that stands beside `path` while `then` has yet to be run."""
    return f"{step.path.rpartition('/')[0]}/.sloth-then-{_short(step.path)}"


def _content(step: Put) -> bytes:
    content = step.content.reveal() if isinstance(step.content, Secret) else step.content
    return content.encode() if isinstance(content, str) else content


def _digest(step: Put) -> str:
    return hashlib.sha256(_content(step)).hexdigest()


def _sum_line(sha256: str, path: str) -> str:
    """A line as sha256sum writes it: a path with a backslash or a line break is escaped, and marked so."""
    escaped = path.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    return f"{'' if escaped == path else chr(92)}{sha256}  {escaped}"


def _mode(step: Put) -> str:
    """A shell pattern for what `stat -c "%f %U:%G %u:%g"` prints of a file that is as wanted."""
    user, _, group = step.owner.partition(":")
    names = [quote(part) if part and not part.isdigit() else "*" for part in (user, group)]
    numbers = [part if part.isdigit() else "*" for part in (user, group)]
    return f"{0o100000 | step.mode:x}' '{names[0]}:{names[1]}' '{numbers[0]}:{numbers[1]}"
