"""Tokens, token files and exec plugins: when they are asked for, and what is said when they give nothing."""

import json
import sys

import pytest

from sloth.errors import CredentialsError
from sloth.kube.connection import Connection, ExecPlugin
from sloth.kube.credentials import Credentials, exec_info
from sloth.model.secret import Secret

V1 = "client.authentication.k8s.io/v1"


class Clock:
    now = 1_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def plugin(tmp_path, output, version=V1, code=0, **settings):
    """A plugin that counts its runs, and prints this with RUN replaced by their number."""
    script = tmp_path / "plugin.py"
    script.write_text(
        "import os, sys, pathlib\n"
        f"count = pathlib.Path({str(tmp_path / 'runs')!r})\n"
        "runs = len(count.read_text()) + 1 if count.exists() else 1\n"
        "count.write_text('x' * runs)\n"
        f"pathlib.Path({str(tmp_path / 'info')!r}).write_text(os.environ['KUBERNETES_EXEC_INFO'])\n"
        f"print({output!r}.replace('RUN', str(runs)))\n"
        "print('a word on stderr', file=sys.stderr)\n"
        f"sys.exit({code})\n"
    )
    return ExecPlugin(sys.executable, (str(script),), api_version=version, interactive="Never", **settings)


def credential(version=V1, **status):
    return json.dumps({"apiVersion": version, "kind": "ExecCredential", "status": status})


def runs(tmp_path):
    return len((tmp_path / "runs").read_text())


@pytest.mark.parametrize("version", [V1, V1 + "beta1"])
def test_a_plugins_token_is_kept_until_shortly_before_it_expires(tmp_path, clock, version):
    made = plugin(tmp_path, credential(version, token="token-number-RUN", expirationTimestamp="1970-01-12T14:46:40Z"), version)
    credentials = Credentials(Connection("https://h", plugin=made), clock)
    clock.now = 1_003_600 - 100  # before that time
    assert credentials.headers() == {"Authorization": "Bearer token-number-1"}
    assert credentials.headers() == {"Authorization": "Bearer token-number-1"}
    clock.now += 90
    assert credentials.headers() == {"Authorization": "Bearer token-number-2"}


def test_a_refused_token_is_asked_for_anew_once_for_all_who_were_refused(tmp_path, clock):
    credentials = Credentials(Connection("https://h", plugin=plugin(tmp_path, credential(token="token-number-RUN"))), clock)
    old = credentials.headers()
    new = credentials.headers(refused=old)
    assert new == {"Authorization": "Bearer token-number-2"}
    assert credentials.headers(refused=old) == new  # another thread, which was refused with the old one
    assert runs(tmp_path) == 2


def test_a_plugin_may_give_a_certificate(tmp_path, clock):
    made = plugin(tmp_path, credential(clientCertificateData="CERT", clientKeyData="KEY-of-a-client"))
    credentials = Credentials(Connection("https://h", plugin=made), clock)
    assert credentials.headers() == {}
    assert credentials.certificate() == (b"CERT", Secret("KEY-of-a-client"))


def test_what_a_plugin_is_told(tmp_path, clock):
    made = plugin(tmp_path, credential(token="token-of-plugin"), provide_cluster_info=True, cluster_config={"audience": "x"})
    Credentials(Connection("https://h", ca=b"CA", plugin=made), clock).headers()
    assert json.loads((tmp_path / "info").read_text()) == {
        "apiVersion": V1,
        "kind": "ExecCredential",
        "spec": {
            "interactive": False,
            "cluster": {"server": "https://h", "certificate-authority-data": "Q0E=", "config": {"audience": "x"}},
        },
    }
    assert "cluster" not in exec_info(ExecPlugin("x"), Connection("https://h"), interactive=True)["spec"]


@pytest.mark.parametrize(
    ("output", "code", "said"),
    [
        ("not json: secret-output", 0, "no ExecCredential"),
        ('{"apiVersion": "client.authentication.k8s.io/v1"}', 0, "no ExecCredential"),
        (credential(), 0, "neither a token nor"),
        (credential("client.authentication.k8s.io/v2", token="secret-output"), 0, "in version"),
        (credential(token="secret-output"), 3, "exit code 3\na word on stderr"),
        (credential(token="secret-output", expirationTimestamp="soon"), 0, "no ExecCredential"),
    ],
)
def test_what_a_plugin_does_wrong_is_said_and_its_output_is_not(tmp_path, clock, output, code, said):
    made = plugin(tmp_path, output, code=code, install_hint="install the plugin")
    with pytest.raises(CredentialsError) as caught:
        Credentials(Connection("https://h", plugin=made), clock).headers()
    assert said in caught.value.detail
    assert caught.value.hint == "install the plugin"
    assert "secret-output" not in str(caught.value.as_dict())


def test_a_plugin_that_is_not_there(clock):
    with pytest.raises(CredentialsError) as caught:
        Credentials(Connection("https://h", plugin=ExecPlugin("/nowhere/plugin")), clock).headers()
    assert caught.value.code == "kube/exec-plugin"


def test_a_plugin_that_must_ask_needs_a_terminal(clock, monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(CredentialsError) as caught:
        Credentials(Connection("https://h", plugin=ExecPlugin("x", interactive="Always")), clock).headers()
    assert "terminal" in caught.value.detail


def test_a_token_file_is_read_again_after_a_minute_and_after_a_refusal(tmp_path, clock):
    file = tmp_path / "token"
    file.write_text("first-token\n")
    credentials = Credentials(Connection("https://h", token_file=file), clock)
    first = credentials.headers()
    assert first == {"Authorization": "Bearer first-token"}
    file.write_text("second-token")
    clock.now += 59
    assert credentials.headers() == first
    assert credentials.headers(refused=first) == {"Authorization": "Bearer second-token"}
    file.write_text("third-token")
    clock.now += 60
    assert credentials.headers() == {"Authorization": "Bearer third-token"}
    file.unlink()
    clock.now += 60
    assert credentials.headers() == {"Authorization": "Bearer third-token"}


def test_a_token_file_that_is_not_there_or_empty(tmp_path, clock):
    with pytest.raises(CredentialsError):
        Credentials(Connection("https://h", token_file=tmp_path / "none"), clock).headers()
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(CredentialsError):
        Credentials(Connection("https://h", token_file=tmp_path / "empty"), clock).headers()


def test_tokens_and_passwords():
    assert Credentials(Connection("https://h", token=Secret("the-token"))).headers() == {"Authorization": "Bearer the-token"}
    both = Connection("https://h", username="me", password=Secret("pass-word"))
    assert Credentials(both).headers() == {"Authorization": "Basic bWU6cGFzcy13b3Jk"}
    assert Credentials(Connection("https://h")).headers() == {}
