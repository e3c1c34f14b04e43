"""One stack of the engine and what can be done with it. Every failure leaves here as a SlothError."""

from __future__ import annotations

import gc
import json
import logging
import os
import re
import shutil
import sys
import warnings
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sloth.adapters.pulumi.command import Command
from sloth.adapters.pulumi.events import Emit, Progress, Report, name_of
from sloth.adapters.pulumi.faults import translate
from sloth.adapters.pulumi.holders import Holders
from sloth.adapters.pulumi.plugins import version
from sloth.adapters.pulumi.supervise import Pulse
from sloth.contracts.cloud import Cloud
from sloth.errors import Interrupted, MachinesError, StateError
from sloth.model.secret import Secret

if TYPE_CHECKING:
    from pulumi.automation import Stack as _Stack

_log = logging.getLogger(__name__)
Program = Callable[[], Awaitable[None] | None]
SCRATCH = "scratch"
SCRATCH_KEY = Secret("scratch", known=False)  # nothing is kept there
# How the engine writes a secret (pulumi/pulumi, sdk/go/common/resource/sig); this one is of nothing.
_NOTHING = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "plaintext": "null"}
PARALLEL = 64  # resource operations at once in one stack: most of them only wait for a server to boot


@dataclass(frozen=True, kw_only=True)
class Engine:
    """How the engine is run for one cluster at one cloud."""

    cloud: str
    project: str
    command: Command
    home: Path  # PULUMI_HOME: plugins
    work: Path  # fixed for good: Pulumi.yaml and the stacks' settings
    backend: str  # URL of the state
    passphrase: Secret
    environment: Mapping[str, Secret | str] = field(default_factory=dict)  # of the cloud's plugin: credentials, region
    faults: Sequence[tuple[str, str, str]] = ()
    parallel: int = PARALLEL
    emit: Emit = lambda event: None
    pulse: Pulse = field(default_factory=Pulse)
    sweep: Callable[[str], Sequence[str]] = lambda stack: ()  # takes dead engines' locks on a stack away, answers whose

    def scratch(self) -> Engine:
        """The same engine on a state of its own beside the real one, empty for good: for questions, and plans of new stacks."""
        work = self.work / "scratch"
        state = work / "state"
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        return replace(self, work=work, backend=f"file://{state}", passphrase=SCRATCH_KEY)

    def variables(self) -> dict[str, str]:
        """Environment of the CLI. Secrets travel here and nowhere else."""
        given = {key: value.reveal() if isinstance(value, Secret) else value for key, value in self.environment.items()}
        return {
            "PULUMI_BACKEND_URL": _durable(self.backend),
            "PULUMI_CONFIG_PASSPHRASE": self.passphrase.reveal(),
            "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true",  # another machine has no settings file of this stack
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",  # plugins come with a checksum, or not at all
            "PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS": "true",  # the history keeps one after every update already
            # The engine is a Go program that writes its whole state at every step: with 100 servers it would take half as much
            # memory again as it does with this (go.dev/doc/gc-guide, GOGC).
            "GOGC": os.environ.get("GOGC", "25"),
            **given,
        }


def _durable(url: str) -> str:
    """State in local files without the sidecar files of their attributes, which are not replaced atomically: an engine that is
    killed while it writes one leaves a state that it cannot read any more (gocloud.dev, blob/fileblob/attrs.go).
    """
    return f"{url}{'&' if '?' in url else '?'}metadata=skip" if url.startswith("file://") else url


