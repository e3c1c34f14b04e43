"""The gRPC side of a fake cloud: what the engine calls, carried to the fake and recorded."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2
from pulumi.runtime.proto import provider_pb2 as pb
from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderServicer, add_ResourceProviderServicer_to_server

from tests.clouds import sdk
from tests.clouds.fakes.base import Call, Fake
from tests.clouds.fakes.rules import Refused
from tests.clouds.fakes.wire import masked, plain, struct, without

THREADS = 64


class Servicer(ResourceProviderServicer):
    """One fake, as the engine sees it."""

    def __init__(self, fake: Fake) -> None:
        self._fake = fake

    # Ceremony

    def Handshake(self, request: Any, context: Any) -> Any:
        return pb.ProviderHandshakeResponse(accept_secrets=True, accept_resources=False, accept_outputs=False)

    def Attach(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=version(self._fake.plugin))

    def GetMapping(self, request: Any, context: Any) -> Any:
        return pb.GetMappingResponse()

    def Cancel(self, request: Any, context: Any) -> Any:
        self._fake.cancel()
        return empty_pb2.Empty()

    def CheckConfig(self, request: Any, context: Any) -> Any:
        return pb.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:
        return pb.DiffResponse(changes=pb.DiffResponse.DIFF_NONE)

    def Configure(self, request: Any, context: Any) -> Any:
        """Options of an explicit provider win over what the process was given."""
        options = plain(request.args)
        for name in self._fake.credential:
            if name in options:
                self._fake.token = str(options[name])
        return pb.ConfigureResponse(acceptSecrets=True, supportsPreview=True, acceptResources=False, acceptOutputs=False)

    # Resources

    def Check(self, request: Any, context: Any) -> Any:
        wrong = self._fake.check(_token(request), plain(request.news))
        return pb.CheckResponse(inputs=request.news, failures=[pb.CheckFailure(property="", reason=text) for text in wrong])

    def Diff(self, request: Any, context: Any) -> Any:
        differ, anew = self._fake.replaces(_token(request), plain(request.old_inputs), plain(request.news))
        changes = pb.DiffResponse.DIFF_SOME if differ else pb.DiffResponse.DIFF_NONE
        return pb.DiffResponse(changes=changes, diffs=differ, replaces=anew)

    def Create(self, request: Any, context: Any) -> Any:
        if request.preview:
            return pb.CreateResponse(id="", properties=request.properties)
        token, name, inputs = _token(request), _name(request), plain(request.properties)
        item = self._do("Create", request, context, lambda: self._fake.create(token, name, inputs), request.properties)
        return pb.CreateResponse(id=item.id, properties=self._told(item, item.outputs))

    def Read(self, request: Any, context: Any) -> Any:
        item = self._do("Read", request, context, lambda: self._fake.read(_token(request), request.id))
        if item is None:
            return pb.ReadResponse()
        return pb.ReadResponse(id=item.id, properties=self._told(item, item.outputs), inputs=self._told(item, item.inputs))

    def Update(self, request: Any, context: Any) -> Any:
        if request.preview:
            return pb.UpdateResponse(properties=request.news)
        item = self._do(
            "Update", request, context, lambda: self._fake.update(_token(request), request.id, plain(request.news)), request.news
        )
        return pb.UpdateResponse(properties=self._told(item, item.outputs))

    def Delete(self, request: Any, context: Any) -> Any:
        self._do("Delete", request, context, lambda: self._fake.delete(_token(request), request.id))
        return empty_pb2.Empty()

    def Invoke(self, request: Any, context: Any) -> Any:
        answer = self._do("Invoke", request, context, lambda: self._fake.ask(request.tok, plain(request.args)), request.args)
        return pb.InvokeResponse(**{"return": struct(answer)})

    def _told(self, item: Any, values: Any) -> Any:
        """What the cloud tells of it, all in plain, as of a plugin that forgets what was given to it as a secret."""
        return struct(values if self._fake.tells else without(values, self._fake.rules[item.token].user_data))

    def _do(self, method: str, request: Any, context: Any, work: Callable[[], Any], inputs: Any = None) -> Any:
        """Do it, write it down, and give a refusal to the engine as an error."""
        token, name = (request.tok, "") if method == "Invoke" else (_token(request), _name(request))
        told = masked(inputs) if inputs is not None else {}
        try:
            answer = work()
        except (Refused, sdk.Unknown) as refusal:
            self._write(Call(method, token, name, told, str(refusal)))
            context.abort(grpc.StatusCode.UNKNOWN, str(refusal))
        self._write(Call(method, token, name, told))
        return answer

    def _write(self, call: Call) -> None:
        with self._fake.lock:
            self._fake.calls.append(call)


@contextmanager
def serve(fake: Fake) -> Iterator[int]:
    """The fake on a free port of 127.0.0.1."""
    pool = ThreadPoolExecutor(THREADS)
    server = grpc.server(pool, options=[("grpc.max_receive_message_length", 64 << 20)])
    add_ResourceProviderServicer_to_server(Servicer(fake), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        fake.cancel()
        server.stop(1).wait()
        pool.shutdown()


def version(plugin: str) -> str:
    """The plugin's version that the SDK asks for; "" where it does not say."""
    package = importlib.import_module(sdk.package(plugin))
    about = json.loads((Path(package.__file__ or "").parent / "pulumi-plugin.json").read_text())
    return str(about.get("version", ""))


def _token(request: Any) -> str:
    return str(request.urn.split("::")[2].split("$")[-1])


def _name(request: Any) -> str:
    return str(request.urn.split("::")[3])
