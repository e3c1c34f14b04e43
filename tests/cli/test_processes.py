"""The installed program itself, in processes of its own: pipes, signals, completion."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

SLOTH = Path(sys.executable).with_name("sloth")


@pytest.fixture
def env(tmp_path):
    base = {key: value for key, value in os.environ.items() if not key.startswith(("SLOTH_", "COV_", "FORCE_"))}
    return {**base, "SLOTH_DATA_DIR": str(tmp_path / "data"), "SLOTH_CACHE_DIR": str(tmp_path / "cache"), "HOME": str(tmp_path)}


def run(env, tmp_path, *words, **settings):
    return subprocess.run(
        [str(SLOTH), *words], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False, **settings
    )


def test_init_into_validate(env, tmp_path):
    with subprocess.Popen([str(SLOTH), "init"], stdout=subprocess.PIPE, env=env, cwd=tmp_path) as first:
        done = run(env, tmp_path, "validate", "-f", "-", "-o", "json", stdin=first.stdout)
    assert done.returncode == 0
    assert json.loads(done.stdout)["data"] == {"cluster": "demo", "nodes": 3, "pools": ["control", "work"]}
    assert done.stderr == ""


def test_a_failure_ends_with_its_code_and_leaves_stdout_alone(env, tmp_path):
    done = run(env, tmp_path, "validate")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "error usage/no-spec" in done.stderr
    assert "sloth init > sloth.yaml" in done.stderr
    assert not (tmp_path / "data").exists()


def test_a_reader_that_goes_away_is_no_crash(env, tmp_path):
    done = subprocess.run(
        ["sh", "-c", f"'{SLOTH}' config schema | true"],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr


def test_output_without_utf8_is_no_crash(env, tmp_path):
    env = {**env, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}
    for words in (["doctor"], ["validate"], ["init"]):
        done = run(env, tmp_path, *words)
        assert done.returncode in (0, 2, 12)
        assert "Traceback" not in done.stderr
        assert "UnicodeEncodeError" not in done.stderr


def test_completion(env, tmp_path):
    script = run({**env, "_SLOTH_COMPLETE": "source_bash"}, tmp_path)
    assert script.returncode == 0
    assert "complete" in script.stdout
    assert "sloth" in script.stdout
    asked = {**env, "_SLOTH_COMPLETE": "complete_bash", "COMP_WORDS": "sloth val", "COMP_CWORD": "1"}
    assert run(asked, tmp_path).stdout.split() == ["validate"]


def test_a_mirror_is_served_until_ctrl_c(env, tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "file").write_text("content")
    (tmp_path / "m" / "index.json").write_text("{}")
    command = [str(SLOTH), "mirror", "serve", "--port", "0", "--directory", str(tmp_path / "m"), "-o", "json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, cwd=tmp_path, text=True) as server:
        url = server.stderr.readline().split(" at ")[1].split(";")[0]
        with urllib.request.urlopen(f"{url.rstrip('/')}/file", timeout=10) as answer:
            assert answer.read() == b"content"
        server.send_signal(signal.SIGINT)
        out, err = server.communicate(timeout=20)
    assert server.returncode == 0
    assert "Traceback" not in err
    assert json.loads(out)["data"]["url"] == url
