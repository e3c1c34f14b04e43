"""Addresses of state: what they mean to the records and to the engine, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sloth.adapters import object_store
from sloth.adapters.object_store import connect
from sloth.adapters.object_url import engine_backend, parse_url
from sloth.adapters.paths import cache_dir
from sloth.adapters.pulumi.tool import find
from sloth.adapters.state_file import StateFile
from sloth.adapters.state_object import StateObject
from sloth.adapters.state_place import clusters_at, state_at
from sloth.errors import MachinesError, StateError, UsageError
from sloth.model.record import Record
from sloth.model.secret import mask
from tests.unit.adapters.aws_server import BUCKET, ENVIRONMENT, AwsServer


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ACCOUNT", "ACCOUNT_NAME", "KEY", "ACCOUNT_KEY"):
        monkeypatch.delenv(f"AZURE_STORAGE_{name}", raising=False)
    for name in ("SLOTH_PASSPHRASE_FILE", "SLOTH_KEYRING", "SLOTH_SECRETS_PROVIDER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLOTH_PASSPHRASE", "sloth-key-" + "k" * 43)


@pytest.mark.parametrize(
    ("url", "backend"),
    [
        ("s3://bucket", "s3://bucket/engine"),
        ("s3://bucket/team/a/?region=eu-central-1", "s3://bucket/team/a/engine?region=eu-central-1"),
        (
            "s3://b/p?endpoint=https://minio.example.com&use_path_style=true",
            "s3://b/p/engine?endpoint=https%3A%2F%2Fminio.example.com&use_path_style=true",
        ),
        (
            "s3://b/p?endpoint=http://10.0.0.1:9000",
            "s3://b/p/engine?endpoint=http%3A%2F%2F10.0.0.1%3A9000&use_path_style=true",
        ),
        ("gs://bucket/p", "gs://bucket/p/engine"),
        ("azblob://container/p?storage_account=acc", "azblob://container/p/engine?storage_account=acc"),
        ("file:///srv/state", "file:///srv/state/engine"),
        ("file:///srv/state/", "file:///srv/state/engine"),
    ],
)
def test_the_engines_state_lies_below_the_same_address(url: str, backend: str) -> None:
    assert engine_backend(url)[0] == backend


def test_the_home_directory_may_be_a_tilde(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    assert parse_url("file://~/state").folder == Path("/home/ann/state")


def test_the_engine_gets_what_it_does_not_find_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    assert engine_backend("s3://bucket")[1] == {}
    assert engine_backend("gs://bucket")[1] == {}
    assert engine_backend("azblob://c?storage_account=acc")[1] == {"AZURE_STORAGE_ACCOUNT": "acc"}
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "named")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "a-key-of-azure-storage")
    assert engine_backend("azblob://c")[1] == {"AZURE_STORAGE_ACCOUNT": "named", "AZURE_STORAGE_KEY": "a-key-of-azure-storage"}
    assert "a-key-of-azure-storage" not in mask("with a-key-of-azure-storage in it")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("bucket/prefix", "no kind of state"), ("/srv/state", "no kind of state"), ("http://x/y", "`http` is no kind"),
        ("s3://", "names no bucket"), ("s3:///prefix", "names no bucket"), ("s3://b/../c", "empty parts"),
        ("s3://b/a//c", "empty parts"), ("s3://b?regoin=x", "regoin"), ("gs://b?region=x", "region"), ("s3://b#x", "#"),
        ("s3://b?region", "no address"), ("file://state", "absolute"), ("file://", "absolute"), ("s3://[b", "no address"),
        ("azblob://c", "storage account"), ("s3://b?endpoint=https://x&use_path_style=false", "must be in the path"),
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(url: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        state_at(url, tmp_path, "demo")
    assert (caught.value.code, caught.value.exit) == ("usage/state-url", 2)
    assert words in caught.value.summary + caught.value.detail
    assert caught.value.hint


def test_credentials_in_an_address_are_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError) as caught:
        parse_url("s3://AKIAEXAMPLE:very-secret-key@bucket/p")
    assert "very-secret-key" not in "".join(str(value) for value in caught.value.as_dict().values())


def test_each_address_opens_its_kind_of_place(aws: AwsServer, tmp_path: Path) -> None:
    for url, kind in (
        ("", StateFile), (f"file://{tmp_path}/there", StateFile), (f"s3://{BUCKET}/x?endpoint={aws.url}", StateObject),
    ):  # fmt: skip
        assert clusters_at(url, tmp_path / "data") == []
        state = state_at(url, tmp_path / "data", "demo")
        assert isinstance(state, kind)
        state.save(Record(cluster="demo"))
        assert clusters_at(url, tmp_path / "data") == ["demo"]
    assert (tmp_path / "there" / "clusters" / "demo" / "record.sloth").is_file()
    assert list(aws.objects()) == ["x/clusters/demo/record.sloth"]


def test_deleting_at_a_file_address_takes_what_lies_in_the_data_directory_along(tmp_path: Path) -> None:
    local = tmp_path / "data" / "clusters" / "demo"
    local.mkdir(parents=True)
    (local / "journal.jsonl").write_text("x")
    state = state_at(f"file://{tmp_path}/there", tmp_path / "data", "demo")
    state.save(Record(cluster="demo"))
    state.delete()
    assert not local.exists()
    assert clusters_at(f"file://{tmp_path}/there", tmp_path / "data") == []


def test_without_the_library_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(StateError) as caught:
        state_at("gs://bucket", tmp_path, "demo")
    assert caught.value.code == "state/no-obstore"
    assert caught.value.hint == "pip install 'sloth-kubernetes[state]'"


@pytest.mark.parametrize("way", ["parameter", "variable", "default"])
def test_credentials_of_the_users_aws_files_are_used(
    aws: AwsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.delenv(name)
    name = "default" if way == "default" else "team"
    (tmp_path / "credentials").write_text(f"[{name}]\naws_access_key_id = filed\naws_secret_access_key = filed-secret-key\n")
    (tmp_path / "config").write_text(f"[{'' if name == 'default' else 'profile '}{name}]\nregion = eu-west-1\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    if way == "variable":
        monkeypatch.setenv("AWS_PROFILE", "team")
    more = "&profile=team" if way == "parameter" else ""
    assert connect(parse_url(f"s3://{BUCKET}?endpoint={aws.url}{more}")).names("clusters") == []
    assert "Credential=filed/" in aws.authorizations[-1]
    assert "/eu-west-1/s3/" in aws.authorizations[-1]


def test_a_profile_without_boto3_names_the_extra(aws: AwsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(StateError) as caught:
        connect(parse_url(f"s3://{BUCKET}?profile=team"))
    assert (caught.value.code, caught.value.hint) == ("state/no-boto3", "pip install 'sloth-kubernetes[awskms]'")


def test_settings_that_the_library_refuses_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT", str(tmp_path / "nowhere.json"))
    with pytest.raises(StateError) as caught:
        connect(parse_url("gs://bucket"))
    assert caught.value.code == "state/denied"
    assert "nowhere.json" in caught.value.detail


def test_a_profile_that_is_not_there_is_named(aws: AwsServer) -> None:
    with pytest.raises(StateError) as caught:
        connect(parse_url(f"s3://{BUCKET}?profile=nobody"))
    assert caught.value.code == "state/denied"
    assert "nobody" in caught.value.summary


def test_plain_http_only_where_the_user_wrote_it(aws: AwsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not object_store._plain_http(parse_url("s3://b?region=x"))
    assert object_store._plain_http(parse_url("s3://b?endpoint=http://127.0.0.1:9"))
    assert not object_store._plain_http(parse_url("s3://b?endpoint=https://minio.example.com"))


def test_a_real_engine_keeps_its_state_there(aws: AwsServer, tmp_path: Path) -> None:
    """The address that it is given leads it to the same bucket."""
    try:
        engine, _version = find(cache_dir())
    except MachinesError:
        pytest.skip("the engine is not on this machine: sloth doctor --fix")
    (tmp_path / "Pulumi.yaml").write_text("name: demo\nruntime: python\n")
    url, more = engine_backend(f"s3://{BUCKET}/team?region=us-east-1&endpoint={aws.url}")
    given = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "PULUMI_HOME": str(tmp_path), "PULUMI_BACKEND_URL": url,
        "PULUMI_CONFIG_PASSPHRASE": "words", "PULUMI_SKIP_UPDATE_CHECK": "true", **ENVIRONMENT, **more,
    }  # fmt: skip
    words = [engine, "stack", "init", "one", "--non-interactive"]
    run = subprocess.run(words, cwd=tmp_path, env=given, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    assert "team/engine/.pulumi/stacks/demo/one.json" in aws.objects()
