"""Every verb: help, JSON, exit codes, and nothing that looks like a crash."""

import io
import os
import re
import signal
from pathlib import Path

import pytest
import typer

from sloth import errors
from sloth.adapters import doctor as doctoring
from sloth.adapters import ssh
from sloth.adapters.doctor import Finding
from sloth.cli.main import app
from sloth.cli.options import execute
from sloth.cli.plan import CHANGES
from sloth.errors import CredentialsError, MachinesError, SlothError
from sloth.health.severity import Severity
from sloth.model.node import Login
from sloth.model.options import Options, Outcome
from sloth.testing import FakeMachines
from tests.unit.app import toy

ROOT = Path(__file__).resolve().parents[2]


def verbs(command=None, words=()):
    """Every verb's words, and its click command."""
    command = command or typer.main.get_command(app)
    for name, sub in getattr(command, "commands", {}).items():
        if hasattr(sub, "commands"):
            yield from verbs(sub, (*words, name))
        else:
            yield (*words, name), sub


# Those below `kube` speak kubectl's language and have options of their own: tests/kube/test_cli.py.
VERBS = {words: verb for words, verb in verbs() if words[0] != "kube"}
WITHOUT_SPEC = {
    ("init",), ("doctor",), ("config", "schema"), ("mirror", "serve"), ("mirror", "create"), ("state", "list"),
    ("providers", "list"), ("providers", "show"), ("audit", "show"), ("audit", "verify"),
}  # fmt: skip
SHARED = {"--file", "--cluster", "--output", "--log-format", "--no-color", "--debug", "--state-dir", "--state"}


NODE_WORDS = {
    ("nodes", "add"): ["work"], ("nodes", "remove"): ["work-1", "--yes"], ("nodes", "replace"): ["work-1", "--yes"],
    ("nodes", "cordon"): ["work-1"], ("nodes", "uncordon"): ["work-1"], ("nodes", "drain"): ["work-1"],
    ("nodes", "reboot"): ["work-1"], ("nodes", "exec"): ["hostname"],
}  # fmt: skip


NOT_OF_A_TOY = {("certs", "check"), ("certs", "rotate")}  # tests/unit/app/test_operating.py, tests/e2e/test_health.py
# tests/unit/phases/test_backup.py, tests/unit/app/test_backups.py, tests/e2e/long/test_backup.py
NOT_OF_A_TOY |= {("backup", verb) for verb in ("create", "verify", "restore", "schedule")}
# tests/unit/app/test_upgrade.py, tests/e2e/long/test_upgrade.py
NOT_OF_A_TOY |= {("upgrade", "plan"), ("upgrade", "apply")}


def test_all_verbs_are_there():
    assert {" ".join(words) for words in VERBS} == {
        "backup create", "backup list", "backup verify", "backup restore", "backup schedule", "backup prune",
        "init", "validate", "plan", "up", "status", "health", "certs check", "certs rotate", "recover", "nodes list", "ssh",
        "upgrade plan", "upgrade apply",
        "audit show", "audit verify", "kubeconfig", "down", "doctor", "unlock",
        "config show", "config schema", "mirror create", "mirror serve", "providers list", "providers show",
        "state list", "state show", "state export", "state import", "state rollback",
        "nodes add", "nodes remove", "nodes replace", "nodes cordon", "nodes uncordon", "nodes drain", "nodes reboot",
        "nodes exec",
    }  # fmt: skip


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_every_verb_has_help_and_the_shared_options(sloth, words):
    options = {name for parameter in VERBS[words].params for name in parameter.opts}
    assert options >= SHARED
    for flag in ("--help", "-h"):
        done = sloth(*words, flag, env={"COLUMNS": "200", "NO_COLOR": "1"})
        assert done.exit_code == 0
        assert "--output" in done.stdout
        assert (VERBS[words].help or "").splitlines()[0][:30] in done.stdout


@pytest.mark.parametrize("words", [(), ("nodes",), ("config",), ("mirror",), ("state",)])
def test_a_group_alone_shows_its_verbs(sloth, words):
    done = sloth(*words)
    assert done.exit_code in (0, 2)
    assert "Commands" in done.output


