"""Rollouts: on the real server against its controllers and kubectl, on the fake with what they left there."""

from datetime import UTC, datetime

import pytest

from sloth.errors import KubernetesError, UsageError
from sloth.kube.workloads.revisions import NUMBER, history
from sloth.kube.workloads.rollout_status import follow, progress
from sloth.kube.workloads.rollouts import RESTARTED, pause, restart, undo
from tests.kube.workloads.conftest import eventually
from tests.kube.workloads.things import daemon_set, deployment, owned_by, stateful_set, template

KINDS = {"deployment": deployment, "statefulset": stateful_set, "daemonset": daemon_set}
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def image(client, kind, space):
    return client.get(kind, "web", space)["spec"]["template"]["spec"]["containers"][0]["image"]


def set_image(client, kind, space, to, cause=""):
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": to}]}}}}
    if cause:
        patch["metadata"] = {"annotations": {"kubernetes.io/change-cause": cause}}
    client.patch(kind, "web", patch, space, how="strategic")


def revisions(client, kind, space):
    found = client.run(history(client.api, client.get(kind, "web", space)))
    return [(each.number, each.template["spec"]["containers"][0]["image"], each.current) for each in found]


def done(client, kind, space):
    client.run(follow(client.api, kind, "web", space, seconds=60, every=0.1))


@pytest.mark.kube
@pytest.mark.parametrize("kind", KINDS)
def test_status_history_and_undo_with_real_controllers(real_client, real_space, real_run, kubectl, kind):
    real_client.create({**KINDS[kind]("web")}, real_space)
    done(real_client, kind, real_space)
    set_image(real_client, kind, real_space, "app:2", cause="second")
    done(real_client, kind, real_space)
    assert revisions(real_client, kind, real_space) == [(1, "app:1", False), (2, "app:2", True)]
    theirs = [line.split() for line in kubectl("rollout", "history", f"{kind}/web").splitlines()[2:] if line]
    ours = [line.split() for line in real_run("rollout", "history", f"{kind}/web")[1].splitlines()[2:]]
    assert [line[0] for line in theirs] == [line[0] for line in ours] == ["1", "2"]
    assert [line[-1] for line in theirs] == [line[-1] for line in ours]  # the change cause
    assert real_run("rollout", "undo", f"{kind}/web", "--wait", "60")[0] == 0
    assert image(real_client, kind, real_space) == "app:1"
    eventually(lambda: [each[0] for each in revisions(real_client, kind, real_space)] == [2, 3])
    assert real_run("rollout", "undo", f"{kind}/web", "--to-revision", "3")[1].endswith("nothing to do\n")
    assert "skipped rollback" in kubectl("rollout", "undo", f"{kind}/web", "--to-revision=3")
    kubectl("rollout", "undo", f"{kind}/web")
    assert image(real_client, kind, real_space) == "app:2"
    assert real_run("rollout", "status", f"{kind}/web")[0] == 0
    kubectl("rollout", "status", f"{kind}/web", "--timeout=60s")
    code, _, err = real_run("rollout", "undo", f"{kind}/web", "--to-revision", "77")
    assert (code, "kube/no-revision" in err) == (2, True)
    assert kubectl("rollout", "undo", f"{kind}/web", "--to-revision=77", check=False)[0] != 0


