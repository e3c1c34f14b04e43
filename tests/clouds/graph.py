"""A cloud plugin's program run offline: the resources that it declares, as a sorted graph that can be kept in a golden file.

No engine and no process: the SDK's mock monitor, wrapped so that the whole registration is seen (options, dependencies, secrets).
Ids in inputs are written as `${TYPE NAME}`, so that a graph says who refers to whom.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
import typing
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc
import pulumi
from google.protobuf import json_format
from pulumi import _types
from pulumi.runtime import mocks as pulumi_mocks
from pulumi.runtime.stack import run_pulumi_func

from sloth.contracts.cloud import Cloud
from sloth.model.cloud import CloudPlan
from sloth.model.names import NamePlan
from tests.clouds import fakes, sdk
from tests.clouds.fakes.rules import Refused

SECRET = "[secret]"
_SIGNATURE = "4dabf18193072939515e22adb298388d"  # how the engine's wire format marks special values
_ID = re.compile(r"\b9\d{9}\b")
_DEEP = 4  # levels of objects that are made up for outputs


@dataclass(frozen=True)
class Graph:
    """What a program declared and answered."""

    resources: Mapping[str, Mapping[str, Any]]  # `TYPE NAME` -> inputs and options
    outputs: Mapping[str, Any]  # of the program: `network`, each server, `balancer`
    shared: Mapping[str, str] = field(default_factory=dict)  # network's answer with plain ids, for a second stack
    questions: tuple[str, ...] = ()  # functions that the program called

    def text(self) -> str:
        """For a golden file."""
        content = {"outputs": self.outputs, "questions": self.questions, "resources": self.resources}
        return json.dumps(content, indent=1, sort_keys=True) + "\n"

    def of(self, node: str) -> dict[str, Mapping[str, Any]]:
        """The resources that belong to one node: its name is a part of theirs."""
        own = re.compile(rf"(^|[^a-z0-9]){re.escape(node)}($|[^a-z0-9])")
        return {key: value for key, value in self.resources.items() if own.search(key.split(" ", 1)[1])}


def graph(cloud: Cloud, plan: CloudPlan, *, shared: Mapping[str, str] | None = None, show_secrets: bool = False) -> Graph:
    """Run the plugin's program: network (unless another stack made it, whose ids are `shared`), servers, balancer."""
    answers: dict[str, Any] = {}

    def program() -> None:
        common = cloud.network(plan) if shared is None else shared
        servers = {server.name: cloud.server(plan, server, common) for server in plan.servers}
        answers.update({"network": dict(common), "servers": {name: dict(made) for name, made in servers.items()}})
        if plan.balance:
            answers["balancer"] = cloud.balancer(plan, common, {name: servers[name] for name in plan.balance})

    monitor = _run(program, answers, _Monitor(fakes.functions(cloud.name), show_secrets=show_secrets))
    outputs = {key: monitor.readable(value) for key, value in answers.items()}
    resources = {key: monitor.readable(value) for key, value in sorted(monitor.seen.items())}
    return Graph(resources, outputs, dict(answers["network"]), tuple(sorted(monitor.asked)))


def names(cloud: Cloud, plan: NamePlan) -> Graph:
    """Run the plugin's program for the API's name in DNS."""
    monitor = _run(lambda: cloud.records(plan), {}, _Monitor(fakes.functions(cloud.name), show_secrets=False))
    return Graph({key: monitor.readable(value) for key, value in sorted(monitor.seen.items())}, {}, {}, tuple(monitor.asked))


def asked(cloud: Cloud, question: Callable[[], Any], fake: Any = None) -> Any:
    """What a program of questions (`survey`, `catalogue`) answers, asked of a fake; a fresh one by default."""
    answers: list[Any] = []
    functions = fakes.functions(cloud.name) if fake is None else fake.ask
    _run(lambda: answers.append(question()), {}, _Monitor(functions, show_secrets=False))
    return answers[0]


def _run(program: Callable[[], None], answers: dict[str, Any], monitor: _Monitor) -> _Monitor:
    """In a thread of its own: the SDK's settings and event loop belong to a thread's context, so runs cannot mix."""
    failure: list[BaseException] = []

    loops: list[asyncio.AbstractEventLoop] = []

    def own_loop() -> None:
        loops.append(asyncio.new_event_loop())
        asyncio.set_event_loop(loops[-1])

    def work() -> None:
        own_loop()
        # The mock monitor makes an event loop in each thread that calls it, and closes none: so one thread, with a loop of ours.
        with ThreadPoolExecutor(1, initializer=own_loop) as executor:
            loops[0].set_default_executor(executor)
            try:
                pulumi_mocks.set_mocks(monitor.mocks, project="graph", stack="graph", preview=False, monitor=monitor)
                loops[0].run_until_complete(run_pulumi_func(program))
                answers.update(loops[0].run_until_complete(_resolved(answers)))
            except BaseException as error:
                failure.append(error)  # raised again in the caller's thread

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    for loop in loops:
        loop.close()
    if failure:
        raise failure[0]
    return monitor


