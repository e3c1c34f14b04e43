"""Stamps: the digest is of what is done; the snippet is run by a real shell on real files."""

import subprocess
from dataclasses import replace
from types import MappingProxyType

import pytest

from sloth.model.secret import Secret
from sloth.model.step import Ask, Do, Put, Retry, Upload, Wait
from sloth.phases import stamp
from sloth.phases.stamp import VERIFY, digest, stamped

STEPS = [
    Do(title="a", run="true", env={"TOKEN": Secret("token-of-the-test")}),
    Put(path="/etc/x", content=Secret("secret-content")),
    Put(path="/etc/y", content=b"\0binary"),
    Upload(path="/usr/bin/x", source="/here/x", sha256="aa"),
    Wait(title="w", until="true"),
    Ask(title="q", run="cat /etc/x"),
]


def test_digest_is_stable_and_of_the_content():
    env = MappingProxyType({"TOKEN": Secret("token-of-the-test")})
    words = [
        replace(STEPS[0], title="other words", hint="h", timeout=1, retry=Retry(attempts=3), env=env),
        *STEPS[1:3],
        replace(STEPS[3], source="/there/x"),
        replace(STEPS[4], every=9, diagnose="d"),
        STEPS[5],
    ]
    assert digest(STEPS) == digest(words)
    assert len(digest(STEPS)) == 32


@pytest.mark.parametrize(
    ("index", "change"),
    [
        (0, {"run": "false"}),
        (0, {"unless": "true"}),
        (0, {"env": {"TOKEN": Secret("another-token")}}),
        (1, {"content": Secret("other")}),
        (1, {"mode": 0o600}),
        (1, {"owner": "a:b"}),
        (1, {"then": "x"}),
        (2, {"content": b"\0other"}),
        (3, {"sha256": "bb"}),
        (4, {"until": "x"}),
    ],
)
def test_digest_sees_every_change(index, change):
    changed = [*STEPS]
    changed[index] = replace(changed[index], **change)
    assert digest(changed) != digest(STEPS)
    assert digest(STEPS[::-1]) != digest(STEPS)


def test_what_a_step_cannot_hold():
    with pytest.raises(TypeError):
        digest([Do(title="x", run=object())])


def test_secrets_do_not_reach_the_node_in_clear():
    texts = " ".join(step.run for step in stamped("x", STEPS, ["/etc/x"]) if isinstance(step, Do))
    assert "token-of-the-test" not in texts and "secret-content" not in texts


@pytest.mark.parametrize("path", ["relative", "/with blank", "/with\nnewline"])
def test_odd_paths_are_refused(path):
    with pytest.raises(ValueError, match="not a path"):
        stamped("x", [], [path])


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A shell whose stamps lie in a directory of the test."""
    folder = tmp_path / "stamps"

    def run(text):
        text = text.replace(stamp.FOLDER, str(folder))
        done = subprocess.run(["sh", "-s"], input=text, capture_output=True, text=True, check=True)
        assert done.stderr == ""
        return done.stdout

    def finish(name, steps, paths):
        for step in stamped(name, steps, paths):
            if isinstance(step, Do) and step not in steps:
                run(f"{step.unless or 'false'} || {{ {step.run}; }}")

    return run, finish, tmp_path


def test_no_stamp_prints_nothing(host):
    run, _, _ = host
    assert run(VERIFY) == ""


def test_untouched_changed_and_missing_files(host):
    run, finish, folder = host
    one, other = folder / "one", folder / "other"
    one.write_text("1")
    other.write_text("2")
    finish("prepare", STEPS, [str(one), str(other)])
    finish("plain", STEPS[:1], [])
    lines = [f"stamp.plain={digest(STEPS[:1])} ok", f"stamp.prepare={digest(STEPS)} ok"]
    assert run(VERIFY).splitlines() == lines
    other.chmod(0o600)
    assert f"stamp.prepare={digest(STEPS)} drift" in run(VERIFY)
    finish("prepare", STEPS, [str(one), str(other)])
    one.unlink()
    assert run(VERIFY).splitlines() == [lines[0], f"stamp.prepare={digest(STEPS)} drift"]


def test_a_stage_takes_its_old_stamp_away_first(host):
    run, finish, _ = host
    finish("prepare", STEPS[:1], [])
    begin, *_ = stamped("prepare", STEPS, [])
    assert begin.title == "begin prepare"
    run(begin.run)
    assert run(VERIFY) == ""
    assert subprocess.run(["sh", "-c", begin.unless.replace(stamp.FOLDER, "/nowhere")], check=False).returncode == 0


def test_a_stage_whose_file_is_missing_is_not_stamped(host):
    run, _, folder = host
    *_, end = stamped("x", [], [str(folder / "missing")])
    done = subprocess.run(["sh", "-c", end.run.replace(stamp.FOLDER, str(folder / "stamps"))], capture_output=True, check=False)
    assert done.returncode != 0
    assert run(VERIFY) == ""
