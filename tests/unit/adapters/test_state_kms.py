"""Records sealed with a key of a key management service (moto's KMS), and the choice between it and a passphrase."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sloth.adapters.crypt import split
from sloth.adapters.kms_aws import AwsKms
from sloth.adapters.passphrase import KEY_PREFIX
from sloth.adapters.secrets_provider import keys_for
from sloth.adapters.state_file import StateFile
from sloth.errors import CredentialsError, SlothError, StateError
from sloth.model.record import Record
from sloth.model.secret import Secret
from tests.unit.adapters.aws_server import AwsServer

PASSPHRASE = KEY_PREFIX + "p" * 43


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLOTH_PASSPHRASE", "SLOTH_PASSPHRASE_FILE", "SLOTH_KEYRING", "SLOTH_SECRETS_PROVIDER"):
        monkeypatch.delenv(name, raising=False)


def new_key(aws: AwsServer) -> str:
    import boto3

    client = boto3.client("kms", region_name="us-east-1")
    return f"awskms://{client.create_key()['KeyMetadata']['KeyId']}?region=us-east-1"


def state(root: Path, cluster: str = "demo") -> StateFile:
    return StateFile(root, cluster, lambda: keys_for(root, cluster, shared=False))


def refused(code: str, work: Callable[[], object]) -> SlothError:
    with pytest.raises(SlothError) as caught:
        work()
    assert caught.value.code == code
    assert caught.value.hint
    return caught.value


def test_a_record_is_sealed_and_opened_with_the_services_key(
    aws: AwsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLOTH_SECRETS_PROVIDER", new_key(aws))
    one = state(tmp_path)
    record = one.save(one.save(Record(cluster="demo", mesh_seed=Secret("the-seed-of-it-all"))))
    asked = len([path for method, path in aws.requests if method == "POST"])
    other = state(tmp_path)
    assert other.load() == record
    other.save(other.save(record))
    assert len([path for method, path in aws.requests if method == "POST"]) == asked + 1  # the data key is unwrapped once per run
    assert b"the-seed" not in (one.folder / "record.sloth").read_bytes()
    assert not (tmp_path / "key").exists()


def test_another_key_and_another_cluster_do_not_open_it(aws: AwsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = new_key(aws)
    monkeypatch.setenv("SLOTH_SECRETS_PROVIDER", mine)
    state(tmp_path).save(Record(cluster="demo"))
    wrapped = AwsKms(mine, "demo", lambda: Secret("x")).fresh()[1]
    with pytest.raises(Exception, match="another cluster"):
        AwsKms(mine, "other", lambda: Secret("x")).unwrapped(wrapped)
    monkeypatch.delenv("SLOTH_SECRETS_PROVIDER")
    monkeypatch.setenv("SLOTH_PASSPHRASE", PASSPHRASE)
    assert mine in refused("state/wrong-passphrase", state(tmp_path).load).hint


def test_a_record_of_the_time_of_the_passphrase_is_opened_and_saved_with_the_key(
    aws: AwsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLOTH_PASSPHRASE", PASSPHRASE)
    record = state(tmp_path).save(Record(cluster="demo"))
    monkeypatch.setenv("SLOTH_SECRETS_PROVIDER", new_key(aws))
    moved = state(tmp_path)
    assert moved.load() == record
    record = moved.save(replace(record, ssh_public_key="x"))
    monkeypatch.delenv("SLOTH_PASSPHRASE")
    assert state(tmp_path).load() == record
    assert split((moved.folder / "record.sloth").read_bytes()).service.startswith("awskms://")


def test_an_address_in_a_record_is_never_asked(aws: AwsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who can write the store could name a key of their own there and make us take their record for ours."""
    monkeypatch.setenv("SLOTH_SECRETS_PROVIDER", new_key(aws))
    state(tmp_path).save(Record(cluster="demo"))
    monkeypatch.delenv("SLOTH_SECRETS_PROVIDER")
    aws.requests.clear()
    refused("state/wrong-passphrase", state(tmp_path).load)
    assert aws.requests == []


def test_a_service_that_refuses_is_named_and_the_record_kept(
    aws: AwsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLOTH_SECRETS_PROVIDER", "awskms://00000000-0000-0000-0000-000000000000?region=us-east-1")
    error = refused("credentials/kms", lambda: state(tmp_path).save(Record(cluster="demo")))
    assert error.exit == 11
    assert "kms:Decrypt" in error.hint
    assert state(tmp_path).load() is None
    monkeypatch.setenv("SLOTH_SECRETS_PROVIDER", "awskms://alias/none?region=us-east-1&profile=nobody")
    refused("credentials/kms", lambda: state(tmp_path).save(Record(cluster="demo")))


def test_without_the_library_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLOTH_SECRETS_PROVIDER", "awskms://alias/mine?region=us-east-1")
    monkeypatch.setitem(sys.modules, "boto3", None)
    assert "[awskms]" in refused("credentials/no-boto3", lambda: state(tmp_path).save(Record(cluster="demo"))).hint


@pytest.mark.parametrize(
    "given",
    ["gcpkms://projects/p", "azurekeyvault://v", "hashivault://k", "pass", "awskms://", "awskms://k?regoin=x", "awskms://k?x"],
)
def test_providers_that_were_never_tried_or_do_not_exist_are_refused(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLOTH_SECRETS_PROVIDER", given)
    refused("credentials/secrets-provider", lambda: keys_for(tmp_path, "demo", shared=False))


def test_shared_state_is_not_sealed_with_a_key_that_only_this_machine_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = refused("credentials/shared-passphrase", lambda: keys_for(tmp_path, "demo", shared=True))
    assert isinstance(error, CredentialsError)
    assert not (tmp_path / "key").exists()
    made = keys_for(tmp_path, "demo", shared=False)
    hint = refused("credentials/shared-passphrase", lambda: keys_for(tmp_path, "demo", shared=True)).hint
    assert hint == f"export SLOTH_PASSPHRASE_FILE={tmp_path / 'key'}"
    monkeypatch.setenv("SLOTH_PASSPHRASE_FILE", str(tmp_path / "key"))
    assert keys_for(tmp_path, "demo", shared=True) == made


def test_a_wrapped_key_that_was_changed_is_damage_not_a_wrong_key(
    aws: AwsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLOTH_SECRETS_PROVIDER", new_key(aws))
    here = state(tmp_path)
    here.save(Record(cluster="demo"))
    path = here.folder / "record.sloth"
    blob = path.read_bytes()
    at = blob.index(b'"wrapped": "') + 30
    path.write_bytes(blob[:at] + (b"A" if blob[at : at + 1] != b"A" else b"B") + blob[at + 1 :])
    with pytest.raises(StateError) as caught:
        state(tmp_path).load()
    assert caught.value.code == "state/damaged"