async def _resolved(answers: dict[str, Any]) -> Any:
    return await pulumi.Output.from_input(dict(answers)).future()


class Refusal(grpc.RpcError):
    """A fake's refusal as the engine hands it on."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._text = text

    def details(self) -> str:
        """What the SDK makes its exception of."""
        return f"invocation of a function returned an error: {self._text}"

    def code(self) -> grpc.StatusCode:
        """Of plugins always the same."""
        return grpc.StatusCode.UNKNOWN


class _Monitor(pulumi_mocks.MockMonitor):
    """Sees every registration whole."""

    def __init__(self, functions: Any, *, show_secrets: bool) -> None:
        self.asked: list[str] = []
        self.show_secrets = show_secrets
        super().__init__(_Mocks(functions, self.asked))
        self.seen: dict[str, dict[str, Any]] = {}
        self.names: dict[str, str] = {}  # id -> `TYPE NAME`

    def RegisterResource(self, request: Any) -> Any:
        answer = super().RegisterResource(request)
        if request.type != "pulumi:pulumi:Stack":
            key = f"{request.type} {request.name}"
            assert key not in self.seen, f"{key} is declared twice"
            self.seen[key] = _registration(request, self.show_secrets)
            self.names[answer.id] = key
        return answer

    def readable(self, value: Any) -> Any:
        """The value with ids replaced by whose they are."""
        if isinstance(value, Mapping):
            return {key: self.readable(item) for key, item in sorted(value.items())}
        if isinstance(value, (list, tuple)):
            return [self.readable(item) for item in value]
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, int) and str(value) in self.names:
            return f"${{{self.names[str(value)]}}}"
        if isinstance(value, str):
            return _ID.sub(lambda found: f"${{{self.names.get(found[0], found[0])}}}", value)
        return value


class _Mocks(pulumi_mocks.Mocks):
    """Makes up ids and outputs that fit the SDK's types."""

    def __init__(self, functions: Any, asked: list[str]) -> None:
        self._functions = functions
        self._asked = asked

    def new_resource(self, args: Any) -> Any:
        kind = sdk.resource(args.typ)
        state = {name: _made_up(hint, args.inputs.get(name), f"{args.name}.{name}") for name, hint in kind.outputs.items()}
        return f"9{zlib.crc32(f'{args.typ} {args.name}'.encode()) % 10**9:09d}", {**args.inputs, **state}

    def call(self, args: Any) -> Any:
        self._asked.append(args.token)
        if self._functions is not None:
            try:
                return self._functions(args.token, args.args), []
            except Refused as error:
                raise Refusal(str(error)) from error
        kind = sdk.function(args.token)
        return {name: _made_up(hint, args.args.get(name), name) for name, hint in kind.outputs.items()}, []


def _made_up(hint: Any, given: Any, name: str, depth: int = 0) -> Any:
    """What was given, with the outputs that the SDK's types promise beside it."""
    hint = next((member for member in sdk._members(hint) if member is not type(None)), str)
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, type) and _types.is_output_type(hint):
        known = given if isinstance(given, Mapping) else {}
        if depth >= _DEEP:
            return known
        return {
            key: _made_up(sub, known.get(key), f"{name}.{key}", depth + 1) for key, sub in _types.output_type_types(hint).items()
        }
    if origin and not issubclass(origin, Mapping):
        items = given if isinstance(given, list) else [None]
        return [_made_up(inner[0], item, f"{name}.{index}", depth) for index, item in enumerate(items)]
    if given is not None:
        return given
    if origin or hint is Any:
        return {}
    return {bool: False, int: 1, float: 1.0}.get(hint, name)


def _registration(request: Any, show_secrets: bool) -> dict[str, Any]:
    """The parts of a registration that decide what the engine does. What is not set is left out."""
    options = {
        "deleteBeforeReplace": request.deleteBeforeReplace,
        "dependsOn": sorted(_short(urn) for urn in request.dependencies),
        "ignoreChanges": sorted(request.ignoreChanges),
        "import": request.importId,
        "parent": "" if request.parent.split("::")[2] == "pulumi:pulumi:Stack" else _short(request.parent),
        "protect": request.protect,
        "replaceOnChanges": sorted(request.replaceOnChanges),
        "retainOnDelete": request.retainOnDelete,
    }
    return {
        "inputs": _plain(json_format.MessageToDict(request.object), show_secrets),
        **{key: value for key, value in options.items() if value},
    }


def _short(urn: str) -> str:
    _, _, kind, name = urn.removeprefix("urn:pulumi:").split("::")
    return f"{kind.split('$')[-1]} {name}"


def _plain(value: Any, show_secrets: bool) -> Any:
    if isinstance(value, Mapping) and _SIGNATURE in value:
        return _plain(value.get("value"), True) if show_secrets else SECRET
    if isinstance(value, Mapping):
        return {key: _plain(item, show_secrets) for key, item in sorted(value.items())}
    return [_plain(item, show_secrets) for item in value] if isinstance(value, list) else value
