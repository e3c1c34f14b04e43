"""Other authorities with K3s and RKE2: the steps of each stage, and a run that is killed after any of them."""

import hashlib
import re
import subprocess
from dataclasses import dataclass, field

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sloth.adapters.authority import cross_sign, make_authority
from sloth.contracts.lifecycle import CrossSigns, RotatesAuthorities
from sloth.model.authorities import STAGES, Rotation
from sloth.model.secret import Secret
from sloth.model.step import Ask, Do, Put, Result, Wait
from sloth.supervised.authorities import fingerprint
from sloth.testing.contract import check_steps
from tests.unit.distributions.kubeadm.run import run

from .clusters import BOTH, K3S, NAMES, cluster, flavour_of

both = pytest.mark.parametrize("plugin", BOTH, ids=NAMES)
NODES = ("control-1", "control-2", "work-1")
FILES = ("client-ca", "etcd/peer-ca", "etcd/server-ca", "request-header-ca", "server-ca")
PAIRS = {
    name: cross_sign(f"{name} new", *make_authority(f"{name} old"))
    for name in ("server", "client", "request-header", "etcd-server", "etcd-peer")
}


def rotation(stage):
    return Rotation(id="20260102T030405Z", stage=stage, authorities=PAIRS)


def applied(plugin, stage, name, **answers):
    of = cluster(plugin, 3, 1)
    return run(
        plugin.apply_authorities(of.node(name), of, rotation(stage)), {"look what it was given": Result(exit=1), **answers}
    )


def loaded(plugin, stage):
    files = {step.path: step for step in applied(plugin, stage, "control-1").steps if isinstance(step, Put)}
    at = f"{flavour_of(plugin).data}/server/sloth-authorities/tls/"
    assert all(path.startswith(at) and step.mode == 0o600 for path, step in files.items())
    return {path.removeprefix(at): step.content for path, step in files.items()}


@both
def test_it_can_and_knows_the_five(plugin):
    assert isinstance(plugin, RotatesAuthorities) and isinstance(plugin, CrossSigns)
    assert set(plugin.authorities()) == set(plugin.authority_keys()) == set(PAIRS)
    assert set(plugin.authorities().values()) == {each.path for each in plugin.certificates() if each.authority}
    assert all(plugin.authority_keys()[name] == path[:-3] + "key" for name, path in plugin.authorities().items())


@both
@pytest.mark.parametrize("name", NODES)
@pytest.mark.parametrize("stage", STAGES)
def test_two_stages_have_work_and_the_others_none(plugin, stage, name):
    done = applied(plugin, stage, name)
    assert done.error is None and check_steps(done.steps) == []
    assert bool(done.steps) == (stage in ("trust", "drop"))
    assert len(done.trips) <= (3 if name == "control-1" else 1)


@both
def test_the_first_server_alone_loads_them_for_all(plugin):
    pair = PAIRS["etcd-peer"]
    trust, drop = loaded(plugin, "trust"), loaded(plugin, "drop")
    assert set(trust) == {f"{file}.{end}" for file in FILES for end in ("crt", "key")}
    assert set(drop) == {f"{file}.crt" for file in FILES}, "the keys stay as they are"
    assert trust["etcd/peer-ca.crt"] == pair.chain and drop["etcd/peer-ca.crt"] == pair.new
    assert isinstance(trust["server-ca.key"], Secret) and trust["server-ca.key"] == PAIRS["server"].key
    for name in NODES[1:]:
        assert not [step for step in applied(plugin, "trust", name).steps if isinstance(step, Put)]
    text = applied(plugin, "trust", "control-1").text("load the authorities into the datastore")
    at = f"{flavour_of(plugin).data}/server/sloth-authorities"
    assert (
        text
        == f"/usr/local/bin/{plugin.name} certificate rotate-ca {flavour_of(plugin).itself} --path={at} >/dev/null && rm -rf {at}"
    )
    assert "--force" not in text, "what does not lead to the old ones is refused"


@both
def test_what_is_loaded_already_is_not_loaded_again(plugin):
    done = applied(plugin, "trust", "control-1", **{"look what it was given": Result(exit=0)})
    assert not [step for step in done.steps if isinstance(step, Put)]
    assert "restart" in done.titles[-2], "it may not have started with it"


@both
def test_servers_restart_by_the_way_that_lets_one_go_at_a_time(plugin):
    flavour = flavour_of(plugin)
    for name in NODES:
        server = name.startswith("control")
        unit = flavour.unit(server=server)
        restart, wait = applied(plugin, "drop", name).steps[-2:]
        assert restart.run == ("/usr/local/lib/sloth/restart-server" if server else f"systemctl restart {unit}")
        assert (
            isinstance(wait, Wait)
            and f"{flavour.data}/agent/server-ca.crt" in wait.until
            and f"is-active -q {unit}" in wait.until
        )


