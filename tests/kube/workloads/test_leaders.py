"""Whether controllers and scheduler are at work, asked of leases that move as the test says."""

import json

import pytest

from sloth.errors import KubernetesError
from sloth.kube.api import Api
from sloth.kube.kinds import Kinds
from sloth.kube.wire import Answer, Pause
from sloth.kube.workloads.leaders import COMPONENTS, led, ready


def played(looks, seconds=10.0):
    """Each look is a pair of versions, None for a lease that is not there; the last one stays. Seconds that passed."""
    looks, clock = list(looks), 0.0
    call = led(Api(Kinds()), seconds)
    wanted = next(call)
    try:
        while True:
            if isinstance(wanted, Pause):
                clock += wanted.seconds
                wanted = call.send(None)
                continue
            assert [each.path.rpartition("/leases/")[2] for each in wanted] == list(COMPONENTS)
            versions = looks.pop(0) if len(looks) > 1 else looks[0]
            wanted = call.send([_lease(name, version) for name, version in zip(COMPONENTS, versions, strict=True)])
    except StopIteration:
        return clock


def _lease(name, version):
    if version is None:
        return Answer(404, b'{"kind": "Status", "reason": "NotFound", "code": 404}')
    spec = {"holderIdentity": "control-1", "renewTime": "2026-01-01T00:00:00Z"}
    return Answer(200, json.dumps({"metadata": {"name": name, "resourceVersion": str(version)}, "spec": spec}).encode())


@pytest.mark.parametrize(
    ("looks", "took"),
    [
        ([(10, 20), (11, 21)], 0.5),
        ([(10, 20), (11, 20), (11, 20), (12, 21)], 1.5),
        ([(10, 20), (11, 20), (11, 21)], 1.0),
        ([(None, None)], 0),
        ([(10, None), (11, None)], 0.5),
    ],
    ids=["both move", "one is late", "one after the other", "nothing is elected", "one is not elected"],
)
def test_leaders_that_renew_are_at_work(looks, took):
    assert played(looks) == took


@pytest.mark.parametrize(
    ("looks", "missing"),
    [
        ([(10, 20)], COMPONENTS),
        ([(10, 20), (11, 20)], COMPONENTS[1:]),
        ([(10, 20), (10, 21)], COMPONENTS[:1]),
        ([(10, 20), (None, 21)], ()),
    ],
    ids=["none moves", "no scheduler", "no controllers", "its lease was deleted: nobody is to be waited for"],
)
def test_leaders_that_do_not_are_named(looks, missing):
    if not missing:
        assert played(looks) == 0.5
        return
    with pytest.raises(KubernetesError) as caught:
        played(looks)
    assert caught.value.code == "kubernetes/not-led"
    assert [line.split()[0] for line in caught.value.detail.splitlines()] == list(missing)
    assert "held by control-1, renewed 2026" in caught.value.detail


def waited(*statuses):
    """What a wait for readiness comes to where the server answers so; the last one stays. Seconds that passed."""
    statuses, clock, answer = list(statuses), 0.0, None
    call = ready(5.0)
    while True:
        try:
            wanted = call.send(answer)
        except StopIteration:
            return clock
        if isinstance(wanted, Pause):
            clock, answer = clock + wanted.seconds, None
        else:
            assert wanted.path == "/readyz"
            answer = Answer(statuses.pop(0) if len(statuses) > 1 else statuses[0], b"[-]informer-sync failed")


def test_an_api_server_that_starts_is_waited_for():
    assert waited(200) == 0
    assert waited(500, 403, 200) == 1.0
    with pytest.raises(KubernetesError) as caught:
        waited(500)
    assert caught.value.code == "kubernetes/not-ready" and "informer-sync" in caught.value.detail
