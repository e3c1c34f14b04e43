"""`sloth upgrade` by the real verbs on toy machines: order, halts, resuming, what `up` does meanwhile; and five hundred nodes."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pytest

from sloth import registry
from sloth.cli.mirror import make_mirror
from sloth.cli.nodes import list_nodes
from sloth.cli.plan import show_plan as plan_up
from sloth.cli.up import bring_up
from sloth.cli.upgrade import bring, pace, show_plan
from sloth.engine.rig import Rig
from sloth.engine.runner import run_phases
from sloth.errors import ConfigError, KubernetesError, UsageError
from sloth.flows.up import Tools
from sloth.flows.upgrade import Pace, apply
from sloth.kube.api import Api
from sloth.kube.kinds import Kinds
from sloth.model.cluster import Cluster
from sloth.model.node import Lease, Login, Machine
from sloth.model.plan import Plan
from sloth.model.record import NodeRecord, Record
from sloth.model.secret import Secret
from sloth.model.spec import ClusterSpec, PoolSpec
from sloth.testing import MemoryState
from tests.unit.app.toy import ADMIN
from tests.unit.app.toy_api import answered
from tests.unit.app.toy_upgrade import NEW, NODE, OLD, UpgradableToy
from tests.unit.app.upgrade_flow import world_at_old


@pytest.fixture
def world(tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        yield world_at_old(tmp_path, patch, control=3, workers=2)


def upgrade(world, **given):
    facts = {"to": "", "resume": False, "canary": None, "batch": "", "yes": True, **given}
    return bring(world.options, **facts)


def versions(world):
    return {name: host.text(NODE) for name, host in sorted(world.living().items())}


def ask_for(world, version, **counts):
    world.write(**{"control": 3, "workers": 2, **counts}, version=version)


def break_at(world, node, text):
    """The first command on that node that contains the text fails, once."""
    host = world.host(node)
    left = [1]

    def fail(_host, _match):
        left[0] -= 1
        host.handlers.pop(0)
        return 7

    host.handlers.insert(0, (re.compile(f".*{re.escape(text)}.*", re.DOTALL), fail))


def test_up_does_not_upgrade_and_says_what_does(world):
    ask_for(world, "1.36")
    for refused in (lambda: bring_up(world.options, yes=True), lambda: plan_up(world.options)):
        with pytest.raises(ConfigError) as caught:
            refused()
        assert caught.value.code == "upgrade/spec-version" and caught.value.hint == "sloth upgrade plan"
    with pytest.raises(ConfigError):
        bring_up(world.options, yes=True, anew=["work-1"])
    assert set(versions(world).values()) == {OLD}
    assert list_nodes(world.options).data["nodes"], "verbs that change nothing go on working"


def test_there_is_no_way_back(world):
    ask_for(world, "1.36")
    upgrade(world)
    ask_for(world, "1.35")
    with pytest.raises(ConfigError) as caught:
        bring_up(world.options, yes=True)
    assert caught.value.code == "upgrade/spec-version" and '"1.36"' in caught.value.hint
    with pytest.raises(UsageError) as down:
        upgrade(world)
    assert down.value.code == "upgrade/downgrade"


def test_the_spec_is_the_wish_and_afterwards_nothing_is_left_to_do(world):
    ask_for(world, "1.36")
    done = upgrade(world)
    assert done.data["changed"] == ["cp-1", "cp-2", "cp-3", "work-1", "work-2"]
    assert "next:" not in done.text
    assert set(versions(world).values()) == {NEW}
    again = bring_up(world.options, yes=True)
    assert again.data["changed"] == [] and again.data["kubernetes"] == NEW
    assert max(again.data["round_trips"].values()) <= 2
    assert "already" in upgrade(world).text


def test_the_administrators_certificate_that_was_renewed_with_it_comes_into_the_record(world):
    """Else a cluster that is upgraded every year, and nothing else, is locked out by its record after the first."""
    before = world.state.load().kubeconfig.reveal()
    ask_for(world, "1.36")
    for name in ("cp-1", "cp-2", "cp-3"):
        world.host(name).write("/etc/toy/admin.conf", ADMIN.replace("dG95LWtleS1vZi10aGUtYWRtaW4=", "cmVuZXdlZA=="), 0o600)
    upgrade(world)
    after = world.state.load().kubeconfig.reveal()
    assert after == before.replace("dG95LWtleS1vZi10aGUtYWRtaW4=", "cmVuZXdlZA==") != before


def test_a_target_of_the_command_line_leaves_the_spec_to_its_owner(world):
    before = world.spec.read_text()
    done = upgrade(world, to="1.36")
    assert 'set spec.kubernetes.version to "1.36"' in done.text and str(world.spec) in done.text
    assert world.spec.read_text() == before
    with pytest.raises(ConfigError):
        bring_up(world.options, yes=True)


def test_a_cluster_that_is_as_asked_is_left_alone_and_told_where_it_could_go(world):
    done = upgrade(world)
    assert done.exit == 0 and done.data["changed"] == [] and done.data["reachable"] == [NEW]
    assert "already" in done.text and set(versions(world).values()) == {OLD}


def test_the_plan_shows_the_way_and_changes_nothing(world, capsys):
    ask_for(world, "1.36")
    ran = {name: len(host.ran) for name, host in world.living().items()}
    out = show_plan(world.options)
    assert (out.data["from"], out.data["to"], out.data["reachable"], out.exit) == (OLD, NEW, [NEW], 0)
    assert out.data["order"] == [["cp-1", "cp-2", "cp-3"], ["work-1"], ["work-2"]]
    assert [row["server"] for row in out.data["nodes"]] == [OLD, OLD, OLD, "", ""]
    assert show_plan(world.options, exit_code=True).exit == 3
    out.show(world.options)
    text = capsys.readouterr().out
    assert f"looked at: {OLD} → {NEW}" in text and "sloth upgrade apply --to 1.36.3" in text
    changed = {name: [title for title, _ in host.ran[ran[name] :] if title not in READS] for name, host in world.living().items()}
    assert not any(changed.values()), changed


READS = {"wait for the Kubernetes API", "look at the node", "look at versions and workloads"}


def test_what_blocks_ends_the_plan_with_15_and_apply_before_anything(world):
    ask_for(world, "1.36")
    world.refused.add("work-2")
    out = show_plan(world.options, exit_code=True)
    assert out.exit == 15 and out.data["findings"][0]["text"] == "work-2 does not run or does not answer"
    with pytest.raises(KubernetesError) as caught:
        upgrade(world)
    assert caught.value.code == "upgrade/blocked" and "work-2" in caught.value.summary
    assert set(versions(world).values()) == {OLD} and not world.state.load().upgrade


@pytest.mark.parametrize(
    ("node", "text", "code", "left"),
    [
        ("cp-2", "toy upgrade next", "upgrade/halted", {"cp-2", "cp-3", "work-1", "work-2"}),
        ("work-1", "toy upgrade worker", "upgrade/halted", {"work-1", "work-2"}),
    ],
)
def test_what_fails_halts_with_its_cause_and_the_next_command_goes_on(world, node, text, code, left):
    ask_for(world, "1.36")
    break_at(world, node, text)
    with pytest.raises(KubernetesError) as caught:
        upgrade(world)
    assert caught.value.code == code and "sloth upgrade apply --resume" in caught.value.hint
    assert {name for name, version in versions(world).items() if version == OLD} == left
    record = world.state.load()
    assert (record.kubernetes_version, record.upgrade["to"]) == (OLD, NEW), "the record's version is moved at the end only"
    assert NEW in show_plan(world.options).data["under_way"]
    done = upgrade(world, resume=True)
    assert set(done.data["changed"]) == left and set(versions(world).values()) == {NEW}
    assert world.state.load().kubernetes_version == NEW
    drains = {name: host.facts["drains"] for name, host in world.living().items()}
    assert all(drains[name] == 1 for name in set(drains) - left), "what was finished was left alone"


def test_a_drain_that_is_held_up_halts_it_and_the_next_command_goes_on(world):
    ask_for(world, "1.36")
    facts = world.host("cp-1").facts
    facts["pods"], facts["budgets"] = [["shop", "web-1", "cp-2", "web", "Deployment/web"]], [["shop", "web", "web"]]
    with pytest.raises(KubernetesError) as caught:
        upgrade(world)
    assert (caught.value.code, caught.value.where) == ("node/drain-blocked", "cp-2")
    assert caught.value.hint.endswith("sloth nodes drain cp-2 --force-budget shop/web; then sloth upgrade apply --resume")
    assert {name for name, version in versions(world).items() if version == OLD} == {"cp-2", "cp-3", "work-1", "work-2"}
    facts["budgets"] = []
    assert set(upgrade(world, resume=True).data["changed"]) == {"cp-2", "cp-3", "work-1", "work-2"}


def test_a_batch_in_which_one_fails_lets_the_others_work_again(tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        world = world_at_old(tmp_path, patch, control=1, workers=3)
        world.write(control=1, workers=3, version="1.36")
        break_at(world, "work-3", "toy upgrade worker")
        with pytest.raises(KubernetesError) as caught:
            upgrade(world)
        assert "work-2, work-3" in caught.value.summary and caught.value.where == "work-3"
        hosts = world.living()
        assert not hosts["work-2"].facts["cordoned"] and hosts["work-2"].text(NODE) == NEW
        assert hosts["work-3"].facts["cordoned"], "nobody may land on what is half done"


def test_a_node_joins_in_the_middle_with_the_version_that_fits(world):
    """Control planes differ: a worker joins with the old version. All have the new one: it joins with that."""
    ask_for(world, "1.36")
    break_at(world, "cp-2", "toy upgrade next")
    with pytest.raises(KubernetesError):
        upgrade(world)
    ask_for(world, "1.36", workers=3)
    bring_up(world.options, yes=True)
    assert versions(world) == {"cp-1": NEW, "cp-2": OLD, "cp-3": OLD, "work-1": OLD, "work-2": OLD, "work-3": OLD}
    break_at(world, "work-1", "toy upgrade worker")
    with pytest.raises(KubernetesError):
        upgrade(world, resume=True)
    ask_for(world, "1.36", workers=4)
    bring_up(world.options, yes=True)
    assert versions(world)["work-4"] == NEW and versions(world)["work-2"] == OLD
    upgrade(world, resume=True)
    assert set(versions(world).values()) == {NEW}


def test_another_target_waits_until_the_first_is_reached(world):
    ask_for(world, "1.36")
    with pytest.raises(UsageError) as nothing:
        upgrade(world, resume=True)
    assert nothing.value.code == "upgrade/nothing-to-resume"
    break_at(world, "cp-1", "toy upgrade first")
    with pytest.raises(KubernetesError):
        upgrade(world)
    with pytest.raises(UsageError) as another:
        upgrade(world, to="1.35")
    assert another.value.code == "upgrade/another-under-way"


def test_without_a_cluster_or_a_terminal_nothing_is_begun(tmp_path, world):
    with pytest.raises(UsageError) as asked:
        upgrade(world, to="1.36", yes=False)
    assert asked.value.code == "usage/no-terminal"
    world.state.save(replace(world.state.load(), nodes={}))
    with pytest.raises(UsageError) as caught:
        upgrade(world, to="1.36")
    assert caught.value.code == "upgrade/no-cluster"


def test_on_a_terminal_the_order_is_shown_and_a_no_changes_nothing(world, monkeypatch, capsys):
    answers = iter([False, True])
    monkeypatch.setattr("sloth.app.need_terminal", lambda question: None)
    monkeypatch.setattr("sloth.app.ask", lambda question: f"from {OLD} to {NEW}" in question and next(answers))
    with pytest.raises(UsageError) as caught:
        upgrade(world, to="1.36", yes=False)
    assert caught.value.code == "usage/not-confirmed" and set(versions(world).values()) == {OLD}
    said = capsys.readouterr().err
    assert "control planes one by one: cp-1, cp-2, cp-3\nworkers: work-1\nworkers: work-2" in said
    upgrade(world, to="1.36", yes=False)
    assert set(versions(world).values()) == {NEW}


def test_a_distribution_that_cannot_says_so(world, monkeypatch):
    from tests.unit.app.toy import Toy

    monkeypatch.setattr(registry, "distribution", lambda name: Toy())
    with pytest.raises(UsageError) as caught:
        show_plan(world.options)
    assert caught.value.code == "upgrade/not-supported"


def test_the_command_line_goes_before_the_spec(world):
    from sloth.app import load

    loaded = load(world.options)
    assert pace(loaded) == Pace(batch="2", canary=True, pause=1)
    assert pace(loaded, canary=False, batch="10%") == Pace(batch="10%", canary=False, pause=1)
    with pytest.raises(UsageError):
        upgrade(world, to="1.36", batch="most")


def test_a_mirror_can_be_made_for_another_version(world, monkeypatch):
    asked = []
    monkeypatch.setattr(UpgradableToy, "needs", lambda self, version: asked.append(version) or ())
    make_mirror(world.options, from_source=False, directory=None, version="1.36")
    assert NEW in asked
    with pytest.raises(ConfigError) as caught:
        make_mirror(world.options, from_source=False, directory=None, version="1.30")
    assert caught.value.code == "config/unknown-version"


class Fleet:
    """Hosts by the hundred that answer in memory: transport and API of `run_phases`, and what a control plane knows of them."""

    def __init__(self, servers: int, workers: int) -> None:
        self.names = [f"cp-{n}" for n in range(1, servers + 1)] + [f"work-{n}" for n in range(1, workers + 1)]
        self.version = dict.fromkeys(self.names, OLD)
        self.trips: Counter[str] = Counter()
        self.together: list[int] = []  # how many workers each drain took
        self.marks: dict[str, tuple[bool, str]] = {}  # who is cordoned, and for what
        self.broken = ""

    def open(self, login: Login):
        return _Answers(self, login.node)

    @property
    def api(self):
        """Its Kubernetes API: no node has any pods."""
        return SimpleNamespace(open=lambda _kubeconfig, _doors: SimpleNamespace(run=self.talk, close=lambda: None))

    def talk(self, talk):
        host = SimpleNamespace(members=lambda: self.names, facts={}, name="cp-1")
        call = talk(Api(Kinds()))
        answers = None
        try:
            while True:
                wanted = call.send(answers)
                asked = wanted if isinstance(wanted, tuple) else (wanted,)
                cordons = [each for each in asked if each.method == "PATCH"]
                self.together += [len(cordons)] if any("work" in each.path for each in cordons) else []
                answers = [answered(host, each, self) for each in asked]
                answers = answers if asked is wanted else answers[0]
        except StopIteration as done:
            return done.value

    def cordoned(self, _host, name):
        return self.marks.get(name, (False, ""))

    def cordon(self, _host, name, cordoned, held):
        assert (cordoned, held) == (True, "upgrade")
        self.marks[name] = cordoned, held

    def emptied(self, _host, _name):
        pass


class _Answers:
    """One host of a fleet: every step succeeds; questions get what the fleet knows."""

    def __init__(self, fleet: Fleet, name: str) -> None:
        self.fleet, self.name = fleet, name

    def close(self):
        pass

    def run(self, steps):
        from sloth.model.step import Result

        self.fleet.trips[self.name] += 1
        results = []
        for step in steps:
            results.append(Result(out=self._said(step), changed=True, exit=9 if step.title == self.fleet.broken else 0))
            if results[-1].exit:
                break
        return results

    def _said(self, step) -> str:
        fleet = self.fleet
        if step.title == "look at the node":
            return f"kube.state=joined\nkube.version={fleet.version[self.name]}\narch=x86_64"
        if step.title == "look at versions and workloads":
            nodes = [f"{name}\t{version}\tTrue\t\t" for name, version in fleet.version.items()]
            servers = [f"10.90.0.{n} {fleet.version[name]}" for n, name in enumerate(fleet.names, 1) if name.startswith("cp-")]
            return "\n".join(
                ["= nodes", *nodes, "= servers", *servers, "= budgets", "= workloads", "= snapshot", "= apis", "read"]
            )
        if step.title.startswith("look who cordoned"):
            return "\n".join(f"{word} <none> <none>" for word in step.run.split() if word in fleet.version)
        if step.title == f"write {NODE}":
            fleet.version[self.name] = step.content
        return ""


def fleet_run(fleet: Fleet, batch: str, unavailable: str = "100%") -> Cluster:
    leases = tuple(
        Lease(
            name=name,
            pool=name.rpartition("-")[0],
            role="control-plane" if name.startswith("cp") else "worker",
            provider="local",
            mesh_address=f"10.90.{number // 250}.{number % 250}",
            pod_cidr=f"10.42.{number % 250}.0/24",
            ordinal=number,
        )
        for number, name in enumerate(fleet.names, 1)
    )
    pools = (
        PoolSpec(name="cp", role="control-plane", provider="local", count=3),
        PoolSpec(name="work", role="worker", provider="local", count=len(fleet.names) - 3, max_unavailable=unavailable),
    )
    record = Record(
        cluster="big", leases=leases, kubernetes_version=OLD, kubeconfig=Secret("kind: Config"),
        nodes={name: NodeRecord(joined=True, host_keys=("ssh-ed25519 A",)) for name in fleet.names},
    )  # fmt: skip
    machines = [Machine(name=name, id=name, address=name) for name in fleet.names]
    toy = UpgradableToy()
    tools = Tools(
        distribution=toy, make_key=None, make_seed=None, login_for=lambda node, record: Login(node=node.name, address=node.name)
    )
    state = MemoryState()
    state.save(record)
    here = SimpleNamespace(survey=lambda: machines)
    rig = Rig(transport=fleet, api=fleet.api, state=state, machines=lambda name: here, emit=lambda event: None, verb="upgrade")
    cluster = Cluster(spec=ClusterSpec(name="big", pools=pools), record=state.load(), plan=Plan(leases=leases), version=NEW)
    return run_phases(apply(tools, Pace(batch=batch)), cluster, rig)


def test_five_hundred_nodes_come_fifty_at_a_time():
    fleet = Fleet(3, 497)
    cluster = fleet_run(fleet, "10%")
    assert set(fleet.version.values()) == {NEW} and cluster.record.kubernetes_version == NEW
    assert fleet.together == [1, *[50] * 9, 46], "10 % of 497 are 50 at a time, after the canary"
    workers = {fleet.trips[name] for name in fleet.names if name.startswith("work")}
    assert workers == {4}, "a look, images, the upgrade, the preparation: the same for each"


def test_a_pool_may_have_fewer_away_than_a_batch_takes():
    fleet = Fleet(3, 40)
    fleet_run(fleet, "50%", unavailable="10%")
    assert set(fleet.version.values()) == {NEW}
    assert fleet.together == [1, *[4] * 9, 3]


def test_nodes_whose_turn_never_came_were_hardly_asked():
    """Halted at the canary: what an upgrade costs the nodes that it did not touch."""
    fleet = Fleet(3, 497)
    fleet.broken = "wait until work-1 runs v1.36.3 and is well"
    with pytest.raises(KubernetesError) as caught:
        fleet_run(fleet, "10%")
    assert caught.value.code == "upgrade/halted"
    assert max(fleet.trips[name] for name in fleet.names if name.startswith("work") and name != "work-1") <= 4
    assert fleet.together == [1]


def test_the_cost_of_a_changed_node_does_not_grow_with_the_cluster():
    costs = []
    for workers in (50, 400):
        fleet = Fleet(3, workers)
        fleet_run(fleet, "10%")
        costs.append(sum(fleet.trips.values()) / len(fleet.names))
    assert costs[1] <= costs[0]
