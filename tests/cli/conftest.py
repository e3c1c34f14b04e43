"""The command line in this process, on a world of toy machines."""

import json
from importlib.resources import files

import jsonschema
import pytest
from typer.testing import CliRunner

from tests.unit.app.world import World

SCHEMA = json.loads(files("sloth.ui").joinpath("envelope.schema.json").read_text())


@pytest.fixture
def world(tmp_path, monkeypatch):
    made = World(tmp_path).install(monkeypatch)
    monkeypatch.chdir(tmp_path)
    for name in ("FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return made


@pytest.fixture
def sloth(world):
    """`sloth("up", "-y")`; what came of it has `exit_code`, `stdout`, `stderr`."""
    from sloth.cli.main import app

    def run(*words, input=None, env=None):
        return CliRunner().invoke(app, list(words), input=input, env=env, prog_name="sloth")

    return run


@pytest.fixture
def envelope(sloth):
    """The same with `--output json`: the exit code and the document, which fits its schema."""

    def run(*words, input=None):
        done = sloth(*words, "--output", "json", input=input)
        document = json.loads(done.stdout)
        jsonschema.validate(document, SCHEMA)
        assert document["ok"] is (document["errors"] == [])
        return done.exit_code, document

    return run
