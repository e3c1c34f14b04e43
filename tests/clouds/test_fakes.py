"""The fakes are as strict as they say: asked over gRPC directly, as the engine asks."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2 as pb
from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderStub

from tests.clouds import fakes, sdk
from tests.clouds.fakes import hcloud, wire
from tests.clouds.fakes.base import Fake
from tests.clouds.plugins import CLOUDS

FAKED = [name for name in CLOUDS if fakes.find(name)]
NETWORK = {"name": "shop-network", "ipRange": "10.110.0.0/16"}
SERVER = {"name": "shop-a", "serverType": "cx33", "location": "fsn1", "image": "114690387"}


class Client:
    """The engine's side."""

    def __init__(self, port):
        self.stub = ResourceProviderStub(grpc.insecure_channel(f"127.0.0.1:{port}"))

    @staticmethod
    def urn(token, name):
        return f"urn:pulumi:test::test::{token}::{name}"

    def check(self, token, inputs):
        answer = self.stub.Check(pb.CheckRequest(urn=self.urn(token, "x"), news=wire.struct(inputs)))
        return [failure.reason for failure in answer.failures]

    def create(self, token, name, inputs, **more):
        request = pb.CreateRequest(urn=self.urn(token, name), properties=wire.struct(inputs), **more)
        answer = self.stub.Create(request)
        return answer.id, wire.plain(answer.properties)

    def update(self, token, name, ident, old, new):
        request = pb.UpdateRequest(urn=self.urn(token, name), id=ident, old_inputs=wire.struct(old), news=wire.struct(new))
        return wire.plain(self.stub.Update(request).properties)

    def diff(self, token, old, new):
        return self.stub.Diff(pb.DiffRequest(urn=self.urn(token, "x"), old_inputs=wire.struct(old), news=wire.struct(new)))

    def read(self, token, name, ident):
        return self.stub.Read(pb.ReadRequest(urn=self.urn(token, name), id=ident))

    def delete(self, token, name, ident):
        self.stub.Delete(pb.DeleteRequest(urn=self.urn(token, name), id=ident))

    def ask(self, token, **args):
        return wire.plain(getattr(self.stub.Invoke(pb.InvokeRequest(tok=token, args=wire.struct(args))), "return"))


@pytest.fixture
def fake():
    return hcloud.Fake()


@pytest.fixture
def client(fake):
    with fake.serve() as provider:
        name, port = provider.split(":")
        assert name == "hcloud"
        yield Client(port)


def refusal(call, *arguments, **more):
    """The text with which a call is refused."""
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, **more)
    return caught.value.details()


def test_what_is_created_can_be_read_changed_and_deleted(fake, client):
    ident, made = client.create(hcloud.NETWORK, "network", NETWORK)
    assert made == {"id": ident, **NETWORK}
    assert wire.plain(client.read(hcloud.NETWORK, "network", ident).inputs) == NETWORK
    labelled = {**NETWORK, "labels": {"a": "b"}}
    assert client.update(hcloud.NETWORK, "network", ident, NETWORK, labelled)["labels"] == {"a": "b"}
    client.delete(hcloud.NETWORK, "network", ident)
    assert client.read(hcloud.NETWORK, "network", ident).id == ""
    client.delete(hcloud.NETWORK, "network", ident)  # as clouds do: gone is gone
    assert fake.items == {}
    assert [call.method for call in fake.calls] == ["Create", "Read", "Update", "Delete", "Read", "Delete"]


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ({**SERVER, "serverTyp": "cx33"}, "serverTyp: unknown property"),
        ({key: value for key, value in SERVER.items() if key != "serverType"}, "serverType: missing required property"),
        ({**SERVER, "firewallIds": ["4000001x"]}, "'4000001x' is no int"),
        ({**SERVER, "firewallIds": "4000001"}, "'4000001' is no list"),
        ({**SERVER, "labels": ["a"]}, "is no map"),
        ({**SERVER, "labels": {"a": 1}}, "labels.a: 1 is no str"),
        ({**SERVER, "backups": "yes"}, "backups: 'yes' is no bool"),
        ({**SERVER, "publicNets": [{"ipv4Enable": True}]}, "publicNets[0].ipv4Enable: unknown property"),
        ({**SERVER, "location": "moon1"}, "location `moon1` not found"),
        ({**SERVER, "serverType": "cx1000"}, "server_type `cx1000` not found"),
        ({**SERVER, "image": "debian-99"}, "image `debian-99` not found"),
    ],
)
def test_bad_inputs_are_refused_when_checked_and_when_created(fake, client, inputs, reason):
    assert any(reason in text for text in client.check(hcloud.SERVER, inputs))
    assert reason in refusal(client.create, hcloud.SERVER, "a", inputs)
    assert fake.items == {}


