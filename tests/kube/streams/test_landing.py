"""Whatever an archive says, nothing is written outside of the place that was asked for."""

import errno
import os
import stat

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sloth.errors import KubernetesError
from sloth.kube.streams.landing import Landing, printable, stays
from sloth.kube.streams.untar import Entry


@pytest.fixture
def land(tmp_path):
    """`land(Entry(…), b"…")` into `here/copy` from an archive of `base`; what came of it."""

    def landed(*came, base="base", name="copy"):
        (tmp_path / "here").mkdir(exist_ok=True)
        landing = Landing(tmp_path / "here", name, base)
        try:
            for each in came:
                landing.take(each)
            landing.finish()
        finally:
            landing.close()
        return landing

    return landed


def file(name, data=b"x", **more):
    return [Entry(name, "file", len(data), **more), *([data] if data else [])]


def below(folder):
    """Every path below a folder, links not followed."""
    return sorted(os.path.relpath(os.path.join(at, name), folder) for at, dirs, files in os.walk(folder) for name in dirs + files)


def test_the_name_in_the_archive_becomes_the_one_that_was_asked_for(land, tmp_path):
    landing = land(Entry("./base/", "directory"), *file("./base/a/b", b"one"), *file("base//c", b""))
    assert below(tmp_path / "here") == ["copy", "copy/a", "copy/a/b", "copy/c"]
    assert (landing.files, landing.bytes, landing.left_out) == (2, 3, [])


HOSTILE = ["/etc/passwd", "../x", "./base/../../x", "base/..", "other", "./other/x", "..", "base/a\0b", "/base/x", "basement"]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("kind", ["file", "directory", "symlink", "hardlink", "other"])
def test_names_that_lead_elsewhere_end_the_copy(land, tmp_path, name, kind):
    with pytest.raises(KubernetesError) as caught:
        land(*file("base/good"), Entry(name, kind, link="good"))
    assert caught.value.code == "kube/hostile-archive"
    assert below(tmp_path) == ["here", "here/copy", "here/copy/good"]


part = st.sampled_from(["a", "b", "..", ".", "", "/", "c d", "\n", "\x1b[31m", "ü", "\udcff", "-rf"])
path = st.lists(part, min_size=1, max_size=5).map("/".join)
entry = st.builds(
    Entry, name=path.map(lambda text: "base/" + text) | path, kind=st.sampled_from(["file", "directory", "symlink", "hardlink"]),
    size=st.just(0), mode=st.integers(0, 0o7777), link=path | path.map(lambda text: "base/" + text),
)  # fmt: skip


def goes_round(link):
    """Whether a link leads to itself in the end, so nowhere; Python's realpath makes `/a` of `a -> a//a`."""
    try:
        os.stat(link)
    except OSError as error:
        return error.errno == errno.ELOOP
    return False


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@example([Entry("base/a", "symlink", link="a//a")])
@given(st.lists(entry, max_size=12))
def test_no_archive_writes_outside_or_leaves_a_link_that_leads_outside(tmp_path_factory, entries):
    top = tmp_path_factory.mktemp("t")
    (top / "outside").write_text("untouched")
    (top / "here").mkdir()
    landing = Landing(top / "here", "copy", "base")
    try:
        for each in entries:
            landing.take(each)
        landing.finish()
    except KubernetesError as error:
        assert error.code in {"kube/hostile-archive", "kube/copy-write"}
    finally:
        landing.close()
    assert sorted(os.listdir(top)) == ["here", "outside"]
    assert set(os.listdir(top / "here")) <= {"copy"}
    assert (top / "outside").read_text() == "untouched"
    inside = os.path.realpath(top / "here" / "copy")
    for at, dirs, files in os.walk(top / "here"):
        for name in dirs + files:
            whole = os.path.join(at, name)
            assert not name.endswith(".part")
            if os.path.islink(whole):
                assert goes_round(whole) or (os.path.realpath(whole) + "/").startswith(inside + "/"), (whole, os.readlink(whole))
            else:
                assert stat.S_IMODE(os.lstat(whole).st_mode) & 0o7022 == 0


