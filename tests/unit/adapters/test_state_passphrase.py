"""Where the passphrase comes from, in which order, and what is refused."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked

from sloth.adapters.passphrase import KEY_PREFIX, passphrase
from sloth.errors import CredentialsError, StateError

NAMES = ("SLOTH_PASSPHRASE", "SLOTH_PASSPHRASE_FILE", "SLOTH_KEYRING")


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


class Ring(KeyringBackend):
    """A keyring backend that holds one entry."""

    priority = 1

    def get_password(self, service: str, username: str) -> str | None:
        if username == "locked":
            raise KeyringLocked("locked")
        return {"sloth/work": "from-the-ring"}.get(f"{service}/{username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        raise NotImplementedError


@pytest.fixture
def ring() -> Iterator[None]:
    before = keyring.get_keyring()
    keyring.set_keyring(Ring())  # type: ignore[no-untyped-call]
    yield
    keyring.set_keyring(before)


def refused(root: Path) -> CredentialsError:
    with pytest.raises(CredentialsError) as caught:
        passphrase(root)
    assert caught.value.hint
    return caught.value


def test_sources_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ring: None) -> None:
    assert passphrase(tmp_path).reveal().startswith(KEY_PREFIX)
    monkeypatch.setenv("SLOTH_KEYRING", "work")
    assert passphrase(tmp_path).reveal() == "from-the-ring"
    (tmp_path / "word").write_text("from a file\n")
    monkeypatch.setenv("SLOTH_PASSPHRASE_FILE", str(tmp_path / "word"))
    assert passphrase(tmp_path).reveal() == "from a file"
    monkeypatch.setenv("SLOTH_PASSPHRASE", "from the environment")
    assert passphrase(tmp_path).reveal() == "from the environment"


def test_the_key_file_is_made_once_for_one_user(tmp_path: Path) -> None:
    root = tmp_path / "new" / "root"
    first = passphrase(root)
    assert stat.S_IMODE((root / "key").stat().st_mode) == 0o600
    assert passphrase(root) == first
    assert passphrase(tmp_path / "other") != first
    assert [path.name for path in root.iterdir()] == ["key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    passphrase(tmp_path)
    (tmp_path / "key").chmod(mode)
    error = refused(tmp_path)
    assert (error.code, error.hint) == ("credentials/key-readable", f"chmod 600 {tmp_path / 'key'}")


@pytest.mark.parametrize("content", [b"", b"sloth-key-short", b"guess me", b"\xff\xfe"])
def test_a_damaged_key_file_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    key = tmp_path / "key"
    key.write_bytes(content)
    key.chmod(0o600)
    assert refused(tmp_path).code == "credentials/key-damaged"
    assert key.read_bytes() == content


def test_a_guessable_word_cannot_pass_for_a_generated_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would not be stretched."""
    monkeypatch.setenv("SLOTH_PASSPHRASE", KEY_PREFIX + "secret")
    error = refused(tmp_path)
    assert error.code == "credentials/passphrase"
    assert "secret" not in error.summary


def test_an_empty_or_missing_passphrase_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLOTH_PASSPHRASE_FILE", str(tmp_path / "word"))
    assert refused(tmp_path).code == "credentials/passphrase-file"
    (tmp_path / "word").write_text("\n")
    assert refused(tmp_path).code == "credentials/passphrase"


def test_keyrings_that_do_not_help(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ring: None) -> None:
    monkeypatch.setenv("SLOTH_KEYRING", "nobody")
    assert refused(tmp_path).hint == "keyring set sloth nobody"
    monkeypatch.setenv("SLOTH_KEYRING", "locked")
    assert refused(tmp_path).code == "credentials/keyring"
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert refused(tmp_path).code == "credentials/no-keyring"


def test_a_data_folder_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError) as caught:
        passphrase(tmp_path / "file" / "root")
    assert caught.value.code == "state/not-writable"


def test_processes_that_start_together_agree_on_one_key(tmp_path: Path) -> None:
    program = "import sys; from pathlib import Path; from sloth.adapters.passphrase import passphrase\n" \
              "sys.stdin.readline(); print(passphrase(Path(sys.argv[1])).reveal())"  # fmt: skip
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for _ in range(6)
    ]  # fmt: skip
    for run in runs:
        assert run.stdin
        run.stdin.write("go\n")
        run.stdin.flush()
    keys = {run.communicate(timeout=60)[0].strip() for run in runs}
    assert len(keys) == 1
    assert keys.pop() == (tmp_path / "key").read_text().strip()
