"""The command line as a pipeline uses it: exit codes, files, summaries, groups, and nobody asked."""

import json
import re

import jsonschema
import pytest

from tests.cli.conftest import SCHEMA


def data_of(done):
    document = json.loads(done.stdout)
    jsonschema.validate(document, SCHEMA)
    return document["data"]


def test_exit_code_says_whether_there_is_something_to_do(world, sloth):
    assert sloth("plan").exit_code == 0
    assert sloth("plan", "--exit-code").exit_code == 3
    assert sloth("plan", "--json", "--exit-code").exit_code == 3
    sloth("up")
    assert sloth("plan", "--exit-code").exit_code == 0
    world.write(workers=1)
    assert sloth("plan", "--exit-code").exit_code == 3
    world.spec.write_text("apiVersion: wrong\n")
    assert sloth("plan", "--exit-code").exit_code == 10


def test_json_is_output_json(world, sloth):
    told, alias = sloth("plan", "-o", "json"), sloth("plan", "--json")
    assert data_of(told)["add"] == data_of(alias)["add"] == ["cp-1", "work-1", "work-2"]
    assert sloth("plan", "-o", "text").stdout == sloth("plan").stdout


@pytest.mark.parametrize("words", [("-o", "./my.plan"), ("-o", "my.plan"), ("--output", "my.plan"), ("--out", "my.plan")])
def test_a_plan_is_saved_and_applied(world, sloth, words):
    done = sloth("plan", *words)
    assert done.exit_code == 0
    assert "next: sloth up my.plan" in done.stdout
    assert (world.directory / "my.plan").stat().st_mode & 0o077 == 0
    assert "demo: 3 nodes Ready" in sloth("up", "my.plan").stdout
    done = sloth("up", "my.plan")
    assert done.exit_code == 16
    assert "plan/moved" in done.stderr


def test_a_plan_can_be_saved_and_printed_as_json(world, sloth):
    for words in (("--out", "p", "-o", "json"), ("-o", "./p", "--json")):
        data = data_of(sloth("plan", *words))
        assert data["saved"]["digest"] == json.loads((world.directory / "p").read_text())["digest"]


def test_a_word_that_is_no_form_and_no_file_is_refused(world, sloth):
    for words in (("-o", "yaml"), ("-o", "jsn"), ("-o", "a.plan", "--out", "b.plan")):
        assert sloth("plan", *words).exit_code == 2
    assert sorted(path.name for path in world.directory.iterdir()) == ["sloth.yaml"]


def test_the_spec_is_not_overwritten_by_a_plan(world, sloth):
    before = world.spec.read_text()
    done = sloth("plan", "-o", "sloth.yaml")
    assert done.exit_code == 2
    assert "plan/not-a-plan" in done.stderr
    assert world.spec.read_text() == before


def test_a_plan_file_goes_with_no_target_and_no_dry_run(world, sloth):
    sloth("plan", "--out", "p")
    for words in (("--target", "cp-1"), ("--dry-run",)):
        done = sloth("up", "p", *words)
        assert done.exit_code == 2
        assert "usage/plan-and-more" in done.stderr
    assert world.machines.survey() == []
    assert sloth("up", "nofile").exit_code == 2


def test_targets_on_the_command_line(world, sloth):
    sloth("up")
    world.write(workers=5)
    assert data_of(sloth("plan", "--json", "--target", "work-3", "--target", "work-5"))["add"] == ["work-3", "work-5"]
    assert data_of(sloth("up", "--dry-run", "-o", "json", "--target", "work-3"))["add"] == ["work-3"]
    assert "4 nodes Ready" in sloth("up", "--target", "work-4").stdout
    assert sloth("up", "--target", "nobody").exit_code == 2


@pytest.mark.parametrize("words", [("up",), ("down",)], ids=" ".join)
def test_nobody_is_asked_without_a_terminal(world, sloth, words):
    sloth("up")
    world.write(workers=1)
    done = sloth(*words, input="y\ndemo\n")  # a pipe is no terminal, whatever is in it
    assert done.exit_code == 2
    assert "usage/no-terminal" in done.stderr
    assert "next: add --yes" in done.stderr
    assert len(world.living()) == 3
    assert sloth(*words, "--yes").exit_code == 0


def test_unlock_asks_nothing(world, sloth):
    assert sloth("unlock").exit_code == 0


