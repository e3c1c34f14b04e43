"""The rules of readiness, kind by kind, and waiting by them."""

import pytest

from sloth.errors import KubernetesError
from sloth.kube.builtin import BUILTIN
from sloth.kube.kstatus import health
from sloth.kube.waiting import wait_current
from sloth.kube.wire import Answer, Pause
from tests.kube.test_contract import config


def thing(kind, status=None, spec=None, api="apps/v1", **meta):
    return {
        "apiVersion": api,
        "kind": kind,
        "metadata": {"name": "x", "generation": 2, **meta},
        "spec": spec or {},
        "status": status or {},
    }


def condition(kind, status="True", **more):
    return {"type": kind, "status": status, **more}


ROLLED = {
    "observedGeneration": 2,
    "replicas": 2,
    "updatedReplicas": 2,
    "availableReplicas": 2,
    "readyReplicas": 2,
    "conditions": [condition("Available")],
}
TWO = {"replicas": 2}
SET = {
    "replicas": 2,
    "readyReplicas": 2,
    "currentReplicas": 2,
    "updatedReplicas": 2,
    "currentRevision": "a",
    "updateRevision": "a",
}
DAEMON = {
    "observedGeneration": 2,
    **dict.fromkeys(
        ("desiredNumberScheduled", "currentNumberScheduled", "updatedNumberScheduled", "numberAvailable", "numberReady"), 3
    ),
}
CASES = [
    (thing("Deployment", ROLLED, TWO), "Current", ""),
    (thing("Deployment", ROLLED, TWO, deletionTimestamp="now"), "Terminating", ""),
    (thing("Deployment", {**ROLLED, "observedGeneration": 1}, TWO), "InProgress", "last change"),
    (thing("Deployment", {}, TWO), "InProgress", "0 of 2 made"),
    (thing("Deployment", {**ROLLED, "updatedReplicas": 1}, TWO), "InProgress", "1 of 2 updated"),
    (thing("Deployment", {**ROLLED, "replicas": 3}, TWO), "InProgress", "1 too many"),
    (thing("Deployment", {**ROLLED, "availableReplicas": 1}, TWO), "InProgress", "1 of 2 available"),
    (thing("Deployment", {**ROLLED, "conditions": []}, TWO), "InProgress", "not available"),
    (
        thing(
            "Deployment",
            {**ROLLED, "conditions": [condition("Progressing", "False", reason="ProgressDeadlineExceeded", message="too slow")]},
            TWO,
        ),
        "Failed",
        "too slow",
    ),
    (thing("Deployment", {"conditions": [condition("Available")]}, {"replicas": 0}), "Current", ""),
    (thing("StatefulSet", SET, TWO), "Current", ""),
    (thing("StatefulSet", {**SET, "updateRevision": "b"}, TWO), "InProgress", "not finished"),
    (thing("StatefulSet", {**SET, "readyReplicas": 1}, TWO), "InProgress", "1 of 2 ready"),
    (thing("StatefulSet", {}, {**TWO, "updateStrategy": {"type": "OnDelete"}}), "Current", ""),
    (
        thing(
            "StatefulSet",
            {**SET, "updatedReplicas": 1, "updateRevision": "b"},
            {**TWO, "updateStrategy": {"rollingUpdate": {"partition": 1}}},
        ),
        "Current",
        "",
    ),
    (thing("DaemonSet", DAEMON), "Current", ""),
    (thing("DaemonSet", {**DAEMON, "numberReady": 2}), "InProgress", "2 of 3 ready"),
    (thing("DaemonSet"), "InProgress", "not seen"),
    (thing("ReplicaSet", {"replicas": 1, "fullyLabeledReplicas": 1, "availableReplicas": 1, "readyReplicas": 1}), "Current", ""),
    (thing("ReplicaSet", {"conditions": [condition("ReplicaFailure", message="quota")]}), "InProgress", "quota"),
    (thing("Pod", {"phase": "Running", "conditions": [condition("Ready")]}, api="v1"), "Current", ""),
    (thing("Pod", {"phase": "Succeeded"}, api="v1"), "Current", ""),
    (thing("Pod", {"phase": "Failed", "message": "evicted"}, api="v1"), "Failed", "evicted"),
    (
        thing("Pod", {"phase": "Pending", "conditions": [condition("PodScheduled", "False", message="no node")]}, api="v1"),
        "InProgress",
        "no node",
    ),
    (
        thing(
            "Pod", {"phase": "Running", "containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}, api="v1"
        ),
        "Failed",
        "CrashLoop",
    ),
    (
        thing("Pod", {"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": "ErrImagePull"}}}]}, api="v1"),
        "InProgress",
        "ErrImagePull",
    ),
    (thing("PersistentVolumeClaim", {"phase": "Bound"}, api="v1"), "Current", ""),
    (thing("PersistentVolumeClaim", {"phase": "Pending"}, api="v1"), "InProgress", ""),
    (thing("Job", {"active": 1}, api="batch/v1"), "InProgress", "1 at work"),
    (thing("Job", {"conditions": [condition("Complete")]}, api="batch/v1"), "Current", ""),
    (thing("Job", {"conditions": [condition("Failed", message="backoff")]}, api="batch/v1"), "Failed", "backoff"),
    (thing("Service", api="v1"), "Current", ""),
    (thing("Service", spec={"type": "LoadBalancer"}, api="v1"), "InProgress", "no address"),
    (thing("Service", {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}, {"type": "LoadBalancer"}, api="v1"), "Current", ""),
    (thing("CustomResourceDefinition", {"conditions": [condition("Established")]}, api="apiextensions.k8s.io/v1"), "Current", ""),
    (
        thing(
            "CustomResourceDefinition",
            {"conditions": [condition("NamesAccepted", "False", message="taken")]},
            api="apiextensions.k8s.io/v1",
        ),
        "Failed",
        "taken",
    ),
    (thing("PodDisruptionBudget", api="policy/v1"), "InProgress", ""),
    (thing("Anything", api="sloth.test/v1"), "Current", ""),
    (thing("Anything", {"conditions": [condition("Ready", "False", message="soon")]}, api="sloth.test/v1"), "InProgress", "soon"),
    (thing("Anything", {"conditions": [condition("Stalled", message="stuck")]}, api="sloth.test/v1"), "Failed", "stuck"),
    (
        thing("Anything", {"conditions": [condition("Reconciling", message="at it"), condition("Ready")]}, api="sloth.test/v1"),
        "InProgress",
        "at it",
    ),
    (thing("Deployment", {}, TWO, api="example.org/v1"), "Current", ""),
]


