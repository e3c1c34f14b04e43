"""Merging into a kubeconfig: what is ours is replaced, everything else stays."""

import errno
import os

import pytest
import yaml

from sloth.adapters.kubeconfig_file import merge_into, target
from sloth.errors import StateError


def config(name, server="https://192.0.2.1:6443"):
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server}}],
        "users": [{"name": f"{name}-admin", "user": {"client-key-data": "a2V5"}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": f"{name}-admin"}}],
        "current-context": name,
    }


def test_a_new_file_in_a_new_folder_is_private(tmp_path):
    path = tmp_path / "new" / "config"
    merge_into(path, yaml.safe_dump(config("demo")))
    assert yaml.safe_load(path.read_text()) == config("demo")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_others_stay_and_ours_is_replaced(tmp_path):
    path = tmp_path / "config"
    have = {**config("theirs"), "preferences": {"colors": True}}
    path.write_text(yaml.safe_dump(have))
    path.chmod(0o644)
    merge_into(path, yaml.safe_dump(config("demo", "https://old:1")))
    merge_into(path, yaml.safe_dump(config("demo", "https://new:2")))
    got = yaml.safe_load(path.read_text())
    assert [entry["name"] for entry in got["contexts"]] == ["theirs", "demo"]
    assert got["clusters"][0] == have["clusters"][0]
    assert got["clusters"][1]["cluster"]["server"] == "https://new:2"
    assert got["preferences"] == {"colors": True}
    assert got["current-context"] == "demo"
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["config"]


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "apiVersion: v1\nkind: Config\nclusters: null\nusers: []\n"])
def test_an_empty_file_is_filled(tmp_path, text):
    path = tmp_path / "config"
    path.write_text(text)
    merge_into(path, yaml.safe_dump(config("demo")))
    assert yaml.safe_load(path.read_text())["contexts"] == config("demo")["contexts"]


@pytest.mark.parametrize(
    "text",
    [
        "just text", "- a\n- b\n", "kind: Pod\n", "clusters: {}x\n", "clusters: 3\n", "users: [a, b]\n", "a: [", "\x00",
        "clusters: {a: b}\n",
    ],
)  # fmt: skip
def test_what_is_no_kubeconfig_is_left_alone(tmp_path, text):
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(StateError) as caught:
        merge_into(path, yaml.safe_dump(config("demo")))
    assert caught.value.code == "kubeconfig/not-a-kubeconfig"
    assert path.read_text() == text
    assert os.listdir(tmp_path) == ["config"]


def test_bytes_that_are_no_text_and_a_folder_are_no_kubeconfig(tmp_path):
    path = tmp_path / "config"
    path.write_bytes(b"\xff\xfe\x00")
    (tmp_path / "folder").mkdir()
    for which in (path, tmp_path / "folder"):
        with pytest.raises(StateError, match="is not a kubeconfig"):
            merge_into(which, yaml.safe_dump(config("demo")))


def test_a_link_stays_a_link(tmp_path):
    real = tmp_path / "real" / "config"
    real.parent.mkdir()
    real.write_text("")
    link = tmp_path / "link"
    link.symlink_to(real)
    merge_into(link, yaml.safe_dump(config("demo")))
    assert link.is_symlink()
    assert yaml.safe_load(real.read_text())["current-context"] == "demo"
    assert os.listdir(real.parent) == ["config"]


def test_a_link_to_nothing_yet_is_followed(tmp_path):
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "later")
    merge_into(link, yaml.safe_dump(config("demo")))
    assert yaml.safe_load((tmp_path / "later").read_text())["current-context"] == "demo"


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_and_no_key_beside_it(tmp_path, monkeypatch, call):
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(config("theirs")))
    before = path.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(StateError) as caught:
        merge_into(path, yaml.safe_dump(config("demo")))
    assert caught.value.code == "kubeconfig/not-written"
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["config"]


def test_the_file_is_the_one_that_kubectl_writes(tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", f":{tmp_path / 'a'}:{tmp_path / 'b'}")
    assert target() == tmp_path / "a"
    monkeypatch.setenv("KUBECONFIG", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert target() == tmp_path / ".kube" / "config"