def test_the_version_is_told(sloth):
    from sloth import __version__

    assert sloth("--version").stdout == f"sloth {__version__}\n"


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense",), ("up", "--nonsense"), ("up", "extra"), ("plan", "-o", "xml"), ("ssh",), ("mirror", "serve", "--port", "x"),
        ("mirror", "serve", "--port", "70000"), ("up", "-f"), ("up", "--log-format", "yaml"), ("nodes", "lst"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_wrong_command_line_is_2_without_a_traceback(sloth, words):
    done = sloth(*words)
    assert done.exit_code == 2
    assert "Traceback" not in done.output
    assert done.stdout == ""


@pytest.mark.parametrize(
    "words",
    [words for words in VERBS if words not in {("mirror", "serve"), ("ssh",), ("doctor",), ("state", "import"), *NOT_OF_A_TOY}],
    ids=" ".join,
)
def test_every_verb_speaks_json(world, sloth, envelope, words):
    assert sloth("up").exit_code == 0
    more = {
        ("down",): ["--yes"], ("state", "export"): ["demo.sloth"], ("state", "rollback"): ["2", "--yes"],
        ("providers", "show"): ["local"], **NODE_WORDS,
    }  # fmt: skip
    own = more.get(words, [])
    code, document = envelope(*words, *own)
    assert code == 0
    assert document["ok"] is True
    assert document["data"]


@pytest.mark.parametrize("words", [words for words in VERBS if words not in WITHOUT_SPEC], ids=" ".join)
def test_every_verb_fails_in_json_too(world, envelope, words):
    world.spec.write_text("apiVersion: wrong\n")
    more = {
        ("ssh",): ["cp-1"], ("state", "export"): ["a"], ("state", "import"): ["a"], ("state", "rollback"): ["1"], **NODE_WORDS,
    }  # fmt: skip
    code, document = envelope(*words, *more.get(words, []))
    assert code == 10
    assert document["kind"] == "Error"
    assert all(error["exit"] == 10 and error["code"].startswith("config/") for error in document["errors"])


def test_a_whole_life(world, sloth, envelope):
    assert "3 to create" in sloth("plan").stdout
    assert "3 to create" in sloth("up", "--dry-run").stdout
    assert world.machines.survey() == []
    done = sloth("up")
    assert "demo: 3 nodes Ready, Kubernetes v1.36.3; changed: cp-1, work-1, work-2" in done.stdout
    assert "next: sloth kubeconfig --merge" in done.stdout
    assert "Machines" in done.stderr
    assert "nothing to change" in sloth("up", "-f", "sloth.yaml").stdout
    assert sloth("plan").stdout == "demo: nothing to change\n"
    for verb in (["status"], ["nodes", "list"]):
        done = sloth(*verb)
        assert done.exit_code == 0
        assert all(name in done.stdout for name in ("cp-1", "work-1", "work-2", "running"))
    assert "current-context: demo" in sloth("kubeconfig").stdout
    assert "context demo is now current" in sloth("kubeconfig", "--merge").stdout
    assert "demo is unlocked" in sloth("unlock").stdout
    assert "valid, 3 nodes in 2 pools" in sloth("validate").stdout
    assert "# default" in sloth("config", "show").stdout or "default" in sloth("config", "show").stdout
    assert "3 deleted, 0 left" in sloth("down", "--yes").stdout
    assert "no nodes" in sloth("nodes", "list").stdout


def failing(envelope, *words):
    code, document = envelope(*words)
    (error,) = document["errors"]
    assert error["exit"] == code
    assert error["hint"]
    return code, error["code"]


def raising(error):
    def work(*_args, **_kwargs):
        raise error

    return work


def a_spec_that_is_wrong(world, _patch):
    world.spec.write_text("kind: Cluster\n")


def a_key_that_others_read(world, _patch):
    (world.directory / "data" / "key").chmod(0o644)


def machines_that_cannot_be_made(world, patch):
    patch.setattr(world.machines, "apply", raising(MachinesError("local/no-engine", "no engine", hint="sloth doctor --fix")))


def a_node_that_does_not_answer(world, _patch):
    world.refused.add("work-1")


def a_step_that_fails(world, patch):
    world.write(workers=3)
    patch.setattr(toy, "HANDLERS", [("toy install", lambda *_: 1), *toy.HANDLERS])


def a_control_plane_that_is_gone(world, _patch):
    world.machines.delete(["cp-1"])


def a_damaged_record(world, _patch):
    (world.directory / "data" / "clusters" / "demo" / "record.sloth").write_bytes(b"junk")


def a_defect(world, patch):
    patch.setattr(world.machines, "apply", raising(RuntimeError("oh no")))


def a_ctrl_c(world, patch):
    real = FakeMachines.apply
    patch.setattr(FakeMachines, "apply", lambda *a: (real(*a), os.kill(os.getpid(), signal.SIGINT))[0])


def a_ctrl_c_before_the_run(_world, patch):
    patch.setattr("sloth.supply.fetch", raising(KeyboardInterrupt()))


def no_spec(world, _patch):
    world.spec.unlink()


CODES = {
    no_spec: (2, "usage/no-spec"),
    a_spec_that_is_wrong: (10, None),
    a_key_that_others_read: (11, "credentials/key-readable"),
    machines_that_cannot_be_made: (12, "local/no-engine"),
    a_node_that_does_not_answer: (13, "connect/unreachable"),
    a_step_that_fails: (14, "step/failed"),
    a_control_plane_that_is_gone: (15, "kubernetes/control-plane-lost"),
    a_damaged_record: (16, "state/damaged"),
    a_defect: (70, "internal/defect"),
    a_ctrl_c: (130, "run/interrupted"),
    a_ctrl_c_before_the_run: (130, "run/interrupted"),
}


@pytest.mark.parametrize("trouble", CODES, ids=lambda trouble: trouble.__name__)
def test_each_exit_code_of_up(world, sloth, envelope, monkeypatch, trouble):
    assert sloth("up").exit_code == 0
    with monkeypatch.context() as patch:
        trouble(world, patch)
        world.hosts.clear()
        code, document = envelope("up")
        patch.undo() if trouble is a_ctrl_c else None
    wanted, slug = CODES[trouble]
    assert code == wanted
    assert {error["exit"] for error in document["errors"]} == {wanted}
    assert slug in (None, document["errors"][0]["code"])
    assert all(error["hint"] for error in document["errors"])


@pytest.mark.parametrize("trouble", [a_node_that_does_not_answer, a_defect, a_step_that_fails], ids=lambda t: t.__name__)
@pytest.mark.parametrize("debug", [False, True])
def test_failures_for_people(world, sloth, monkeypatch, trouble, debug):
    sloth("up")
    trouble(world, monkeypatch)
    world.hosts.clear()
    done = sloth("up", *(["--debug"] if debug else []))
    wanted, slug = CODES[trouble]
    assert done.exit_code == wanted
    assert done.stdout == ""
    assert f"error {slug}" in done.stderr
    assert "next: " in done.stderr
    log = Path(re.search(r"full log: (\S+)", done.stderr)[1])
    assert log.stat().st_mode & 0o077 == 0
    assert "up" in log.name


def test_the_documented_exit_codes_are_those_of_the_errors():
    text = (ROOT / "docs" / "reference" / "exit-codes.md").read_text()
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.M)}
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, SlothError)]
    told = {CHANGES, Severity.WARNING.exit, Severity.UNKNOWN.exit}  # news of what was looked at, not failures of the verb
    assert documented - told == {0} | {kind.exit for kind in kinds}
    assert documented - told == {0} | {code for code, _ in CODES.values()}
    assert CHANGES in documented  # of `plan --exit-code`: no failure


