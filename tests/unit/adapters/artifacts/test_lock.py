import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sloth.adapters.artifacts.entries import Entry, dump, entry, load
from sloth.adapters.artifacts.layout import Variant
from sloth.adapters.artifacts.lock import Lock, pinned_origin, read_lock
from sloth.errors import StateError
from sloth.model.artifact import Need

NEED = Need(name="etcd", version="3.6.8-0", kind="image", ref="r.example/etcd:{version}", source_version="v3.7.3")
UP, SOURCE = Variant(need=NEED, origin="upstream"), Variant(need=NEED, origin="source")
KUBELET = Variant(need=Need(name="kubelet", version="v1.36.3", kind="binary", path="/usr/local/bin/kubelet"), origin="upstream")
ARTIFACT = KUBELET.artifact(sha256="a" * 64, size=5)

names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
entries = st.builds(
    Entry, name=names, version=names, kind=st.sampled_from(["binary", "image"]), file=names,
    size=st.integers(0, 1 << 40), sha256=st.text("0123456789abcdef", min_size=64, max_size=64), origin=names,
    recipe=st.just("") | names,
)  # fmt: skip


@given(st.lists(entries, unique_by=lambda each: (each.name, each.kind, each.file)))
def test_a_list_reads_back_in_one_order(found):
    text = dump(found)
    assert sorted(load(text), key=str) == sorted(found, key=str)
    assert dump(reversed(load(text))) == text
    assert len(text.splitlines()) == len(found or [0]) + 5


def test_variants_say_what_they_are():
    assert UP.file == "etcd/3.6.8-0/linux-amd64/etcd.tar"
    assert UP.ref == "r.example/etcd:3.6.8-0"
    assert SOURCE.file == "etcd/v3.7.3/linux-amd64/etcd.tar"
    assert SOURCE.ref == "r.example/etcd:v3.7.3"
    assert KUBELET.file == "kubelet/v1.36.3/linux-amd64/kubelet"
    assert replace(KUBELET, arch="arm64").file == "kubelet/v1.36.3/linux-arm64/kubelet"
    assert KUBELET.fill("{version} {number} {arch}") == "v1.36.3 1.36.3 amd64"


def test_a_changed_digest_is_refused_and_named(tmp_path):
    path = tmp_path / "sloth.lock"
    Lock(path).write([ARTIFACT])
    lock = read_lock(path)
    assert lock.check(ARTIFACT) is ARTIFACT
    with pytest.raises(StateError) as caught:
        lock.check(replace(ARTIFACT, sha256="b" * 64, origin="source", recipe="c" * 64))
    assert caught.value.code == "artifacts/digest-changed"
    assert "kubelet v1.36.3" in caught.value.summary
    assert str(path) in caught.value.summary
    assert "a" * 64 in caught.value.detail
    assert "b" * 64 in caught.value.detail
    assert "from source, recipe cccccccccccc" in caught.value.detail


def test_another_version_is_another_pin(tmp_path):
    lock = Lock(tmp_path / "sloth.lock", (entry(ARTIFACT),))
    newer = replace(KUBELET, need=replace(KUBELET.need, version="v1.36.4"))
    assert lock.check(newer.artifact(sha256="b" * 64, size=5)).sha256 == "b" * 64
    assert lock.pin(newer) is None
    assert lock.pin(KUBELET) == entry(ARTIFACT)


def test_without_a_file_nothing_is_pinned_and_nothing_written(tmp_path):
    lock = read_lock(None)
    lock.write([ARTIFACT])
    assert lock.check(ARTIFACT) is ARTIFACT
    assert read_lock(tmp_path / "sloth.lock").entries == ()
    assert list(tmp_path.iterdir()) == []


def test_an_unchanged_lock_is_not_written_again(tmp_path):
    path = tmp_path / "sloth.lock"
    Lock(path).write([ARTIFACT])
    before = path.stat().st_ino
    read_lock(path).write([ARTIFACT])
    assert path.stat().st_ino == before
    read_lock(path).write([replace(ARTIFACT, version="v2", file="kubelet/v2/linux-amd64/kubelet")])
    assert [each.version for each in read_lock(path).entries] == ["v2"]


GOOD = json.loads(dump([entry(ARTIFACT)]))


