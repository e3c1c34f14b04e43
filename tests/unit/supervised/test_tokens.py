"""Other join tokens with K3s and RKE2: which files and commands, in which order, and a run that is killed after any step."""

import re
import subprocess
from pathlib import Path

import pytest

from sloth.contracts.lifecycle import RevokesTokens, RotatesTokens
from sloth.errors import KubernetesError
from sloth.model.join_tokens import JoinTokens
from sloth.model.secret import Secret
from sloth.model.step import Ask, Do, Put, Result, Wait
from sloth.testing.contract import check_steps
from tests.unit.distributions.kubeadm.run import run

from .clusters import BOTH, K3S, NAMES, cluster, flavour_of

both = pytest.mark.parametrize("plugin", BOTH, ids=NAMES)
ROOT = f"K10{'ab' * 32}"
BEGUN = JoinTokens(id="20260102T030405Z", agent=Secret("agents-new", known=False))
MADE = JoinTokens(id=BEGUN.id, agent=BEGUN.agent, server=Secret(f"{ROOT}::server:servers-new", known=False))
READ = {"read the servers' token": f"{ROOT}::server:servers-new\n"}


def puts(done):
    return {step.path: (step.content.reveal(), step.mode) for step in done.steps if isinstance(step, Put)}


@both
def test_it_changes_them_on_every_node(plugin):
    assert isinstance(plugin, RotatesTokens) and not isinstance(plugin, RevokesTokens)


@both
def test_the_first_server_makes_both_and_starts_once(plugin):
    of, flavour = cluster(plugin, 3, 1), flavour_of(plugin)
    done = run(plugin.new_tokens(of.nodes[0], of, BEGUN), READ)
    assert done.error is None and check_steps(done.steps) == [] and len(done.trips) == 1
    assert done.value.reveal() == MADE.server.reveal()
    assert puts(done) == {flavour.agent_token: ("agents-new", 0o600)}
    assert [title for title in done.titles if title.startswith(("restart", "have other"))] == [
        "have other passwords for joining",
        f"restart {flavour.server_unit} with new tokens",
    ]
    text = done.text("have other passwords for joining")
    assert (
        f"/usr/local/bin/{plugin.name} token rotate --server=https://127.0.0.1:{flavour.supervisor_port} >/dev/null" in text
        and "--new-token" not in text
    )


PASSWD = "agents-old,node,node,k3s:agent\nservers-old,server,server,k3s:server\n"


@pytest.mark.parametrize(("active", "fails", "ended"), [(True, False, 0), (True, True, 1), (False, False, 0)])
def test_the_agents_password_is_in_the_file_when_the_command_reads_it(tmp_path, active, fails, ended):
    of, flavour = cluster(K3S, 3, 1), flavour_of(K3S)
    step = next(s for s in run(K3S.new_tokens(of.nodes[0], of, BEGUN), READ).steps if s.title.startswith("have other"))
    text = step.run
    for path in (f"{flavour.data}/server", flavour.etc, "/etc/sloth/k3s", flavour.binary):
        text = text.replace(path, f"{tmp_path}{path}")
        Path(f"{tmp_path}{path}").parent.mkdir(parents=True, exist_ok=True)
    for path, content in {
        f"{flavour.data}/server/cred/passwd": PASSWD, f"{flavour.data}/server/token": f"{ROOT}::server:servers-old\n",
        flavour.agent_token: "agents-new", "/etc/sloth/k3s/note": "",
    }.items():  # fmt: skip
        at = Path(f"{tmp_path}{path}")
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_text(content)
    passwd, full = tmp_path / f"{flavour.data[1:]}/server/cred/passwd", tmp_path / f"{flavour.data[1:]}/server/token"
    rotate = "exit 1" if fails else f"grep -q ^agents-new,node {passwd} && echo {ROOT}::server:servers-new >{full}"
    for name, body in {f"{tmp_path}{flavour.binary}": rotate, f"{tmp_path}/systemctl": f"exit {0 if active else 3}"}.items():
        Path(name).write_text(f"#!/bin/sh\n{body}\n")
        Path(name).chmod(0o755)
    done = subprocess.run(["sh", "-euc", text], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=False)
    assert done.returncode == ended
    made = Path(f"{tmp_path}{flavour.server_token}")
    assert made.exists() == (not fails) and (fails or made.read_text() == full.read_text())
    assert passwd.read_text() == (PASSWD.replace("agents-old", "agents-new") if active else PASSWD)
    assert (tmp_path / "etc/sloth/k3s/tokens").exists() == (not fails)


