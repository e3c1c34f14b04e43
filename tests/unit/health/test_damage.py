"""Only words that stand for lost data are taken for damage: what a restart, more room or a mended mesh cures never is."""

import pytest

from sloth.health.damage import damage

STAMP = "2026-07-01T10:00:00.000000000Z stderr F "


@pytest.mark.parametrize(
    ("line", "sign"),
    [
        (
            '{"level":"panic","caller":"backend/backend.go:204","msg":"failed to open database","error":"invalid database"}',
            "invalid database",
        ),
        (
            '{"level":"fatal","caller":"etcdmain/etcd.go:204","msg":"discovery failed","error":"wal: crc mismatch"}',
            "wal: crc mismatch",
        ),
        ('{"level":"fatal","error":"walpb: crc mismatch: expected: 1 computed: 2"}', "walpb: crc mismatch"),
        ('{"level":"warn","error":"snap: crc mismatch"}', "snap: crc mismatch"),
        ('{"level":"fatal","msg":"checkInitialHashKV failed","error":"x found data inconsistency with peers"}',
         "found data inconsistency with peers"),
        ("panic: tocommit(2111) is out of range [lastIndex(0)]. Was the raft log corrupted, truncated, or lost?",
         "tocommit(2111) is out of range"),
        ("unexpected fault address 0x7f2e8a5c9000", "unexpected fault address"),
        ("panic: assertion failed: freepages: failed to get all reachable pages (page 3: multiple references)",
         "failed to get all reachable pages"),
        ("panic: invalid page type: 12: 4141", "invalid page type: 12: 4141"),
    ],
)  # fmt: skip
def test_signs_of_damage(line, sign):
    assert damage(STAMP + line) == sign


@pytest.mark.parametrize(
    "line",
    [
        "",
        '{"level":"info","msg":"opened backend db","path":"/var/lib/etcd/member/snap/db"}',
        '{"level":"fatal","msg":"failed to persist","error":"write /var/lib/etcd/member/wal/0.wal: no space left on device"}',
        '{"level":"fatal","error":"listen tcp 10.90.0.1:2380: bind: address already in use"}',
        '{"level":"fatal","msg":"failed to open database","error":"timeout"}',
        '{"level":"warn","msg":"prober detected unhealthy status","error":"dial tcp 10.90.0.2:2380: i/o timeout"}',
        '{"level":"fatal","error":"open /etc/kubernetes/pki/etcd/server.crt: permission denied"}',
    ],
)
def test_what_is_no_damage(line):
    assert damage(STAMP + line) == ""


def test_the_newest_sign_is_told():
    assert (
        damage("unexpected fault address 0x7f\n[signal SIGBUS: bus error code=0x2]\nerror: invalid database\n")
        == "invalid database"
    )
