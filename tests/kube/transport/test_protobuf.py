"""Protobuf without a server: what bytes become, and what becomes of a client that meets more than it knows."""

import asyncio
import gzip
import hashlib
from datetime import UTC, datetime
from importlib import resources
from itertools import pairwise

import msgspec
import pytest
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import given, settings
from hypothesis import strategies as st

from sloth.errors import ConnectError
from sloth.kube import ApiError, AsyncClient, Client
from sloth.kube.builtin import BUILTIN
from sloth.kube.protobuf import descriptions as described
from sloth.kube.protobuf import values
from sloth.kube.protobuf.decoding import Frames, NotUnderstoodError, decode, event
from sloth.kube.protobuf.descriptions import META, descriptions
from sloth.kube.protobuf.forms import PROTOBUF, Forms
from sloth.kube.watch import PLAIN, Follow, Relist, Watch
from sloth.kube.wire import JSON, Pause, Request
from sloth.testing.kube import Fault
from tests.kube.conftest import QUICK
from tests.kube.test_contract import config
from tests.kube.transport.packing import NEWER, config_map, frame, message, packed

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
FORM = {"Content-Type": PROTOBUF}
SCALARS = {
    FieldDescriptor.TYPE_STRING: TEXT,
    FieldDescriptor.TYPE_BYTES: st.binary(max_size=8),
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: st.integers(-(2**53), 2**53),
    FieldDescriptor.TYPE_DOUBLE: st.floats(allow_nan=False, allow_infinity=False),
}
JSON_WITHIN = {"Raw", "raw"}  # fields whose bytes are JSON
BOUNDED = {"seconds": st.integers(-(2**34), 2**37), "nanos": st.integers(0, 999_999_999)}
KINDS = [("v1", "Pod"), ("v1", "Node"), ("apps/v1", "StatefulSet"), ("batch/v1", "CronJob"), ("events.k8s.io/v1", "Event"),
         ("apiextensions.k8s.io/v1", "CustomResourceDefinition"), ("networking.k8s.io/v1", "NetworkPolicyList"),
         ("resource.k8s.io/v1", "ResourceSlice"), ("authorization.k8s.io/v1", "SubjectAccessReview")]  # fmt: skip


def fill(draw, found, depth):
    """Some of the fields of a message, and of those in it."""
    for field in found.DESCRIPTOR.fields:
        if not draw(st.integers(0, 3 if depth else 1)):
            continue
        if field.message_type is not None and (depth > 4 or field.message_type.GetOptions().map_entry):
            continue
        count = draw(st.integers(0, 2)) if field.is_repeated else 1
        for _ in range(count):
            if field.message_type is not None:
                inner = getattr(found, field.name)
                inner = inner.add() if field.is_repeated else inner
                inner.SetInParent()
                fill(draw, inner, depth + 1)
                continue
            value = (
                b'{"a": [1, null]}' if field.name in JSON_WITHIN else draw(BOUNDED.get(field.name, SCALARS.get(field.type, TEXT)))
            )
            if field.is_repeated:
                getattr(found, field.name).append(value)
            else:
                setattr(found, field.name, value)


@st.composite
def things(draw):
    """Any object of some kinds: apiVersion, kind and message."""
    api_version, kind = draw(st.sampled_from(KINDS))
    found = message(api_version, kind)
    fill(draw, found, 0)
    return api_version, kind, found


@settings(deadline=None, max_examples=60)
@given(things())
def test_any_object_becomes_what_json_can_say(thing):
    api_version, kind, _ = thing
    made = decode(packed(*thing))
    assert (made["apiVersion"], made["kind"]) == (api_version, kind)
    assert msgspec.json.decode(msgspec.json.encode(made)) == made


@settings(deadline=None, max_examples=60)
@given(things(), st.data())
def test_a_field_that_is_not_known_is_never_lost_in_silence(thing, data):
    """Wherever it is: JSON is asked for instead."""
    api_version, kind, found = thing
    places = [found]
    for place in places:
        for field, value in place.ListFields():
            if field.message_type is not None and not field.message_type.GetOptions().map_entry:
                places += value if field.is_repeated else [value]
    data.draw(st.sampled_from(places)).MergeFromString(NEWER)
    with pytest.raises(NotUnderstoodError):
        decode(packed(api_version, kind, found))


@settings(deadline=None)
@given(st.binary(max_size=40), st.integers(0, 200), st.integers(0, 255))
def test_bytes_that_are_wrong_are_told_as_such(noise, at, byte):
    whole = config_map("a", "1", n="1")
    broken = bytearray(whole)
    broken[at % len(whole)] = byte
    for data in (noise, b"k8s\0" + noise, bytes(broken), whole[:at]):
        try:
            found = decode(data)
        except NotUnderstoodError:
            continue
        assert isinstance(found, dict)


@given(st.dictionaries(TEXT, TEXT, max_size=4), st.dictionaries(TEXT, st.binary(max_size=5), max_size=4))
def test_text_and_bytes_by_name(text, data):
    found = decode(packed("v1", "ConfigMap", message("v1", "ConfigMap", data=text, binaryData=data)))
    assert found.get("data", {}) == text
    assert {key: msgspec.convert(value, bytes) for key, value in found.get("binaryData", {}).items()} == data