@pytest.mark.kube
def test_an_undo_leaves_what_kubectl_would_leave(real_client, real_space, kubectl):
    """Two Deployments with the same past: one goes back by kubectl, one by sloth."""
    for name in ("web", "other"):
        item = deployment(name, 1, cause="first")
        item["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = "{}"
        real_client.create(item, real_space)
        real_client.run(follow(real_client.api, "deploy", name, real_space, seconds=60, every=0.1))
        patch = {
            "metadata": {"annotations": {"kubernetes.io/change-cause": "second", "a": "new"}},
            "spec": {"template": {"spec": {"containers": [{"name": "app", "image": "app:2"}]}}},
        }
        real_client.patch("deploy", name, patch, real_space, how="strategic")
        real_client.run(follow(real_client.api, "deploy", name, real_space, seconds=60, every=0.1))
    kubectl("rollout", "undo", "deploy/other")
    real_client.run(undo(real_client.api, "deploy", "web", real_space))

    def settled(name):
        real_client.run(follow(real_client.api, "deploy", name, real_space, seconds=60, every=0.1))
        return real_client.get("deploy", name, real_space)

    ours, theirs = settled("web"), settled("other")
    assert ours["metadata"]["annotations"] == theirs["metadata"]["annotations"]
    same = str(ours["spec"]["template"]).replace("web", "other")
    assert same == str(theirs["spec"]["template"])


@pytest.mark.kube
@pytest.mark.parametrize("kind", KINDS)
def test_a_restart_replaces_every_pod(real_client, real_space, real_run, kind):
    real_client.create(KINDS[kind]("web"), real_space)
    done(real_client, kind, real_space)
    before = {each["metadata"]["uid"] for each in real_client.list("pods", real_space)}
    assert real_run("rollout", "restart", f"{kind}/web", "--wait", "60")[0] == 0
    eventually(lambda: not before & {each["metadata"]["uid"] for each in real_client.list("pods", real_space)})


@pytest.mark.kube
def test_a_paused_deployment_waits(real_client, real_space, real_run, kubectl):
    real_client.create(deployment("web"), real_space)
    done(real_client, "deployment", real_space)
    assert real_run("rollout", "pause", "deploy/web")[1] == "deployment/web is paused\n"
    assert "nothing to do" in real_run("rollout", "pause", "deploy/web")[1]
    assert "already paused" in kubectl("rollout", "pause", "deploy/web", check=False)[2]
    for words in (("undo",), ("restart",)):
        assert kubectl("rollout", *words, "deploy/web", check=False)[0] != 0
        code, _, err = real_run("rollout", *words, "deploy/web")
        assert (code, "kube/paused" in err) == (2, True)
    set_image(real_client, "deployment", real_space, "app:2")
    assert real_run("rollout", "status", "deploy/web", "--timeout", "1")[0] == 15
    assert len(revisions(real_client, "deployment", real_space)) == 1
    assert real_run("rollout", "resume", "deploy/web")[0] == 0
    done(real_client, "deployment", real_space)
    assert len(revisions(real_client, "deployment", real_space)) == 2


@pytest.mark.kube
def test_a_rollout_past_its_deadline_says_which_pods(real_client, real_space, real_run, kubectl):
    item = deployment("web", 1, progressDeadlineSeconds=1, minReadySeconds=0)
    item["spec"]["template"]["metadata"]["labels"]["hand"] = "none"
    real_client.create(item, real_space)
    code, _, err = real_run("rollout", "status", "deploy/web", "--timeout", "60")
    assert (code, "kube/rollout-failed" in err, "pod web-" in err) == (15, True, True)
    assert "exceeded its progress deadline" in kubectl("rollout", "status", "deploy/web", check=False)[2]


def with_history(client, space):
    """A Deployment and two ReplicaSets, as a controller would have left them."""
    client.create(deployment("web"), space)
    item = client.patch("deploy", "web", {"metadata": {"annotations": {NUMBER: "4", "x": "now"}}}, space)
    for number, name in ((3, "app:1"), (4, "app:2")):
        inner = template("web", name)
        inner["metadata"]["labels"]["pod-template-hash"] = f"h{number}"
        client.create(
            {
                "apiVersion": "apps/v1", "kind": "ReplicaSet",
                "metadata": {
                    "name": f"web-{number}", "labels": {"app": "web"}, "ownerReferences": [owned_by(item)],
                    "annotations": {NUMBER: str(number), "kubernetes.io/change-cause": f"to {name}"},
                },
                "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "web"}}, "template": inner},
            },
            space,
        )  # fmt: skip
    set_image(client, "deploy", space, "app:2")


def test_an_undo_is_one_patch_and_keeps_what_speaks_of_now(fake_client):
    with_history(fake_client, "default")
    revision, changed = fake_client.run(undo(fake_client.api, "deploy", "web", dry_run=True))
    assert (revision.number, revision.cause, changed) == (3, "to app:1", True)
    assert image(fake_client, "deploy", "default") == "app:2"
    fake_client.run(undo(fake_client.api, "deploy", "web"))
    found = fake_client.get("deploy", "web")
    assert image(fake_client, "deploy", "default") == "app:1"
    assert found["spec"]["template"]["metadata"]["labels"] == {"app": "web"}
    assert found["metadata"]["annotations"] == {NUMBER: "4", "kubernetes.io/change-cause": "to app:1"}
    assert fake_client.run(undo(fake_client.api, "deploy", "web", to=3))[1] is False


def test_nothing_to_go_back_to(client, space):
    client.create(stateful_set("db", 0), space)
    with pytest.raises(UsageError) as caught:
        client.run(undo(client.api, "sts", "db", space))
    assert caught.value.code == "kube/no-revision"


def test_restart_and_pause(client, space):
    client.create(deployment("web", 0), space)
    client.run(restart(client.api, "deploy", "web", space, at=AT))
    notes = client.get("deploy", "web", space)["spec"]["template"]["metadata"]["annotations"]
    assert notes == {RESTARTED: "2026-01-02T03:04:05Z"}
    assert client.run(pause(client.api, "deploy", "web", space)) is True
    assert client.run(pause(client.api, "deploy", "web", space)) is False
    with pytest.raises(UsageError) as caught:
        client.run(restart(client.api, "deploy", "web", space, at=AT))
    assert caught.value.code == "kube/paused"
    assert client.run(pause(client.api, "deploy", "web", space, paused=False)) is True
    assert "paused" not in client.get("deploy", "web", space)["spec"]


def test_what_has_no_rollouts(client, space):
    client.create(stateful_set("db", 0), space)
    for call, code in (
        (pause(client.api, "sts", "db", space), "kube/no-pause"),
        (restart(client.api, "cm", "x", space, at=AT), "kube/no-rollout"),
    ):
        with pytest.raises(UsageError) as caught:
            client.run(call)
        assert caught.value.code == code


def state(kind, spec, status, seen=2):
    item = {
        "kind": kind,
        "metadata": {"name": "web", "generation": 2},
        "spec": spec,
        "status": {"observedGeneration": seen, **status},
    }
    return progress(item)


@pytest.mark.parametrize(
    ("kind", "spec", "status", "text"),
    [
        ("Deployment", {"replicas": 3}, {}, "0 of 3 new replicas have been made"),
        ("Deployment", {}, {"updatedReplicas": 1, "replicas": 3}, "2 old replicas are still going"),
        ("Deployment", {}, {"updatedReplicas": 1, "replicas": 1}, "0 of 1 new replicas are available"),
        ("Deployment", {"replicas": 0}, {}, "rolled out"),
        ("StatefulSet", {"replicas": 2}, {"readyReplicas": 1}, "1 of 2 replicas are ready"),
        (
            "StatefulSet", {"replicas": 2},
            {"readyReplicas": 2, "updatedReplicas": 1, "updateRevision": "b", "currentRevision": "a"},
            "1 of 2 replicas are new",
        ),
        (
            "StatefulSet", {"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 2}}}, {"readyReplicas": 3},
            "0 of 1 replicas above the partition are new",
        ),
        (
            "StatefulSet", {"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 2}}},
            {"readyReplicas": 3, "updatedReplicas": 1}, "rolled out as far as its partition lets it: 1 new replicas",
        ),
        ("DaemonSet", {}, {"desiredNumberScheduled": 2, "updatedNumberScheduled": 1}, "1 of 2 nodes have a new pod"),
        (
            "DaemonSet", {}, {"desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 1},
            "1 of 2 new pods are available",
        ),
    ],
)  # fmt: skip
def test_how_far_it_is(kind, spec, status, text):
    found = state(kind, spec, status)
    assert (found.text, found.done) == (text, text.startswith("rolled out"))
    assert not state(kind, spec, status, seen=1).done


def test_who_deletes_pods_by_hand_has_no_rollout_to_follow():
    with pytest.raises(UsageError) as caught:
        state("DaemonSet", {"updateStrategy": {"type": "OnDelete"}}, {})
    assert caught.value.code == "kube/on-delete"


def test_what_is_not_done_in_time(fake_client):
    fake_client.create(deployment("web"))
    assert not fake_client.run(follow(fake_client.api, "deploy", "web")).done
    said = []
    with pytest.raises(KubernetesError) as caught:
        fake_client.run(follow(fake_client.api, "deploy", "web", seconds=0.03, every=0.01, say=said.append))
    assert caught.value.code == "kube/rollout-slow"
    assert said == ["deployment/web: its controller has not seen the last change"]