def broken(**changes):
    return json.dumps({**GOOD, "artifacts": [{**GOOD["artifacts"][0], **changes}]})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "line 1"),
        ("[]", "no list"),
        ('{"schema": 1}', "no list"),
        ('{"schema": 2, "artifacts": []}', "its schema is 2; this sloth reads 1"),
        ('{"schema": 1, "artifacts": [3]}', "no object"),
        ('{"schema": 1, "artifacts": [{"name": "x"}]}', "x has no version, kind, file, size, sha256, origin"),
        (broken(size="5"), "wrong type"),
        (broken(size=True), "wrong type"),
        (broken(size=-1), "wrong type"),
        (broken(origin=None), "wrong type"),
        (broken(sha256="xyz"), "'xyz' is no SHA-256"),
    ],
)
def test_a_damaged_lock_is_said_to_be_so_and_left_alone(tmp_path, text, words):
    path = tmp_path / "sloth.lock"
    path.write_text(text)
    with pytest.raises(StateError) as caught:
        read_lock(path)
    assert caught.value.code == "artifacts/lock-unreadable"
    assert words in caught.value.summary
    assert path.read_text() == text


def test_fields_of_a_later_sloth_are_passed_over():
    assert load(broken(signature="x")) == [entry(ARTIFACT)]


def test_the_lock_says_which_variant_was_pinned(tmp_path):
    lock = Lock(tmp_path / "x", (entry(SOURCE.artifact(sha256="a" * 64, size=1)),))
    assert pinned_origin(lock, [UP, SOURCE]) == "source"
    assert pinned_origin(lock, [UP]) == ""


def test_images_of_clouds_are_pinned_beside_artifacts_and_stay(tmp_path):
    path = tmp_path / "sloth.lock"
    Lock(path).write([ARTIFACT])
    before = path.read_text()
    read_lock(path).pin_images("hcloud", {})
    assert path.read_text() == before
    read_lock(path).pin_images("hcloud", {"debian-12": "1"})
    read_lock(path).pin_images("aws", {"debian-12@eu": "ami-1"})
    read_lock(path).pin_images("hcloud", {"debian-12": "2", "ubuntu": "3"})
    lock = read_lock(path)
    assert lock.images == {"hcloud": {"debian-12": "1", "ubuntu": "3"}, "aws": {"debian-12@eu": "ami-1"}}
    assert lock.entries == (entry(ARTIFACT),)
    assert json.loads(path.read_text())["images"] == lock.images
    lock.write([replace(ARTIFACT, sha256="b" * 64)])
    assert read_lock(path).images == lock.images
    assert read_lock(path).entries[0].sha256 == "b" * 64


def test_a_lock_that_says_the_same_is_not_written_again(tmp_path):
    path = tmp_path / "sloth.lock"
    Lock(path).pin_images("hcloud", {"debian-12": "1"})
    before = path.stat()
    read_lock(path).pin_images("hcloud", {"debian-12": "2"})
    read_lock(path).write([])
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("images", ["[]", '"x"', '{"hcloud": []}', '{"hcloud": {"debian-12": 7}}', "null"])
def test_images_of_another_form_are_refused(tmp_path, images):
    path = tmp_path / "sloth.lock"
    path.write_text(f'{{"schema": 1, "artifacts": [], "images": {images}}}')
    with pytest.raises(StateError) as caught:
        read_lock(path)
    assert caught.value.code == "artifacts/lock-unreadable"


def test_without_a_path_no_image_is_pinned():
    Lock(None).pin_images("hcloud", {"debian-12": "1"})


def test_pins_of_another_version_stay_while_they_are_asked_for(tmp_path):
    """Two versions side by side: what is written for one leaves the pins of the other, and nothing else."""
    path = tmp_path / "sloth.lock"
    newer = replace(KUBELET.need, version="v2")
    second = replace(ARTIFACT, version="v2", file=Variant(need=newer, origin="upstream").file, sha256="b" * 64)
    Lock(path).write([ARTIFACT])
    beside = [Variant(need=need, origin=origin) for need in (KUBELET.need, newer) for origin in ("upstream", "source")]
    read_lock(path).write([second], beside)
    assert {entry.sha256 for entry in read_lock(path).entries} == {ARTIFACT.sha256, "b" * 64}
    read_lock(path).write([second], beside)
    assert len(read_lock(path).entries) == 2
    read_lock(path).write([second])
    assert [entry.sha256 for entry in read_lock(path).entries] == ["b" * 64], "the older one goes when nobody asks for it"
