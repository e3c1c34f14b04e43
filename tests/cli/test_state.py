"""`sloth state`, and every verb with its record in a bucket."""

import json
import stat

import pytest

from sloth.adapters import crypt
from sloth.errors import StateError
from sloth.model.secret import known_values
from tests.unit.adapters.aws_server import BUCKET
from tests.unit.adapters.conftest import aws, aws_process  # noqa: F401  fixtures

PASSPHRASE = "some words that are mine"


@pytest.fixture(params=["local", "file", "s3"])
def place(request, world, monkeypatch):
    """Where the records of a test are; the address, which is in $SLOTH_STATE too."""
    monkeypatch.setattr(crypt, "_COST", 1 << 4)  # stretching is not what is tested here
    monkeypatch.setenv("SLOTH_PASSPHRASE", PASSPHRASE)
    url = ""
    if request.param == "file":
        url = f"file://{world.directory}/shared"
    if request.param == "s3":
        url = f"s3://{BUCKET}/team?endpoint={request.getfixturevalue('aws').url}"
    monkeypatch.setenv("SLOTH_STATE", url)
    return url


def failing(envelope, *words):
    code, document = envelope(*words)
    (error,) = document["errors"]
    assert error["exit"] == code
    assert error["hint"]
    return code, error["code"]


def newest(envelope):
    code, document = envelope("state", "list", "-c", "demo")
    assert code == 0
    return document["data"]["versions"][0]


def test_a_whole_life_with_the_record_in_that_place(place, world, sloth, envelope):
    assert sloth("state", "list").stdout == "no clusters\n"
    assert sloth("up").exit_code == 0
    assert "nothing to change" in sloth("up").stdout
    assert "work-2" in sloth("nodes", "list", "-c", "demo").stdout
    assert "current-context: demo" in sloth("kubeconfig").stdout
    code, document = envelope("state", "list")
    (cluster,) = document["data"]["clusters"]
    assert (code, cluster["name"], cluster["state"], cluster["locked"]) == (0, "demo", "current", "")
    assert cluster["verb"] == "up"
    assert "demo" in sloth("state", "list").stdout
    assert (world.directory / "data" / "clusters" / "demo" / "record.sloth").exists() is not bool(place)
    assert sloth("down", "--yes").exit_code == 0
    assert sloth("state", "list").stdout == "no clusters\n"
    assert not (world.directory / "data" / "clusters" / "demo").exists()
    assert world.machines.survey() == []


def test_the_option_goes_before_the_variable_and_unknown_names_list_what_is_there(place, world, sloth, envelope, monkeypatch):
    sloth("up")
    monkeypatch.delenv("SLOTH_STATE")
    if place:
        assert failing(envelope, "status", "-c", "demo") == (2, "usage/unknown-cluster")
        assert sloth("status", "-c", "demo", "--state", place).exit_code == 0
    assert "demo" in sloth("status", "-c", "wrong", "--state", place).stderr
    assert failing(envelope, "status", "-c", "demo", "--state", "bucket") == (2, "usage/state-url")


def test_versions_say_who_and_when(place, sloth, envelope):
    sloth("up")
    code, document = envelope("state", "list", "-c", "demo")
    rows = document["data"]["versions"]
    assert code == 0
    assert [row["state"] for row in rows] == ["current", *["older"] * (len(rows) - 1)]
    assert [row["revision"] for row in rows] == sorted((row["revision"] for row in rows), reverse=True)
    assert all("@" in row["by"] and row["saved"] and row["size"] > 100 for row in rows)
    text = sloth("state", "list", "-f", "sloth.yaml").stdout
    assert "REVISION" in text and "current" in text


def test_show_masks_every_secret(place, world, sloth, envelope):
    sloth("up")
    text = sloth("state", "show").stdout
    assert "cluster: demo" in text
    assert "mesh_seed: '***'" in text
    code, document = envelope("state", "show", "2")
    assert (code, document["data"]["revision"], document["data"]["mesh_seed"]) == (0, 2, "***")
    record = world.state.load() if not place else None
    assert not [value for value in known_values() if value in text]
    if record:
        assert record.mesh_seed.reveal() not in text
    assert failing(envelope, "state", "show", "999") == (16, "state/no-revision")
    assert failing(envelope, "state", "show", "-c", "other") == (16, "state/no-revision")


def test_a_record_goes_out_sealed_and_comes_back(place, world, sloth, envelope):
    sloth("up")
    done = sloth("state", "export", "demo.sloth")
    assert done.exit_code == 0
    out = world.directory / "demo.sloth"
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert not [value for value in known_values() if value.encode() in out.read_bytes()]
    assert failing(envelope, "state", "export", "demo.sloth") == (2, "usage/file-exists")
    before = newest(envelope)["revision"]
    code, document = envelope("state", "import", "demo.sloth", "--yes")
    assert (code, document["data"]) == (0, {"cluster": "demo", "revision": before + 1, "from": before})
    assert newest(envelope)["verb"] == "state import"
    assert sloth("up").exit_code == 0


def test_in_plain_only_after_a_question_and_for_one_user(place, world, sloth, envelope):
    sloth("up")
    assert failing(envelope, "state", "export", "plain.json", "--reveal-secrets") == (2, "usage/no-terminal")
    assert not (world.directory / "plain.json").exists()
    assert sloth("state", "export", "plain.json", "--reveal-secrets", "--yes").exit_code == 0
    out = world.directory / "plain.json"
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert json.loads(out.read_text())["mesh_seed"]["$secret"]
    assert envelope("state", "import", "plain.json", "--yes")[0] == 0