class EngineStack:
    """One stack. Made on first use; selected never, since the CLI keeps its selection in a file that parallel runs share."""

    def __init__(self, engine: Engine, name: str) -> None:
        self.engine = engine
        self.name = name

    def preview(self, program: Program) -> Report:
        """What `up` would do. Changes nothing, and makes no stack either. Raises SlothError."""
        how = self._how()
        try:
            return self._run("plan", lambda stack, take: stack.preview(program=program, on_event=take, **how), make=False)
        except _NoStack:
            return EngineStack(self.engine.scratch(), SCRATCH).of_nothing(program)

    def of_nothing(self, program: Program) -> Report:
        """What a program would make where nothing is. For scratch stacks only: a missing or damaged one is made anew.

        Raises SlothError.
        """
        try:
            return self._run("plan", lambda stack, take: stack.preview(program=program, on_event=take, **self._how()))
        except StateError as error:
            if error.code == "engine/locked":
                raise
            shutil.rmtree(self.engine.work, ignore_errors=True)
            Path(self.engine.backend.removeprefix("file://")).mkdir(parents=True, mode=0o700)
            return self._run("plan", lambda stack, take: stack.preview(program=program, on_event=take, **self._how()))

    def up(self, program: Program, *, total: int = 0) -> Report:
        """Make it so. `total`: changes that a plan has counted; 0 = not known.

        Raises SlothError; what was done until then is in the state.
        """
        progress = Progress(self.engine.emit, self.name, total)

        def act(stack: _Stack, take: Callable[[Any], None]) -> None:
            stack.up(program=program, on_event=_both(take, progress.take), **self._how())

        report = self._run("change", act)
        progress.end()
        return report

    def refresh(self, but: Sequence[tuple[str, str]] = ()) -> Report:
        """Have the state learn what the cloud really has, but for some (token, logical name). Raises SlothError."""
        left = [f"urn:pulumi:{self.name}::{self.engine.project}::{token}::{name}" for token, name in but]
        return self._run("refresh", lambda stack, take: stack.refresh(exclude=left, on_event=take, **self._how()))

    def take_over(self, cloud: Cloud, found: Mapping[tuple[str, str], str]) -> None:
        """Have the state learn of resources that exist: (token, logical name) -> id. What they depend on, it learns by the next
        `up`. Raises SlothError.

        Not by a program: what a program imports stands in the state for a moment as the cloud tells it, user-data in plain. Here
        the properties to seal are given as secrets, of nothing: the engine keeps what the cloud tells and seals that
        (pulumi/pulumi, pkg/resource/deploy/step.go, mergeSuppliedProperties).
        """
        about = {"version": version(cloud.sdk), "pluginDownloadUrl": cloud.sdk.server}
        wanted = [
            {"type": token, "name": name, "id": ident, "inputs": dict.fromkeys(cloud.sealed.get(token, ()), _NOTHING), **about}
            for (token, name), ident in found.items()
        ]
        words = ["import", "--yes", "--skip-preview", "--generate-code=false", "--protect=false", "--suppress-outputs"]
        how = [*words, "--parallel", str(self.engine.parallel), "--file"]
        with self._file({"resources": wanted}) as path:
            try:
                self._cli([*how, path], "taking over")
            except _NoStack:
                self._create()
                self._cli([*how, path], "taking over")

    def destroy(self) -> Report:
        """Delete everything in the state. Raises SlothError."""
        progress = Progress(self.engine.emit, self.name)
        how = self._how()
        report = self._run("deletion", lambda stack, take: stack.destroy(on_event=_both(take, progress.take), **how))
        progress.end()
        return report

    def state(self) -> dict[str, Any]:
        """The deployment as the state holds it, secrets sealed; {} where there is no such stack. Raises SlothError."""
        try:
            result = self._cli(["stack", "export"])
        except _NoStack:
            return {}
        return dict(json.loads(result).get("deployment") or {})

    def names(self, tokens: Collection[str]) -> list[str]:
        """Logical names of the resources of these kinds that the state has. Raises SlothError."""
        return [name_of(each["urn"]) for each in self.state().get("resources") or [] if each["type"] in tokens]

    def half_made(self) -> list[tuple[str, str, Mapping[str, Any]]]:
        """Token, logical name and properties of what an engine that was killed was just making. Raises SlothError."""
        pending = [each["resource"] for each in self.state().get("pending_operations") or [] if each["type"] == "creating"]
        return [(each["type"], name_of(each["urn"]), each.get("inputs") or {}) for each in pending]

    def forget_pending(self) -> int:
        """Drop the notes about operations that were cut off, once it is known what became of them; answers how many."""
        deployment = self.state()
        pending = deployment.pop("pending_operations", None) or []
        if pending:
            self._restore(deployment)
        return len(pending)

    def remove(self) -> None:
        """Forget the stack itself; it must be empty. Raises SlothError."""
        try:
            self._cli(["stack", "rm", "--yes"])
        except _NoStack:
            return

    def _restore(self, deployment: Mapping[str, Any]) -> None:
        """Write a deployment back, sealed as it came: no secret is in it in plain."""
        with self._file({"version": 3, "deployment": deployment}) as path:
            self._cli(["stack", "import", "--file", path])

    @contextmanager
    def _file(self, content: Mapping[str, Any]) -> Iterator[str]:
        """A file of this folder, for as long as the CLI reads it."""
        path = self.engine.work / f"{self.name}.import.json"
        prepare(self.engine)
        path.touch(mode=0o600)
        try:
            path.write_text(json.dumps(content), encoding="utf-8")
            yield str(path)
        finally:
            path.unlink(missing_ok=True)

    def _how(self) -> dict[str, Any]:
        return {"parallel": self.engine.parallel, "color": "never", "suppress_outputs": True, "suppress_progress": True}

    def _cli(self, words: list[str], verb: str = "") -> str:
        from pulumi.automation.errors import CommandError, ConcurrentUpdateError, StackNotFoundError

        variables = {**self.engine.variables(), "PULUMI_HOME": str(self.engine.home)}
        holders, work = Holders(self.engine.cloud, self.engine.emit), str(self.engine.work)
        prepare(self.engine)
        try:
            while True:
                try:
                    return str(self.engine.command.run([*words, "--stack", self.name], work, variables, self._hear).stdout)
                except ConcurrentUpdateError as error:
                    self._unlock(holders, str(error))
        except StackNotFoundError:
            raise _NoStack from None
        except CommandError as error:
            if self.engine.command.signals:
                raise self._interrupted() from None
            raise translate(self.engine.cloud, verb or " ".join(words[:2]), [], str(error), self.engine.faults) from None

    def _hear(self, line: str) -> None:
        self.engine.pulse.beat()

    def _run(self, verb: str, act: Callable[[_Stack, Callable[[Any], None]], object], *, make: bool = True) -> Report:
        """One operation: a missing stack is made (or is _NoStack), and a dead run's lock goes out of the way."""
        holders = Holders(self.engine.cloud, self.engine.emit)
        while True:
            report, failure = self._attempt(act)
            if failure is None:
                return report
            if self.engine.command.signals:
                raise self._interrupted()
            if type(failure).__name__ == "StackNotFoundError":
                if not make:
                    raise _NoStack
                self._create()
            elif type(failure).__name__ == "ConcurrentUpdateError":
                self._unlock(holders, str(failure))
            else:
                raise translate(self.engine.cloud, verb, report.errors, str(failure), self.engine.faults)

    def _attempt(self, act: Callable[[_Stack, Callable[[Any], None]], object]) -> tuple[Report, Exception | None]:
        from pulumi.automation.errors import CommandError

        report = Report()
        _Hush.install()

        def take(event: Any) -> None:
            self.engine.pulse.beat()
            report.take(event)

        try:
            act(_stack(self.engine, self.name), take)
        except CommandError as error:
            gc.collect()  # what the SDK left of the program, at a time when it can do no harm
            return report, error
        except RuntimeError as error:  # "summary event never found": the CLI ended without saying how it went
            raise MachinesError(
                "engine/no-summary",
                f"{self.engine.cloud}: the engine ended without a summary",
                detail=str(error),
                hint="sloth up",
            ) from None
        return report, None

    def _unlock(self, holders: Holders, text: str) -> None:
        if holders.gone(text):
            try:
                self._cli(["cancel", "--yes"])
            except _NoStack:  # killed while it was making the stack: the engine has no command for such a lock
                holders.forget(text)

    def _interrupted(self) -> Interrupted:
        summary = f"{self.engine.cloud}: interrupted; what was in flight was finished and saved"
        return Interrupted("run/interrupted", summary, hint="sloth up")

    def _create(self) -> None:
        self._cli(["stack", "init", "--no-select"])


