"""Which budget holds which pod, and who owns it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sloth.nodes.budgets import Budget, Pod, ask_budgets, ask_pods, blocking, described, read_budgets, read_pods
from sloth.testing.contract import check_steps

WEB = {"app": "web", "pod-template-hash": "7f9c"}


def pod(labels=None, *, namespace="shop", owner="Deployment/web", **values):
    return Pod(namespace=namespace, name="web-7f9c-x", labels=WEB if labels is None else labels, owner=owner, **values)


def budget(selector, *, allowed=0):
    return Budget(namespace="shop", name="web", selector=selector, allowed=allowed, healthy=1, needed=1)


@pytest.mark.parametrize(
    ("selector", "covered"),
    [
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "web", "tier": "x"}}, False),
        ({}, True),  # all pods of the namespace
        (None, False),  # none
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "api"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["web"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
        ({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "tier", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "Newer"}]}, False),
    ],
)
def test_selectors_select_as_kubernetes_does(selector, covered):
    assert budget(selector).covers(pod()) is covered
    assert not budget(selector).covers(pod(namespace="other"))


def test_only_budgets_that_allow_nothing_hold_pods_that_a_drain_would_move():
    everything = {}
    movable = pod()
    others = [pod(owner="DaemonSet/log"), pod(owner="Node/work-1"), pod(ended=True)]
    assert blocking([movable, *others], [budget(everything)]) == [(budget(everything), [movable])]
    assert blocking([movable], [budget(everything, allowed=1)]) == []
    assert blocking(others, [budget(everything)]) == []


def test_answers_of_kubectl_are_read():
    lines = "\n".join(
        [
            f"shop\tweb-7f9c-x\t{json.dumps(WEB)}\tReplicaSet\tweb-7f9c\tRunning",
            "shop\tdb-0\t{}\tStatefulSet\tdb\tRunning",
            "shop\tlonely\t\t\t\tSucceeded",
            'shop\town\t{"pod-template-hash":"7f9c"}\tReplicaSet\tby-hand\tRunning',
            "half a line",
        ]
    )
    assert [(each.name, each.owner, each.ended) for each in read_pods(lines)] == [
        ("web-7f9c-x", "Deployment/web", False),
        ("db-0", "StatefulSet/db", False),
        ("lonely", "", True),
        ("own", "ReplicaSet/by-hand", False),
    ]
    (one, two) = read_budgets('shop\tweb\t{"matchLabels":{"app":"web"}}\t0\t1\t1\nshop\tnew\t\t\t\t\nnonsense')
    assert (one.full_name, one.allowed, one.healthy, one.needed) == ("shop/web", 0, 1, 1)
    assert two.selector is None, "a budget that no controller has looked at yet"


@given(st.text(max_size=200))
def test_no_answer_breaks_the_reader(text):
    read_pods(text)
    read_budgets(text)


def test_evidence_names_pods_and_owner_and_stays_short():
    many = [Pod(namespace="shop", name=f"web-{n}", owner="Deployment/web" if n else "") for n in range(7)]
    told = described(budget({}), many)
    assert told.startswith("shop/web allows no disruption (1 healthy, 1 needed): pod web-0 of nobody, web-1 of Deployment/web")
    assert told.endswith("and 2 more")


def test_questions_only_read():
    assert check_steps([ask_pods("work-1", "kubectl --kubeconfig /k"), ask_budgets("kubectl --kubeconfig /k")]) == []