def test_down_asks_and_without_a_terminal_that_is_no(world, sloth, envelope):
    sloth("up")
    done = sloth("down")
    assert done.exit_code == 2
    assert "machine work-2" in done.stderr
    assert failing(envelope, "down") == (2, "usage/no-terminal")
    assert len(world.living()) == 3


def test_down_refuses_a_protected_cluster_even_with_yes(world, sloth, envelope):
    sloth("up")
    world.write(protect="true")
    assert failing(envelope, "down", "--yes") == (2, "down/protected")
    assert len(world.living()) == 3


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("typed", "gone"), [("demo\n", True), ("dem\n", False), ("", False), ("yes\n", False)])
def test_down_on_a_terminal_wants_the_name(world, sloth, monkeypatch, typed, gone):
    from sloth.cli.down import take_down

    sloth("up")
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    assert (execute(world.options, lambda: take_down(world.options, yes=False)) == 0) is gone
    assert (world.machines.survey() == []) is gone


@pytest.mark.parametrize(("typed", "gone"), [("y\n", True), ("YES\n", True), ("n\n", False), ("\n", False)])
def test_up_on_a_terminal_asks_before_it_removes(world, sloth, monkeypatch, typed, gone):
    from sloth.cli.up import bring_up

    sloth("up")
    world.write(workers=1)
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    assert (execute(world.options, lambda: bring_up(world.options, yes=False)) == 0) is gone
    assert ("work-2" not in world.living()) is gone