def test_good_inputs_have_no_complaints_even_where_values_are_not_known_yet(client):
    assert client.check(hcloud.SERVER, {**SERVER, "firewallIds": [sdk.UNKNOWN], "placementGroupId": sdk.UNKNOWN}) == []


def test_kinds_and_functions_that_nobody_declared_are_refused(client):
    assert "does not know hcloud:index/snapshot:Snapshot" in refusal(client.create, "hcloud:index/snapshot:Snapshot", "a", {})
    assert client.check("hcloud:index/snapshot:Snapshot", {}) == ["the fake hcloud does not know hcloud:index/snapshot:Snapshot"]
    assert "does not know the function" in refusal(client.ask, "hcloud:index/getZones:getZones")
    assert "nonsense: unknown property" in refusal(client.ask, "hcloud:index/getServers:getServers", nonsense=1)


def test_references_to_what_is_not_there_are_refused(client):
    assert "Firewall `17` (firewallIds[]) not found" in refusal(
        client.create, hcloud.SERVER, "a", {**SERVER, "firewallIds": [17]}
    )


def test_what_is_in_use_is_not_deleted(fake, client):
    firewall, _ = client.create(hcloud.FIREWALL, "firewall", {"name": "f"})
    server, _ = client.create(hcloud.SERVER, "a", {**SERVER, "firewallIds": [int(firewall)]})
    assert "Firewall firewall is still in use by Server a" in refusal(client.delete, hcloud.FIREWALL, "firewall", firewall)
    client.delete(hcloud.SERVER, "a", server)
    client.delete(hcloud.FIREWALL, "firewall", firewall)
    assert fake.items == {}


def test_no_two_have_the_same_name(client):
    client.create(hcloud.SERVER, "a", SERVER)
    assert "uniqueness_error" in refusal(client.create, hcloud.SERVER, "b", SERVER)


def test_a_preview_makes_nothing(fake, client):
    assert client.create(hcloud.SERVER, "a", SERVER, preview=True)[0] == ""
    assert fake.items == {}
    assert fake.calls == []


def test_a_diff_names_what_replaces(client):
    other = {**SERVER, "image": "161547269", "labels": {"a": "b"}}
    found = client.diff(hcloud.SERVER, SERVER, other)
    assert (sorted(found.diffs), list(found.replaces)) == (["image", "labels"], ["image"])
    assert client.diff(hcloud.SERVER, SERVER, SERVER).changes == pb.DiffResponse.DIFF_NONE


def test_what_cannot_be_changed_in_place_is_refused(client):
    ident, _ = client.create(hcloud.SERVER, "a", SERVER)
    text = refusal(client.update, hcloud.SERVER, "a", ident, SERVER, {**SERVER, "image": "161547269"})
    assert "image cannot be changed in place" in text


def test_a_server_keeps_its_address_when_it_changes(client):
    ident, made = client.create(hcloud.SERVER, "a", SERVER)
    changed = client.update(hcloud.SERVER, "a", ident, SERVER, {**SERVER, "labels": {"a": "b"}})
    assert changed["ipv4Address"] == made["ipv4Address"]


