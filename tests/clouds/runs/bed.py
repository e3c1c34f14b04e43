"""One cluster at fake clouds, and the `sloth` program that is run for it again and again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from sloth.model.options import Options
from sloth.model.record import Record
from tests.clouds.runs.gate import Gate

DRIVER = [sys.executable, "-m", "tests.clouds.runs.driver"]
ROOT = Path(__file__).parents[3]
NAME = "shop"
SPEC = """apiVersion: sloth.dev/v1
kind: Cluster
metadata: {{name: {name}}}
spec:
  access: {{ssh: ["198.51.100.7/32"], api: ["198.51.100.7/32"]}}
  providers:
    hcloud: {{size: cx23, location: fsn1, network: 10.110.0.0/16}}
    aws: {{region: eu-central-1, size: m7i.large, location: eu-central-1a, network: 10.120.0.0/16}}
  pools:
    - {{name: control, role: control-plane, provider: hcloud, count: 3}}
    - {{name: work, role: worker, provider: hcloud, count: 3}}
    - {{name: far-control, role: control-plane, provider: aws, count: 2}}
    - {{name: far, role: worker, provider: aws, count: {far}}}
"""
CREDENTIALS = {"HCLOUD_TOKEN": "valid", "AWS_ACCESS_KEY_ID": "valid", "AWS_SECRET_ACCESS_KEY": "valid"}
# Of whoever runs the tests; nothing of it may count here.
STRANGERS = ("SLOTH_", "PULUMI_", "AWS_", "HCLOUD_", "GITHUB_", "KUBECONFIG")
PATIENCE = 120.0


@dataclass
class Done:
    """A run that has ended."""

    words: tuple[str, ...]
    code: int
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        """All that was said, for messages."""
        return f"sloth {' '.join(self.words)} -> {self.code}\n{self.stdout}\n{self.stderr}"

    @property
    def answer(self) -> dict[str, Any]:
        """The envelope of `--output json`."""
        found: dict[str, Any] = json.loads(self.stdout)
        return found


class Forks:
    """A process that has everything loaded, and forks runs."""

    def __init__(self) -> None:
        self._process = subprocess.Popen([*DRIVER, "--serve"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._codes: dict[int, int] = {}
        self._heard = threading.Condition()
        self._born: list[int] = []
        self._ready = False
        threading.Thread(target=self._listen, name="forks", daemon=True).start()
        with self._heard:
            assert self._heard.wait_for(lambda: self._ready, PATIENCE)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            with self._heard:
                if "ready" in said:
                    self._ready = True
                elif "code" in said:
                    self._codes[said["pid"]] = said["code"]
                else:
                    self._born.append(said["pid"])
                self._heard.notify_all()

    def start(self, words: tuple[str, ...], env: dict[str, str], cwd: Path, out: Path, err: Path) -> int:
        """A new run's process."""
        assert self._process.stdin is not None
        order = {"words": list(words), "env": env, "cwd": str(cwd), "stdout": str(out), "stderr": str(err)}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        with self._heard:
            assert self._heard.wait_for(lambda: self._born, PATIENCE), "nothing was forked"
            return self._born.pop()

    def over(self, pid: int) -> bool:
        """Whether it has ended."""
        return pid in self._codes

    def wait(self, pid: int) -> int:
        """Its exit code; -9 where it was killed."""
        with self._heard:
            assert self._heard.wait_for(lambda: pid in self._codes, PATIENCE), f"process {pid} does not end"
            return self._codes.pop(pid)

    def close(self) -> None:
        """End it."""
        self._process.communicate("")