def test_unlock_is_refused_while_the_owner_lives_and_by_name_too(world, sloth, envelope):
    held = world.state
    held.lock("up")
    assert failing(envelope, "unlock") == (16, "state/owner-alive")
    assert failing(envelope, "up") == (16, "state/locked")
    held.unlock()
    assert envelope("unlock", "--cluster", "demo")[0] == 0
    assert failing(envelope, "unlock", "--cluster", "../x") == (2, "usage/cluster-name")


def test_ssh_passes_the_command_on_and_ends_with_its_code(world, sloth, envelope, monkeypatch):
    seen = []
    monkeypatch.setattr(ssh, "interactive", lambda login, command: seen.append((login, command)) or 7)
    assert failing(envelope, "ssh", "work-1") == (2, "usage/unknown-node")
    sloth("up")
    assert failing(envelope, "ssh", "nobody") == (2, "usage/unknown-node")
    assert sloth("ssh", "work-1", "--", "ls", "-l", "a b").exit_code == 7
    assert sloth("ssh", "work-1", "--", "echo $HOME | wc").exit_code == 7
    assert sloth("ssh", "work-1").exit_code == 7
    assert [command for _, command in seen] == ["ls -l 'a b'", "echo $HOME | wc", ""]
    login = seen[0][0]
    assert isinstance(login, Login)
    assert login.node == "work-1"
    assert login.host_keys == tuple(world.state.load().node("work-1").host_keys)


def test_a_kubeconfig_for_an_api_that_nobody_reaches_says_so(world, sloth):
    spec = Path("sloth.yaml")
    assert "from outside" not in sloth("up").stderr + sloth("kubeconfig").stderr
    spec.write_text(spec.read_text() + "  access: {api: []}\n")
    sloth("up")
    done = sloth("kubeconfig")
    assert done.exit_code == 0 and "nobody reaches the API of demo from outside" in done.stderr
    assert "current-context: demo" in done.stdout


def test_what_is_not_known_is_said(world, envelope):
    assert failing(envelope, "kubeconfig") == (2, "kubeconfig/none")
    assert failing(envelope, "kubeconfig", "--cluster", "other") == (2, "kubeconfig/none")
    for verb in (["status"], ["nodes", "list"], ["down", "--yes"]):
        assert failing(envelope, *verb, "--cluster", "other") == (2, "usage/unknown-cluster")
    assert failing(envelope, "up", "-f", "nowhere.yaml") == (10, "config/no-file")
    assert failing(envelope, "init", "Not_A_Name") == (10, "config/format")


def test_status_is_15_when_a_node_is_gone(world, sloth, envelope):
    sloth("up")
    world.machines.stop("work-1")
    code, document = envelope("status")
    assert code == 15
    assert document["ok"] is False
    assert document["data"]["healthy"] is False
    assert {error["exit"] for error in document["errors"]} == {5, 15}


def test_init_and_validate(world, sloth):
    text = sloth("init", "first").stdout
    assert sloth("validate", "-f", "-", input=text).stdout == "first: valid, 3 nodes in 2 pools\n"
    done = sloth("validate", "-f", "-", input=text.replace("count: 2", "count: two"))
    assert done.exit_code == 10
    assert "next: " in done.stderr


