"""Changing a spec file: only what was asked for changes, or nothing at all."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sloth.adapters.spec_file import write_back
from sloth.config.edit import edit
from sloth.config.load import load
from sloth.errors import ConfigError, UsageError

HEAD = "apiVersion: sloth.dev/v1\nkind: Cluster\nmetadata: {name: demo}\nspec:\n  pools:\n"
BLOCK = f"""{HEAD}    # the control plane
    - name: cp   # three of them
      role: control-plane
      count: 3  # odd
    - role: worker
      name: work
      labels: {{tier: web}}   # nothing else
    - {{name: batch, role: worker, count: 2}}
    - {{role: worker, name: spare}}
"""
HOSTS = f"""{HEAD}    - {{name: cp, role: control-plane, count: 1}}
    - name: metal
      role: worker
      provider: ssh
      hosts:
        - name: rack1
          address: 203.0.113.10
          # a note on rack1
        - {{name: rack2, address: 203.0.113.11}}
        # the last one
        - address: 203.0.113.12
          name: rack3
      labels: {{tier: db}}
"""


@pytest.fixture
def spec(tmp_path):
    def write(text, name="sloth.yaml"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def new_text(change, path):
    return change.texts[str(path)].decode()


def test_a_written_count_is_replaced_where_it_stands(spec):
    path = spec(BLOCK)
    change = edit(load([path]), {"cp": 5, "batch": 12})
    assert new_text(change, path) == BLOCK.replace("count: 3", "count: 5").replace("count: 2", "count: 12")
    assert change.notes[0] == f"{path}:9: count of pool cp: 3 → 5"
    assert change.loaded.spec.pool("batch").count == 12


def test_a_missing_count_is_written_beside_the_name(spec):
    path = spec(BLOCK)
    change = edit(load([path]), {"work": 4, "spare": 2})
    text = new_text(change, path)
    assert "      count: 4\n      name: work\n      labels: {tier: web}   # nothing else\n" in text
    assert "- {role: worker, count: 2, name: spare}" in text
    first = spec(HEAD + "    - {name: cp, role: control-plane}\n    - name: work\n      role: worker\n")
    assert "    - count: 2\n      name: work\n" in new_text(edit(load([first]), {"work": 2}), first)


@pytest.mark.parametrize(("before", "after"), [(b"\r\n", b"\r\n"), (b"\n", b"\n")])
def test_line_ends_and_byte_order_marks_stay(spec, before, after):
    path = spec(b"\xef\xbb\xbf" + BLOCK.encode().replace(b"\n", before))
    change = edit(load([path]), {"work": 4, "cp": 1})
    text = change.texts[str(path)]
    assert text.startswith(b"\xef\xbb\xbfapiVersion")
    assert text.count(after) == BLOCK.count("\n") + 1
    assert text.replace(b"\r\n", b"").count(b"\r") == 0


def test_the_overlay_that_wrote_the_count_is_the_one_that_changes(spec):
    base, over = spec(BLOCK), spec("spec:\n  pools:\n    - {name: batch, count: 7}\n", "prod.yaml")
    change = edit(load([base, over]), {"batch": 8})
    assert set(change.texts) == {str(over)}
    assert "count: 8" in new_text(change, over)


def test_hosts_are_taken_out_with_their_lines(spec):
    path = spec(HOSTS)
    change = edit(load([path]), {}, [("metal", "rack1"), ("metal", "rack3")])
    text = new_text(change, path)
    assert [host.name for host in change.loaded.spec.pool("metal").hosts] == ["rack2"]
    assert "rack1" not in text
    assert "# the last one" in text
    assert "      labels: {tier: db}\n" in text


def test_a_counted_list_of_hosts_is_counted_anew(spec):
    path = spec(HOSTS.replace("      hosts:", "      count: 3\n      hosts:"))
    change = edit(load([path]), {}, [("metal", "rack2")])
    assert "count: 2" in new_text(change, path)


def test_what_would_change_more_is_refused_with_what_to_write(spec):
    shared = spec(HEAD + "    - {name: cp, role: control-plane, count: &n 3}\n    - {name: work, role: worker, count: *n}\n")
    with pytest.raises(ConfigError) as caught:
        edit(load([shared]), {"work": 5})
    assert caught.value.code == "config/not-editable"
    assert caught.value.hint == "write count: 5 in pool work yourself, then sloth up"
    one_line = HEAD + (
        "    - {name: cp, role: control-plane}\n"
        "    - {name: metal, role: worker, provider: ssh, "
        "hosts: [{name: a, address: 203.0.113.1}, {name: b, address: 203.0.113.2}]}\n"
    )
    with pytest.raises(ConfigError) as caught:
        edit(load([spec(one_line)]), {}, [("metal", "a")])
    assert caught.value.code == "config/not-editable"


def test_what_would_not_be_a_cluster_is_refused(spec):
    with pytest.raises(ConfigError) as caught:
        edit(load([spec(BLOCK)]), {"cp": 2})
    assert caught.value.code == "config/control-plane-count"


def test_standard_input_cannot_be_changed(spec):
    from dataclasses import replace

    loaded = replace(load([spec(BLOCK)]), files=("-",))
    with pytest.raises(UsageError) as caught:
        edit(loaded, {"work": 2})
    assert caught.value.code == "usage/spec-from-stdin"


@settings(max_examples=60, deadline=None)
@given(
    counts=st.fixed_dictionaries(
        {}, optional={"cp": st.sampled_from([1, 3, 5, 7]), "work": st.integers(0, 99), "batch": st.integers(0, 99)}
    )
)
def test_any_counts_come_out_as_asked_and_comments_survive(tmp_path_factory, counts):
    path = tmp_path_factory.mktemp("spec") / "sloth.yaml"
    path.write_text(BLOCK)
    change = edit(load([path]), counts)
    after = change.loaded.spec
    assert {pool.name: pool.count for pool in after.pools} == {"cp": 3, "work": 1, "batch": 2, "spare": 1, **counts}
    text = change.texts.get(str(path), BLOCK.encode()).decode()
    assert [line.partition("#")[2] for line in text.splitlines() if "#" in line] == [
        line.partition("#")[2] for line in BLOCK.splitlines() if "#" in line
    ]


def test_writing_back_keeps_the_mode_and_the_link_and_refuses_a_race(tmp_path, spec):
    path = spec(BLOCK, "real.yaml")
    path.chmod(0o640)
    link = tmp_path / "sloth.yaml"
    link.symlink_to(path)
    change = edit(load([link]), {"work": 2})
    write_back(change.texts, change.before)
    assert link.is_symlink()
    assert path.read_bytes() == change.texts[str(link)]
    assert path.stat().st_mode & 0o777 == 0o640
    with pytest.raises(ConfigError) as caught:
        write_back(change.texts, change.before)
    assert caught.value.code == "config/changed-meanwhile"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["real.yaml", "sloth.yaml"]


def test_a_folder_that_takes_no_file_is_told(tmp_path, spec, monkeypatch):
    change = edit(load([spec(BLOCK)]), {"work": 2})

    def full(_path, _data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sloth.adapters.spec_file.write_aside", full)
    with pytest.raises(ConfigError) as caught:
        write_back(change.texts, change.before)
    assert caught.value.code == "config/unwritable"
    assert (tmp_path / "sloth.yaml").read_text() == BLOCK
