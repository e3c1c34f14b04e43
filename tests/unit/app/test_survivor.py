"""`sloth backup restore --survivor`: the quorum guard's sum is said before anything is asked, and nothing is touched before."""

import pytest

from sloth.cli.backup_restore import restore_backup
from sloth.errors import KubernetesError, UsageError
from tests.unit.app import restore_flow
from tests.unit.app.test_upgrade import READS


@pytest.fixture
def world(tmp_path, monkeypatch):
    return restore_flow.standing(tmp_path, monkeypatch)


def changed(world, before):
    return {name: [title for title, _ in host.ran[before[name] :] if title not in READS] for name, host in world.living().items()}


def test_the_sum_is_said_before_the_name_must_be_typed(world, monkeypatch, capsys):
    asked = []

    def refuse(name, text):
        asked.append(capsys.readouterr().err)
        raise UsageError("usage/not-confirmed", "no", hint="x")

    monkeypatch.setattr("sloth.app.type_cluster", refuse)
    before = {name: len(host.ran) for name, host in world.living().items()}
    with pytest.raises(UsageError):
        restore_backup(world.options, "", survivor="cp-1", yes=False)
    (said,) = asked
    assert "etcd: 1 voting member, 0 healthy, 1 needed, so nothing can be decided; cp-1 alone: 1 voting, 1 needed" in said
    asked_of = changed(world, before)
    assert asked_of.pop("cp-1") == ["list etcd members", "ask etcd members for health", "ask etcd members whether they live"]
    assert not any(asked_of.values()), "nobody else is asked"


def test_it_is_refused_where_etcd_has_its_majority(world, monkeypatch):
    monkeypatch.setattr("sloth.app.type_cluster", lambda *_: pytest.fail("asked all the same"))
    host = world.host("cp-1")
    host.on(r"(\{ )?.*etcdctl endpoint health .*", lambda *_: '[{"endpoint": "https://10.90.0.1:2379", "health": true}]')
    host.handlers.insert(0, host.handlers.pop())
    with pytest.raises(KubernetesError) as caught:
        restore_backup(world.options, "", survivor="cp-1", yes=True)
    assert caught.value.code == "backup/majority-there"
    assert not world.state.load().backup.get("restoring")