@pytest.mark.parametrize("token", ["", "expired"])
def test_without_a_good_token_nothing_works(fake, client, token):
    fake.token = token
    for call in (
        lambda: client.create(hcloud.SERVER, "a", SERVER),
        lambda: client.read(hcloud.SERVER, "a", "1"),
        lambda: client.delete(hcloud.SERVER, "a", "1"),
        lambda: client.ask("hcloud:index/getServers:getServers"),
    ):
        assert "unauthorized" in refusal(call)
    assert [call.refused != "" for call in fake.calls] == [True] * 4


def test_a_token_of_the_configuration_counts(client):
    client.stub.Configure(pb.ConfigureRequest(args=wire.struct({"token": "expired"})))
    assert "unauthorized" in refusal(client.create, hcloud.SERVER, "a", SERVER)
    client.stub.Configure(pb.ConfigureRequest(args=wire.struct({"token": "a-good-one"})))
    assert client.create(hcloud.SERVER, "a", SERVER)[0]


def test_a_token_can_expire_on_the_way(fake, client):
    fake.faults.expires_after = 1
    client.create(hcloud.SERVER, "a", SERVER)
    assert "unauthorized" in refusal(client.create, hcloud.SERVER, "b", {**SERVER, "name": "b"})


def test_secrets_come_back_in_plain_and_do_not_come_into_the_record(fake, client):
    """So it is the engine that has to seal them, and not a plugin that is kind."""
    secret = {wire.SIGNATURE: wire.SECRET, "value": "#cloud-config with a key"}
    request = pb.CreateRequest(urn=client.urn(hcloud.SERVER, "a"), properties=wire.struct({**SERVER, "userData": secret}))
    answer = client.stub.Create(request)
    assert wire.masked(answer.properties)["userData"] == "#cloud-config with a key"
    assert "with a key" not in str(fake.calls)
    read = pb.ReadRequest(urn=client.urn(hcloud.SERVER, "a"), id=answer.id)
    assert wire.plain(client.stub.Read(read).inputs)["userData"] == "#cloud-config with a key"
    fake.tells = False
    assert "with a key" not in str(client.stub.Read(read))


def test_what_is_left_out_of_an_answer_may_lie_deep():
    assert wire.without({"a": {"b": 1, "c": 2}, "d": 3}, "a.b") == {"a": {"c": 2}, "d": 3}
    assert wire.without({"a": [{"b": 1}, {"c": 2}]}, "a[].b") == {"a": [{}, {"c": 2}]}
    assert wire.without({"a": 1}, "b.c") == wire.without({"a": 1}, "") == {"a": 1}


# Faults


def test_the_account_has_a_quota_of_servers(fake, client):
    fake.faults.quota = 1
    first, _ = client.create(hcloud.SERVER, "a", SERVER)
    assert "resource_limit_exceeded" in refusal(client.create, hcloud.SERVER, "b", {**SERVER, "name": "b"})
    client.create(hcloud.NETWORK, "network", NETWORK)  # of servers only
    client.delete(hcloud.SERVER, "a", first)
    client.create(hcloud.SERVER, "b", {**SERVER, "name": "b"})


@pytest.mark.parametrize("full", ["fsn1", "cx33", "cx33@fsn1"])
def test_capacity_can_be_missing_in_one_place(fake, client, full):
    fake.faults.full = {full}
    assert "resource_unavailable" in refusal(client.create, hcloud.SERVER, "a", SERVER)
    client.create(hcloud.SERVER, "a", {**SERVER, "location": "nbg1", "serverType": "cx43"})


def test_so_many_calls_are_too_many_and_then_no_more(fake, client):
    fake.faults.rate_limited, fake.faults.retry_after = 2, 7
    texts = [refusal(client.create, hcloud.SERVER, "a", SERVER) for _ in range(2)]
    assert all("rate_limit_exceeded" in text and "Retry-After: 7" in text for text in texts)
    client.create(hcloud.SERVER, "a", SERVER)
    fake.faults.broken = 1
    assert "503" in refusal(client.create, hcloud.NETWORK, "network", NETWORK)
    client.create(hcloud.NETWORK, "network", NETWORK)