def test_what_is_empty():
    """As Go's encoding/json does with `omitempty` and without: the real server proves it for every kind."""
    role = decode(packed("rbac.authorization.k8s.io/v1", "Role", message("rbac.authorization.k8s.io/v1", "Role")))
    assert role == {"kind": "Role", "apiVersion": "rbac.authorization.k8s.io/v1", "rules": None}
    listed = decode(packed("v1", "PodList", message("v1", "PodList")))
    assert listed["items"] == []
    pod = decode(packed("v1", "Pod", message("v1", "Pod", spec={"nodeName": "", "hostNetwork": False, "priority": 0})))
    assert pod["spec"] == {"containers": None, "priority": 0}  # a pointer to zero was set; what was no pointer is left out


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"), (1, "1ns"), (1_500, "1.5µs"), (2_000_000, "2ms"), (1_000_000_000, "1s"), (5_400_000_000_000, "1h30m0s"),
        (-61_500_000_000, "-1m1.5s"), (3_600_000_000_000, "1h0m0s"), (999_999_999, "999.999999ms"),
        (60_000_000_001, "1m0.000000001s"),
    ],
)  # fmt: skip
def test_durations_as_go_writes_them(nanoseconds, text):
    assert values.duration(descriptions().message(f"{META}.Duration")(duration=nanoseconds)) == text


