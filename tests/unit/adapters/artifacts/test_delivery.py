"""The steps of `deliver`, carried out by a real shell with a real curl against a real mirror; only `ctr` is a stub."""

import hashlib
import os
import shutil
import subprocess
from dataclasses import replace

import pytest

from sloth.adapters.artifacts.serve import serve
from sloth.contracts.delivery import FOLDER, deliver, delivery_error
from sloth.model.artifact import Artifact, Delivery
from sloth.model.step import Do, Upload

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
CONTENT = b"program " * 1000


@pytest.fixture
def node(tmp_path, monkeypatch):
    """A folder that plays a node's root."""
    (tmp_path / "bin").mkdir()
    ctr = tmp_path / "bin/ctr"
    # Keeps the names of images in a file; `images ls -q name==REF` and `images import … FILE` are what deliver uses.
    ctr.write_text(f"""#!/bin/sh
echo "$*" >>{tmp_path}/ctr-calls
case "$*" in
*"images ls -q name=="*) grep -xF "${{6#name==}}" {tmp_path}/images 2>/dev/null; exit 0 ;;
*"images import"*) for file; do :; done; [ -s "$file" ] || exit 1; echo registry.k8s.io/pause:3 >>{tmp_path}/images ;;
esac
""")
    ctr.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    return tmp_path


@pytest.fixture
def mirror(tmp_path):
    root = tmp_path / "mirror"
    (root / "tool/v1/linux-amd64").mkdir(parents=True)
    (root / "tool/v1/linux-amd64/tool").write_bytes(CONTENT)
    (root / "index.json").write_text("{}")
    with serve(root) as server:
        yield server


@pytest.fixture
def tool(node):
    return Artifact(
        name="tool", version="v1", kind="binary", sha256=hashlib.sha256(CONTENT).hexdigest(), size=len(CONTENT),
        file="tool/v1/linux-amd64/tool", path=f"{node}/opt/new dir/tool",
    )  # fmt: skip


def image_of(artifact):
    return replace(artifact, kind="image", path="", ref="registry.k8s.io/pause:3")


def shell(text, node):
    text = text.replace(FOLDER, str(node / "artifacts"))
    return subprocess.run(["sh"], input=text, capture_output=True, text=True, check=False, timeout=60)


def run(step, node):
    """As the engine does it: nothing, if the condition holds. Returns None then."""
    if step.unless and shell(step.unless, node).returncode == 0:
        return None
    return shell(step.run, node)


def test_a_binary_is_fetched_once(node, mirror, tool):
    (step,) = deliver(tool, Delivery(base=mirror.url + "/"))
    done = run(step, node)
    assert done.returncode == 0, done.stderr
    target = node / "opt/new dir/tool"
    assert target.read_bytes() == CONTENT
    assert target.stat().st_mode & 0o777 == 0o755
    assert run(step, node) is None
    assert os.listdir(target.parent) == ["tool"]


def test_a_changed_file_is_replaced_and_a_right_one_without_stamp_is_kept(node, mirror, tool):
    (step,) = deliver(tool, Delivery(base=mirror.url))
    run(step, node)
    target = node / "opt/new dir/tool"
    target.write_bytes(b"y" * len(CONTENT))
    os.utime(target, (5, 5))
    assert run(step, node).returncode == 0
    assert target.read_bytes() == CONTENT
    (node / "artifacts/tool.binary").unlink()
    (offline,) = deliver(tool, Delivery(base="http://127.0.0.1:9"))
    assert run(offline, node).returncode == 0  # seen to be right: nothing is fetched
    assert run(step, node) is None


def failure(step, node):
    done = run(step, node)
    assert done.returncode != 0
    return delivery_error(done.stderr, "work-1")


def test_missing_in_the_mirror(node, mirror, tool):
    artifact = replace(tool, file="tool/v2/linux-amd64/tool")
    (step,) = deliver(artifact, Delivery(base=mirror.url))
    error = failure(step, node)
    assert error.code == "artifacts/missing-in-mirror"
    assert "tool/v2/linux-amd64/tool is not at " + mirror.url in error.summary
    assert "work-1" in error.summary
    assert error.where == "work-1"
    assert "404" in error.detail
    assert not (node / "opt/new dir/tool").exists()