class Run:
    """One `sloth`, under way."""

    def __init__(self, bed: Bed, words: tuple[str, ...], env: dict[str, str]) -> None:
        self._bed, self.words = bed, words
        bed.count += 1
        self._out, self._err = (bed.logs / f"{bed.count}-{words[0]}.{kind}" for kind in ("out", "err"))
        self.pid = bed.forks.start(words, env, bed.folder, self._out, self._err)

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self._bed.forks.over(self.pid)

    def send(self, number: signal.Signals) -> None:
        """A signal to the program."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def said(self, text: str) -> bool:
        """Whether it has told that on stderr."""
        return text in self._err.read_text()

    def end(self) -> Done:
        """Wait for its end."""
        code = self._bed.forks.wait(self.pid)
        return Done(self.words, code, self._out.read_text(), self._err.read_text())


class Bed:
    """The files of one user with one cluster, and the clouds that their credentials open."""

    def __init__(self, folder: Path, forks: Forks, stack: ExitStack, spec: str = "") -> None:
        self.folder, self.forks = folder, forks
        self.logs = folder / "said"
        self.logs.mkdir(parents=True)
        self.count = 0
        self.spec = folder / "sloth.yaml"
        self.write(spec or SPEC.format(name=NAME, far=4))
        self.fakes: dict[str, Any] = {name: import_module(f"tests.clouds.fakes.{name}").Fake() for name in ("hcloud", "aws")}
        self.gate = Gate(self.fakes.values())
        self.ports = ",".join(stack.enter_context(fake.serve()) for fake in self.fakes.values())
        kept = {name: value for name, value in os.environ.items() if not name.startswith(STRANGERS)}
        kept |= {name: os.environ[name] for name in ("SLOTH_CACHE_DIR",) if name in os.environ}
        (folder / "tmp").mkdir()
        self.env = {
            **kept,
            **CREDENTIALS,
            "SLOTH_DATA_DIR": str(folder / "data"),
            "PULUMI_DEBUG_PROVIDERS": self.ports,
            "NO_COLOR": "1",
            "TMPDIR": str(folder / "tmp"),
        }

    def write(self, text: str) -> None:
        """The user's spec."""
        self.spec.write_text(text)

    def start(self, *words: str, **env: str) -> Run:
        """Begin a run. An empty value takes a variable away."""
        whole = {name: value for name, value in {**self.env, **env}.items() if value}
        return Run(self, words, whole)

    def run(self, *words: str, code: int | None = 0, **env: str) -> Done:
        """A whole run, held to its exit code."""
        done = self.start(*words, **env).end()
        assert code is None or done.code == code, done.text
        return done

    # What there is

    def record(self) -> Record | None:
        """What sloth remembers."""
        return self.state().load()

    def state(self) -> Any:
        """The record's place."""
        from sloth.app import state_of

        return state_of(Options(state_dir=self.folder / "data"), NAME)

    def servers(self) -> dict[str, str]:
        """Node name, as the tag has it -> id. Two of one name are a failure."""
        found: dict[str, str] = {}
        for fake in self.fakes.values():
            for (token, ident), item in fake.items.items():
                if fake.rules[token].server:
                    assert item.name not in found, f"{item.name} is there twice"
                    found[item.name] = ident
        return found

    def calls(self, *methods: str) -> list[str]:
        """Logical names of what was changed at all clouds, in order, refusals left out."""
        return [
            call.name
            for fake in self.fakes.values()
            for call in fake.calls
            if call.method in (methods or ("Create", "Update", "Delete")) and not call.refused
        ]

    def engines(self) -> list[int]:
        """Processes of the engine that work for this bed, whoever started them."""
        return [pid for pid in processes() if _is_engine(pid, self.ports)]

    def locks(self) -> list[Path]:
        """Locks that are held, of the record and of the engine."""
        engine = (self.folder / "data").rglob("locks/**/*.json")
        return [*engine, *([Path("record")] if self.state().owner() else [])]


def processes() -> list[int]:
    """All that can be seen."""
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _is_engine(pid: int, ports: str) -> bool:
    mark = f"PULUMI_DEBUG_PROVIDERS={ports}".encode()
    try:
        return Path(f"/proc/{pid}/comm").read_text().startswith("pulumi") and mark in Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False


def until(true: Callable[[], Any], seconds: float = PATIENCE) -> None:
    """Wait for something that comes for certain."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


@contextmanager
def bed(folder: Path, forks: Forks, spec: str = "") -> Iterator[Bed]:
    """A bed of its own; nothing of the engine is left running afterwards, failed or not."""
    with ExitStack() as stack:
        made = Bed(folder, forks, stack, spec)
        try:
            yield made
        finally:
            made.gate.open()
            for pid in made.engines():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
