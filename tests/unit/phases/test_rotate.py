"""Other keys: never is there a node without a way in, and a cut-off run goes on; a mesh key changes one node's pairs only."""

import os
import subprocess
from dataclasses import replace

import pytest

from sloth.errors import UsageError
from sloth.model.facts import Facts
from sloth.model.node import Login
from sloth.model.phase import Connect, Each, Keep
from sloth.model.record import Record
from sloth.model.secret import Secret
from sloth.phases.certs import RenewCertificates
from sloth.phases.kubeconfig import ReadKubeconfig
from sloth.phases.rotate import RevokeTokens, RotateMeshKey, RotateSshKey
from tests.unit.phases import orders
from tests.unit.phases.driving import Driver, cluster, node
from tests.unit.phases.orders import Named, Player

NEW, OLD = "ssh-ed25519 NEW sloth-c", "ssh-ed25519 OLD sloth-c"


def machines(*, record=None, **machine):
    nodes = [node("a-1", 1, **machine), node("a-2", 2)]
    leases = tuple(each.lease for each in nodes)
    record = record or Record(cluster="c", leases=leases, ssh_key=Secret("old-private", known=False), ssh_public_key=OLD)
    return cluster(nodes, record=replace(record, leases=leases), facts={"a-1": {"x": "y"}, "a-2": {"x": "y"}})


def rotate(start, answer=lambda _node, _step: ""):
    driver = Driver(start.record, answer)
    login = lambda node, record: Login(node=node.name, address="198.51.100.1", key=record.ssh_key)  # noqa: E731
    phase = RotateSshKey(lambda comment: (Secret("new-private", known=False), NEW), login)
    return driver, lambda: driver.follow(phase.run(start))


def test_the_new_key_is_in_before_the_record_takes_it_and_the_old_one_goes_last():
    driver, go = rotate(machines())
    end = go()
    kinds = [type(order).__name__ for order in driver.orders]
    assert kinds == ["Keep", "Each", "Keep", "Connect", "Each", "Each", "Keep"]
    assert [(r.ssh_public_key, r.ssh_next_public, r.ssh_old_public) for r in driver.kept] == [
        (OLD, NEW, ""),
        (NEW, "", OLD),
        (NEW, "", ""),
    ]
    assert end.record.ssh_key.reveal() == "new-private"
    (connect,) = [order for order in driver.orders if isinstance(order, Connect)]
    assert {login.key.reveal() for login in connect.logins} == {"new-private"}
    assert driver.titles("a-1") == [["let the new key in"], ["log in with the new key"], ["shut the old key out"]]


def test_hosts_that_were_there_before_keep_their_owners_key():
    driver, go = rotate(machines(existing=True))
    go()
    assert driver.titles("a-1") == []
    assert len(driver.titles("a-2")) == 3


@pytest.mark.parametrize("cut", ["let the new key in", "log in with the new key", "shut the old key out"])
def test_a_run_that_was_cut_off_is_gone_on_with(cut):
    def fail(name, step):
        return KeyError(cut) if (name, step.title) == ("a-2", cut) else ""

    driver, go = rotate(machines(), fail)
    with pytest.raises(KeyError):
        go()
    again, go = rotate(machines(record=driver.record))
    assert go().record.ssh_public_key == NEW
    assert again.record.ssh_old_public == again.record.ssh_next_public == ""
    assert again.titles("a-2")[-1] == ["shut the old key out"]


def test_it_is_refused_while_a_node_is_away_and_for_machines_at_clouds():
    start = machines()
    away = replace(start, facts={"a-1": Facts(values={"x": "y"})})
    with pytest.raises(UsageError) as failure:
        rotate(away)[1]()
    assert failure.value.code == "certs/nodes-absent"
    placed = replace(start, record=start.record.with_placements("local", {"a-1": {"size": "s"}}))
    with pytest.raises(UsageError) as failure:
        rotate(placed)[1]()
    assert failure.value.code == "certs/ssh-key-at-cloud"


def test_a_new_mesh_key_reaches_every_peer_and_the_record():
    start = machines()
    record = start.record.with_node("a-1", mesh_public_key="K1").with_node("a-2", mesh_public_key="K2")
    start = replace(start, record=replace(record, mesh_seed=Secret("seed", known=False)))
    said = {"mesh.public_key": "K2", "mesh.applied": "ok", "mesh.passed": "ok", "link.eth0": "1500"}
    start = replace(start, facts={"a-1": Facts(values={**said, "mesh.public_key": "K1"}), "a-2": Facts(values=said)})

    def answer(name, step):
        if step.title == "read the node's public mesh key":
            return "NEW1" if name == "a-1" else "K2"
        if step.title == "try mesh peers":
            return f"self {'NEW1' if name == 'a-1' else 'K2'} 51820\npeer {'a-2' if name == 'a-1' else 'a-1'} ok\nend"
        return ""

    driver = Driver(start.record, answer)
    end = driver.follow(RotateMeshKey("a-1").run(start))
    assert end.record.node("a-1").mesh_public_key == "NEW1"
    assert end.record.node("a-2").mesh_public_key == "K2"
    titles = [title for trip in driver.titles("a-2") for title in trip]
    assert "put peers in force" in titles
    assert "make a new mesh key" not in titles
    assert "try mesh peers" in titles
    assert driver.titles("a-1")[0][0] == "make a new mesh key"