def test_a_link_in_the_way_is_not_walked_through(land, tmp_path):
    """Neither one that the archive brought, nor one that lay there."""
    (tmp_path / "elsewhere").mkdir()
    landing = land(Entry("base/in", "directory"), Entry("base/l", "symlink", link="in"))
    assert landing.left_out == []
    with pytest.raises(KubernetesError) as caught:
        land(*file("base/l/x"))
    assert caught.value.code == "kube/copy-write"
    (tmp_path / "here" / "copy" / "mine").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KubernetesError):
        land(*file("base/mine/x"))
    assert below(tmp_path / "elsewhere") == below(tmp_path / "here" / "copy" / "in") == []


def test_a_file_takes_the_place_of_a_link_and_does_not_follow_it(land, tmp_path):
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "here" / "copy").mkdir(parents=True)
    (tmp_path / "here" / "copy" / "x").symlink_to(tmp_path / "precious")
    land(*file("base/x", b"new"))
    assert (tmp_path / "precious").read_text() == "precious"
    assert (tmp_path / "here" / "copy" / "x").read_text() == "new"
    assert not (tmp_path / "here" / "copy" / "x").is_symlink()


def test_second_names_only_of_files_that_came(land, tmp_path):
    (tmp_path / "here" / "copy").mkdir(parents=True)
    (tmp_path / "here" / "copy" / "old").write_text("of this machine")
    landing = land(
        *file("base/a", b"1"), Entry("base/b", "hardlink", link="base/a"), Entry("base/c", "hardlink", link="base/old"),
        Entry("base/d", "hardlink", link="base/nothing"),
    )  # fmt: skip
    assert [name for name, _ in landing.left_out] == ["base/c", "base/d"]
    assert os.path.samefile(tmp_path / "here" / "copy" / "a", tmp_path / "here" / "copy" / "b")


def test_devices_and_pipes_are_left_out(land, tmp_path):
    landing = land(Entry("base/tty", "other"), *file("base/a"))
    assert [name for name, _ in landing.left_out] == ["base/tty"]
    assert below(tmp_path / "here" / "copy") == ["a"]


def test_modes_are_kept_but_for_what_gives_others_power(land, tmp_path):
    land(
        Entry("base", "directory", mode=0o500), Entry("base/locked", "directory", mode=0o000),
        *file("base/locked/run", mode=0o6777), *file("base/secret", mode=0o600), *file("base/closed", mode=0),
    )  # fmt: skip
    modes = {name: stat.S_IMODE(os.lstat(tmp_path / "here" / name).st_mode) for name in below(tmp_path / "here")}
    assert modes == {
        "copy": 0o700, "copy/locked": 0o700, "copy/locked/run": 0o755, "copy/secret": 0o600, "copy/closed": 0o600,
    }  # fmt: skip


def test_a_file_that_is_not_whole_is_not_kept(tmp_path):
    landing = Landing(tmp_path, "copy", "base")
    for came in (Entry("base/x", "file", 10), b"half"):
        landing.take(came)
    landing.close()
    landing.close()
    assert below(tmp_path) == ["copy"]


@pytest.mark.parametrize(
    ("depth", "target", "within"),
    [
        (0, "a", True), (0, "./a/b", True), (0, "..", False), (1, "../a", True), (1, "..", True), (1, "../..", False),
        (0, "/etc", False), (0, "", False), (2, "../a/../b", False), (0, "a/..", False), (-1, "a", False), (0, "a\0", False),
    ],
)  # fmt: skip
def test_where_links_may_lead(depth, target, within):
    assert stays(depth, target) is (within and depth >= 0)


@given(st.text() | path)
def test_what_a_pod_says_moves_no_cursor(text):
    assert printable(text).isprintable()
