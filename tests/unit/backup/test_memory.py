"""What the record remembers of backups survives being written and read, secrets as secrets."""

from sloth.adapters.record_json import dump, parse, readable
from sloth.backup.memory import (
    Proof,
    Restoring,
    keys_of,
    proof,
    restoring,
    summary,
    with_keys,
    with_last,
    with_proof,
    with_restoring,
)
from sloth.model.options import Options
from sloth.model.record import Record
from sloth.ui.backup_table import backups, proven, timers
from tests.unit.backup.material import keys

EMPTY = Record(cluster="shop")


def full():
    record = with_last(with_keys(EMPTY, keys()), "shop-20261125T172030Z", 1000)
    record = with_proof(record, "verified", Proof(name="shop-20261125T172030Z", at=1100, seconds=2.5))
    return with_proof(record, "restored", Proof(name="shop-20261125T172030Z", at=9000, seconds=95.0, behind=7300))


def test_it_comes_back_from_the_record_file():
    record = with_restoring(full(), Restoring(name="a", begun=1, node="control-1"))
    again = parse(dump(record))
    assert keys_of(again) == keys()
    assert restoring(again) == restoring(record)
    assert proof(again, "restored") == proof(record, "restored")
    assert "PRIVATE" not in str(readable(record))


def test_nothing_is_remembered_of_nothing():
    assert (keys_of(EMPTY), restoring(EMPTY), proof(EMPTY, "verified"), summary(EMPTY, 5)) == (None, None, None, None)
    assert with_restoring(full(), None) == full()


def test_two_restores_of_one_backup_are_told_apart():
    one, two = (Restoring(name="a", begun=begun, node="n") for begun in (1, 2))
    assert one.id != two.id


def test_status_tells_rpo_and_rto(capsys):
    data = {"backup": summary(full(), 1000 + 3 * 3600)}
    assert data["backup"]["age"] == 10800
    assert data["backup"]["restored"] == {"name": "shop-20261125T172030Z", "at": 9000, "rto": 95.0, "rpo": 7300}
    proven(data, Options(no_color=True))
    said = capsys.readouterr().out
    assert "last 3 h ago" in said and "RTO 95 s, RPO 2 h" in said and "verified 1970-01-01T00:18:20Z" in said
    proven({"backup": None}, Options())
    assert capsys.readouterr().out == ""


def test_only_a_restore_is_known(capsys):
    proven(
        {"backup": summary(with_proof(EMPTY, "restored", Proof(name="a", at=1, seconds=1.0, behind=30)), 5)},
        Options(no_color=True),
    )
    assert capsys.readouterr().out.strip() == "backup: last restore 1970-01-01T00:00:01Z: RTO 1 s, RPO 30 s"


def test_tables(capsys):
    row = {
        "name": "shop-20261125T172030Z", "taken": "2026-11-25T17:20:30Z", "age": 5, "size": 7, "revision": 42, "keys": 9,
        "kubernetes": "v1.36.3", "node": "control-1", "verified": "", "problem": "",
    }  # fmt: skip
    data = {"cluster": "shop", "place": "file:///b", "backups": [row, {**row, "problem": "it was not signed"}]}
    backups(data, Options(no_color=True))
    said = capsys.readouterr().out
    assert "never" in said and "it was not signed" in said and " no" in said and " yes" in said
    backups({**data, "backups": []}, Options(no_color=True))
    assert "no backups at file:///b" in capsys.readouterr().out
    node = {"node": "control-1", "active": True, "last": 0, "next": 60, "result": "success", "sent": "", "said": ""}
    timers({"cluster": "shop", "schedule": "@daily", "nodes": [node]}, Options(no_color=True))
    assert "1970-01-01T00:01:00Z" in capsys.readouterr().out
    timers({"cluster": "shop", "schedule": "", "nodes": []}, Options(no_color=True))
    assert "no schedule" in capsys.readouterr().out
