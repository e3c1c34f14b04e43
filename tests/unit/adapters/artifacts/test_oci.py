import hashlib
import io
import json
import tarfile

import pytest

from sloth.adapters.artifacts import oci


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "program"
    path.write_bytes(b"\x7fELF" + b"x" * 5000)
    return path


def read(archive):
    with tarfile.open(archive) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


def make(tmp_path, program, name="image.tar", **more):
    target = tmp_path / name
    oci.write_image(target, "registry.example/a/b:v1", {"/usr/local/bin/program": program}, entrypoint=["/x"], **more)
    return target


def test_every_blob_is_what_it_is_named_after_and_is_pointed_at(tmp_path, program):
    parts = read(make(tmp_path, program))
    blobs = {name: data for name, data in parts.items() if name.startswith("blobs/")}
    assert len(blobs) == 3
    for name, data in blobs.items():
        assert name == f"blobs/sha256/{hashlib.sha256(data).hexdigest()}"
    index = json.loads(parts["index.json"])
    manifest = json.loads(parts[blob_of(index["manifests"][0])])
    assert manifest["mediaType"] == oci.MANIFEST
    for descriptor in (manifest["config"], *manifest["layers"], index["manifests"][0]):
        assert len(parts[blob_of(descriptor)]) == descriptor["size"]
    config = json.loads(parts[blob_of(manifest["config"])])
    assert config["rootfs"]["diff_ids"] == [layer["digest"] for layer in manifest["layers"]]  # not compressed
    assert config["config"]["Entrypoint"] == ["/x"]
    assert config["architecture"] == "amd64"


def blob_of(descriptor):
    return "blobs/" + descriptor["digest"].replace(":", "/")


def test_both_importers_find_the_name(tmp_path, program):
    parts = read(make(tmp_path, program))
    annotations = json.loads(parts["index.json"])["manifests"][0]["annotations"]
    assert annotations["io.containerd.image.name"] == "registry.example/a/b:v1"
    assert annotations["org.opencontainers.image.ref.name"] == "v1"
    (docker,) = json.loads(parts["manifest.json"])
    assert docker["RepoTags"] == ["registry.example/a/b:v1"]
    assert {docker["Config"], *docker["Layers"]} < set(parts)
    assert json.loads(parts["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}


def test_the_layer_holds_executables_owned_by_root_and_a_tmp(tmp_path, program):
    parts = read(make(tmp_path, program))
    layer = parts[json.loads(parts["manifest.json"])[0]["Layers"][0]]
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        members = {member.name: member for member in tar}
    assert list(members) == ["tmp", "usr", "usr/local", "usr/local/bin", "usr/local/bin/program"]
    assert members["tmp"].mode == 0o1777
    assert members["usr/local/bin/program"].mode == 0o755
    assert {(member.uid, member.gid, member.mtime) for member in members.values()} == {(0, 0, 0)}


def test_same_input_same_bytes(tmp_path, program):
    first = make(tmp_path, program).read_bytes()
    program.touch()
    assert make(tmp_path, program, "again.tar").read_bytes() == first
    program.write_bytes(b"other")
    assert make(tmp_path, program, "other.tar").read_bytes() != first


def test_base_layers_come_first(tmp_path, program):
    base = tmp_path / "base.tar"
    oci.write_layer(base, {"base": program})
    parts = read(make(tmp_path, program, base=[base]))
    layers = json.loads(parts["manifest.json"])[0]["Layers"]
    assert layers[0] == f"blobs/sha256/{hashlib.sha256(base.read_bytes()).hexdigest()}"
    assert len(layers) == 2


def test_nothing_is_left_of_an_archive_that_could_not_be_written(tmp_path, program):
    before = sorted(tmp_path.iterdir())
    with pytest.raises(FileNotFoundError):
        oci.write_image(tmp_path / "image.tar", "a.b/c:1", {"x": tmp_path / "absent"}, entrypoint=["/x"])
    with pytest.raises(ZeroDivisionError), oci.replacing(tmp_path / "x") as stream:
        stream.write(b"half")
        _ = 1 / 0
    assert sorted(tmp_path.iterdir()) == before
