"""What a look says, what is found in it, and APIs that go."""

import subprocess

import pytest

from sloth.testing.contract import reads_only
from sloth.upgrade.checks import age, findings, unfinished
from sloth.upgrade.look import Seen, parse, question
from sloth.upgrade.removed import TABLE, between, requested

ANSWER = "\n".join(
    [
        "= nodes", "cp-1\tv1.35.4\tTrue\t\t", "work-1\tv1.35.4\tTrue\ttrue\t", "work-2\tv1.36.3\tFalse\ttrue\tupgrade",
        "= servers", "10.90.0.1 v1.35.4", "10.90.0.2 ",
        "= budgets", "default/web\t1\t3\t2\t3", "default/db\t0\t1\t1\t1", "default/idle\t0\t0\t0\t0", "default/now\t0\t2\t2\t3",
        "= workloads", "Deployment\tdefault/web\t3\t2", "DaemonSet\tdefault/log\t2\t2", "Deployment\tdefault/off\t0\t",
        "DaemonSet\tkube-system/kube-proxy\t3\t1",
        "= snapshot", "1000",
        "= apis",
        'apiserver_requested_deprecated_apis{group="storage.k8s.io",removed_release="1.36",resource="volumeattributesclasses",'
        'subresource="",version="v1beta1"} 1',
        'apiserver_requested_deprecated_apis{group="",removed_release="",resource="componentstatuses",'
        'subresource="",version="v1"} 1',
        'apiserver_requested_deprecated_apis{group="resource.k8s.io",removed_release="1.38",resource="resourceslices",'
        'subresource="",version="v1beta1"} 1',
        "read",
    ]
)  # fmt: skip
NAMES = {"cp-1": "10.90.0.1", "work-1": "", "work-2": ""}


def found(answer=ANSWER, silent=(), now=2000.0, names=NAMES):
    return findings(parse(answer), names=names, silent=silent, running="v1.35.4", target="v1.36.3", now=now, unit="kubelet")


def texts(level, **given):
    return [each.text for each in found(**given) if each.level == level]


def test_an_answer_is_read_in_full():
    seen = parse(ANSWER)
    assert seen.nodes["cp-1"].ready and not seen.nodes["cp-1"].cordoned
    assert seen.nodes["work-1"].cordoned and not seen.nodes["work-1"].drained
    assert seen.nodes["work-2"].drained and not seen.nodes["work-2"].ready
    assert seen.servers == {"10.90.0.1": "v1.35.4", "10.90.0.2": ""}
    assert [each.never for each in seen.budgets] == [False, True, False, False]
    assert seen.failing == ["Deployment default/web"], "system workloads have a check of their own"
    assert seen.snapshot == 1000.0
    assert [(each.api, each.minor, each.instead) for each in seen.apis] == [
        ("storage.k8s.io/v1beta1", (1, 36), "storage.k8s.io/v1"),
        ("resource.k8s.io/v1beta1", (1, 38), "resource.k8s.io/v1"),
    ]


def test_extensions_are_a_part_of_the_look():
    more = "= services\n= webhooks\na\tFail\tguard/hook\tall\t,|pods,;\n= endpoints\n= images\ncoredns\tmine/coredns:v9\n= apis"
    brings = {"components": {"coredns": ("v1.13.1",)}, "after": {"coredns": ("v1.14.2",)}}
    seen = parse(ANSWER.replace("= apis", more))
    given = {"names": NAMES, "silent": (), "running": "v1.35.4", "target": "v1.36.3", "now": 2000.0, "unit": "kubelet"}
    checks = {each.check: each.level for each in findings(seen, **given, **brings)}
    assert (checks["webhooks"], checks["components"]) == ("blocks", "warns")
    assert "= webhooks" in question("kubectl", ["10.90.0.1"], "/s") and "= images" in question("kubectl", [], "/s")


@pytest.mark.parametrize("text", ["", "= nodes\ncp-1\tv1\n", ANSWER.partition("= apis")[0], ANSWER.replace("\t3\t2\t3", "")])
def test_half_an_answer_is_none(text):
    with pytest.raises(ValueError):
        parse(text)


def test_what_stands_in_the_way_comes_first_and_has_a_next_step():
    blocks = texts("blocks")
    assert blocks == [
        "storage.k8s.io/v1beta1 volumeattributesclasses is in use and is removed in 1.36, so 1.36 does not serve it",
        "budget default/db never lets a pod go: 1 of 1 must stay",
    ]
    assert all(each.hint for each in found())
    assert [each.level for each in found()] == sorted([each.level for each in found()], key=["blocks", "unknown", "warns"].index)