@pytest.mark.parametrize("which", ["b", 2])
def test_an_answer_can_be_lost_though_the_server_is_there(fake, client, which):
    fake.faults.lost = {which}
    client.create(hcloud.SERVER, "a", SERVER)
    assert "EOF" in refusal(client.create, hcloud.SERVER, "b", {**SERVER, "name": "b"})
    assert [item.name for item in fake.all("Server")] == ["a", "b"]
    assert fake.made() == ["a"]


def test_a_delete_can_need_several_tries(fake, client):
    ident, _ = client.create(hcloud.NETWORK, "network", NETWORK)
    fake.faults.stubborn = {"network": 2}
    for _ in range(2):
        assert "still in use" in refusal(client.delete, hcloud.NETWORK, "network", ident)
    client.delete(hcloud.NETWORK, "network", ident)
    assert fake.items == {}


def test_latency_ends_when_the_engine_cancels(fake, client):
    fake.faults.latency = 600.0
    with ThreadPoolExecutor(1) as pool:
        making = pool.submit(client.create, hcloud.SERVER, "a", SERVER)
        entered = threading.Event()
        while not making.done():  # the call may still be on its way when the first Cancel comes
            client.stub.Cancel(pb.google_dot_protobuf_dot_empty__pb2.Empty())
            entered.wait(0.01)
        assert making.result()[0]


def test_a_server_can_be_a_machine_that_a_test_boots(fake, client):
    booted, gone = {}, []
    fake.on_server = lambda item, text: booted.update({item.name: text}) or "172.30.0.9"
    fake.on_gone = lambda item: gone.append(item.name)
    ident, made = client.create(hcloud.SERVER, "a", {**SERVER, "userData": "#cloud-config"})
    assert booted == {"a": "#cloud-config"}
    assert made["ipv4Address"] == "172.30.0.9"
    assert client.ask("hcloud:index/getServers:getServers")["servers"][0]["ipv4Address"] == "172.30.0.9"
    client.delete(hcloud.SERVER, "a", ident)
    assert gone == ["a"]


def test_many_at_once_get_ids_and_addresses_of_their_own(fake, client):
    with ThreadPoolExecutor(16) as pool:
        made = [*pool.map(lambda n: client.create(hcloud.SERVER, f"s{n}", {**SERVER, "name": f"s{n}"}), range(300))]
    assert len({ident for ident, _ in made}) == 300
    assert len({outputs["ipv4Address"] for _, outputs in made}) == 300


# All fakes


@pytest.mark.parametrize("name", FAKED)
def test_a_fake_knows_only_what_the_sdk_knows(name):
    kind = fakes.find(name)
    for token, rules in kind.rules.items():
        known = sdk.resource(token)
        paths = {*rules.refs, *rules.known, *rules.replaces, rules.unique, rules.size, rules.user_data}
        paths |= {rules.location} if isinstance(rules.location, str) else set()
        heads = {re.split(r"[.\[]", path)[0] for path in paths if path}
        assert heads <= set(known.inputs), token
        assert {ref.token for ref in rules.refs.values()} <= set(kind.rules), token
        assert set(rules.known.values()) <= set(kind.catalogues), token
    for token in kind.functions:
        assert sdk.function(token).outputs


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (name, kind)
        for name in FAKED
        for kind in ("credentials", "quota", "capacity", "rate-limit", "in-use", "not-found", "conflict")
    ],
)
def test_a_plugin_understands_what_its_cloud_says(name, kind):
    """Its own patterns and the common ones, as the engine's adapter asks them."""
    from sloth.adapters.pulumi.faults import classify

    words = {"what": "a thing", "by": "another thing", "size": "s", "location": "l", "seconds": 1}
    fault = classify(fakes.find(name).texts[kind].format(**words), CLOUDS[name].faults)
    assert fault is not None
    assert fault.kind == kind
    assert fault.hint


def test_the_base_texts_are_complete():
    for name in FAKED:
        assert set(fakes.find(name).texts) >= set(Fake.texts)
