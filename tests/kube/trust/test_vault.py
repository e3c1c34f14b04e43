"""Connections kept sealed, with the sealing of sloth's record."""

from dataclasses import replace
from pathlib import Path

import pytest

from sloth.adapters import crypt
from sloth.adapters.durable import replace_file
from sloth.errors import StateError, UsageError
from sloth.kube.connection import Connection, ExecPlugin, Impersonation, Oidc
from sloth.kube.vault import Vault
from sloth.model.secret import Secret

FULL = Connection(
    "https://h", b"ca", True, "sni", "http://proxy", b"certificate", Secret("key-of-a-client"), Secret("token-of-a-user"),
    Path("/t"), "me", Secret("pass-word"), ExecPlugin("x", ("a",), (("k", "v"),), cluster_config={"deep": [1]}),
    Oidc("https://idp", "c", Secret("client-secret"), Secret("id-token-1"), Secret("refresh-1"), b"", "u", Path("/f")),
    Impersonation("jo", ("g",), "7", (("k", ("v",)),)), "space", "name",
)  # fmt: skip


def vault(folder, passphrase="a passphrase for tests"):
    key = Secret(passphrase)

    def unseal(blob):
        sealed = crypt.split(blob)
        return sealed.header, crypt.unseal(sealed, key)

    return Vault(folder, lambda plain, about: crypt.seal(plain, key, about), unseal, replace_file)


def test_what_was_kept_comes_back_with_all_of_it(tmp_path):
    kept = vault(tmp_path / "v")
    kept.put("one", FULL)
    kept.put("two", Connection("https://g"))
    assert kept.get("one") == FULL
    assert kept.get("one").key() == FULL.key()
    assert kept.get("two") == Connection("https://g")
    assert kept.names() == ["one", "two"]
    kept.put("two", replace(FULL, server="https://other"))
    assert kept.get("two").server == "https://other"
    kept.remove("two")
    kept.remove("two")
    assert kept.names() == ["one"]


def test_nothing_of_it_is_readable(tmp_path):
    vault(tmp_path / "v").put("one", FULL)
    (path,) = (tmp_path / "v").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    for text in (b"https://h", b"token-of-a-user", b"key-of-a-client", b"refresh-1", b"pass-word"):
        assert text not in path.read_bytes()


def test_another_key_another_name_and_damage_are_refused(tmp_path):
    kept = vault(tmp_path / "v")
    kept.put("one", FULL)
    path = tmp_path / "v" / "one.sealed"
    with pytest.raises(StateError) as caught:
        vault(tmp_path / "v", "another passphrase").get("one")
    assert caught.value.code == "kube/vault-sealed"
    (tmp_path / "v" / "two.sealed").write_bytes(path.read_bytes())
    with pytest.raises(StateError):
        kept.get("two")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StateError):
        kept.get("one")


@pytest.mark.parametrize("name", ["", "../x", ".x", "a/b", "x" * 200, "a\n"])
def test_names_stay_in_the_folder(tmp_path, name):
    with pytest.raises(UsageError):
        vault(tmp_path / "v").put(name, FULL)


def test_nothing_kept(tmp_path):
    assert vault(tmp_path / "v").names() == []
    with pytest.raises(UsageError):
        vault(tmp_path / "v").get("one")
    (tmp_path / "v").write_text("a file")
    with pytest.raises(StateError) as caught:
        vault(tmp_path / "v").put("one", FULL)
    assert caught.value.code == "kube/vault-not-written"
