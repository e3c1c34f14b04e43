from dataclasses import replace

import pytest

from sloth.adapters.artifacts.fetch import Http, Refused, reachable
from sloth.errors import MachinesError
from tests.unit.adapters.artifacts.web import redirect, reply, running

BODY = bytes(range(256)) * 4000


def test_a_body_comes_whole_and_is_told_of(web, http):
    web.routes["/x"] = BODY
    told = []
    assert b"".join(http.chunks(f"{web.url}/x", told=lambda *how: told.append(how))) == BODY
    assert told[-1] == (len(BODY), len(BODY))


def cut_off(times, *, etag='"1"', answer_range=True):
    """Breaks the connection after 1000 bytes, `times` times."""
    left = [times]

    def answer(handler):
        first = int(handler.headers.get("Range", "bytes=0-")[6:-1]) if answer_range else 0
        body = BODY[first:]
        handler.send_response(206 if first else 200)
        handler.send_header("Content-Length", str(len(body)))
        if etag:
            handler.send_header("ETag", etag)
        handler.end_headers()
        if left[0]:
            left[0] -= 1
            handler.wfile.write(body[:1000])
        else:
            handler.wfile.write(body)

    return answer


def test_a_broken_transfer_goes_on_where_it_stopped(web, http):
    web.routes["/x"] = cut_off(6)  # more often than `attempts`: each one made progress
    assert b"".join(http.chunks(f"{web.url}/x")) == BODY
    ranges = [headers.get("Range") for _, _, headers in web.seen]
    assert ranges[:3] == [None, "bytes=1000-", "bytes=2000-"]
    assert {headers.get("If-Range") for _, _, headers in web.seen[1:]} == {'"1"'}


@pytest.mark.parametrize("how", [{"etag": ""}, {"answer_range": False}])
def test_what_cannot_be_resumed_safely_is_not(web, http, how):
    web.routes["/x"] = cut_off(1, **how)
    with pytest.raises(MachinesError) as caught:
        b"".join(http.chunks(f"{web.url}/x"))
    assert caught.value.code == "artifacts/transfer-broken"


def test_a_passing_error_is_tried_again_with_growing_pauses(web, http):
    answers = iter([lambda handler: reply(handler, 503), lambda handler: reply(handler, 429)])

    def answer(handler):
        next(answers, lambda handler: reply(handler, 200, b"ok"))(handler)

    web.routes["/x"] = answer
    slept = []
    assert replace(http, pause=0.5, sleep=slept.append).read(f"{web.url}/x") == b"ok"
    assert slept == [0.5, 1.0]


def test_attempts_are_bounded(web, http):
    web.routes["/x"] = lambda handler: reply(handler, 503)
    with pytest.raises(MachinesError) as caught:
        http.read(f"{web.url}/x")
    assert caught.value.code == "artifacts/unreachable"
    assert "503" in caught.value.summary
    assert len(web.seen) == http.attempts


def test_a_final_answer_is_final(web, http):
    with pytest.raises(Refused) as caught:
        http.read(f"{web.url}/absent")
    assert caught.value.status == 404
    assert len(web.seen) == 1


def test_nobody_there(http):
    with running() as gone:
        url = gone.url
    with pytest.raises(MachinesError) as caught:
        http.read(f"{url}/x")
    assert caught.value.code == "artifacts/unreachable"
    assert url in caught.value.summary


def test_a_silent_server_is_given_up(web, http):
    import threading

    release = threading.Event()
    web.routes["/x"] = lambda handler: release.wait(5)
    with pytest.raises(MachinesError) as caught:
        replace(http, timeout=0.1, attempts=2).read(f"{web.url}/x")
    release.set()
    assert caught.value.code == "artifacts/unreachable"


@pytest.mark.parametrize("announced", [True, False])
def test_size_is_bounded_announced_or_not(web, http, announced):
    def endless(handler):
        handler.send_response(200)
        if announced:
            handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b"x" * 1000)

    web.routes["/x"] = endless
    with pytest.raises(MachinesError) as caught:
        http.read(f"{web.url}/x", limit=999)
    assert caught.value.code == "artifacts/too-large"


def test_only_https_unless_told_otherwise(web):
    with pytest.raises(MachinesError) as caught:
        Http().read(f"{web.url}/x")
    assert caught.value.code == "artifacts/insecure-address"
    assert web.seen == []


def test_https_is_verified_and_followed(secure_web, tls):
    secure_web.routes |= {"/a": redirect(f"{secure_web.url}/b"), "/b": b"ok"}
    assert Http(context=tls.client).read(f"{secure_web.url}/a") == b"ok"
    with pytest.raises(MachinesError) as caught:
        Http(attempts=1).read(f"{secure_web.url}/a")  # an unknown certificate
    assert "certificate" in caught.value.summary.lower()


def test_https_never_leads_to_http(secure_web, web, tls):
    web.routes["/b"] = b"evil"
    secure_web.routes["/a"] = redirect(f"{web.url}/b")
    with pytest.raises(MachinesError) as caught:
        Http(context=tls.client).read(f"{secure_web.url}/a")
    assert caught.value.code == "artifacts/insecure-address"
    with pytest.raises(MachinesError) as caught:
        Http(context=tls.client, schemes=frozenset({"http", "https"})).read(f"{secure_web.url}/a")
    assert caught.value.code == "artifacts/insecure-redirect"
    assert web.seen == []


def test_redirects_are_bounded(web, http):
    web.routes["/x"] = redirect("/x")
    with pytest.raises(Refused):
        http.read(f"{web.url}/x")
    assert len(web.seen) <= 10


def test_credentials_stay_with_their_host(web, http):
    with running() as other:
        web.routes |= {"/a": redirect(f"{other.url}/b"), "/c": redirect("/d"), "/d": b"ok"}
        other.routes["/b"] = b"ok"
        http.read(f"{web.url}/a", headers={"Authorization": "Bearer x"})
        http.read(f"{web.url}/c", headers={"Authorization": "Bearer x"})
        assert "Authorization" not in other.seen[0][2]
        assert web.seen[-1][2]["Authorization"] == "Bearer x"


def test_reachable(web, http):
    web.routes |= {"/ok": b"", "/token": lambda handler: reply(handler, 401), "/broken": lambda handler: reply(handler, 502)}
    assert reachable(f"{web.url}/ok", 2, how=http)
    assert web.seen[-1][0] == "HEAD"
    assert reachable(f"{web.url}/token", 2, how=http)
    assert not reachable(f"{web.url}/broken", 2, how=http)
    assert not reachable(f"{web.url}/absent", 2, how=http)
    assert not reachable(f"{web.url}/ok", 2)  # http is not asked
    with running() as gone:
        url = gone.url
    assert not reachable(url, 2, how=http)