def test_overlays_are_laid_over_each_other(world, sloth):
    over = world.directory / "over.yaml"
    over.write_text("metadata: {labels: {a: b}}\n")
    assert "a: b" in sloth("config", "show", "-f", "sloth.yaml", "-f", str(over)).stdout


def test_progress_as_json_lines(world, sloth):
    import json

    done = sloth("up", "--log-format", "json")
    rows = [json.loads(line) for line in done.stderr.splitlines()]
    assert {row["kind"] for row in rows} >= {"run-started", "phase-started", "step-finished", "phase-finished", "run-finished"}
    assert "demo: 3 nodes Ready" in done.stdout


@pytest.mark.parametrize(("words", "env"), [(["--no-color"], {}), ([], {"NO_COLOR": "1"})])
def test_no_color(world, sloth, words, env):
    forced = {"FORCE_COLOR": "1", "TERM": "xterm-256color", "_TYPER_FORCE_DISABLE_TERMINAL": "1"}
    assert "\x1b[3" in sloth("plan", env=forced).stdout
    assert "\x1b[3" not in sloth("plan", *words, env={**forced, **env}).output


def test_the_live_picture_is_for_terminals(world, monkeypatch):
    from sloth.desk import views
    from sloth.ui.rich_view import RichView
    from sloth.ui.streams import JsonLines, PlainView

    def kinds(**settings):
        made = views(Options(**settings), quiet=False)
        for view in made:
            view.close()
        return [type(view) for view in made]

    monkeypatch.setattr("sys.stderr", Terminal())
    assert kinds() == [RichView]
    assert kinds(debug=True) == [PlainView]
    assert kinds(log_format="json") == [JsonLines]
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert kinds() == [PlainView]
    assert views(Options(), quiet=True) == []


FINDINGS = [
    Finding(id="python", title="Python", ok=True, detail="3.11"),
    Finding(id="engine", title="Docker engine", ok=False, detail="not running", fix="start it", hint="sloth doctor --fix"),
]


def test_doctor_says_what_is_missing(world, sloth, envelope, monkeypatch):
    monkeypatch.setattr(doctoring, "run_checks", lambda _root, *_: FINDINGS)
    code, document = envelope("doctor")
    assert code == 12
    assert document["data"]["ok"] is False
    assert [check["id"] for check in document["data"]["checks"]] == ["python", "engine"]
    done = sloth("doctor")
    assert done.exit_code == 12
    assert "next: sloth doctor --fix" in done.stdout


@pytest.mark.parametrize("yes", [True, False])
def test_doctor_fixes_and_looks_again(world, sloth, monkeypatch, yes):
    found = list(FINDINGS)
    asked = []

    def fix(findings, root, *, say, ask):
        say("starting the engine")
        asked.append(ask("go on?"))
        found[:] = FINDINGS[:1]

    monkeypatch.setattr(doctoring, "run_checks", lambda _root, *_: list(found))
    monkeypatch.setattr(doctoring, "apply_fixes", fix)
    done = sloth("doctor", "--fix", *(["--yes"] if yes else []))
    assert "starting the engine" in done.stderr
    if not yes:  # nobody can be asked here
        assert done.exit_code == 2
        assert "add --yes" in done.stderr
        assert asked == []
        return
    assert done.exit_code == 0
    assert asked == [True]
    assert sloth("doctor", "--fix").exit_code == 0  # nothing to fix
    assert len(asked) == 1


def test_a_mirror_is_made(world, sloth, envelope, tmp_path):
    code, document = envelope("mirror", "create", "--directory", str(tmp_path / "m"))
    assert code == 0
    assert document["data"]["directory"] == str(tmp_path / "m")
    assert "0 artifacts" in sloth("mirror", "create", "-f", "sloth.yaml").stdout


def test_a_mirror_needs_no_spec(world, sloth, envelope):
    world.spec.unlink()
    assert envelope("mirror", "create")[0] == 0


def test_a_failure_of_credentials_is_11():
    code = execute(Options(), raising(CredentialsError("credentials/keyring", "locked", hint="unlock it")))
    assert code == 11


def test_an_outcome_with_nothing_to_say_says_nothing(capsys):
    assert execute(Options(), lambda: Outcome("Nothing", exit=3)) == 3
    assert capsys.readouterr() == ("", "")