def test_summaries_are_appended(world, sloth):
    page = world.directory / "summary.md"
    page.write_text("before\n")
    for words in (("plan",), ("up",), ("plan",), ("down", "--yes")):
        assert sloth(*words, "--summary", "summary.md").exit_code == 0
    text = page.read_text()
    assert text.startswith("before\n### ✅ sloth plan demo\n")
    assert re.findall(r"^### (.*)$", text, re.M) == [f"✅ sloth {verb} demo" for verb in ("plan", "up", "plan", "down")]
    assert "| create | Machines | create machine | cp-1, work-1, work-2 (3 nodes) | local |" in text
    assert "| work-2 | worker | local | 192.0.2.3 | 10.90.0.3 | yes |" in text
    assert "Nothing to change." in text
    assert "3 deleted, 0 left." in text
    assert len(re.findall(r"^\d+\.\d s$", text, re.M)) == 4


def test_a_failure_is_in_the_summary_with_its_hint(world, sloth):
    sloth("up")
    world.refused.add("work-1")
    assert sloth("up", "--summary", "s.md").exit_code == 13
    text = (world.directory / "s.md").read_text()
    assert text.startswith("### ❌ sloth up demo\n")
    assert "**work-1 does not answer**" in text
    assert "Next: `sloth up`" in text
    assert "Full log: `" in text
    world.spec.write_text("apiVersion: wrong\n")
    assert sloth("plan", "--summary", "s.md").exit_code == 10
    assert "### ❌ sloth plan\n" in (world.directory / "s.md").read_text()


def test_a_spec_from_standard_input_is_read_once(world, sloth):
    done = sloth("plan", "-f", "-", "--summary", "s.md", input=world.spec.read_text())
    assert done.exit_code == 0
    assert "### ✅ sloth plan demo\n" in (world.directory / "s.md").read_text()


def test_json_lines_stay_json_lines_in_github_actions(world, sloth):
    sloth("up")
    world.refused.add("work-1")
    done = sloth("up", "-o", "json", "--log-format", "json", env={"GITHUB_ACTIONS": "true"})
    assert done.exit_code == 13
    assert all(json.loads(line)["kind"] for line in done.stderr.splitlines())


def test_a_summary_that_cannot_be_written_is_told_before_anything_is_done(world, sloth):
    done = sloth("up", "--summary", "none/s.md")
    assert done.exit_code == 2
    assert "usage/summary-unwritable" in done.stderr
    assert world.machines.survey() == []


def test_progress_in_github_actions_is_folded(world, sloth):
    done = sloth("up", env={"GITHUB_ACTIONS": "true"})
    lines = done.stderr.splitlines()
    assert {"::group::Connect", "::group::Mesh", "::group::Workers"} <= set(lines)
    assert len([line for line in lines if line.startswith("::group::")]) == lines.count("::endgroup::")
    assert "::" not in done.stdout.replace("https://", "")
    assert "::group::" not in sloth("plan").stderr


@pytest.mark.parametrize("form", ["text", "json"])
def test_failures_in_github_actions_are_annotations_at_their_line(world, sloth, form):
    text = world.spec.read_text()
    world.spec.write_text(text.replace("count: 2", "count: many"))
    done = sloth("plan", "-o", form, env={"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(world.directory)})
    assert done.exit_code == 10
    found = [line for line in done.stderr.splitlines() if line.startswith("::error ")]
    line = text[: text.index("count: 2")].count("\n") + 1
    assert len(found) == 1
    assert f",file=sloth.yaml,line={line},col=" in found[0]
    assert ("::stop-commands::" in done.stderr) is (form == "text")
    assert "::error" not in done.stdout


def test_what_a_node_says_is_no_command_in_github_actions(world, sloth, monkeypatch):
    from sloth.errors import StepError
    from sloth.testing import FakeMachines

    def wrong(*_):
        raise StepError("step/failed", "it said:", detail="::set-env name=PATH::/evil\n##[add-path]/evil", hint="sloth up")

    monkeypatch.setattr(FakeMachines, "apply", wrong)
    done = sloth("up", env={"GITHUB_ACTIONS": "true"})
    assert done.exit_code == 14
    token = re.search(r"^::stop-commands::(\w+)$", done.stderr, re.M)[1]
    outside = re.sub(rf"::stop-commands::{token}.*::{token}::", "", done.stderr, flags=re.S)
    assert "evil" not in "".join(line for line in outside.splitlines() if not line.startswith("::error "))
