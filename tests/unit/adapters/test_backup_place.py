"""Places of backups: a directory and a bucket keep the same promises."""

import os
import subprocess
from pathlib import Path

import pytest

from sloth.adapters.backup_place import BucketPlace, FolderPlace, place_at
from sloth.adapters.object_url import parse_url
from sloth.backup.names import ARCHIVE, MANIFEST, backups_in
from sloth.backups import sending
from sloth.errors import ConfigError, StateError, UsageError
from sloth.model.spec import BackupSpec, ClusterSpec
from tests.unit.adapters.aws_server import BUCKET, AwsServer


@pytest.fixture(params=["folder", "bucket"])
def place(request, tmp_path, aws):
    if request.param == "folder":
        return place_at(parse_url(f"file://{tmp_path}/backups"))
    return place_at(parse_url(f"s3://{BUCKET}/shop?endpoint={aws.url}"))


def test_what_is_stored_comes_back(place, tmp_path):
    big = tmp_path / "big"
    big.write_bytes(os.urandom(3_000_000))
    assert place.names() == []
    place.store("x" + ARCHIVE, big)
    place.write("x" + MANIFEST, b"small")
    assert place.names() == ["x" + MANIFEST, "x" + ARCHIVE]
    assert b"".join(place.pieces("x" + ARCHIVE)) == big.read_bytes()
    assert place.read("x" + MANIFEST) == b"small"
    place.write("x" + MANIFEST, b"other")
    assert place.read("x" + MANIFEST) == b"other"


def test_what_is_not_there(place):
    assert place.read("no") == b""
    place.delete("no")
    with pytest.raises(StateError):
        list(place.pieces("no"))


def test_deleted_is_gone(place):
    place.write("a", b"1")
    place.delete("a")
    assert place.names() == []


def test_kinds_by_address(aws, tmp_path):
    assert isinstance(place_at(parse_url(f"file://{tmp_path}")), FolderPlace)
    place = place_at(parse_url(f"s3://{BUCKET}/a?endpoint={aws.url}"))
    assert isinstance(place, BucketPlace)
    assert place.address == f"s3://{BUCKET}/a"


def test_given_credentials_are_used_and_not_those_of_the_environment(aws, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    keys = {"access_key_id": "of-the-spec", "secret_access_key": "its-secret-half"}
    place_at(parse_url(f"s3://{BUCKET}/a?endpoint={aws.url}"), keys).write("x", b"1")
    assert "Credential=of-the-spec/" in aws.authorizations[-1]


def test_a_full_disk_leaves_no_half_file(tmp_path, monkeypatch):
    place = FolderPlace(tmp_path / "backups")
    source = tmp_path / "source"
    source.write_bytes(b"x" * 5000)

    def full(reading, writing, _length):
        writing.write(reading.read(100))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sloth.adapters.backup_place.shutil.copyfileobj", full)
    with pytest.raises(StateError) as caught:
        place.store("a" + ARCHIVE, source)
    assert caught.value.code == "state/disk-full"
    assert list((tmp_path / "backups").iterdir()) == []


def test_files_of_a_directory_are_private(tmp_path):
    place = FolderPlace(tmp_path / "backups")
    source = tmp_path / "source"
    source.write_bytes(b"x")
    place.store("a", source)
    place.write("b", b"y")
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "backups").iterdir()} == {0o600}
    assert (tmp_path / "backups").stat().st_mode & 0o777 == 0o700


def spec(**fields):
    return ClusterSpec(name="shop", backup=BackupSpec(**fields))


def sent(sending, folder: Path, name: str):
    """Run what a node would run, with its files here."""
    text = sending.program.replace("/etc/sloth/backup/place.curl", str(folder / "place.curl"))
    (folder / "send").write_text(text)
    (folder / "place.curl").write_text(sending.curl.reveal())
    return subprocess.run(
        ["sh", str(folder / "send"), name, str(folder)], capture_output=True, text=True, check=False, timeout=60
    )


def test_a_node_brings_it_to_a_bucket_by_itself_signed_by_curl(aws: AwsServer, tmp_path, monkeypatch):
    monkeypatch.setenv("BACKUP_KEY", "node-key-id")
    monkeypatch.setenv("BACKUP_SECRET", 'odd"secret\\half')
    wish = spec(
        to=f"s3://{BUCKET}/shop?endpoint={aws.url}", access_key={"env": "BACKUP_KEY"}, secret_key={"env": "BACKUP_SECRET"}
    )
    name = "shop-20261125T172030Z"
    (tmp_path / (name + ARCHIVE)).write_bytes(os.urandom(200_000))
    (tmp_path / (name + MANIFEST)).write_bytes(b"manifest\n")
    way = sending(wish)
    assert "odd" not in way.program
    done = sent(way, tmp_path, name)
    assert done.returncode == 0, done.stderr
    assert aws.objects() == {
        f"shop/{name}{ARCHIVE}": (tmp_path / (name + ARCHIVE)).read_bytes(), f"shop/{name}{MANIFEST}": b"manifest\n",
    }  # fmt: skip
    assert [path for method, path in aws.requests if method == "PUT"] == [
        f"/{BUCKET}/shop/{name}{ARCHIVE}", f"/{BUCKET}/shop/{name}{MANIFEST}",
    ]  # fmt: skip
    assert all("AWS4-HMAC-SHA256 Credential=node-key-id/" in text for text in aws.authorizations)
    place = place_at(parse_url(wish.backup.to), {"access_key_id": "a", "secret_access_key": "b"})
    assert backups_in(place.names(), "shop") == [name]


def test_a_bucket_that_refuses_gets_no_manifest(aws, tmp_path, monkeypatch):
    monkeypatch.setenv("K", "key-of-a-node")
    name = "shop-20261125T172030Z"
    for suffix in (ARCHIVE, MANIFEST):
        (tmp_path / (name + suffix)).write_bytes(b"x")
    aws.faults.append(lambda method, path: "refused" if path.endswith(ARCHIVE) else None)
    done = sent(
        sending(spec(to=f"s3://{BUCKET}?endpoint={aws.url}", access_key={"env": "K"}, secret_key={"env": "K"})), tmp_path, name
    )
    assert done.returncode != 0
    assert aws.objects() == {}


def test_addresses_of_buckets_at_aws(monkeypatch):
    monkeypatch.setenv("K", "key-of-a-node")
    way = sending(spec(to="s3://bucket/deep/shop?region=eu-central-1", access_key={"env": "K"}, secret_key={"env": "K"}))
    assert "https://bucket.s3.eu-central-1.amazonaws.com/deep/shop" in way.program
    assert way.curl.reveal().splitlines()[0] == 'aws-sigv4 = "aws:amz:eu-central-1:s3"'


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, "backup/schedule-place"),
        ({"to": "gs://bucket"}, "backup/schedule-place"),
        ({"to": "s3://bucket?region=a"}, "backup/schedule-credentials"),
    ],
)
def test_places_that_nodes_cannot_reach_are_named(fields, code):
    with pytest.raises(UsageError) as caught:
        sending(spec(**fields))
    assert caught.value.code == code


def test_an_address_that_is_none_is_named():
    with pytest.raises(ConfigError) as caught:
        sending(spec(to="s3:///nothing"))
    assert caught.value.code == "backup/place"