def test_what_should_be_known_is_a_warning():
    warns = texts("warns", now=1000.0 + 90000)
    assert "work-1 is cordoned, and stays so" in warns
    assert "resource.k8s.io/v1beta1 resourceslices is in use and is removed in 1.38" in warns
    assert "budget default/now lets no pod go now: 2 healthy, 2 must stay" in warns
    assert "the newest snapshot of etcd is 25 h old" in warns
    assert not any("snapshot" in text for text in texts("warns", now=2000.0))
    assert "there is no snapshot of etcd yet" in texts("warns", answer=ANSWER.replace("\n1000\n", "\n"))


def test_nodes_that_are_not_there_block():
    assert "work-1 does not run or does not answer" in texts("blocks", silent=["work-1"])
    assert "Kubernetes does not know cp-9" in texts("blocks", names={**NAMES, "cp-9": ""})
    lost = ANSWER.replace("work-1\tv1.35.4\tTrue\ttrue", "work-1\tv1.35.4\tUnknown\t")
    assert "work-1 is not Ready" in texts("blocks", answer=lost)
    assert "work-2 is not Ready" not in texts("blocks"), "it is in the middle of its upgrade"
    assert "stranger is not sloth's: it keeps its version" in texts("warns", answer=ANSWER.replace("work-1", "stranger"))


def test_metrics_that_cannot_be_read_are_unknown_never_none():
    silent = ANSWER.replace("\nread", "")
    assert parse(silent).apis is None
    assert len(texts("unknown", answer=silent)) == 1


def test_complete_is_every_node_on_the_target_ready_and_open():
    missing = unfinished(parse(ANSWER), {**NAMES, "cp-2": "10.90.0.2", "gone": ""}, "v1.36.3")
    assert missing == [
        "cp-1: its API server runs v1.35.4", "cp-1: its kubelet runs v1.35.4", "work-1: its kubelet runs v1.35.4",
        "work-2: not Ready", "work-2: still cordoned by the upgrade", "cp-2: Kubernetes does not know it",
        "gone: Kubernetes does not know it",
    ]  # fmt: skip
    done = ANSWER.replace("v1.35.4", "v1.36.3").replace("False\ttrue\tupgrade", "True\t\t")
    assert unfinished(parse(done), NAMES, "v1.36.3") == []
    assert unfinished(Seen(), NAMES, "v1.36.3"), "an empty answer proves nothing"


def test_the_question_only_reads_and_is_sound_shell(tmp_path):
    """Run by a real shell with a kubectl that answers, it gives what `parse` takes."""
    fake = tmp_path / "kubectl"
    fake.write_text(
        '#!/bin/sh\ncase "$*" in\n*/version*) echo \'  "gitVersion": "v1.35.4",\' ;;\n'
        "*/metrics*) echo 'apiserver_request_total{code=\"200\"} 4'; echo other 1 ;;\n"
        "*'get nodes'*) printf 'cp-1\\tv1.35.4\\tTrue\\t\\t\\n' ;;\nesac\n"
    )
    fake.chmod(0o755)
    text = question(str(fake), ["10.90.0.1", "10.90.0.2"], str(tmp_path))
    assert reads_only(text)
    done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=True)
    seen = parse(done.stdout)
    assert seen.servers == {"10.90.0.1": "v1.35.4", "10.90.0.2": "v1.35.4"} and set(seen.nodes) == {"cp-1"}
    assert seen.apis == () and seen.snapshot == 0.0
    (tmp_path / "a.db").touch()
    assert parse(subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=True).stdout).snapshot > 0


def test_a_kubectl_that_fails_gives_no_answer():
    done = subprocess.run(["sh", "-c", question("false", ["10.90.0.1"], "/nowhere")], capture_output=True, text=True, check=False)
    with pytest.raises(ValueError):
        parse(done.stdout)


def test_removed_apis_are_those_between():
    assert {each.api for each in between("v1.31.0", "v1.32.1")} == {"flowcontrol.apiserver.k8s.io/v1beta3"}
    assert between("v1.36.1", "v1.36.3") == []
    assert len({(each.api, each.resource) for each in TABLE}) == len(TABLE)


def test_lines_that_count_nothing_say_nothing():
    line = 'apiserver_requested_deprecated_apis{group="a",removed_release="1.40",resource="b",subresource="c",version="v1"} '
    assert requested(line + "0") == [] and requested("# HELP x") == []
    assert [(each.api, each.resource) for each in requested(line + "1\n" + line + "1")] == [("a/v1", "b/c")]


def test_ages_in_words():
    assert [age(seconds) for seconds in (-5, 60 * 61, 3600 * 5, 86400 * 3)] == ["0 min", "61 min", "5 h", "3 days"]
