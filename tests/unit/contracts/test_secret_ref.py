"""References to secrets, resolved for real: environment, files, commands."""

from __future__ import annotations

import sys

import pytest

from sloth.contracts import secret_ref
from sloth.contracts.secret_ref import resolve
from sloth.errors import CredentialsError


def code(ref) -> str:
    with pytest.raises(CredentialsError) as caught:
        resolve(ref)
    assert caught.value.exit == 11
    assert caught.value.hint
    return caught.value.code


def test_env(monkeypatch):
    monkeypatch.setenv("SLOTH_TEST_TOKEN", " s3cret-of-env\n")
    secret = resolve({"env": "SLOTH_TEST_TOKEN"})
    assert secret.reveal() == "s3cret-of-env"
    assert "s3cret" not in f"{secret!r}{secret}"


@pytest.mark.parametrize("value", [None, "", "  "])
def test_env_missing_or_empty(monkeypatch, value):
    monkeypatch.delenv("SLOTH_TEST_TOKEN", raising=False)
    if value is not None:
        monkeypatch.setenv("SLOTH_TEST_TOKEN", value)
    assert code({"env": "SLOTH_TEST_TOKEN"}) == "credentials/env"


def test_file_of_one_line_and_of_several(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "token").write_text("s3cret-of-file\n")
    (tmp_path / "key").write_text("line-one-of-key\nline-two-of-key\n\n")
    assert resolve({"file": "~/token"}).reveal() == "s3cret-of-file"
    assert resolve({"file": str(tmp_path / "key")}).reveal() == "line-one-of-key\nline-two-of-key\n"


def test_file_problems(tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "empty").write_text("\n")
    assert code({"file": str(tmp_path / "none")}) == "credentials/file"
    assert code({"file": str(tmp_path)}) == "credentials/file"
    assert code({"file": str(tmp_path / "binary")}) == "credentials/file"
    assert code({"file": "~nobody-of-that-name/x"}) == "credentials/file"
    assert code({"file": "a\0b"}) == "credentials/file"
    assert code({"file": str(tmp_path / "empty")}) == "credentials/empty"


def test_command():
    assert resolve({"command": [sys.executable, "-c", "print('s3cret-of-command')"]}).reveal() == "s3cret-of-command"


def test_command_problems(monkeypatch):
    monkeypatch.setattr(secret_ref, "TIMEOUT", 0.2)
    assert code({"command": [sys.executable, "-c", "import time; time.sleep(30)"]}) == "credentials/command"
    monkeypatch.setattr(secret_ref, "TIMEOUT", 60)
    assert code({"command": ["/no/such/program"]}) == "credentials/command"
    assert code({"command": ["a\0b"]}) == "credentials/command"
    assert code({"command": [sys.executable, "-c", "import sys; sys.stdout.buffer.write(b'\\xff')"]}) == "credentials/command"
    assert code({"command": [sys.executable, "-c", "pass"]}) == "credentials/empty"


def test_a_failed_command_shows_its_last_words():
    with pytest.raises(CredentialsError) as caught:
        resolve({"command": [sys.executable, "-c", "raise SystemExit('vault is sealed')"]})
    assert caught.value.detail == "vault is sealed"


@pytest.mark.parametrize(
    "ref", [{}, {"env": "A", "file": "b"}, {"vault": "a#b"}, {"env": 1}, {"command": []}, {"command": "ls"}, {"command": [1]}]
)
def test_unknown_form(ref):
    assert code(ref) == "credentials/reference"
