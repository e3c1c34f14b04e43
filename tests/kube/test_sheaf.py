"""A page whose objects are decoded when they are taken: the same objects as of a page decoded whole, and the same refusals."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sloth.errors import KubernetesError
from sloth.kube import Client
from sloth.kube.sheaf import sheaf
from sloth.kube.wire import Answer
from tests.kube.conftest import QUICK
from tests.kube.test_contract import config

NAMES = st.lists(st.text(min_size=1, max_size=8), max_size=6)


def page(items, token="", kind="PodList"):
    return {"apiVersion": "v1", "kind": kind, "metadata": {"continue": token} if token else {}, "items": items}


def taken(document):
    token, items = sheaf(Answer(200, msgspec.json.encode(document)))
    return token, list(items)


@given(NAMES, st.sampled_from(["", "more"]))
def test_decoded_one_by_one_or_whole_it_is_the_same(names, token):
    items = [{"metadata": {"name": name, "labels": {"a": name}}} for name in names]
    wanted = (token, [{"apiVersion": "v1", "kind": "Pod", **item} for item in items])
    assert taken(page(items, token)) == wanted
    continued, found = sheaf(Answer(200, found=page([dict(item) for item in items], token)))
    assert (continued, list(found)) == wanted


def test_what_an_item_says_of_itself_stays():
    own = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    assert taken(page([own], kind="List")) == ("", [own])


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"items": 3}', b'{"metadata": []}', b"\xff"])
def test_what_is_no_list_is_refused(body):
    with pytest.raises(KubernetesError) as caught:
        sheaf(Answer(200, body))
    assert caught.value.code == "kube/not-an-api"


@pytest.mark.parametrize("item", [3, None, "x", {"metadata": 3}, []])
def test_an_item_of_another_form_is_refused_when_it_is_taken(item):
    _, items = sheaf(Answer(200, msgspec.json.encode(page([{"metadata": {"name": "a"}}, item]))))
    assert next(items)["metadata"] == {"name": "a"}
    with pytest.raises(KubernetesError) as caught:
        next(items)
    assert caught.value.code == "kube/not-an-api"


def test_pages_follow_each_other(fake):
    with Client(fake.connection, policy=QUICK) as client:
        for number in range(7):
            client.create(config(f"c-{number}"))
        names = [item["metadata"]["name"] for item in client.each("configmaps", limit=3)]
        assert names == [item["metadata"]["name"] for item in client.list("configmaps", limit=3)] == [f"c-{n}" for n in range(7)]
        assert [item["metadata"]["name"] for item in client.each("configmaps", limit=0)] == names
