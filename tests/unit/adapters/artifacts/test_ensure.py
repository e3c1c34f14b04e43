import json
from dataclasses import replace
from pathlib import Path

import pytest

from sloth.adapters.artifacts import ensure as module
from sloth.adapters.artifacts.ensure import ensure
from sloth.adapters.artifacts.fetch import Http
from sloth.adapters.artifacts.from_mirror import ForeignMirror
from sloth.adapters.artifacts.lock import Lock
from sloth.adapters.artifacts.mirror import Mirror
from sloth.adapters.artifacts.serve import serve
from sloth.errors import ConfigError, MachinesError, StateError
from sloth.model.artifact import Need

TOOL = Need(name="tool", version="v1", kind="binary", path="/usr/local/bin/tool", source="one", package="x.io/one/tool")
IMAGE = Need(
    name="etcd", version="3.6", source_version="v3.7", kind="image", path="/etcd", ref="r.io/etcd:{version}",
    source="two", package="x.io/two/etcd",
)  # fmt: skip
NEEDS = (TOOL, IMAGE)


@pytest.fixture
def run(tmp_path, sources, events, monkeypatch):
    """`ensure` with a cache and a lock of this test; upstream is never asked for real."""
    monkeypatch.setattr(module.Upstream, "reachable", lambda self, needs, timeout=3.0: False)

    def call(source="auto", needs=NEEDS, **more):
        where = {"cache": tmp_path / "cache", "lock_path": tmp_path / "sloth.lock", **more}
        return ensure(needs, source=source, source_dirs=sources, emit=events.append, **where)

    return call


def test_a_build_fills_the_mirror_and_the_lock(run, go, tmp_path):
    tool, image = run("build")
    mirror = tmp_path / "cache/mirror"
    assert (mirror / "tool/v1/linux-amd64/tool").read_text().startswith("program")
    assert (mirror / "etcd/v3.7/linux-amd64/etcd.tar").stat().st_size == image.size
    assert [each.sha256 for each in Mirror(mirror).entries()] == [image.sha256, tool.sha256]
    lock = json.loads((tmp_path / "sloth.lock").read_text())
    assert [(each["name"], each["version"], each["origin"]) for each in lock["artifacts"]] == [
        ("etcd", "v3.7", "source"), ("tool", "v1", "source"),
    ]  # fmt: skip
    assert image.ref == "r.io/etcd:v3.7"
    assert (tool.path, image.path) == ("/usr/local/bin/tool", "")


def test_auto_falls_back_to_a_build_and_says_so(run, go, events):
    run("auto")
    assert [event for event in events if event.kind == "note" and "building from source with go1.26.8" in event.title]


@pytest.mark.parametrize("source", ["auto", "build"])
def test_what_is_complete_asks_nobody(run, go, source, request):
    first = run("build")
    calls = (go.home / "calls").read_text()
    assert run(source) == first
    assert (go.home / "calls").read_text() == calls
    request.getfixturevalue("no_go")
    assert run(source) == first


def test_without_a_lock_changed_sources_are_built_anew(run, go, sources):
    run("build", lock_path=None)
    (sources / "one/go.sum").write_text("changed")
    run("auto", lock_path=None)
    assert len(go.calls("build")) == 3


def test_with_a_lock_the_pinned_ones_stay(run, go, sources):
    first = run("build")
    (sources / "one/go.sum").write_text("changed")
    assert run("auto") == first


def test_a_digest_that_changed_is_refused_before_anything_is_published(run, go, tmp_path):
    first = run("build")
    go.set(version="go1.27.0")
    other = tmp_path / "other"
    with pytest.raises(StateError) as caught:
        run("build", cache=other)
    assert caught.value.code == "artifacts/digest-changed"
    assert not (other / "mirror").exists()
    go.set()
    assert run("build", cache=other) == first


def test_a_damaged_mirror_heals(run, go, tmp_path):
    tool, _ = run("build")
    path = tmp_path / "cache/mirror" / tool.file
    path.write_text("damaged")
    assert run("auto")[0] == tool
    assert path.read_text().startswith("program")
    path.unlink()
    run("auto")
    assert path.read_text().startswith("program")


