"""The Markdown summary: what is said is there, and nothing that was said becomes markup."""

import re

import pytest

from sloth.errors import ConfigError, ManyErrors, StepError
from sloth.model.secret import Secret
from sloth.ui import summary
from tests.unit.ui.test_plan_table import change, planned

EVIL = "![x](http://192.0.2.1/) <img src=x> | `a` **b** \n# heading ``` ~~~ {{x}}"


def test_a_page_has_a_heading_with_the_outcome_and_the_duration():
    assert summary.page_text("up", "demo", ["done"], ok=True, took="1.2 s") == "### ✅ sloth up demo\n\ndone\n\n1.2 s\n\n"
    assert summary.page_text("up", "", [], ok=False, took="1 s").startswith("### ❌ sloth up\n")


def test_a_plan():
    data = planned(
        machines=[change("work-2", "create"), change("old-1", "delete"), change("w-1", "replace", cause=("image",))],
        steps=[("Mesh", "put peers in force", "cp-1", False)], create=1, delete=1, replace=1,
    )  # fmt: skip
    lines = summary.plan_lines(data)
    assert lines[0] == "**1 to create, 1 to replace, 1 to delete, 0 nodes to change; 0 unchanged**"
    assert "| **delete** | Machines | delete machine | old-1 | hcloud |" in lines
    assert "| **replace** | Machines | replace machine | w-1 | because of image; hcloud |" in lines
    assert "| change | Mesh | Mesh: 1 step | cp-1 |  |" in lines
    assert summary.plan_lines(planned()) == ["Nothing to change."]


def test_up_and_down():
    node = {"node": "cp-1", "role": "control-plane", "provider": "local", "address": "192.0.2.1", "mesh": "10.90.0.1"}
    data = {"changed": ["cp-1", "old-1"], "kubernetes": "v1.36.3", "api": "https://192.0.2.1:6443"}
    lines = summary.up_lines(data, [node])
    assert lines[0] == "1 node Ready, Kubernetes v1.36.3, API `https://192.0.2.1:6443`. Changed: cp-1, old-1."
    assert "Removed: old-1." in lines
    assert "| cp-1 | control-plane | local | 192.0.2.1 | 10.90.0.1 | yes |" in lines
    assert summary.up_lines({**data, "changed": []}, [node])[0].endswith("Changed: nothing.")
    lines = summary.down_lines({"deleted": ["machine a", "network b"], "left": []})
    assert lines[0] == "2 deleted, 0 left."
    assert lines[-1] == "| network b |"


def test_a_long_table_is_cut_and_says_so():
    lines = summary.down_lines({"deleted": [f"machine {n}" for n in range(250)], "left": []})
    assert len([line for line in lines if line.startswith("| machine")]) == 200
    assert lines[-1] == "… and 50 more."


def test_a_failure_has_evidence_hint_and_log():
    error = StepError("step/failed", "work-1: install failed", detail="a\nb", where="work-1", hint="sloth up")
    lines = summary.failure_lines(error, "/var/log/x.log")
    assert lines[0] == "**work-1: install failed**"
    assert lines[2:6] == ["```text", "a", "b", "```"]
    assert "Next: `sloth up` · `step/failed`, explained in `docs/troubleshooting.md#stepfailed`" in lines
    assert lines[-1] == "Full log: `/var/log/x.log`"


def test_many_failures_are_listed_and_the_rest_counted():
    errors = [StepError("step/failed", f"node-{n} failed", hint="sloth up") for n in range(25)]
    lines = summary.failure_lines(ManyErrors("many", errors))
    assert len([line for line in lines if line.startswith("**")]) == 20
    assert "… and 5 more." in lines


@pytest.mark.parametrize("text", [EVIL, "a|b", "`", "``` x", "<b>", "&lt;", "\\", "a\r\nb"])
def test_no_text_becomes_markup(text):
    cell = summary.plain(text)
    assert "\n" not in cell
    assert "\r" not in cell
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*|\[\]<>#!]", cell.replace("\\\\", ""))
    fence = re.match("`+", summary.code(text))[0]
    assert fence not in summary.code(text)[len(fence) : -len(fence)]
    block = summary.fenced(text.splitlines())
    assert not any(line.strip().startswith(block[-1]) for line in block[1:-1])


def test_a_secret_is_masked_in_everything():
    secret = Secret("hunter2-hunter2-hunter2").reveal()
    error = ConfigError("config/x", f"it is {secret}", detail=secret, where=secret, hint=f"try {secret}")
    text = "\n".join([*summary.failure_lines(error, secret), summary.plain(secret), summary.code(secret)])
    assert secret not in text
    assert "***" in text.replace("\\", "")
