"""What others put into the API servers' way, and what runs in kube-system: asked by a real shell, read, judged."""

import subprocess

import pytest

from sloth.contracts.lifecycle import BringsComponents
from sloth.registry import distribution, names
from sloth.testing.contract import reads_only
from sloth.upgrade.extensions import Extensions, findings, question, read

HOOKS = "guard.io\tFail\tguard/hook\tall\t,|pods,;\nurl.io\tFail\t\tall\t,|pods,;\n"
SLICES = "guard/hook\ttrue false\nshop/web\ttrue true true\nguard/hook\ttrue\nguard/\ttrue\n"
FAKE = """#!/bin/sh
case "$*" in
*apiservices*) cat services ;;
*webhookconfigurations*) cat hooks ;;
*endpointslices*) [ -e deaf ] && exit 1; cat slices ;;
*'deployments,daemonsets -n kube-system'*) cat images ;;
*) echo "unexpected: $*" >&2; exit 9 ;;
esac
"""


@pytest.fixture
def asked(tmp_path):
    (tmp_path / "kubectl").write_text(FAKE)
    (tmp_path / "kubectl").chmod(0o755)
    for name in ("services", "hooks", "slices", "images"):
        (tmp_path / name).write_text("")

    def ask(**files):
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        return subprocess.run(["sh", "-c", question("./kubectl")], cwd=tmp_path, capture_output=True, text=True, check=False)

    return ask


def parts(text):
    found = {}
    for line in text.splitlines():
        if line.startswith("= "):
            found[line[2:]] = lines = []
        elif line.strip():
            lines.append(line)
    return found


def test_the_question_reads_and_its_answer_is_read(asked):
    assert reads_only(question("kubectl"))
    done = asked(hooks=HOOKS, slices=SLICES, images="coredns\tr/coredns:v1.13.1\n", services="v1.apps\t\tTrue\tLocal\n")
    assert done.returncode == 0 and not done.stderr
    seen = read(parts(done.stdout))
    (hook,) = seen.webhooks
    assert (hook.name, hook.must, hook.service, hook.every, hook.pods, hook.ready) == (
        "guard.io",
        True,
        "guard/hook",
        True,
        True,
        2,
    )
    assert "shop/web" not in done.stdout, "only services that a webhook names"
    assert seen.images == {"coredns": ("r/coredns:v1.13.1",)} and seen.ill_services == ()


def test_no_webhook_asks_for_no_endpoints(asked):
    done = asked(deaf="")
    assert done.returncode == 0 and read(parts(done.stdout)).webhooks == ()


def test_endpoints_that_cannot_be_read_are_not_taken_for_none(asked):
    assert asked(hooks=HOOKS, deaf="").returncode != 0


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("a\tFail\tguard/hook\tall\t,|pods,;", "blocks"),
        ("a\t\tguard/hook\tall\t,|pods,;", "blocks"),  # not said is Fail
        ("a\tFail\tguard/hook\tall\tapps,|deployments,;*,|*,;", "blocks"),
        ("a\tFail\tguard/hook\tsome\t,|pods,;", "warns"),
        ("a\tIgnore\tguard/hook\tall\t,|pods,;", ""),
        ("a\tFail\tguard/hook\tall\tapps,|deployments,;", ""),
        ("a\tFail\tguard/hook\tall\tmetrics.k8s.io,|pods,;", ""),
        ("a\tFail\tguard/hook\tall\t,|pods/eviction,;", ""),
        ("a\tFail\t\tall\t,|pods,;", ""),  # not in the cluster
    ],
)
def test_a_webhook_with_nobody_behind_it_blocks_if_it_keeps_pods_away(line, level):
    found = findings(read({"webhooks": [line], "endpoints": []}), {}, {})
    assert [each.level for each in found] == ([level] if level else [])
    if found:
        assert found[0].check == "webhooks" and "-n guard get endpointslices" in found[0].hint


@pytest.mark.parametrize(("ready", "levels"), [(0, ["blocks"]), (1, ["warns"]), (2, [])])
def test_one_pod_behind_a_webhook_is_worth_a_word(ready, levels):
    seen = read({"webhooks": ["a\tFail\tguard/hook\tall\t,|pods,;"], "endpoints": [f"guard/hook\t{ready}"]})
    assert [each.level for each in findings(seen, {}, {})] == levels


def test_an_api_service_that_is_away_is_named_with_its_reason():
    lines = ["v1.apps\t\tTrue\tLocal", "v1beta1.metrics.k8s.io\tmetrics-server\tFalse\tMissingEndpoints", "v1.x.io\tx\t\t"]
    found = findings(read({"services": lines}), {}, {})
    assert [(each.level, each.check) for each in found] == [("warns", "services")] * 2
    assert "v1beta1.metrics.k8s.io is not available (MissingEndpoints)" in found[0].text


@pytest.mark.parametrize(
    ("image", "said"),
    [
        ("registry.k8s.io/coredns/coredns:v1.13.1", False),
        ("rancher/mirrored-coredns-coredns:1.13.1", False),
        ("rancher/hardened-coredns:v1.13.1-build20260101", False),
        ("registry.k8s.io/coredns/coredns:v1.14.2", False),  # the target's, of an upgrade under way
        ("registry.k8s.io/coredns/coredns:v1.13.10", True),
        ("registry.k8s.io/coredns/coredns:v1.13.1.1", True),
        ("mine/coredns:latest", True),
    ],
)
def test_a_component_that_is_not_the_distribution_s_own_is_named(image, said):
    seen = Extensions(images={"coredns": (image,)})
    found = findings(seen, {"coredns": ("v1.13.1", "v1.15.0")}, {"coredns": ("v1.14.2", "v1.15.0")})
    assert [each.check for each in found] == (["components"] if said else [])
    if said:
        assert "(v1.13.1, v1.15.0): the upgrade brings v1.14.2" in found[0].text


def test_what_was_not_read_or_does_not_run_is_not_judged():
    assert findings(read({}), {"coredns": ("v1.13.1",)}, {}) == []
    assert findings(Extensions(images={}), {"coredns": ("v1.13.1",)}, {}) == []


@pytest.mark.parametrize("line", ["a\tFail", "", "a\tb\tc\td\te\tf"])
def test_half_a_line_is_none(line):
    with pytest.raises(ValueError):
        read({"webhooks": [line or "x"], "endpoints": []})


@pytest.mark.parametrize("name", names("distributions"))
def test_every_distribution_says_what_it_brings_to_kube_system(name):
    plugin = distribution(name)
    assert isinstance(plugin, BringsComponents)
    for version in plugin.versions():
        brought = plugin.components(version)
        assert any("coredns" in workload for workload in brought)
        assert all(versions and all(each.startswith("v") for each in versions) for versions in brought.values())
    assert plugin.components("v1.2.3") == {}