def test_neither_upstream_nor_go(run, no_go):
    with pytest.raises(MachinesError) as caught:
        run("auto")
    assert caught.value.code == "artifacts/no-source"
    assert "cannot be reached" in caught.value.summary
    assert "no `go`" in caught.value.detail


def test_upstream_where_it_can_be_reached(run, go, monkeypatch, tmp_path):
    def fetch(self, needs):
        variants = [module.Variant(need=need, origin="upstream") for need in needs]
        blobs = [self._store.put([need.name.encode()]) for need in needs]
        return [(v.artifact(sha256=b.sha256, size=b.size), b) for v, b in zip(variants, blobs, strict=True)]

    monkeypatch.setattr(module.Upstream, "reachable", lambda self, needs, timeout=3.0: True)
    monkeypatch.setattr(module.Upstream, "fetch", fetch)
    _, image = run("auto")
    assert (image.origin, image.ref, image.file) == ("upstream", "r.io/etcd:3.6", "etcd/3.6/linux-amd64/etcd.tar")
    assert go.calls("build") == []
    # The lock says which of the two etcds this cluster has: it stays with it, also where only a build would be possible.
    monkeypatch.setattr(module.Upstream, "reachable", lambda self, needs, timeout=3.0: False)
    assert run("auto")[1] == image
    monkeypatch.setattr(module.Upstream, "fetch", lambda self, needs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run("auto", cache=tmp_path / "third")


def test_a_lock_of_a_build_is_followed_although_upstream_answers(run, go, monkeypatch, tmp_path):
    first = run("build")
    monkeypatch.setattr(module.Upstream, "reachable", lambda self, needs, timeout=3.0: True)
    assert run("auto", cache=tmp_path / "other") == first


def test_a_mirror_must_be_named(run):
    with pytest.raises(ConfigError) as caught:
        run("mirror")
    assert caught.value.code == "artifacts/no-mirror"


@pytest.mark.parametrize("served", [True, False])
@pytest.mark.parametrize("source", ["auto", "mirror"])
def test_from_a_mirror(run, go, tmp_path, served, source):
    first = run("build", lock_path=None)
    theirs = tmp_path / "cache/mirror"
    with serve(theirs) as server:
        address = server.url if served else str(theirs)
        assert run(source, mirror=address, cache=tmp_path / "mine") == first
    assert (tmp_path / "mine/mirror" / first[0].file).read_text().startswith("program")
    assert run(source, mirror="http://127.0.0.1:9", cache=tmp_path / "mine") == first  # all pinned and here: nobody is asked


def theirs(tmp_path):
    return tmp_path / "cache/mirror"


def test_a_mirror_that_lies_about_content(run, go, tmp_path):
    tool, _ = run("build", lock_path=None)
    path = theirs(tmp_path) / tool.file
    path.unlink()
    path.write_bytes(b"x" * tool.size)
    with pytest.raises(MachinesError) as caught:
        run("mirror", mirror=str(theirs(tmp_path)), cache=tmp_path / "mine")
    assert caught.value.code == "artifacts/wrong-content"
    assert tool.file in caught.value.summary
    assert not (tmp_path / "mine/mirror").exists()


def test_a_mirror_with_another_content_than_pinned(run, go, tmp_path):
    run("build")
    go.set(version="go1.27.0")
    run("build", lock_path=None, cache=tmp_path / "new")
    with pytest.raises(StateError) as caught:
        run("mirror", mirror=str(tmp_path / "new/mirror"), cache=tmp_path / "mine")
    assert caught.value.code == "artifacts/digest-changed"


def test_a_mirror_without_a_file_or_an_entry(run, go, tmp_path):
    tool, _ = run("build", lock_path=None)
    with pytest.raises(MachinesError) as caught:
        run("mirror", needs=[replace(TOOL, version="v9")], mirror=str(theirs(tmp_path)), cache=tmp_path / "mine")
    assert caught.value.code == "artifacts/not-in-mirror"
    assert "tool v9" in caught.value.summary
    (theirs(tmp_path) / tool.file).unlink()
    with serve(theirs(tmp_path)) as server:
        for address in (str(theirs(tmp_path)), server.url):
            with pytest.raises(MachinesError) as caught:
                run("mirror", mirror=address, cache=tmp_path / "mine")
            assert caught.value.code == "artifacts/missing-in-mirror"
            assert tool.file in caught.value.summary


def test_what_is_no_mirror(run, tmp_path):
    (tmp_path / "index.json").write_text("<html>")
    with pytest.raises(MachinesError) as caught:
        run("mirror", mirror=str(tmp_path))
    assert caught.value.code == "artifacts/not-a-mirror"
    with pytest.raises(MachinesError) as caught:
        run("mirror", mirror=str(tmp_path / "absent"))
    assert caught.value.code == "artifacts/missing-in-mirror"


@pytest.mark.parametrize("address", ["ftp://x/y", "https://me:secret-word@x/y", "file:///srv"])
def test_addresses_that_are_refused_without_showing_a_password(run, address):
    with pytest.raises(ConfigError) as caught:
        run("mirror", mirror=address)
    assert caught.value.code == "artifacts/mirror-address"
    assert "secret-word" not in str(caught.value.as_dict())


def test_the_lock_chooses_between_two_variants_of_a_mirror(run, go, tmp_path, store, events):
    _, built = run("build", lock_path=None)
    blob = store.put([b"upstream"])
    released = module.Variant(need=IMAGE, origin="upstream").artifact(sha256=blob.sha256, size=blob.size)
    Mirror(theirs(tmp_path)).publish([(released, blob)])
    mirror = ForeignMirror(str(theirs(tmp_path)), store, events.append, http=Http())
    for pinned in (released, built):
        Lock(tmp_path / "x.lock").write([pinned])
        lock = module.read_lock(tmp_path / "x.lock")
        assert mirror.fetch([IMAGE], lock)[0][0] == pinned


def test_a_damaged_index_of_ones_own(run, go, tmp_path):
    run("build")
    (tmp_path / "cache/mirror/index.json").write_text("{")
    with pytest.raises(MachinesError) as caught:
        run("build")
    assert caught.value.code == "artifacts/index-unreadable"


def test_on_a_file_system_of_its_own_files_are_copied_once(run, go, tmp_path, monkeypatch):
    import os

    monkeypatch.setattr(os, "link", lambda *args: (_ for _ in ()).throw(OSError("cross-device")))
    tool, _ = run("build", directory=tmp_path / "elsewhere")
    path = tmp_path / "elsewhere" / tool.file
    before = path.stat()
    run("auto", directory=tmp_path / "elsewhere")
    assert path.stat().st_ino == before.st_ino
    assert before.st_nlink == 1


def test_other_versions_stay_listed(run, go, tmp_path):
    run("build")
    run("build", needs=[replace(TOOL, version="v2", ldflags="-X v=2")])
    names = {each.file for each in Mirror(theirs(tmp_path)).entries()}
    assert {"tool/v1/linux-amd64/tool", "tool/v2/linux-amd64/tool", "etcd/v3.7/linux-amd64/etcd.tar"} == names
    assert Path(theirs(tmp_path) / "tool/v1/linux-amd64/tool").exists()


def test_present_answers_without_doing_anything(run, go, tmp_path, sources):
    where = {"cache": tmp_path / "cache", "source_dirs": sources}
    assert module.present(NEEDS, **where) is None
    first = run("build")
    calls = (go.home / "calls").read_text()
    assert module.present(NEEDS, **where) == first
    assert module.present(NEEDS, **where, lock_path=tmp_path / "sloth.lock") == first
    (tmp_path / "cache/mirror/index.json").unlink()
    assert module.present(NEEDS, **where) is None
    assert module.present(NEEDS, **where, lock_path=tmp_path / "sloth.lock") == first
    assert (go.home / "calls").read_text() == calls
