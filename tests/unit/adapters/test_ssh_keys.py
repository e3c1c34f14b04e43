import base64
import re
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sloth.adapters.ssh_keys import bare, fingerprint, host_pattern, known_hosts, new_pair, public_line
from sloth.errors import ConfigError
from sloth.model.secret import Secret, mask


def test_a_new_pair_belongs_together_and_is_new_each_time() -> None:
    one, other = new_pair("me@here"), new_pair()
    assert one.public.endswith(" me@here")
    assert bare(one.public) == public_line(one.private)
    assert one.private != other.private
    assert one.private.reveal().startswith("-----BEGIN OPENSSH PRIVATE KEY-----")


def test_a_new_private_key_is_known_to_the_masker() -> None:
    pair = new_pair()
    line = pair.private.reveal().splitlines()[2]
    assert mask(f"oops: {line}") == "oops: ***"
    assert str(pair.private) == "***"


def test_fingerprint_is_the_one_that_ssh_keygen_prints(tmp_path) -> None:
    pair = new_pair("x")
    file = tmp_path / "key.pub"
    file.write_text(pair.public + "\n")
    printed = subprocess.run(["ssh-keygen", "-lf", file], capture_output=True, text=True, check=True).stdout
    assert fingerprint(pair.public) == printed.split()[1]


def test_ssh_keygen_reads_our_private_key(tmp_path) -> None:
    pair = new_pair()
    file = tmp_path / "key"
    file.touch(0o600)
    file.write_text(pair.private.reveal())
    printed = subprocess.run(["ssh-keygen", "-yf", file], capture_output=True, text=True, check=True).stdout
    assert bare(printed) == pair.public


def test_a_fingerprint_is_its_own() -> None:
    print_ = fingerprint(new_pair().public)
    assert re.fullmatch(r"SHA256:[A-Za-z0-9+/]{43}", print_)
    assert fingerprint(print_ + "=") == print_


@pytest.mark.parametrize("text", ["", "ssh-ed25519", "ssh-ed25519 !!!!", "nonsense"])
def test_what_is_no_public_key_is_refused(text) -> None:
    with pytest.raises(ConfigError) as caught:
        fingerprint(text)
    assert caught.value.code == "ssh/public-key-malformed"
    assert caught.value.hint


@given(st.binary(min_size=1), st.text("abc@ ", max_size=9))
def test_a_comment_never_changes_the_fingerprint(blob, comment) -> None:
    line = "ssh-rsa " + base64.b64encode(blob).decode()
    assert fingerprint(line) == fingerprint(f"{line} {comment}") == fingerprint(bare(f"{line} {comment}"))


def test_an_unreadable_private_key_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigError) as caught:
        public_line(Secret("-----BEGIN OPENSSH PRIVATE KEY-----\nnot-really-a-key\n-----END OPENSSH PRIVATE KEY-----"))
    assert caught.value.code == "ssh/key-unreadable"
    assert "not-really-a-key" not in str(caught.value.as_dict())


def test_known_hosts_lines_are_found_by_ssh_keygen(tmp_path) -> None:
    keys = (new_pair("c").public, new_pair().public)
    file = tmp_path / "known_hosts"
    file.write_text(known_hosts("192.0.2.1", (*keys, fingerprint(keys[0])), 2222))
    command = ["ssh-keygen", "-F", host_pattern("192.0.2.1", 2222), "-f", file]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [line for line in found if not line.startswith("#")] == [f"[192.0.2.1]:2222 {bare(key)}" for key in keys]
    assert host_pattern("192.0.2.1") == "192.0.2.1"
