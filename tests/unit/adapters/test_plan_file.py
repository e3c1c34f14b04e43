"""Plan files: whole, private, and refused when they are not what was saved."""

import json
from dataclasses import replace

import pytest

from sloth.adapters.plan_file import check_target, load, lock_digest, masked, save, spec_digests
from sloth.errors import ConfigError, StateError, UsageError
from sloth.model.plan import SavedPlan
from sloth.model.secret import Secret

PLAN = SavedPlan(
    cluster="demo", sloth="0.1.0", created="2026-11-25T10:00:00Z", spec={"metadata.name": "ab"}, revision=3,
    kubernetes="v1.36.3", artifacts="", world={"local": {"cp-1": {"id": "x", "running": True}}},
    plan={"steps": [{"title": "é “x”", "node": "cp-1"}], "targets": []},
)  # fmt: skip


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "p.plan"
    save(path, PLAN)
    return path


def refused(kind, path, cluster="demo"):
    with pytest.raises(kind) as caught:
        load(path, cluster)
    return caught.value.code, caught.value.exit


def edit(path, **changes):
    document = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in document.items() if value is not None}))


def test_what_was_saved_comes_back_and_is_private(file):
    assert load(file, "demo") == PLAN
    assert file.stat().st_mode & 0o777 == 0o600
    assert save(file, PLAN) == json.loads(file.read_text())["digest"]  # the same plan has the same digest
    assert save(file, replace(PLAN, revision=4)) != save(file, PLAN)


def test_white_space_and_order_do_not_count(file):
    file.write_text(json.dumps(dict(reversed(json.loads(file.read_text()).items())), indent=7))
    assert load(file, "demo") == PLAN


@pytest.mark.parametrize(
    "changes",
    [
        {"revision": 4}, {"plan": {"steps": [], "targets": []}}, {"spec": {}}, {"digest": "sha256:00"}, {"digest": None},
        {"extra": 1}, {"sloth": "9"}, {"created": ""}, {"world": {}}, {"cluster": "other"}, {"artifacts": None},
    ],
    ids=str,
)  # fmt: skip
def test_an_edit_of_anything_is_noticed(file, changes):
    edit(file, **changes)
    assert refused(ConfigError, file) == ("plan/edited", 10)


def test_a_plan_of_another_cluster_or_a_newer_sloth_is_refused(file):
    assert refused(ConfigError, file, "other") == ("plan/other-cluster", 10)
    edit(file, format=2)
    assert refused(ConfigError, file) == ("plan/newer", 10)


NO_PLANS = [
    b"", b"{", b"[]", b"null", b"{}", b'{"kind": "sloth plan"}', b'{"kind": "x", "format": 1}', b"\xff\xfe", b"[" * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("text", NO_PLANS)
def test_what_is_no_plan_is_refused(file, text):
    file.write_bytes(text)
    assert refused(ConfigError, file) == ("plan/unreadable", 10)


def test_no_file_and_a_folder(tmp_path):
    assert refused(UsageError, tmp_path / "none") == ("plan/no-file", 2)
    assert refused(ConfigError, tmp_path) == ("plan/unreadable", 10)


def test_a_plan_is_not_written_over_something_else(tmp_path, file):
    check_target(file)
    check_target(tmp_path / "new")
    for name, text in (("sloth.yaml", "kind: Cluster"), ("x.json", '{"kind": "x"}'), ("empty", "")):
        other = tmp_path / name
        other.write_text(text)
        with pytest.raises(UsageError) as caught:
            check_target(other)
        assert caught.value.code == "plan/not-a-plan"
        assert other.read_text() == text


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(StateError) as caught:
        save(tmp_path / "none" / "p.plan", PLAN)
    assert caught.value.code == "plan/not-saved"


def test_digests_of_a_spec_name_each_path_and_hold_no_value():
    pools = [{"name": "cp", "count": 3}, {"name": "w", "taints": ["a", "b"]}]
    raw = {"metadata": {"name": "demo-name"}, "spec": {"pools": pools, "x": {}}}
    found = spec_digests(raw)
    assert list(found) == [
        "metadata.name", "spec.pools[cp].name", "spec.pools[cp].count", "spec.pools[w].name", "spec.pools[w].taints[0]",
        "spec.pools[w].taints[1]", "spec.x",
    ]  # fmt: skip
    assert "demo-name" not in str(found.values())
    pools[0]["count"] = 4
    assert [path for path, digest in spec_digests(raw).items() if found[path] != digest] == ["spec.pools[cp].count"]


def test_known_secrets_are_masked_and_shapes_kept():
    secret = Secret("correct-horse-battery").reveal()
    assert masked({"a": (secret, 1, None), "b": {"c": f"x {secret}"}}) == {"a": ["***", 1, None], "b": {"c": "x ***"}}


def test_the_lock_file_counts_by_its_content(tmp_path):
    path = tmp_path / "sloth.lock"
    assert lock_digest(None) == lock_digest(path) == ""
    path.write_text("a")
    before = lock_digest(path)
    path.write_text("b")
    assert len(before) == 64
    assert lock_digest(path) != before
