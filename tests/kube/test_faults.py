"""What goes wrong on the way: storms, cut answers, credentials that expire, servers that go away. With the fake server."""

import threading
from dataclasses import replace

import pytest

from sloth.errors import ConnectError, KubernetesError
from sloth.kube import ApiError, Client, Informer
from sloth.kube.exchange import Authenticate, Send, exchange
from sloth.kube.retry import Limiter, Policy
from sloth.kube.wire import APPLY_PATCH, MERGE_PATCH, Answer, Broken, Pause, Request
from sloth.model.secret import Secret
from sloth.testing.kube import Fault
from tests.kube.conftest import QUICK
from tests.kube.test_contract import config


def is_list(method, target):
    return method == "GET" and "watch=true" not in target


def is_watch(method, target):
    return "watch=true" in target


def carry(request, results, policy=None, headers=({"Authorization": "Bearer one"},), limiter=None):
    """Drive `exchange` with these results: what it sent, how long it paused, and its answer."""
    who, results = list(headers), list(results)
    steps = exchange(request, policy or Policy(draw=lambda most: most), limiter or Limiter(1e9, 10**9, lambda: 0.0), "https://h")
    sent, pauses, back = [], [], None
    try:
        while True:
            wanted = steps.send(back)
            if isinstance(wanted, Send):
                sent.append(wanted.request)
                back = results.pop(0)
            elif isinstance(wanted, Pause):
                pauses.append(wanted.seconds)
                back = None
            else:
                assert isinstance(wanted, Authenticate)
                back = who.pop(0) if len(who) > 1 else who[0]
    except StopIteration as done:
        assert results == []
        return sent, pauses, done.value


def test_a_storm_of_429_is_waited_out_as_the_server_says():
    busy = Answer(429, headers={"retry-after": "3"})
    _, pauses, answer = carry(Request("POST", "/x"), [busy, busy, Answer(201)])
    assert (pauses, answer.status) == ([3.0, 3.0], 201)


def test_delays_double_up_to_a_bound_and_are_jittered():
    _, pauses, answer = carry(Request("GET", "/x"), [Answer(503)] * 5)
    assert (pauses, answer.status) == ([0.2, 0.4, 0.8, 1.6], 503)
    policy = Policy(draw=lambda most: most / 2)
    assert policy.backoff(100) == policy.longest / 2
    drawn = {Policy().backoff(3) for _ in range(20)}
    assert len(drawn) > 1
    assert max(drawn) <= 0.8


@pytest.mark.parametrize(
    ("request_", "result", "again"),
    [
        (Request("GET", "/x"), Broken("reset"), True),
        (Request("POST", "/x"), Broken("reset"), False),
        (Request("POST", "/x"), Broken("refused", sent=False), True),
        (Request("PATCH", "/x", headers={"Content-Type": MERGE_PATCH}), Broken("reset"), False),
        (Request("PATCH", "/x", headers={"Content-Type": APPLY_PATCH}), Broken("reset"), True),
        (Request("GET", "/x"), Broken("who is that", sent=False, certificate=True), False),
        (Request("GET", "/x"), Answer(500), False),
        (Request("GET", "/x"), Answer(504), True),
        (Request("POST", "/x"), Answer(504), False),
        (Request("POST", "/x"), Answer(503), False),
        (Request("POST", "/x"), Answer(503, headers={"retry-after": "1"}), True),
    ],
)
def test_what_is_sent_again(request_, result, again):
    assert (Policy().delay(request_, result, 1) is not None) == again
    assert Policy(attempts=1).delay(request_, result, 1) is None


def test_a_401_renews_the_credentials_once():
    one, two = {"Authorization": "Bearer one"}, {"Authorization": "Bearer two"}
    sent, _, answer = carry(Request("GET", "/x"), [Answer(401), Answer(200)], headers=(one, two))
    assert ([each.headers["Authorization"] for each in sent], answer.status) == (["Bearer one", "Bearer two"], 200)
    assert len(carry(Request("GET", "/x"), [Answer(401), Answer(401)], headers=(one, two))[0]) == 2
    assert len(carry(Request("GET", "/x"), [Answer(401)], headers=(one,))[0]) == 1  # the same would be refused again
    assert len(carry(Request("GET", "/x"), [Answer(403)], headers=(one, two))[0]) == 1


def test_the_limiter_spaces_requests_out():
    now = [0.0]
    limiter = Limiter(rate=10, burst=2, now=lambda: now[0])
    assert [limiter.reserve() for _ in range(4)] == [0.0, 0.0, pytest.approx(0.1), pytest.approx(0.2)]
    now[0] = 10.0
    assert [limiter.reserve() for _ in range(3)] == [0.0, 0.0, pytest.approx(0.1)]


def test_busy_servers_and_broken_answers_do_not_show(fake, fake_client):
    fake.faults += [Fault(status=429, headers={"Retry-After": "0"}), Fault(status=503), Fault(cut=7)]
    assert {item["metadata"]["name"] for item in fake_client.list("namespaces")} >= {"default"}
    assert not fake.faults