def test_an_import_moves_a_record_to_another_place(place, world, sloth, envelope, monkeypatch):
    sloth("up")
    sloth("state", "export", "demo.sloth")
    monkeypatch.setenv("SLOTH_STATE", f"file://{world.directory}/moved")
    code, document = envelope("state", "import", "demo.sloth", "-c", "demo")  # nothing is replaced, so nothing is asked
    assert (code, document["data"]["revision"]) == (0, 1)
    assert sloth("status", "-c", "demo").exit_code == 0
    assert "nothing to change" in sloth("up").stdout


def test_what_does_not_fit_is_not_imported(place, world, sloth, envelope):
    sloth("up")
    sloth("state", "export", "demo.sloth")
    sloth("state", "export", "plain.json", "--reveal-secrets", "--yes")
    before = newest(envelope)
    plain = json.loads((world.directory / "plain.json").read_text())

    def imported(text, *words):
        (world.directory / "in").write_bytes(text if isinstance(text, bytes) else json.dumps(text).encode())
        return failing(envelope, "state", "import", "in", "--yes", *words)

    assert imported({**plain, "cluster": "other"}) == (16, "state/other-cluster")
    assert imported({**plain, "schema": 99}) == (16, "state/newer")
    assert imported({**plain, "moons": 2}) == (16, "state/newer")
    assert imported(b"rubbish") == (16, "state/no-export")
    assert imported(b"[]") == (16, "state/no-export")
    sealed = (world.directory / "demo.sloth").read_bytes()
    assert imported(sealed[:-1]) == (16, "state/damaged")
    assert imported(sealed, "-c", "other") == (16, "state/other-cluster")
    assert imported(plain, "-c", "other") == (16, "state/other-cluster")
    assert failing(envelope, "state", "import", "nowhere", "--yes") == (2, "usage/no-file")
    assert failing(envelope, "state", "import", "plain.json") == (2, "usage/no-terminal")
    assert newest(envelope) == before


def test_another_passphrase_does_not_open_what_is_imported_and_a_new_one_can_be_given(place, sloth, envelope, monkeypatch):
    sloth("up")
    sloth("state", "export", "demo.sloth")
    sloth("state", "export", "plain.json", "--reveal-secrets", "--yes")
    monkeypatch.setenv("SLOTH_PASSPHRASE", "other words")
    assert failing(envelope, "state", "import", "demo.sloth", "--yes") == (16, "state/wrong-passphrase")
    assert failing(envelope, "status") == (16, "state/wrong-passphrase")
    assert envelope("state", "import", "plain.json", "--yes")[0] == 0  # how a passphrase is changed
    assert sloth("up").exit_code == 0


def test_rolling_back_saves_an_older_revision_as_a_new_one(place, sloth, envelope):
    sloth("up")
    before = newest(envelope)["revision"]
    old = before - 1
    assert failing(envelope, "state", "rollback", str(old)) == (2, "usage/no-terminal")
    code, document = envelope("state", "rollback", str(old), "--yes")
    assert (code, document["data"]) == (0, {"cluster": "demo", "revision": before + 1, "from": old})
    assert document["warnings"] == []
    assert failing(envelope, "state", "rollback", "999", "--yes") == (16, "state/no-revision")
    assert sloth("up").exit_code == 0  # nodes are looked at, so an older record that knows them all is good enough


def test_who_goes_back_behind_a_nodes_host_key_is_told(place, sloth, envelope):
    sloth("up")
    before = newest(envelope)["revision"]
    code, document = envelope("state", "rollback", "2", "--yes")
    (warning,) = document["warnings"]
    assert code == 0
    assert "cp-1, work-1, work-2" in warning
    assert envelope("up")[0] == 13
    done = sloth("state", "rollback", str(before), "--yes")
    assert done.exit_code == 0
    assert sloth("up").exit_code == 0


def test_what_another_run_works_on_is_not_changed(place, world, sloth, envelope):
    from sloth.app import state_of
    from sloth.model.options import Options

    sloth("up")
    sloth("state", "export", "demo.sloth")
    state = state_of(Options(state_dir=world.directory / "data", state=place), "demo")
    state.lock("up")
    for words in (("import", "demo.sloth"), ("rollback", "2")):
        assert failing(envelope, "state", *words, "--yes") == (16, "state/locked")
    assert failing(envelope, "unlock") == (16, "state/owner-alive")
    assert "locked by" in sloth("state", "list", "-c", "demo").stdout
    assert sloth("state", "show").exit_code == 0
    state.unlock()
    assert envelope("unlock")[0] == 0
    with pytest.raises(StateError):
        state.revision(999)


def test_shared_state_without_a_passphrase_is_refused_before_anything_is_made(place, world, envelope, monkeypatch):
    if not place.startswith("s3://"):
        pytest.skip("only where others are to open it")
    monkeypatch.delenv("SLOTH_PASSPHRASE")
    assert failing(envelope, "up") == (11, "credentials/shared-passphrase")
    assert world.machines.survey() == []


def test_nothing_secret_is_in_the_bucket_after_a_whole_run(sloth, world, monkeypatch, aws):  # noqa: F811
    monkeypatch.setenv("SLOTH_PASSPHRASE", PASSPHRASE)
    monkeypatch.setenv("SLOTH_STATE", f"s3://{BUCKET}/team?endpoint={aws.url}")
    assert sloth("up").exit_code == 0
    objects = aws.objects()
    assert "team/clusters/demo/record.sloth" in objects
    secrets = {PASSPHRASE, *known_values()}
    assert len(secrets) > 3
    assert not [name for name, data in objects.items() for value in secrets if value.encode() in data]
