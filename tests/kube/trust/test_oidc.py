"""Identity tokens: renewed at a provider on the loopback, kept in the kubeconfig without hurting anything else in it."""

import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sloth.errors import CredentialsError, KubernetesError
from sloth.kube import Client
from sloth.kube.connection import Connection, Oidc
from sloth.kube.credentials import Credentials
from sloth.kube.kubeconfig import load
from sloth.kube.kubeconfig_write import locked, with_values
from sloth.kube.oidc import expiry
from sloth.model.secret import Secret
from tests.kube.conftest import QUICK
from tests.kube.trust.loopback import Provider, authority, server_context, serving, token

NOW = 1_000_000.0
OLD = token("jane", NOW - 1)


class Clock:
    now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def provider(tmp_path, clock):
    made = Provider(now=clock)
    with serving(made.handler(), server_context(tmp_path, "127.0.0.1")) as made.url:
        yield made


def text_of(provider, server="https://h", refresh="refresh-token-0", old=OLD):
    return f"""# my clusters
apiVersion: v1
kind: Config
clusters:
- {{name: c, cluster: {{server: '{server}'}}}}   # flow style
contexts:
- name: x
  context: {{cluster: c, user: "jane"}}
current-context: x
users:
- name: other
  user:
    token: 'untouched'  # of somebody else
- name: jane
  user:
    auth-provider:
      name: oidc
      config:
        # who we are
        client-id: sloth
        client-secret: "s3cret-of-client"
        id-token: {old}   # renewed by itself
        idp-issuer-url: {provider.url}
        idp-certificate-authority: idp.crt
        refresh-token: >-
          {refresh}
"""


@pytest.fixture
def config(tmp_path, provider):
    (tmp_path / "idp.crt").write_bytes(authority())
    path = tmp_path / "config"
    path.write_text(text_of(provider))
    path.chmod(0o644)
    return path


def bearer(headers):
    return headers["Authorization"].removeprefix("Bearer ")


def test_a_token_that_is_over_is_renewed_and_kept(provider, config, clock):
    credentials = Credentials(load(config).connection(), clock)
    assert bearer(credentials.headers()) == provider.given[0]
    assert bearer(credentials.headers()) == provider.given[0]
    assert len(provider.asked) == 1
    expected = yaml.safe_load(text_of(provider, refresh="refresh-token-1", old=provider.given[0]))
    assert yaml.safe_load(config.read_text()) == expected
    for comment in ("# my clusters", "# flow style", "# of somebody else", "# who we are", "# renewed by itself"):
        assert comment in config.read_text()
    assert config.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in config.parent.iterdir()) == ["127.0.0.1.pem", "config", "idp.crt"]


def test_a_good_token_costs_nothing(provider, config, clock):
    good = token("jane", NOW + 11)
    config.write_text(text_of(provider, old=good))
    credentials = Credentials(load(config).connection(), clock)
    assert bearer(credentials.headers()) == good
    assert provider.asked == []
    clock.now += 2  # ten seconds before its end
    assert bearer(credentials.headers()) == provider.given[0]
    clock.now += 3600
    assert bearer(credentials.headers()) == provider.given[1]


def test_a_refused_token_is_renewed_though_it_is_not_over(provider, config, clock):
    config.write_text(text_of(provider, old=token("jane", NOW + 1000)))
    credentials = Credentials(load(config).connection(), clock)
    old = credentials.headers()
    new = credentials.headers(refused=old)
    assert bearer(new) == provider.given[0]
    assert credentials.headers(refused=old) == new  # another thread that was refused with the old one


def test_what_another_program_renewed_is_taken(provider, config, clock):
    credentials = Credentials(load(config).connection(), clock)
    theirs = token("jane", NOW + 500)
    config.write_text(text_of(provider, refresh="refresh-token-9", old=theirs))
    assert bearer(credentials.headers()) == theirs
    assert provider.asked == []


PROGRAM = """
import sys
from pathlib import Path
from sloth.kube.credentials import Credentials
from sloth.kube.kubeconfig import load
print(Credentials(load(Path(sys.argv[1])).connection(), lambda: 1_000_000.0).headers()["Authorization"])
"""