def test_another_content_than_pinned(node, mirror, tool):
    artifact = replace(tool, sha256="0" * 64)
    (step,) = deliver(artifact, Delivery(base=mirror.url))
    error = failure(step, node)
    assert error.code == "artifacts/digest-mismatch"
    assert "tool/v1/linux-amd64/tool" in error.summary
    assert tool.sha256 in error.summary
    assert "work-1" in error.summary
    assert list((node / "opt/new dir").iterdir()) == []


def test_no_mirror_there(node, tool):
    (step,) = deliver(tool, Delivery(base="http://127.0.0.1:9"))
    assert failure(step, node).code == "artifacts/mirror-unreachable"


def test_other_failures_are_not_ours():
    assert delivery_error("sh: 1: foo: not found", "work-1") is None


def test_an_image_is_fetched_imported_and_remembered(node, mirror, tool):
    (step,) = deliver(image_of(tool), Delivery(base=mirror.url))
    assert run(step, node).returncode == 0
    assert run(step, node) is None
    calls = (node / "ctr-calls").read_text()
    assert "-n k8s.io images import --label io.cri-containerd.pinned=pinned" in calls
    assert sorted(os.listdir(node / "artifacts")) == ["tool.image"]
    (node / "images").write_text("")  # containerd has lost it
    assert run(step, node).returncode == 0
    assert (node / "images").read_text() == "registry.k8s.io/pause:3\n"
    newer = deliver(replace(image_of(tool), sha256="0" * 64), Delivery(base=mirror.url))[0]
    assert failure(newer, node).code == "artifacts/digest-mismatch"  # the old one of that name is not taken for it


def test_an_import_that_fails_is_not_remembered(node, mirror, tool):
    (step,) = deliver(image_of(tool), Delivery(base=mirror.url))
    (node / "bin/ctr").write_text("#!/bin/sh\nexit 3\n")
    assert run(step, node).returncode == 3
    assert os.listdir(node / "artifacts") == []


def test_without_a_mirror_files_are_uploaded(tool):
    (step,) = deliver(tool, Delivery(store="/srv/mirror"))
    assert step == Upload(path=tool.path, source="/srv/mirror/tool/v1/linux-amd64/tool", sha256=tool.sha256, timeout=900.0)
    upload, load = deliver(image_of(tool), Delivery(store="/srv/mirror"))
    assert isinstance(upload, Upload)
    assert upload.path == f"{FOLDER}/tool.tar"
    assert isinstance(load, Do)


def test_an_uploaded_image_is_imported_once(node, tool):
    _, load = deliver(image_of(tool), Delivery(store="/srv/mirror"))
    (node / "artifacts").mkdir()
    (node / "artifacts/tool.tar").write_bytes(CONTENT)
    assert run(load, node).returncode == 0
    assert run(load, node) is None
    assert (node / "artifacts/tool.tar").exists()


def test_baked_things_are_not_read_again(node, mirror, tool):
    (step,) = deliver(tool, Delivery(store="/srv/mirror"), baked=True)
    assert failure(step, node).code == "artifacts/not-baked"
    target = node / "opt/new dir/tool"
    target.write_bytes(CONTENT)
    target.chmod(0o755)
    assert run(step, node) is None
    target.write_bytes(b"short")
    (with_mirror,) = deliver(tool, Delivery(base=mirror.url), baked=True)
    assert run(with_mirror, node).returncode == 0
    assert target.read_bytes() == CONTENT
    (image,) = deliver(image_of(tool), Delivery(), baked=True)
    assert failure(image, node).code == "artifacts/not-baked"
    (node / "images").write_text("registry.k8s.io/pause:3\n")
    assert run(image, node) is None


@pytest.mark.parametrize("code", ["missing-in-mirror", "digest-mismatch", "not-baked", "mirror-unreachable"])
def test_every_failure_names_node_and_file_and_has_a_hint(code):
    error = delivery_error(f"curl: x\nsloth-error artifacts/{code} a/b is bad\n", "work-1")
    assert error.code == f"artifacts/{code}"
    assert error.summary == "a/b is bad (wanted by work-1)"
    assert error.hint