@both
@pytest.mark.parametrize("said", ["", "K10short::server:x", "a password"])
def test_an_answer_that_is_no_token_is_refused(plugin, said):
    of = cluster(plugin, 3, 1)
    error = run(plugin.new_tokens(of.nodes[0], of, BEGUN), {"read the servers' token": said}).error
    assert isinstance(error, KubernetesError) and error.code == "kubernetes/no-join-token"


@both
def test_the_others_take_what_proves_the_cluster_to_them(plugin):
    of, flavour = cluster(plugin, 3, 1), flavour_of(plugin)
    server = run(plugin.take_tokens(of.node("control-2"), of, MADE))
    assert puts(server) == {
        flavour.server_token: (f"{ROOT}::server:servers-new", 0o600), flavour.agent_token: ("agents-new", 0o600),
    }  # fmt: skip
    worker = run(plugin.take_tokens(of.node("work-1"), of, MADE))
    assert puts(worker) == {flavour.agent_token: (f"{ROOT}::node:agents-new", 0o600)}
    assert "/usr/local/lib/sloth/restart-server" in server.text(f"restart {flavour.server_unit} with new tokens")
    assert worker.text(f"restart {flavour.agent_unit} with new tokens") == f"systemctl restart {flavour.agent_unit}"
    for done in (server, worker):
        assert done.error is None and check_steps(done.steps) == [] and len(done.trips) == 1
        assert not any("-new" in getattr(step, "run", "") for step in done.steps), "no password in a command"


class Killed(Exception):
    """SIGKILL of sloth: between two steps."""


class Server:
    """One server: its files, what it has started with, and what the datastore opens with."""

    def __init__(self):
        self.files = {"agent": "agents-old", "server": "servers-old", "note": ""}
        self.opens = "servers-old"
        self.sealed = "agents-old"  # the agents' password in the datastore
        self.started = ("agents-old", "servers-old")
        self.made = 0
        self.log = []

    def run(self, script, steps=10**6):
        try:
            wanted = next(script)
            while True:
                results = []
                for step in wanted:
                    if not steps:
                        raise Killed
                    steps -= 1
                    results.append(self._step(step))
                wanted = script.send(results)
        except StopIteration as end:
            return end.value

    def _step(self, step):
        match step:
            case Put():
                self.files["agent" if step.path.endswith("agent-token") else "server"] = step.content.reveal()
            case Do() if step.title.startswith("restart "):
                if not self._noted(step.unless):
                    assert self.files["server"] == self.opens, "a server with another token than the datastore's does not start"
                    assert self.files["agent"] == self.sealed, "nor one with other passwords, which are newer"
                    self.started = (self.files["agent"], self.files["server"])
                    self.log.append("restart")
            case Do(title="have other passwords for joining"):
                if not self._noted(step.unless):
                    self.made += 1
                    self.sealed = self.files["agent"]
                    self.opens = self.files["server"] = f"{ROOT}::server:made-{self.made}"
                    self.files["note"] = f"{BEGUN.id} made"
                    self.log.append("rotate")
            case Do(title="note the tokens"):
                if not self._noted(step.unless):
                    self.files["note"] = step.run.split("'")[1]
            case Wait():
                assert self.started[0] == self.files["agent"]
            case Ask(title="read the servers' token"):
                return Result(out=self.opens)
            case _:
                raise AssertionError(f"unexpected: {step.title}")
        return Result()

    def _noted(self, unless):
        return re.match(unless.split("'")[1], self.files["note"]) is not None


def test_killed_after_every_step_the_next_run_ends_with_one_token():
    of = cluster(K3S, 3, 1)
    for kill in range(1, 20):
        server = Server()
        try:
            server.run(K3S.new_tokens(of.nodes[0], of, BEGUN), kill)
            ended = True
        except Killed:
            ended = False
        answer = server.run(K3S.new_tokens(of.nodes[0], of, BEGUN))
        assert answer.reveal() == server.opens == server.files["server"]
        assert server.started == ("agents-new", server.opens)
        server.log.clear()
        server.run(K3S.new_tokens(of.nodes[0], of, BEGUN))
        assert server.log == [], "a third run changes nothing"
        if ended:
            return
    raise AssertionError("the script never came to its end")