def test_a_server_that_stays_away(fake_client, fake):
    fake.faults += [Fault(cut=0)] * 5
    with pytest.raises(ConnectError) as caught:
        fake_client.list("namespaces")
    assert caught.value.code == "kube/unreachable"


def test_nobody_listens():
    from sloth.kube import Connection
    from tests.ports import free_port

    connection = Connection(f"http://127.0.0.1:{free_port()}")
    with Client(connection, policy=Policy(attempts=1)) as client, pytest.raises(ConnectError):
        client.list("namespaces")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"", b"\xff", b"[" * 100_000])
def test_an_answer_that_is_no_object(fake, fake_client, body):
    fake.faults.append(Fault(status=200, body=body))
    with pytest.raises(KubernetesError) as caught:
        fake_client.get("namespaces", "default")
    assert caught.value.code == "kube/not-an-api"


def test_a_proxys_page_is_shown_as_it_is(fake, fake_client):
    fake.faults.append(Fault(status=418, body=b"I am a proxy"))
    with pytest.raises(ApiError) as caught:
        fake_client.get("namespaces", "default")
    assert (caught.value.code, caught.value.detail) == ("kube/server", "I am a proxy")


def test_an_unknown_field_in_an_apply_is_no_failure_of_the_server(fake, fake_client):
    body = b'{"kind":"Status","code":500,"message":".spec.replica: field not declared in schema"}'
    fake.faults.append(Fault(status=500, body=body))
    with pytest.raises(ApiError) as caught:
        fake_client.apply(config("a"))
    assert caught.value.code == "kube/invalid"


def test_a_list_that_expires_between_its_pages(fake, fake_client):
    for number in range(3):
        fake_client.create(config(f"c{number}"))
    pages = fake_client.pages("cm", limit=2)
    next(pages)
    fake_client.create(config("c9"))
    fake.state.compact()
    with pytest.raises(ApiError) as caught:
        next(pages)
    assert caught.value.code == "kube/expired"


def test_a_token_that_expires_in_the_middle_of_a_watch(fake, tmp_path):
    file = tmp_path / "token"
    file.write_text("old-token-of-a-user")
    fake.tokens = {"old-token-of-a-user": "u"}
    connection = replace(fake.connection, token=None, token_file=file)
    with Client(connection, policy=QUICK) as client:
        client.create(config("a"))
        seen = []
        fake.faults.append(Fault(when=is_watch, cut=0))
        for event in client.watch("cm"):
            seen.append(event.object["metadata"]["name"])
            if len(seen) == 1:
                file.write_text("new-token-of-a-user")
                fake.tokens = {"new-token-of-a-user": "u"}
                with Client(replace(connection, token=Secret("new-token-of-a-user"), token_file=None)) as other:
                    other.create(config("b"))
            else:
                break
    assert seen == ["a", "b"]


def test_fifty_informers_outlive_cuts_and_a_compaction(fake):
    with Client(fake.connection, policy=QUICK, rate=1e6, burst=10**6) as client:
        client.create(config("a", n="0"))
        informers = [Informer(client, "cm", "default") for _ in range(50)]
        for each in informers:
            each.__enter__()
        try:
            for each in informers:
                each.synced(60)
            subscriptions = [each.subscribe() for each in informers]
            fake.faults += [Fault(when=is_watch, cut=cut) for cut in range(0, 300, 10)]
            client.delete("cm", "a")
            client.create(config("b"))
            fake.state.compact()
            client.create(config("last"))
            for each in subscriptions:
                names = set()
                while "last" not in names:
                    event = each.take(60)
                    assert event
                    names.add(event.object["metadata"]["name"])
            for each in informers:
                assert {item["metadata"]["name"] for item in each.store.all()} == {"b", "last"}
        finally:
            for each in informers:
                each.stop()


def test_an_informer_says_what_ended_it(fake, fake_client):
    fake.tokens = {}
    with Informer(fake_client, "pods") as informer, pytest.raises(ApiError) as caught:
        informer.synced(60)
    assert caught.value.status == 401
    assert list(informer.subscribe()) == []


def test_a_watch_is_stopped_by_its_event(fake, fake_client):
    fake_client.create(config("a"))
    stop = threading.Event()
    seen = []
    for event in fake_client.watch("cm", stop=stop):
        seen.append(event.type)
        stop.set()
    assert seen == ["ADDED"]


def test_a_call_sees_its_failure_and_can_clean_up(fake_client):
    def call():
        try:
            yield Request("GET", "/apis/nowhere/v1/x")
            answers = yield (Request("GET", "/version"), Request("GET", "/readyz"))
            return [answer.status for answer in answers]
        finally:
            yield Request("GET", "/livez")

    assert fake_client.run(call()) == [200, 200]
