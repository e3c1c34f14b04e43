import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from dataclasses import replace
from pathlib import Path

import pytest

from sloth.adapters.artifacts import debian, oci
from sloth.adapters.artifacts.go_build import _Clock
from sloth.adapters.artifacts.source import GoBuilder
from sloth.adapters.artifacts.store import Store
from sloth.errors import MachinesError
from sloth.model.artifact import Need

ROOT = Path(__file__).resolve().parents[4]
A = Need(
    name="a", version="v1", kind="binary", path="/usr/local/bin/a", source="one", package="x.io/one/cmd/a",
    ldflags="-s -w -X v=1",
)  # fmt: skip
B = replace(A, name="b", path="/usr/local/bin/b", package="x.io/one/cmd/b")
SERVER = Need(
    name="etcd", version="3.6", source_version="v3.7", kind="image", path="/usr/local/bin/etcd", ref="r.io/etcd:{version}",
    source="two", package="x.io/two/server/v3", tags="no_btrfs",
)  # fmt: skip


@pytest.fixture
def builder(store, sources, events):
    return GoBuilder(store, sources, events.append)


def test_one_build_for_each_module_and_set_of_flags(builder, go):
    found = builder.build([A, SERVER, B])
    assert [artifact.name for artifact, _ in found] == ["a", "etcd", "b"]
    first, second = go.calls("build")
    assert first[0][-2:] == ["x.io/one/cmd/a", "x.io/one/cmd/b"]
    assert "-ldflags=-s -w -X v=1" in first[0]
    assert "-trimpath" in first[0]
    assert first[1].endswith("/source/one")
    assert "-tags=no_btrfs" in second[0]
    assert found[0][1].path.read_text() == "program x.io/one/cmd/a go1.26.8"
    assert found[0][0].origin == "source"


def test_a_second_run_builds_nothing(builder, go):
    first = builder.build([A, B, SERVER])
    before = len(go.calls("build"))
    assert builder.build([A, B, SERVER]) == first
    assert len(go.calls("build")) == before
    assert len(go.calls("list")) == before


def test_only_what_is_missing_is_built(builder, go):
    builder.build([A])
    builder.build([A, B])
    assert [call[0][-1] for call in go.calls("build")] == ["x.io/one/cmd/a", "x.io/one/cmd/b"]
    assert "x.io/one/cmd/a" not in go.calls("build")[1][0]


@pytest.mark.parametrize(
    "change",
    [
        lambda go, sources: go.set(version="go1.27.0"),
        lambda go, sources: (sources / "one/go.sum").write_text("other"),
        lambda go, sources: (sources / "one/main.go").write_text("package main"),
    ],
)
def test_every_part_of_the_recipe_counts(builder, go, sources, change):
    builder.build([A])
    change(go, sources)
    builder.build([A])
    assert len(go.calls("build")) == 2


def test_flags_and_tags_are_of_the_recipe_too(builder):
    recipes = {builder.recipe(need) for need in (A, B, replace(A, tags="x"), replace(A, ldflags="-s"), replace(A, path="/x"))}
    assert len(recipes) == 5


def test_the_build_keeps_go_honest(builder, go, monkeypatch):
    monkeypatch.setenv("GOFLAGS", "-mod=mod -insecure")
    monkeypatch.setenv("GOSUMDB", "off")
    monkeypatch.setenv("GOINSECURE", "*")
    builder.build([A])
    env = go.calls("build")[0][2]
    assert env == {
        "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly -buildvcs=false", "GOOS": "linux",
        "GOARCH": "amd64", "GOSUMDB": "sum.golang.org", "GOINSECURE": None,
    }  # fmt: skip


def test_an_image_carries_the_version_it_was_built_from(builder, go):
    ((artifact, blob),) = builder.build([SERVER])
    assert artifact.ref == "r.io/etcd:v3.7"
    assert artifact.file == "etcd/v3.7/linux-amd64/etcd.tar"
    with tarfile.open(blob.path) as tar:
        assert "oci-layout" in tar.getnames()


def test_an_image_over_packages_of_debian_is_made_of_them_once(builder, go, events, monkeypatch, store):
    made = []

    def write_layer(target, packages, *, arch):
        made.append((list(packages), arch))
        oci.write_layer(target, {"usr/sbin/nft": Path(__file__)})

    monkeypatch.setattr(debian, "write_layer", write_layer)
    need = replace(SERVER, packages=("nftables",))
    ((_, blob),) = builder.build([need])
    assert builder.build([need])[0][1] == blob
    assert made == [(["nftables"], "amd64")]
    assert [event.title for event in events if event.kind == "machine"] == ["unpack Debian's nftables", "pack r.io/etcd:v3.7"]
    go.set(version="go1.27.0")
    assert builder.build([need])[0][1] != blob  # another program over the same layer
    assert len(made) == 1
    with tarfile.open(blob.path) as tar:
        assert len([name for name in tar.getnames() if name.startswith("blobs/")]) == 4