def test_a_node_that_is_away_gets_no_new_mesh_key():
    start = replace(machines(), facts={})
    driver = Driver(start.record)
    assert driver.follow(RotateMeshKey("a-1").run(start)) == start
    assert driver.orders == []


class Able(Named):
    """As `Named`, with what certificates and tokens take."""

    def certificates(self):
        return ()

    def renew(self, node, cluster):
        return ("renew", node.name)

    def revoke_tokens(self, server, cluster):
        return ("revoke", server.name)


CPS = ("cp-1", "cp-2", "cp-3")


def servers(**states):
    made = orders.cluster(*CPS, "work-1", states=dict.fromkeys((*CPS, "work-1"), "joined"))
    facts = {
        name: Facts(values={**fact.values, "kube.api": states.get(name.replace("-", "_"), "ok")})
        for name, fact in made.facts.items()
    }
    return replace(made, facts=facts)


def test_certificates_are_renewed_one_control_plane_at_a_time():
    player = Player()
    end = player.play(RenewCertificates(Able()), servers())
    assert player.scripts == [("renew", name) for name in CPS]
    assert end.changed == set(CPS)


class WithWorkers(Able):
    """Its workers do not."""

    def renew_worker(self, node, cluster):
        return ("renew worker", node.name)


def test_workers_come_last_where_nobody_else_renews_theirs():
    player = Player()
    end = player.play(RenewCertificates(WithWorkers()), servers())
    assert player.scripts == [*(("renew", name) for name in CPS), ("renew worker", "work-1")]
    assert end.changed == {*CPS, "work-1"}
    player.play(RenewCertificates(WithWorkers(), ("cp-1",), expired=True), servers())
    assert player.scripts[-1] == ("renew", "cp-1"), "what is expired is named"


def test_another_control_plane_that_is_not_well_stops_it_unless_they_expired():
    player = Player()
    with pytest.raises(Exception, match="cp-2") as failure:
        player.play(RenewCertificates(Able()), servers(cp_2="down"))
    assert failure.value.code == "certs/servers-absent"
    assert player.orders == []
    player.play(RenewCertificates(Able(), ("cp-1",), expired=True), servers(cp_2="down"))
    assert player.scripts == [("renew", "cp-1")]


@pytest.mark.parametrize("phase", [RenewCertificates, RevokeTokens])
def test_a_distribution_that_cannot_is_told_so(phase):
    with pytest.raises(UsageError) as failure:
        Player().play(phase(Named()), servers())
    assert failure.value.code == "certs/not-supported"


def test_tokens_are_revoked_on_one_server():
    player = Player()
    player.play(RevokeTokens(Able()), servers())
    assert player.scripts == [("revoke", "cp-1")]


OLD_CONFIG = "clusters: [{name: demo, cluster: {server: 'https://192.0.2.9:6443' }}]"
ADMIN = "{clusters: [{name: k, cluster: {server: 'https://127.0.0.1:6444'}}], users: [{name: a, user: {client-key-data: NEW}}]}"


def test_the_kubeconfig_gets_the_new_certificate_and_keeps_its_address():
    start = servers()
    start = replace(start, record=replace(start.record, kubeconfig=Secret(OLD_CONFIG.replace("'", ""), known=False)))
    player = Player(answers={"kubeconfig": Secret(ADMIN, known=False)})
    text = player.play(ReadKubeconfig(Able()), start).record.kubeconfig.reveal()
    assert "https://192.0.2.9:6443" in text
    assert "NEW" in text
    nothing = Player()
    nothing.play(ReadKubeconfig(Able()), servers())
    assert [order for order in nothing.orders if isinstance(order, (Each, Keep))] == []


@pytest.mark.parametrize("last", ["\n", ""], ids=["with a line end", "without"])
def test_the_real_text_changes_one_line_of_authorized_keys(tmp_path, last):
    """On a file of our own; each step twice: the second time there is nothing to do."""
    folder = tmp_path / ".ssh"
    folder.mkdir()
    file = folder / "authorized_keys"
    file.write_text(f"# mine\n{OLD}\nssh-rsa OTHER me{last}")
    file.chmod(0o600)
    steps = []

    def seen(name, step):
        steps.append(step)
        return ""

    rotate(machines(), seen)[1]()
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}

    def shell(text):
        return subprocess.run(["sh", "-c", text], env=environment, timeout=20, check=False).returncode

    for title, expected in {
        "let the new key in": f"# mine\n{OLD}\nssh-rsa OTHER me\n{NEW}\n",
        "shut the old key out": f"# mine\nssh-rsa OTHER me\n{NEW}\n",
    }.items():
        step = next(step for step in steps if step.title == title)
        assert shell(step.unless) != 0
        assert shell(step.run) == 0
        assert file.read_text() == expected
        assert shell(step.unless) == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in folder.iterdir()] == ["authorized_keys"]
