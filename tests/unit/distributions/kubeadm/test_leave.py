"""Taking nodes out: order, resume, quorum; and the clean-up of a host."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from sloth.errors import KubernetesError
from sloth.model.step import Result

from .clusters import KUBEADM, cluster
from .run import Answer, Run, run

OF = cluster(5, 2)
SERVER = OF.nodes[0]
DELETE, LEAVE = "delete node control-2", "take control-2 out of etcd"


def etcd(voters: int, *, sick: set[int] = frozenset(), learners: set[int] = frozenset()) -> dict[str, Answer]:  # type: ignore[assignment]
    numbers = range(1, voters + 1)
    lines = [
        f"a{i}, started, control-{i}, https://10.90.0.{i}:2380, https://10.90.0.{i}:2379, {str(i in learners).lower()}"
        for i in numbers
    ]
    health = [{"endpoint": f"https://10.90.0.{i}:2379", "health": i not in sick} for i in numbers]
    return {"list etcd members": "\n".join(lines), "ask etcd members for health": Result(exit=1, out=json.dumps(health))}


def evict(name: str, **answers: Answer) -> Run:
    return run(KUBEADM.evict(SERVER, name, OF), {key.replace("_", " "): value for key, value in answers.items()})


def test_a_server_is_forgotten_then_taken_out_of_etcd() -> None:
    done = run(KUBEADM.evict(SERVER, "control-2", OF), {"look at node control-2": "control-2 True", **etcd(3)})
    assert done.error is None
    assert done.titles[5:] == [DELETE, LEAVE, "wait for the Kubernetes API"]
    assert "member remove a2" in done.text(LEAVE) and "https://10.90.0.2:2379" not in done.text(LEAVE)


def test_an_eviction_goes_on_where_it_was_killed() -> None:
    only_etcd = run(KUBEADM.evict(SERVER, "control-2", OF), {"look at node control-2": "", **etcd(3)})
    assert only_etcd.titles[5:] == [LEAVE, "wait for the Kubernetes API"]
    nothing = run(KUBEADM.evict(SERVER, "control-2", OF), {"look at node control-2": "", **etcd(1)})
    assert len(nothing.trips) == 1 and nothing.error is None


def test_a_node_does_not_evict_itself() -> None:
    error = run(KUBEADM.evict(SERVER, SERVER.name, OF)).error
    assert isinstance(error, KubernetesError) and error.code == "node/evicts-itself"


@given(voters=st.integers(2, 5), sick=st.sets(st.integers(1, 5)), learner=st.booleans())
def test_etcd_never_loses_its_majority(voters: int, sick: set[int], learner: bool) -> None:
    answers = {"look at node control-2": "control-2 True", **etcd(voters, sick=sick, learners={2} if learner else set())}
    done = run(KUBEADM.evict(SERVER, "control-2", OF), answers)
    voting = [i for i in range(1, voters + 1) if not (learner and i == 2)]
    staying = [i for i in voting if i != 2]
    # The removal itself is decided by those who vote before it.
    if all(sum(i not in sick for i in those) > len(those) // 2 for those in (voting, staying)):
        assert done.error is None and LEAVE in done.titles
    else:
        assert isinstance(done.error, KubernetesError) and done.error.code == "etcd/quorum"
        assert len(done.trips) == 1, "nothing was changed"


def test_health_that_cannot_be_read_counts_as_sick() -> None:
    answers = {"look at node control-2": "control-2 True", **etcd(3), "ask etcd members for health": "Error: timeout"}
    error = run(KUBEADM.evict(SERVER, "control-2", OF), answers).error
    assert isinstance(error, KubernetesError) and error.code == "etcd/quorum"


def test_a_removed_lease_is_found_in_etcd_by_its_address() -> None:
    gone = cluster(3, 0)
    left = cluster(1, 0, record=gone.record)
    done = run(KUBEADM.evict(left.nodes[0], "control-3", left), {"look at node control-3": "", **etcd(3)})
    assert "member remove a3" in done.text("take control-3 out of etcd")


def test_remove_deletes_every_binary_that_was_delivered() -> None:
    done = run(KUBEADM.remove(OF.nodes[-1], OF))
    text = done.text("delete what is left of Kubernetes")
    for need in KUBEADM.needs("v1.36.3"):
        if need.kind == "binary":
            assert f" {need.path} " in f"{text} "
    assert len(done.trips) == 1