@pytest.mark.parametrize(
    ("item", "word", "why"), CASES, ids=[f"{item['kind']}-{at}-{word}" for at, (item, word, _) in enumerate(CASES)]
)
def test_rules(item, word, why):
    found = health(item)
    assert found.word == word
    assert why in found.why


def carry(call, answers):
    """Play the server: each look gets the next answer. Gives the pauses."""
    pauses, back = [], None
    try:
        while True:
            wanted = call.send(back)
            if isinstance(wanted, Pause):
                pauses.append(wanted.seconds)
                back = None
            else:
                back = [answers.pop(0) for _ in wanted]
    except StopIteration:
        return pauses


POD = next(each for each in BUILTIN if each.plural == "pods")


def pod(phase):
    import json

    conditions = [condition("Ready")] if phase == "Running" else []
    return Answer(200, json.dumps(thing("Pod", {"phase": phase, "conditions": conditions}, api="v1")).encode())


def test_waiting_looks_only_at_what_is_not_ready_yet():
    answers = [Answer(404), pod("Running"), pod("Pending"), pod("Running")]
    assert carry(wait_current(None, [(POD, "n", "a"), (POD, "n", "b")], 10), answers) == [1.0, 1.0]
    assert answers == []


def test_a_failure_ends_the_wait_at_once():
    with pytest.raises(KubernetesError) as caught:
        carry(wait_current(None, [(POD, "n", "a"), (POD, "n", "b")], 10), [pod("Failed"), pod("Running")])
    assert caught.value.detail.startswith("Pod n/a: Failed: ")
    assert caught.value.hint == "sloth kube get pod/a --namespace n --output yaml"


def test_time_is_up():
    with pytest.raises(KubernetesError) as caught:
        carry(wait_current(None, [(POD, "n", "a")], 2), [pod("Pending")] * 3)
    assert (caught.value.code, caught.value.summary) == ("kube/not-healthy", "not ready after 2 s: 1 object")


def test_what_has_no_state_is_ready_at_once(client, space):
    client.create(config("a"), space)
    client.run(wait_current(client.api, [(client.run(client.kinds.find("cm")), space, "a")], 0))
