"""Well-known software in the cluster: asked by a real shell, read by its image, judged by what its makers say."""

import subprocess

import pytest

from sloth.testing.contract import reads_only
from sloth.upgrade.addons import KNOWN, findings, question, read

FAKE = '#!/bin/sh\n[ -e deaf ] && exit 1\ncase "$*" in *deployments,daemonsets,statefulsets*) cat images ;; *) exit 9 ;; esac\n'


@pytest.fixture
def asked(tmp_path):
    (tmp_path / "kubectl").write_text(FAKE)
    (tmp_path / "kubectl").chmod(0o755)

    def ask(*lines):
        (tmp_path / "images").write_text("".join(f"{line}\n" for line in lines))
        done = subprocess.run(["sh", "-c", question("./kubectl")], cwd=tmp_path, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout.splitlines()[1:]

    return ask


def judged(image, target="v1.36.3"):
    (found,) = findings(read([f"Deployment a/b\t{image}"]), target) or [None]
    return found


def test_only_workloads_that_run_known_images_are_told(asked):
    assert reads_only(question("kubectl"))
    cilium = "DaemonSet kube-system/cilium\tquay.io/cilium/cilium:v1.18.3@sha256:00 other:1"
    code, lines = asked(cilium, "Deployment shop/web\tnginx:1.27", "Deployment shop/cilium\tmine/notcilium/cilium-x:1")
    assert (code, lines) == (0, [cilium])
    assert asked("Deployment shop/web\tnginx:1.27") == (0, []), "none is no failure"


def test_an_api_that_does_not_answer_is_not_taken_for_none(asked, tmp_path):
    (tmp_path / "deaf").touch()
    assert asked()[0] != 0


@pytest.mark.parametrize(
    ("image", "level", "says"),
    [
        ("quay.io/cilium/cilium:v1.18.3@sha256:00", "warns", "its makers name Kubernetes 1.30 to 1.33 for it, not 1.36"),
        ("rancher/mirrored-cilium-cilium:v1.18.3", "warns", "Deployment a/b runs Cilium 1.18"),
        ("quay.io/cilium/cilium:v1.9.1", "warns", "older than 1.18"),
        ("quay.io/cilium/cilium:v1.99.0", "unknown", "does not know which Kubernetes"),
        ("quay.io/cilium/cilium@sha256:00", "unknown", "does not say which release"),
        ("registry:5000/cilium/cilium", "unknown", "does not say which release"),
        ("cilium/cilium:latest", "unknown", "does not say which release"),
        ("docker.io/calico/node:v3.32.1", "", ""),
        ("docker.io/calico/node:v3.31.3-build1", "warns", "1.32 to 1.35"),
        ("quay.io/jetstack/cert-manager-controller:v1.21.2", "", ""),
        ("registry.k8s.io/autoscaling/cluster-autoscaler:v1.35.0", "warns", "its makers name Kubernetes 1.35 for it, not 1.36"),
        ("quay.io/cilium/cilium-envoy:v1.30.0", "", ""),
        ("evilcilium/cilium:v1.0.0", "", ""),
        ("nginx", "", ""),
    ],
)
def test_an_image_is_judged_by_its_makers_word(image, level, says):
    found = judged(image)
    assert (found.level if found else "") == level
    assert says in (found.text if found else "")
    assert not found or (found.check == "addons" and "https://" in found.hint)


def test_the_target_decides_and_both_ends_of_a_span_belong_to_it():
    image = "quay.io/jetstack/cert-manager-controller:v1.20.0"
    verdicts = {minor: bool(judged(image, f"v1.{minor}.1")) for minor in range(31, 37)}
    assert verdicts == {31: True, 32: False, 33: False, 34: False, 35: False, 36: True}


def test_what_was_not_read_is_not_judged_and_half_a_line_is_none():
    assert findings(None, "v1.36.3") == [] and findings((), "v1.36.3") == []
    with pytest.raises(ValueError):
        read(["Deployment a/b"])


def test_the_table_is_sound():
    images = [image for addon in KNOWN for image in addon.images]
    assert len(images) == len(set(images))
    for addon in KNOWN:
        assert addon.page.startswith("https://") and addon.releases
        assert all(first <= last for first, last in addon.releases.values())
        spans = [addon.releases[release] for release in sorted(addon.releases)]
        assert spans == sorted(spans), "a later release never reaches back further"