def test_of_programs_that_begin_at_once_one_asks(provider, config):
    made = [subprocess.Popen([sys.executable, "-c", PROGRAM, str(config)], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = {process.communicate(timeout=120)[0].strip() for process in made}
    assert said == {f"Bearer {provider.given[0]}"}
    assert len(provider.asked) == 1


def test_of_threads_one_asks(provider, config, clock):
    credentials = Credentials(load(config).connection(), clock)
    threads = [threading.Thread(target=credentials.headers) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(provider.asked) == 1


def test_a_file_that_cannot_be_written_costs_no_request(provider, config, clock, caplog):
    (config.parent / "config.lock").mkdir()  # nobody can take that lock
    import sloth.kube.kubeconfig_write as module

    connection = load(config).connection()
    before = config.read_text()
    module._PATIENCE, kept = 0.0, module._PATIENCE
    try:
        credentials = Credentials(connection, clock)
        assert bearer(credentials.headers()) == provider.given[0]
        clock.now += 3600
        assert bearer(credentials.headers()) == provider.given[1]  # with the refresh token that came last
    finally:
        module._PATIENCE = kept
    assert config.read_text() == before
    assert "is not kept" in caplog.text
    assert "refresh-token" not in caplog.text


def test_a_link_stays_a_link(provider, config, clock):
    real = config.parent / "real"
    config.rename(real)
    config.symlink_to(real)
    Credentials(load(config).connection(), clock).headers()
    assert config.is_symlink()
    assert "refresh-token-1" in real.read_text()


def test_of_several_files_the_one_that_has_the_user_is_written(provider, config, clock, tmp_path):
    first = tmp_path / "first"
    first.write_text("current-context: x\n")
    env = {"KUBECONFIG": f"{first}:{config}"}
    Credentials(load(env=env).connection(), clock).headers()
    assert first.read_text() == "current-context: x\n"
    assert "refresh-token-1" in config.read_text()


def test_a_client_with_it(fake, provider, config):
    """With a real clock: the token that the provider gives is over in 1970, so each request asks; the server takes the newest."""
    provider.now = __import__("time").time
    config.write_text(text_of(provider, server=fake.url))
    fake.tokens = {}
    made = provider.tokens

    def tokens(form):
        status, body = made(form)
        fake.tokens = {body["id_token"]: "jane"}
        return status, body

    provider.tokens = tokens
    with Client(load(config).connection(), policy=QUICK) as client:
        assert client.get("namespaces", "default")
        fake.tokens = {}  # taken back: a 401, and a new one is asked for
        assert client.get("namespaces", "default")
    assert len(provider.asked) == 2


def test_who_we_are_is_told_as_the_provider_wants_it(provider, config, clock):
    connection = load(config).connection()
    Credentials(connection, clock).headers()
    assert provider.users == ["Basic c2xvdGg6czNjcmV0LW9mLWNsaWVudA=="]
    assert "client_secret" not in provider.asked[0]
    provider.methods = ["client_secret_post"]
    clock.now += 10_000
    Credentials(load(config).connection(), clock).headers()
    assert (provider.asked[1]["client_id"], provider.asked[1]["client_secret"]) == ("sloth", "s3cret-of-client")
    assert provider.users[1] == ""


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((400, {"error": "invalid_grant", "error_description": "used before"}), "HTTP 400 invalid_grant used before"),
        ((200, {"access_token": "x"}), "no id_token"),
        ((500, []), "HTTP 500"),
        ((307, {}), "HTTP 307"),
        ((200, [1]), "no JSON object"),
    ],
)
def test_what_the_provider_does_wrong_is_said_without_tokens(provider, config, clock, answer, said):
    provider.answer = answer
    with pytest.raises(CredentialsError) as caught:
        Credentials(load(config).connection(), clock).headers()
    assert caught.value.code == "kube/oidc-refresh"
    assert said in caught.value.detail
    for secret in (OLD, "refresh-token-0", "s3cret-of-client"):
        assert secret not in str(caught.value.as_dict())
    assert not (config.parent / "config.lock").exists()


def oidc(issuer, **more):
    return Connection("https://h", oidc=Oidc(issuer, "sloth", **more))


@pytest.mark.parametrize("issuer", ["http://idp.example.org", "ftp://127.0.0.1", "idp"])
def test_tokens_are_not_sent_in_the_clear(issuer, clock):
    with pytest.raises(CredentialsError) as caught:
        Credentials(oidc(issuer, refresh_token=Secret("refresh-token-0")), clock).headers()
    assert "not https" in caught.value.detail


def test_a_provider_of_another_authority_gets_nothing(provider, clock):
    with pytest.raises(CredentialsError):
        Credentials(oidc(provider.url, refresh_token=Secret("refresh-token-0")), clock).headers()
    assert provider.asked == []


def test_nothing_to_renew_with(clock):
    with pytest.raises(CredentialsError) as caught:
        Credentials(oidc("https://idp.example.org", id_token=Secret(OLD)), clock).headers()
    assert "no refresh-token" in caught.value.detail


def test_a_token_that_says_nothing_of_its_end_is_used(clock):
    assert expiry(Secret("opaque-token")) is None
    assert expiry(Secret("a.b.c")) is None
    found = Credentials(oidc("https://idp.example.org", id_token=Secret("opaque-token")), clock).headers()
    assert bearer(found) == "opaque-token"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("{name: gcp}", "is no more"),
        ("{name: oidc, config: [1]}", "no mapping"),
        ("{name: oidc, config: {client-id: a}}", "idp-issuer-url"),
        ("oidc", "is no more"),
    ],
)
def test_entries_that_cannot_be_used(tmp_path, body, said):
    path = tmp_path / "config"
    path.write_text(
        "current-context: x\nclusters: [{name: c, cluster: {server: 'https://h'}}]\n"
        f"contexts: [{{name: x, context: {{cluster: c, user: u}}}}]\nusers: [{{name: u, user: {{auth-provider: {body}}}}}]\n"
    )
    with pytest.raises(KubernetesError) as caught:
        load(path).connection()
    assert said in caught.value.detail