@both
def test_a_token_names_the_root(plugin, tmp_path):
    flavour = flavour_of(plugin)
    root = x509.load_pem_x509_certificates(PAIRS["server"].new.encode())[1]
    assert fingerprint(PAIRS["server"]) == hashlib.sha256(root.public_bytes(Encoding.DER)).hexdigest()
    for name, path in (("control-2", flavour.server_token), ("work-1", flavour.agent_token)):
        step = next(
            each for each in applied(plugin, "trust", name).steps if each.title == "have its token name the new authority"
        )
        file = tmp_path / name
        for before, after in (
            (f"K10{'a' * 64}::node:pass:word\n", f"K10{fingerprint(PAIRS['server'])}::node:pass:word\n"),
            ("a password alone\n", "a password alone\n"),
        ):
            file.write_text(before)
            done = subprocess.run(["sh", "-c", f"{step.unless} || {step.run}".replace(path, str(file))], check=False)
            assert done.returncode == 0 and file.read_text() == after
            assert subprocess.run(["sh", "-c", step.unless.replace(path, str(file))], check=False).returncode == 0


@both
def test_pods_are_made_anew_before_the_old_ones_go(plugin):
    of = cluster(plugin, 3, 1)
    titles = {stage: run(plugin.spread_authorities(of.nodes[0], of, rotation(stage))).titles for stage in STAGES}
    assert titles["trust"] == ["wait until every namespace has it", "make pods anew"]
    assert titles["drop"] == titles["trust"][:1]
    assert titles["leaves"] == titles["nodes"] == []


@both
@pytest.mark.parametrize(
    ("stage", "bundle", "fine"),
    [("trust", "both", True), ("trust", "old", False), ("drop", "new", True), ("drop", "both", False), ("drop", "old", False)],
)
def test_a_node_is_believed_by_what_its_agent_was_given(plugin, stage, bundle, fine, tmp_path):
    pair, of = PAIRS["server"], cluster(plugin, 3, 1)
    text = {"both": pair.chain, "old": pair.old.partition("END CERTIFICATE-----\n")[2], "new": pair.new}[bundle]
    (tmp_path / "ca").write_text(text)
    ask = run(plugin.has_authorities(of.node("work-1"), rotation(stage))).steps[0]
    shell = ask.run.replace(f"{flavour_of(plugin).data}/agent/server-ca.crt", str(tmp_path / "ca"))
    assert (subprocess.run(["sh", "-c", shell], check=False).returncode == 0) == fine


# --- killed anywhere


class Killed(Exception):
    """SIGKILL of sloth: between two steps."""


@dataclass
class Machines:
    """A cluster as these scripts see it: what the datastore has, and what each node has started with."""

    stored: str = "old"
    started: dict = field(default_factory=lambda: dict.fromkeys(("control-1", "control-2", "control-3", "work-1"), "old"))
    staged: set = field(default_factory=set)
    log: list = field(default_factory=list)
    left: int = 10**6

    def carry_out(self, plugin, of, stage):
        """All nodes, as the phase goes through them."""
        now = rotation(stage)
        for node in of.nodes:
            if not self._run(plugin.has_authorities(node, now), node.name, stage):
                self._run(plugin.apply_authorities(node, of, now), node.name, stage)

    def _run(self, script, node, stage):
        try:
            wanted = next(script)
            while True:
                batch = wanted if isinstance(wanted, list) else [wanted]
                results = []
                for step in batch:
                    if not self.left:
                        raise Killed
                    self.left -= 1
                    results.append(self._step(step, node, stage))
                wanted = script.send(results if isinstance(wanted, list) else results[0])
        except StopIteration as end:
            return end.value

    def _step(self, step, node, stage):
        match step:
            case Ask(title="look at its authorities") | Ask(title="look what it was given"):
                return Result(exit=0 if self.started[node] == stage else 1)
            case Put():
                self.staged.add(step.path.rpartition("/tls/")[2])
            case Do(title="load the authorities into the datastore"):
                expected = {f"{file}.{end}" for file in FILES for end in (("crt", "key") if stage == "trust" else ("crt",))}
                assert expected <= self.staged, "nothing is loaded before all of it is there"
                self.stored, self.staged = stage, set()
                self.log.append("load")
            case Do(title="have its token name the new authority"):
                pass
            case Do() if step.title.startswith("restart "):
                self.started[node] = self.stored
                self.log.append(node)
            case Wait():
                assert self.started[node] == stage, f"{step.title} would never end"
            case _:
                raise AssertionError(f"unexpected: {step.title}")
        return Result()


@pytest.mark.parametrize("stage", ["trust", "drop"])
def test_killed_after_every_step_the_next_run_finishes_it(stage):
    of = cluster(K3S, 3, 1)
    for kill in range(1, 60):
        machines = Machines(stored="old" if stage == "trust" else "trust", left=kill)
        try:
            machines.carry_out(K3S, of, stage)
            ended = True
        except Killed:
            ended = False
        machines.left = 10**6
        machines.carry_out(K3S, of, stage)
        assert set(machines.started.values()) == {stage} == {machines.stored}
        restarts = [each for each in machines.log if each != "load"]
        assert restarts == sorted(restarts, key=list(machines.started).index), "servers first, in order, and nobody is left out"
        assert len(restarts) <= len(machines.started) + 1, "only the node at which it was cut off may restart twice"
        machines.log.clear()
        machines.carry_out(K3S, of, stage)
        assert machines.log == [], "a third run changes nothing"
        if ended:
            return
    raise AssertionError("the script never came to its end")


def test_no_step_has_a_key_in_its_text():
    keys = {line for pair in PAIRS.values() for line in pair.key.reveal().splitlines() if not re.match("-----", line)}
    for stage in STAGES:
        for name in NODES:
            for step in applied(K3S, stage, name).steps:
                assert not any(key in f"{getattr(step, 'run', '')}{step.title}" for key in keys)
