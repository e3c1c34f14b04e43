"""A host in memory: it has files, understands the steps that handle files, and commands for which handlers were registered.

With a directory its state outlives the process, so that a run can be killed and resumed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sloth.engine.shell import failed
from sloth.errors import ConnectError
from sloth.model.node import Login
from sloth.model.secret import Secret
from sloth.model.step import Ask, Do, Put, Result, Step, Upload, Wait
from sloth.testing.transport import Unexpected, command

Handler = Callable[["FakeHost", re.Match[str]], "str | int | Result | None"]


@dataclass
class FakeHost:
    """One host. `ran` lists (title, command) of everything that was really carried out, over all processes."""

    name: str
    directory: Path | None = None
    after_step: Callable[[Step], None] = lambda _step: None
    files: dict[str, tuple[str, int, str]] = field(default_factory=dict)  # path -> (base64, mode, owner)
    facts: dict[str, Any] = field(default_factory=dict)  # whatever handlers want to remember: JSON values
    ran: list[tuple[str, str]] = field(default_factory=list)
    handlers: list[tuple[re.Pattern[str], Handler]] = field(default_factory=list)
    round_trips: int = 0

    def __post_init__(self) -> None:
        self.on(r"test -[ef] (\S+)", lambda host, match: 0 if match[1] in host.files else 1)
        self.on(r"cat (\S+)", lambda host, match: host.text(match[1]) if match[1] in host.files else 1)
        self.on(r"rm -f (\S+)", lambda host, match: host.files.pop(match[1], None) and None)
        if self.directory is not None and self._store.is_file():
            saved = json.loads(self._store.read_text(encoding="utf-8"))
            self.files = {path: (text, mode, owner) for path, (text, mode, owner) in saved["files"].items()}
            self.facts = saved["facts"]
            self.ran = [(title, run) for title, run in saved["ran"]]

    def on(self, pattern: str, handler: Handler) -> FakeHost:
        """Carry out commands that match the whole pattern. The handler returns output, an exit status, a Result, or None."""
        self.handlers.append((re.compile(pattern, re.DOTALL), handler))
        return self

    def write(self, path: str, content: bytes | str, mode: int = 0o644, owner: str = "root:root") -> None:
        """Put a file there, as a command would."""
        data = content.encode() if isinstance(content, str) else content
        self.files[path] = (base64.b64encode(data).decode(), mode, owner)

    def read(self, path: str) -> bytes:
        """A file's content. Raises KeyError."""
        return base64.b64decode(self.files[path][0])

    def text(self, path: str) -> str:
        """A file's content as text. Raises KeyError."""
        return self.read(path).decode()

    def run(self, steps: Sequence[Step]) -> list[Result]:
        """One batch; the state is saved after each step."""
        self.round_trips += 1
        results: list[Result] = []
        for step in steps:
            results.append(self._step(step))
            self._save()
            self.after_step(step)
            if failed(step, results[-1]):
                break
        return results

    def close(self) -> None:
        """Nothing is open."""

    def _step(self, step: Step) -> Result:
        match step:
            case Ask():
                return self._shell(step.title, step.run)
            case Do():
                return self._do(step)
            case Put():
                content = step.content.reveal() if isinstance(step.content, Secret) else step.content
                return self._file(step, content if isinstance(content, bytes) else content.encode(), step.owner, step.then)
            case Upload():
                return self._upload(step)
            case Wait():
                held = self._shell(step.title, step.until)
                return held if held.ok else Result(exit=124, err=f"timed out after {step.timeout:g} s")

    def _do(self, step: Do) -> Result:
        if step.unless and self._shell("", step.unless).ok:
            return Result()
        return replace(self._shell(step.title, step.run), changed=True)

    def _upload(self, step: Upload) -> Result:
        data = Path(step.source).read_bytes()
        if hashlib.sha256(data).hexdigest() != step.sha256:
            return Result(exit=1, err=f"{step.source}: digest mismatch")
        return self._file(step, data, "root:root", "")

    def _file(self, step: Put | Upload, data: bytes, owner: str, then: str) -> Result:
        wanted = (base64.b64encode(data).decode(), step.mode, owner)
        if self.files.get(step.path) == wanted:
            return Result()
        self.files[step.path] = wanted
        self.ran.append((step.title, command(step)))
        after = self._shell(step.title, then) if then else Result()
        return replace(after, changed=True)

    def _shell(self, title: str, text: str) -> Result:
        """Several commands joined by `&&` are carried out one after the other."""
        whole = self._command(text)
        parts = iter([whole]) if whole is not None else (self._command(part) for part in text.split(" && "))
        result = Result()
        said: list[str] = []
        for part in parts:
            if part is None:
                raise Unexpected(f"{self.name}: no handler for the command {text!r} of step {title!r}")
            result = part
            said += [part.out] if part.out else []
            if not part.ok:
                break
        if title:
            self.ran.append((title, text))
        return replace(result, out="\n".join(said))

    def _command(self, text: str) -> Result | None:
        for pattern, handler in self.handlers:
            match = pattern.fullmatch(text)
            if match:
                return _result(handler(self, match))
        if text in ("true", ":"):
            return Result()
        if text == "false":
            return Result(exit=1)
        if text.startswith("echo "):
            return Result(out=" ".join(shlex.split(text)[1:]))
        return None

    @property
    def _store(self) -> Path:
        return (self.directory or Path()) / f"host-{self.name}.json"

    def _save(self) -> None:
        if self.directory is None:
            return
        fresh = self._store.with_suffix(".new")
        state = {"files": self.files, "facts": self.facts, "ran": self.ran}
        fresh.write_text(json.dumps(state), encoding="utf-8")
        fresh.replace(self._store)


def _result(answer: str | int | Result | None) -> Result:
    if isinstance(answer, Result):
        return answer
    if isinstance(answer, int):
        return Result(exit=answer)
    return Result(out=answer or "")


class FakeHosts:
    """A transport to hosts in memory. A host that was not added cannot be reached."""

    def __init__(self) -> None:
        self.hosts: dict[str, FakeHost] = {}

    def add(self, host: FakeHost) -> FakeHost:
        """Make a host reachable under its name."""
        self.hosts[host.name] = host
        return host

    def open(self, login: Login) -> FakeHost:
        """The host itself is the session."""
        if login.node not in self.hosts:
            raise ConnectError("connect/unreachable", f"{login.node}: no such host", hint="sloth up")
        return self.hosts[login.node]