class _NoStack(Exception):
    """There is no such stack."""


def prepare(engine: Engine) -> None:
    """The fixed working directory with its project file."""
    engine.work.mkdir(parents=True, exist_ok=True, mode=0o700)
    engine.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    project = engine.work / "Pulumi.yaml"
    text = f"name: {engine.project}\ndescription: machines of one sloth cluster at {engine.cloud}\n"
    if not project.is_file() or project.read_text(encoding="utf-8") != text:
        project.write_text(text, encoding="utf-8")


class _Hush:
    """When an operation fails, the SDK leaves its program's coroutine and event loop behind, which complain on stderr when they
    are collected, whenever that is. Put in once, before the first operation; everything else is passed on.
    """

    _LITTER = re.compile(r"unclosed event loop|unclosed <socket\.socket .*family=1")
    _NOISE = ("Error in event stream", "coroutine '.*' was never awaited")  # each failure is told by its own error

    def __init__(self) -> None:
        self._before = sys.unraisablehook

    @classmethod
    def install(cls) -> None:
        if not isinstance(getattr(sys.unraisablehook, "__self__", None), cls):
            sys.unraisablehook = cls()._hear
        for text in cls._NOISE:
            warnings.filterwarnings("ignore", text)

    def _hear(self, what: Any) -> None:
        code = getattr(what.object, "cr_code", None)
        if (code and "/pulumi/" in code.co_filename) or self._LITTER.search(f"{what.object!r} {what.exc_value}"):
            _log.debug("the engine's program was cut off: %s", what.exc_value)
        else:
            self._before(what)


def _both(*takers: Callable[[Any], None]) -> Callable[[Any], None]:
    def take(event: Any) -> None:
        for taker in takers:
            taker(event)

    return take


def _stack(engine: Engine, name: str) -> _Stack:
    """The automation API's stack, without the three processes that it starts after each `up` for what nobody reads here."""
    from pulumi.automation import LocalWorkspace, Stack

    class Lean(Stack):
        def __init__(self, name: str, workspace: LocalWorkspace) -> None:
            self.name = name
            self.workspace = workspace

        def outputs(self) -> dict[str, Any]:
            return {}

        def info(self, show_secrets: bool = True) -> Any:
            return object()

    prepare(engine)
    workspace = LocalWorkspace(
        work_dir=str(engine.work),
        pulumi_home=str(engine.home),
        env_vars=engine.variables(),
        pulumi_command=engine.command,  # type: ignore[arg-type]
    )
    return Lean(name, workspace)