VALUES = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=20)


@given(
    VALUES,
    VALUES,
    st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=20),
    st.sampled_from(["block", "flow", "json", "crlf"]),
    st.booleans(),
)
def test_only_the_values_change_whatever_the_style(old, other, new, style, has):
    config = {"client-id": other, **({"id-token": old} if has else {}), "z": [1, {"ü": other}]}
    document = {
        "users": [{"name": "a", "user": {}}, {"name": "b", "user": {"auth-provider": {"name": "oidc", "config": config}}}]
    }
    text = yaml.safe_dump(document, default_flow_style={"flow": True, "block": False}.get(style, False), allow_unicode=True)
    if style == "json":
        import json

        text = json.dumps(document)
    if style == "crlf":
        text = text.replace("\n", "\r\n")
    if yaml.safe_load(text) != document:
        return  # carriage returns are not all that YAML takes for the end of a line
    changed = with_values(text, "b", {"id-token": new})
    config["id-token"] = new
    assert yaml.safe_load(changed) == document


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "users: []",
        "users: [{name: b}]",
        "users: [{name: b, user: {auth-provider: {name: oidc, config: {}}}}]",
        "x: &a {id-token: o}\nusers: [{name: b, user: {auth-provider: {config: *a}}}]",  # it stands for something else too
        "users: [",
    ],
)
def test_what_cannot_be_changed_safely_is_left(text):
    with pytest.raises(ValueError):
        with_values(text, "b", {"id-token": "new"})


def test_a_lock_that_was_left_is_broken_and_one_that_is_held_is_waited_for(tmp_path):
    path, now, slept = tmp_path / "config", [0.0], []
    lock = tmp_path / "config.lock"
    lock.touch()
    now[0] = lock.stat().st_mtime + 30

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) == 3:
            lock.unlink()

    with locked(path, lambda: now[0], sleep):
        assert lock.exists()
    assert not lock.exists()
    assert len(slept) == 3
    lock.touch()
    now[0] = lock.stat().st_mtime + 61
    with locked(path, lambda: now[0], sleep):
        assert len(slept) == 3
    lock.touch()
    now[0] = lock.stat().st_mtime
    slept[:] = [0] * 10
    with pytest.raises(FileExistsError), locked(path, lambda: now[0], slept.append):
        pass
    assert isinstance(path, Path)


def test_a_connection_for_each_user_is_its_own(provider, config):
    one = load(config).connection()
    assert one.key() != replace(one, oidc=msgspec.structs.replace(one.oidc, user="x")).key()