def test_without_go(builder, no_go):
    with pytest.raises(MachinesError) as caught:
        builder.build([A, SERVER])
    assert caught.value.code == "artifacts/go-missing"
    assert "Go 1.26.0 or newer" in caught.value.summary


def test_with_an_old_go(builder, go):
    go.set(version="go1.25.9")
    with pytest.raises(MachinesError) as caught:
        builder.build([A])
    assert caught.value.code == "artifacts/go-too-old"
    assert "is go1.25.9" in caught.value.summary


def test_with_a_broken_go(builder, go):
    go.set(env=2)
    with pytest.raises(MachinesError) as caught:
        builder.build([A])
    assert caught.value.code == "artifacts/go-broken"


@pytest.mark.parametrize(("text", "hint"), [("x.go:3: undefined: y", "--debug"), ("dial tcp: lookup proxy", "GOPROXY")])
def test_a_failed_build_shows_what_go_said_and_leaves_nothing(builder, go, tmp_path, text, hint):
    go.set(fail=text)
    with pytest.raises(MachinesError) as caught:
        builder.build([A])
    assert caught.value.code == "artifacts/build-failed"
    assert "build one v1" in caught.value.summary
    assert text in caught.value.detail
    assert hint in caught.value.hint
    assert not [path for path in (tmp_path / "cache/blobs").rglob("*") if path.is_file()]
    assert list((tmp_path / "cache/tmp").iterdir()) == []


def test_a_failed_look_at_the_packages(builder, go):
    go.set(list=1)
    with pytest.raises(MachinesError) as caught:
        builder.build([A])
    assert caught.value.code == "artifacts/build-failed"
    assert go.calls("build") == []


@pytest.mark.parametrize("need", [replace(A, source=""), replace(A, source="absent")])
def test_no_recipe(builder, go, need):
    with pytest.raises(MachinesError) as caught:
        builder.build([need])
    assert caught.value.code == "artifacts/no-recipe"


def test_a_killed_build_is_begun_anew_and_leaves_no_half_file(sources, go, tmp_path):
    go.set(sleep=60)
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
        "from sloth.adapters.artifacts.source import GoBuilder; from sloth.adapters.artifacts.store import Store\n"
        "from tests.unit.adapters.artifacts.test_source import A\n"
        "GoBuilder(Store(Path(sys.argv[2])), Path(sys.argv[3]), lambda event: None).build([A])"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(ROOT), str(tmp_path / "cache"), str(sources)])
    deadline = time.monotonic() + 60
    while not list((tmp_path / "cache").glob("tmp/*/a")) and time.monotonic() < deadline:
        time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not [path for path in (tmp_path / "cache/blobs").rglob("*") if path.is_file()]
    go.set()
    ((_, blob),) = GoBuilder(Store(tmp_path / "cache"), sources, lambda event: None).build([A])
    assert blob.path.read_text().startswith("program")
    assert list((tmp_path / "cache/tmp").iterdir()) == []


def test_an_interrupted_build_ends_go(store, sources, go):
    go.set(sleep=60)

    def interrupt(event):
        raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        GoBuilder(store, sources, interrupt).build([A])
    assert time.monotonic() - began < 30


def test_progress_counts_packages_and_ends_full(builder, go, events):
    builder.build([A])
    (last,) = [event for event in events if event.kind == "progress"][-1:]
    assert (last.done, last.total, last.title) == (3, 3, "build one v1")


def told(clock, passed, monkeypatch):
    monkeypatch.setattr(time, "monotonic", lambda: clock._began + passed)
    clock.compiled("x.io/pkg\n")


def test_estimates_come_from_an_earlier_build_else_from_the_pace(monkeypatch):
    said = []
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
    known = _Clock("x", said.append, 300)
    known.total = 10
    told(known, 60, monkeypatch)
    assert said[-1].detail == "x.io/pkg, about 4 min left"
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
    new = _Clock("x", said.append, 0)
    new.total = 4
    told(new, 11, monkeypatch)  # a quarter of 88 % in 11 s: 50 s in all
    assert said[-1].detail == "x.io/pkg, about 39 s left"
    before = len(said)
    told(new, 11.1, monkeypatch)  # not twice within half a second
    new.compiled("# x.io/pkg\n")
    new.compiled("go: downloading something\n")
    assert len(said) == before
    assert new._done == 2


@pytest.mark.skipif(shutil.which("go") is None, reason="no Go on this machine")
def test_a_real_build_of_pause(store, tmp_path):
    """The module folder of the product itself, by the real toolchain: a static program that ends on SIGTERM."""
    sources = ROOT / "distributions/kubeadm/source"
    need = Need(name="pause", version="3", kind="binary", source="pause", package="sloth.dev/source/pause")
    ((_, blob),) = GoBuilder(store, sources, lambda event: None).build([need])
    assert b"interpreter" not in subprocess.run(["file", str(blob.path)], capture_output=True, check=False).stdout
    running = subprocess.Popen([str(blob.path)])
    time.sleep(0.3)
    os.kill(running.pid, signal.SIGTERM)
    assert running.wait(10) == 0
