"""Logging in to a cloud: where each thing is looked for, which way in is meant, what is said when something is missing."""

import pytest

from sloth.contracts.credentials import Credential, log_in, others, secret_fields
from sloth.errors import CredentialsError
from sloth.model.secret import Secret

TOKEN = Credential("TOY_TOKEN", "token", "A token")
WAYS = (
    Credential("TOY_FILE", "file", "A file", secret=False, ways=("file",)),
    Credential("TOY_USER", "user", "A name", secret=False, ways=("user",)),
    Credential("TOY_PASSWORD", "password", "A password", ways=("user",)),
    Credential("TOY_PROJECT", "project", "A project", secret=False, also=("TOY_PROJECT_ID",)),
    Credential("TOY_REGION", what="A region", secret=False, needed=False),
)


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    for name in ("TOY_TOKEN", "TOY_FILE", "TOY_USER", "TOY_PASSWORD", "TOY_PROJECT", "TOY_PROJECT_ID", "TOY_REGION", "MINE"):
        monkeypatch.delenv(name, raising=False)


def test_the_spec_comes_before_the_environment(monkeypatch):
    monkeypatch.setenv("TOY_TOKEN", " of-the-environment\n")
    monkeypatch.setenv("MINE", "of-the-spec")
    assert log_in("toy", [TOKEN], {}) == {"TOY_TOKEN": Secret("of-the-environment")}
    assert log_in("toy", [TOKEN], {"token": {"env": "MINE"}}) == {"TOY_TOKEN": Secret("of-the-spec")}


def test_what_is_no_secret_is_a_plain_text_from_any_of_its_variables(monkeypatch):
    monkeypatch.setenv("TOY_PROJECT_ID", "web")
    assert log_in("toy", WAYS, {"file": "/keys/toy"}) == {"TOY_FILE": "/keys/toy", "TOY_PROJECT": "web"}


def test_a_way_that_the_spec_tells_comes_before_one_of_the_environment(monkeypatch):
    monkeypatch.setenv("TOY_FILE", "/keys/toy")
    monkeypatch.setenv("TOY_PASSWORD", "a-password")
    monkeypatch.setenv("TOY_REGION", "north")
    given = {"user": "robot", "project": "web"}
    found = log_in("toy", WAYS, given)
    assert found == {
        "TOY_USER": "robot", "TOY_PASSWORD": Secret("a-password"), "TOY_PROJECT": "web", "TOY_REGION": "north",
    }  # fmt: skip
    assert others(WAYS, found) == {"TOY_FILE": ""}
    assert log_in("toy", WAYS, {"project": "web"})["TOY_FILE"] == "/keys/toy"


def test_of_a_way_that_is_known_only_its_own_gaps_are_named():
    with pytest.raises(CredentialsError) as caught:
        log_in("toy", WAYS, {"user": "robot", "project": "web"})
    assert caught.value.code == "cloud/no-credentials"
    assert caught.value.summary == "toy: no credentials, missing: TOY_PASSWORD or spec.providers.toy.password"
    assert caught.value.hint == "export TOY_PASSWORD=…"
    assert caught.value.where == "spec.providers.toy"


def test_without_any_way_all_of_them_are_named():
    with pytest.raises(CredentialsError) as caught:
        log_in("toy", WAYS, {}, "look at the page")
    file, _, user = caught.value.summary.partition("; else ")
    assert "TOY_FILE" in file
    assert "TOY_PROJECT or TOY_PROJECT_ID or spec.providers.toy.project" in file
    assert "TOY_USER" in user
    assert "TOY_PASSWORD" in user
    assert "TOY_REGION" not in caught.value.summary
    assert caught.value.hint == "look at the page"


def test_references_that_lead_nowhere_are_told_together_and_a_single_one_as_itself(tmp_path):
    both = {"user": "robot", "password": {"file": str(tmp_path / "nothing")}}
    with pytest.raises(CredentialsError) as caught:
        log_in("toy", WAYS, both)
    assert "nothing cannot be read" in caught.value.detail
    assert "TOY_PROJECT or TOY_PROJECT_ID or spec.providers.toy.project: not set" in caught.value.detail
    with pytest.raises(CredentialsError) as caught:
        log_in("toy", [TOKEN], {"token": {"env": "MINE"}})
    assert caught.value.code == "credentials/env"


def test_fields_are_made_of_secrets_only():
    fields = secret_fields((TOKEN, *WAYS))
    assert sorted(fields) == ["password", "token"]
    assert fields["token"] == {"$ref": "#/$defs/secret", "description": "A token; without it, TOY_TOKEN of the environment."}