@given(st.datetimes(datetime(1900, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC)))
def test_times(moment):
    seconds = int((moment.replace(microsecond=0) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    time, micro = descriptions().message(f"{META}.Time"), descriptions().message(f"{META}.MicroTime")
    assert values.time(time(seconds=seconds, nanos=5)) == moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    found = values.micro_time(micro(seconds=seconds, nanos=moment.microsecond * 1000 + 999))
    assert found == moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert (values.time(time()), values.micro_time(micro())) == (None, None)


def test_an_object_within_an_object_in_either_form():
    inner = config_map("within", n="1")
    for raw in (inner, msgspec.json.encode(decode(inner))):
        revision = message("apps/v1", "ControllerRevision", data={"raw": raw}, revision=1)
        assert decode(packed("apps/v1", "ControllerRevision", revision))["data"]["data"] == {"n": "1"}


def test_the_file_is_the_one_that_is_recorded():
    data = (resources.files("sloth.kube.protobuf") / "kinds.gz").read_bytes()
    assert hashlib.sha256(data).hexdigest() == described.DIGEST
    packed_ = msgspec.msgpack.decode(gzip.decompress(data), strict=False)
    assert packed_["version"] == described.VERSION
    assert {name.partition("@")[2] for name in packed_["sums"]} == {described.VERSION}
    assert len(data) < 64 * 1024


def test_every_kind_that_needs_no_discovery_has_a_message():
    for each in BUILTIN:
        for kind in (each.kind, f"{each.kind}List"):
            assert descriptions().kind(each.api_version, kind), each


EVENTS = [("ADDED", config_map("a", "5", n="1")), ("MODIFIED", config_map("a", "6")), ("DELETED", config_map("b", "7"))]
SAID = b"".join(frame(*each) for each in EVENTS)


@given(st.lists(st.integers(0, len(SAID)), max_size=10))
def test_frames_come_in_any_pieces(cuts):
    frames = Frames()
    at = [0, *sorted(cuts), len(SAID)]
    found = [event(each) for begin, end in pairwise(at) for each in frames.feed(SAID[begin:end])]
    assert found == [(kind, decode(data)) for kind, data in EVENTS]
    assert not frames.partial


def opened(client_of_none=None):
    """A watch that has listed nothing and follows."""
    machine = Watch(next(each for each in BUILTIN if each.plural == "configmaps"), "default", policy=QUICK)
    machine.listed([], "4")
    assert isinstance(machine.plan(), Follow)
    return machine


@pytest.mark.parametrize("cut", range(0, len(SAID) + 1, 3))
def test_a_watch_cut_at_every_place_of_its_frames(cut):
    machine = opened()
    seen = [*machine.feed(SAID[:cut])] if cut else []
    machine.ended()
    begins = [0]
    for each in EVENTS:
        begins.append(begins[-1] + len(frame(*each)))
    whole = sum(end <= cut for end in begins[1:])
    assert [each.object["metadata"]["resourceVersion"] for each in seen] == ["5", "6", "7"][:whole]
    assert machine.version == str(4 + whole) if whole else machine.version == "4"
    follow = machine.plan()
    if cut not in begins or not whole:
        assert isinstance(follow, Pause)  # cut off in the middle: not at once again
        follow = machine.plan()
    rest = machine.feed(SAID[begins[whole] :]) if whole < 3 else []
    assert len(seen) + len(rest) == 3


def test_a_watch_that_is_gone():
    status = packed("v1", "Status", message("v1", "Status", code=410, reason="Expired", message="too old"))
    machine = opened()
    with pytest.raises(ApiError) as caught:
        machine.feed(frame("ERROR", status))
    assert caught.value.status == 410
    machine.failed(caught.value)
    assert isinstance(machine.plan(), Relist)


def test_a_watch_that_meets_a_newer_server_goes_on_in_json():
    machine = opened()
    seen = machine.feed(SAID[: len(frame(*EVENTS[0]))] + frame("ADDED", config_map("c", "6", NEWER)))
    assert [each.object["metadata"]["name"] for each in seen] == ["a"]  # what came before it is told first
    with pytest.raises(ConnectError) as caught:
        machine.check()
    machine.failed(caught.value)
    assert isinstance(machine.plan(), Pause)
    follow = machine.plan()
    assert (follow.request.headers["Accept"], dict(follow.request.query)["resourceVersion"]) == (PLAIN, "5")
    assert machine.feed(b'{"type":"ADDED","object":{"metadata":{"name":"c","resourceVersion":"6"}}}\n')


def test_who_is_asked_for_what():
    forms = Forms()

    def accepted(path, method="GET", accept=JSON):
        return forms.asked(Request(method, path, headers={"Accept": accept})).headers["Accept"]

    both = f"{PROTOBUF},{JSON}"
    assert [accepted(path) for path in ("/api/v1/pods", "/apis/apps/v1/deployments/a")] == [both] * 2
    assert accepted("/apis/example.org/v1/things") == JSON
    assert accepted("/apis/metrics.k8s.io/v1beta1/pods") == JSON
    assert accepted("/api") == accepted("/version") == accepted("/") == JSON
    assert accepted("/api/v1/pods", accept="application/json;as=Table;v=v1;g=meta.k8s.io") != both
    assert accepted("/api/v1/pods", accept=PLAIN) == PLAIN
    assert accepted("/api/v1/pods", method="POST") == JSON
    assert forms.asked(Request("GET", "/api/v1/namespaces/a/pods/b/log")).headers == {}


def of_each_front(server, sync, awaited):
    """What the same work gives with each front."""
    with Client(server.connection, policy=QUICK, protobuf=True) as client:
        first = sync(client)

    async def work():
        async with AsyncClient(server.connection, policy=QUICK, protobuf=True) as client:
            return await awaited(client)

    return first, asyncio.run(work())


def test_an_answer_that_says_more_than_is_known_is_asked_for_again_as_json(fake):
    fake.state.create(
        next(each for each in BUILTIN if each.plural == "configmaps"), "default", config("a", n="1"), "x", dry=False
    )
    newer = Fault(status=200, body=config_map("a", "1", NEWER), headers=FORM)

    def sync(client):
        fake.faults.append(newer)
        return [client.get("cm", "a")["data"] for _ in range(2)]

    async def awaited(client):
        fake.faults.append(newer)
        return [(await client.get("cm", "a"))["data"] for _ in range(2)]

    assert of_each_front(fake, sync, awaited) == ([{"n": "1"}] * 2,) * 2
    # The one that was not understood is answered by the fault itself, which keeps no headers: then JSON, and JSON ever after.
    assert [each["accept"] for each in fake.headers] == [JSON] * 4
    assert len(fake.requests) == 6


def test_answers_and_refusals_in_protobuf(fake):
    given = Fault(status=200, body=config_map("a", "1", n="1"), headers=FORM)
    status = message("v1", "Status", code=404, reason="NotFound", message="no such thing")
    missing = Fault(status=404, body=packed("v1", "Status", status), headers=FORM)

    def sync(client):
        fake.faults += [given, missing, missing]
        found = client.get("cm", "a")["data"]
        with pytest.raises(ApiError) as one:
            client.get("cm", "a")
        with pytest.raises(ApiError) as other, client.open(Request("GET", "/api/v1/nodes/a", headers={"Accept": JSON})):
            pass
        return found, one.value.reason, one.value.detail, other.value.reason

    async def awaited(client):
        fake.faults += [given, missing, missing]
        found = (await client.get("cm", "a"))["data"]
        with pytest.raises(ApiError) as one:
            await client.get("cm", "a")
        with pytest.raises(ApiError) as other:
            async with client.open(Request("GET", "/api/v1/nodes/a", headers={"Accept": JSON})):
                pass
        return found, one.value.reason, one.value.detail, other.value.reason

    assert of_each_front(fake, sync, awaited) == (({"n": "1"}, "NotFound", "no such thing", "NotFound"),) * 2


def test_a_watch_in_protobuf(fake):
    told = Fault(lambda method, target: "watch=true" in target, 200, {"Content-Type": f"{PROTOBUF};stream=watch"}, SAID)

    def sync(client):
        fake.faults.append(told)
        found = []
        for each in client.watch("cm"):
            found.append((each.type, each.object["metadata"]["name"]))
            if len(found) == 3:
                return found

    async def awaited(client):
        fake.faults.append(told)
        found = []
        async for each in client.watch("cm"):
            found.append((each.type, each.object["metadata"]["name"]))
            if len(found) == 3:
                return found

    assert of_each_front(fake, sync, awaited) == ([("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "b")],) * 2
