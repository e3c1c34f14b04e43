"""Sealing: what goes in comes out, and nothing else ever does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sloth.adapters import crypt
from sloth.adapters.crypt import Unsealable, WrongPassphrase, seal, split, unseal
from sloth.adapters.passphrase import KEY_PREFIX
from sloth.adapters.record_json import NewerRecord, dump, parse
from sloth.model.node import Lease
from sloth.model.record import NodeRecord, Record
from sloth.model.secret import Secret

KEY = Secret(KEY_PREFIX + "k" * 43)
ABOUT = {"schema": 1, "cluster": "demo", "revision": 3}

texts = st.text(max_size=30)
secrets = st.builds(lambda text: Secret(text, known=False), texts)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(texts | st.sampled_from(["$secret", "$$secret", "$"]), inner, max_size=3)
    ),
    max_leaves=8,
)
objects = st.dictionaries(texts, json_values, max_size=3)
leases = st.builds(
    Lease, name=texts, pool=texts, role=st.sampled_from(["control-plane", "worker"]), provider=texts, mesh_address=texts,
    pod_cidr=texts, ordinal=st.integers(0, 999),
)  # fmt: skip
node_records = st.builds(
    NodeRecord, host_keys=st.lists(texts, max_size=3).map(tuple), boot_key=st.none() | secrets, boot_public_key=texts,
    mesh_public_key=texts, joined=st.booleans(), leaving=st.booleans(),
)  # fmt: skip
records = st.builds(
    Record, cluster=texts, revision=st.integers(0, 10**9), leases=st.lists(leases, max_size=3).map(tuple),
    nodes=st.dictionaries(texts, node_records, max_size=3), ssh_key=st.none() | secrets, ssh_public_key=texts,
    mesh_seed=st.none() | secrets, kubernetes_version=texts, kubeconfig=st.none() | secrets,
    providers=st.dictionaries(texts, objects, max_size=2), document=objects, runs=st.lists(objects, max_size=3).map(tuple),
)  # fmt: skip


@given(records)
def test_any_record_comes_back_as_it_was(record: Record) -> None:
    blob = seal(dump(record), KEY, ABOUT)
    assert parse(unseal(split(blob), KEY)) == record


def test_secrets_are_not_readable_in_the_file_and_come_back_as_secrets() -> None:
    record = Record(cluster="demo", mesh_seed=Secret("swordfish-swordfish"), providers={"p": {"token": Secret("nested-secret")}})
    blob = seal(dump(record), KEY, ABOUT)
    assert b"swordfish" not in blob and b"nested" not in blob
    back = parse(unseal(split(blob), KEY))
    assert back == record
    assert str(back.providers["p"]["token"]) == "***"


def test_a_field_from_the_future_is_not_dropped_in_silence() -> None:
    values = json.loads(dump(Record(cluster="demo", leases=())))
    with pytest.raises(NewerRecord, match="moons"):
        parse(json.dumps({**values, "moons": 2}).encode())


def test_an_older_record_without_a_new_field_gets_its_default() -> None:
    values = json.loads(dump(Record(cluster="demo", kubernetes_version="v1.36.0")))
    del values["document"]
    assert parse(json.dumps(values).encode()).document == {}


BLOB = seal(dump(Record(cluster="demo", revision=3, ssh_public_key="ssh-ed25519 AAAA")), KEY, ABOUT)


@given(st.integers(0, len(BLOB) - 1), st.integers(1, 255))
@settings(max_examples=300)
def test_any_changed_byte_is_damage_never_a_wrong_passphrase(place: int, flip: int) -> None:
    changed = BLOB[:place] + bytes([BLOB[place] ^ flip]) + BLOB[place + 1 :]
    with pytest.raises(Unsealable) as caught:
        unseal(split(changed), KEY)
    assert not isinstance(caught.value, WrongPassphrase)


@given(st.integers(0, len(BLOB) - 1))
def test_any_truncation_is_damage(length: int) -> None:
    with pytest.raises(Unsealable) as caught:
        unseal(split(BLOB[:length]), KEY)
    assert not isinstance(caught.value, WrongPassphrase)


@given(st.binary(max_size=200))
def test_garbage_is_damage(blob: bytes) -> None:
    with pytest.raises(Unsealable):
        unseal(split(blob), KEY)


def test_a_forger_who_mends_the_digest_is_caught_by_the_seal() -> None:
    """The digest is no protection, only the tag is: a header that says another cluster does not open."""
    sealed = split(BLOB)
    header = {**sealed.header, "cluster": "other"}
    forged = crypt._line({**header, "digest": crypt._digest(header, sealed.body)}) + sealed.body
    with pytest.raises(Unsealable, match="does not fit"):
        unseal(split(forged), KEY)


def test_another_passphrase_is_told_apart() -> None:
    with pytest.raises(WrongPassphrase):
        unseal(split(BLOB), Secret(KEY_PREFIX + "x" * 43))


def test_a_passphrase_is_stretched_once_for_many_records(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work is counted, not timed: scrypt costs 0.2 s a time."""
    from cryptography.hazmat.primitives.kdf import scrypt

    made: list[int] = []
    real = scrypt.Scrypt

    def counted(**settings: Any) -> Any:
        made.append(settings["n"])
        return real(**settings)

    monkeypatch.setattr(scrypt, "Scrypt", counted)
    word = Secret("correct horse battery staple")
    first = split(seal(b"one", word, ABOUT))
    second = split(seal(b"two", word, ABOUT, like=first))
    assert (unseal(first, word), unseal(second, word)) == (b"one", b"two")
    assert made == [1 << 16]
    assert first.header["nonce"] != second.header["nonce"]


def test_a_generated_key_is_not_stretched(monkeypatch: pytest.MonkeyPatch) -> None:
    from cryptography.hazmat.primitives.kdf import scrypt

    monkeypatch.setattr(scrypt, "Scrypt", lambda **_: pytest.fail("scrypt for a random key"))
    sealed = split(seal(b"plain", Secret(KEY_PREFIX + "q" * 43), ABOUT))
    assert sealed.generated
    assert unseal(sealed, Secret(KEY_PREFIX + "q" * 43)) == b"plain"


def test_records_of_before_the_digest_open() -> None:
    """Header without `digest` and `cost`, as first written."""
    word = Secret("an older passphrase")
    key, check = crypt._keys(word, "scrypt", b"s" * 16, 1 << 15)
    header = {"magic": crypt.MAGIC, **ABOUT, "kdf": "scrypt", "salt": crypt._text(b"s" * 16), "nonce": crypt._text(b"n" * 12)}
    line = crypt._line({**header, "check": crypt._text(check)})
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    sealed = split(line + AESGCM(key).encrypt(b"n" * 12, b"plain", line))
    assert unseal(sealed, word) == b"plain"
    # sealed anew, it gets today's cost and a salt of its own
    assert split(seal(b"plain", word, ABOUT, like=sealed)).header["salt"] != sealed.header["salt"]


@pytest.mark.parametrize(
    "field", [{"kdf": "scrypt", "cost": 1 << 40}, {"kdf": "scrypt", "cost": 3}, {"kdf": "md5"}, {"kdf": ["x"]}]
)
def test_a_header_that_asks_for_something_mad_is_refused(field: dict[str, Any]) -> None:
    header = {**split(BLOB).header, **field}
    body = split(BLOB).body
    blob = crypt._line({**header, "digest": crypt._digest(header, body)}) + body
    with pytest.raises(Unsealable, match="does not fit"):
        unseal(split(blob), KEY)
