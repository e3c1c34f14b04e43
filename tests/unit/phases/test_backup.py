"""Backup phases: what is asked of which node in which order, and what a run that was cut off leaves to the next."""

import subprocess
from dataclasses import replace

import pytest

from sloth.backup.manifest import Manifest
from sloth.backup.memory import Keys, Restoring, keys_of, restoring, with_keys, with_restoring
from sloth.backup.scripts import PROGRAM, RESTORE, SIGNING_KEY
from sloth.errors import KubernetesError, StepError, UsageError
from sloth.etcd.access import EtcdAccess
from sloth.model.phase import Each, Keep
from sloth.model.record import Record
from sloth.model.secret import Secret
from sloth.model.step import Do, Put, Result, Upload
from sloth.phases.backup_create import BackupKeys, Made, MakeBackup, able
from sloth.phases.backup_restore import NOTE, Begin, Finished, NothingUnderWay, PutBack, Revive
from sloth.phases.backup_schedule import Schedule, Sending, read_timer
from sloth.phases.backup_verify import Opened, Verify
from tests.unit.phases.driving import Driver, cluster, node

KEYS = Keys(certificate="CERT", key=Secret("the-key-that-opens"), signing_key=Secret("the-key-that-signs"), signing_public="PUB")
MANIFEST = Manifest(
    name="c-20261125T172030Z", cluster="c", taken=1, node="cp-1", distribution="toy", kubernetes="v1", etcd="3.6.8", revision=42,
    compacted=-1, hash=77, keys=9, data_size=1, data_sha256="d" * 64, files_sha256="f" * 64, archive_size=1,
    archive_sha256="a" * 64, sealed_for="s",
)  # fmt: skip
OPENED = Opened(MANIFEST, "/tmp/opened", "o" * 64)
WISH = Restoring(name=MANIFEST.name, begun=100, node="cp-1")
SURVIVOR = Restoring(name="cp-1", begun=100, node="cp-1", survivor=True)


class Toy:
    name = "toy"

    def etcd_access(self):
        return EtcdAccess(cacert="/ca", cert="/cert", key="/key", data_dir="/data")

    def backup_paths(self):
        return ("/etc/keys",)

    def halt(self, node, cluster):
        yield Do(title=f"halt {node.name}", run="true")

    def restore(self, node, cluster, snapshot):
        yield Do(title=f"restore {node.name} from {snapshot}", run="true")

    def force_alone(self, node, cluster):
        yield Do(title=f"alone {node.name}", run="true")

    def revive(self, node, cluster):
        yield Do(title=f"revive {node.name}", run="true")

    def kubectl(self):
        return "kubectl --quick"

    def scratch_etcd(self, cluster):
        return "etcd=/bin/etcd", "true"


def three(facts=None, record=None):
    nodes = [node(f"cp-{number}", number, "control-plane") for number in (1, 2, 3)] + [node("work-1", 9)]
    made = cluster(nodes, facts=facts or {each.name: {"kube.state": "joined"} for each in nodes})
    base = record or with_keys(made.record, KEYS)
    return replace(made, record=base, version="v1.36.3")


def flat(driver):
    return [(name, step.title) for name, steps in driver.trips for step in steps]


# --- keys and create


def test_keys_are_made_once_and_saved_first():
    start = three(record=Record(cluster="c"))
    driver = Driver(start.record)
    end = driver.follow(BackupKeys(lambda _name: KEYS).run(start))
    assert keys_of(end.record) == KEYS
    again = Driver(end.record)
    again.follow(BackupKeys(lambda _name: pytest.fail("made twice")).run(replace(start, record=end.record)))
    assert again.orders == []


def answer(_node, step):
    if step.title == "make a sealed backup":
        return MANIFEST.name
    return "manifest line\nsignature" if step.title == "read what is in it" else ""


def test_one_working_control_plane_node_makes_it():
    start = three({"cp-1": {"kube.state": "broken"}, "cp-2": {"kube.state": "joined"}})
    driver, made = Driver(start.record, answer), Made()
    driver.follow(MakeBackup(Toy(), made).run(start))
    assert {name for name, _ in driver.trips} == {"cp-2"}
    assert (made.node, made.name, made.manifest) == ("cp-2", MANIFEST.name, b"manifest line\nsignature\n")
    assert made.archive.endswith(f"/{MANIFEST.name}.tar.gz.cms")


def test_what_opens_a_backup_never_reaches_a_node():
    start = three()
    driver = Driver(start.record, answer)
    driver.follow(MakeBackup(Toy()).run(start))
    puts = {step.path: step for _, steps in driver.trips for step in steps if isinstance(step, Put)}
    assert puts[SIGNING_KEY].content == KEYS.signing_key and puts[SIGNING_KEY].mode == 0o600
    assert "etc/keys" in puts[PROGRAM].content and "10.90.0.1:2379" in puts[PROGRAM].content
    assert all(
        KEYS.key.reveal() not in str(getattr(put.content, "reveal", lambda put=put: put.content)()) for put in puts.values()
    )


def test_none_is_made_while_servers_have_different_tokens():
    start = three()
    half = replace(start.record, join_tokens=Secret("{}", known=False))
    driver = Driver(half, answer)
    with pytest.raises(KubernetesError) as caught:
        driver.follow(MakeBackup(Toy()).run(replace(start, record=half)))
    assert caught.value.code == "certs/rotation-unfinished" and "--join-tokens" in caught.value.hint
    assert driver.trips == []


@pytest.mark.parametrize("said", ["", "other-20261125T172030Z", "not the leader"])
def test_no_name_is_no_backup(said):
    start = three()
    with pytest.raises(KubernetesError) as caught:
        Driver(start.record, lambda _node, step: said).follow(MakeBackup(Toy()).run(start))
    assert caught.value.code == "backup/not-made"


def test_a_distribution_without_the_ability_is_named():
    class Bare:
        name = "bare"

    with pytest.raises(UsageError) as caught:
        able(Bare())
    assert caught.value.code == "backup/not-able"


# --- verify


def verified(said):
    start = three()
    driver = Driver(start.record, lambda _node, step: said if step.title.startswith("restore it") else "")
    driver.follow(Verify(Toy(), OPENED).run(start))
    return driver


def test_the_same_content_is_proof():
    driver = verified("revision=42 hash=77 keys=9")
    [steps] = [steps for _, steps in driver.trips]
    assert [type(step) for step in steps] == [Do, Upload, Do, Do]
    assert (steps[1].source, steps[1].sha256, steps[1].mode) == ("/tmp/opened", "o" * 64, 0o600)
    assert "d" * 64 in steps[2].run and "f" * 64 in steps[2].run


@pytest.mark.parametrize("said", ["revision=41 hash=77 keys=9", "revision=42 hash=78 keys=9", "revision=42 hash=77 keys=8", ""])
def test_any_difference_is_not(said):
    with pytest.raises(KubernetesError) as caught:
        verified(said)
    assert caught.value.code == "backup/not-the-same"


# --- restore


def put_back(wish, backup, note="", fail=""):
    start = three(record=with_restoring(with_keys(Record(cluster="c"), KEYS), wish))

    def say(_node, step):
        if step.title == fail:
            return StepError("step/failed", fail, hint="again")
        return note if "look whether the data" in step.title else ""

    driver = Driver(start.record, say)
    try:
        driver.end = driver.follow(PutBack(Toy(), backup).run(start))
    except StepError:
        driver.end = None
    return driver


def test_all_control_planes_stop_before_one_gets_the_data():
    titles = flat(put_back(WISH, OPENED))
    halts = [("cp-1", "halt cp-1"), ("cp-2", "halt cp-2"), ("cp-3", "halt cp-3")]
    assert [pair for pair in titles if pair[1].startswith("halt")] == halts
    restored = ("cp-1", f"restore cp-1 from {RESTORE}/restore")
    assert max(map(titles.index, halts)) < titles.index(restored) < titles.index(("cp-1", "note that the data is back"))
    assert ("cp-1", "delete the opened backup") in titles
    assert not any(name == "work-1" for name, _ in titles)


def test_the_first_is_a_member_again_and_its_kubeconfig_is_read_anew():
    driver = put_back(WISH, OPENED)
    assert driver.record.node("cp-1").joined
    assert driver.record.kubeconfig is None
    assert driver.end.changed == {"cp-1", "cp-2", "cp-3"}


def test_done_already_nothing_is_stopped():
    driver = put_back(WISH, OPENED, note=WISH.id)
    assert flat(driver) == [("cp-1", "look whether the data is back")]


def test_an_earlier_restore_of_the_same_backup_is_another_one():
    assert ("cp-2", "halt cp-2") in flat(put_back(WISH, OPENED, note=replace(WISH, begun=99).id))


@pytest.mark.parametrize("fail", ["halt cp-3", "unpack the backup", f"restore cp-1 from {RESTORE}/restore"])
def test_cut_off_anywhere_nothing_is_noted(fail):
    driver = put_back(WISH, OPENED, fail=fail)
    assert driver.end is None
    assert not any(NOTE in getattr(step, "run", "") and "mv" in step.run for _, steps in driver.trips for step in steps)
    assert not driver.record.node("cp-1").joined


def test_a_survivor_keeps_running_and_the_others_stop():
    titles = flat(put_back(SURVIVOR, None))
    assert [title for _, title in titles] == [
        "look whether the data is back", "halt cp-2", "halt cp-3", "alone cp-1", "forget nodes that are gone",
        "note that the data is back",
    ]  # fmt: skip


def test_workers_that_stayed_register_again():
    start = three({"cp-1": {"kube.state": "joined"}, "work-1": {"kube.state": "joined"}})
    driver = Driver(start.record)
    driver.follow(Revive(Toy()).run(start))
    assert flat(driver) == [("work-1", "revive work-1")]


def test_begin_is_saved_once_and_finish_forgets():
    start = three()
    driver = Driver(start.record)
    end = driver.follow(Begin(WISH).run(start))
    assert restoring(end.record) == WISH
    again = Driver(end.record)
    again.follow(Begin(replace(WISH, begun=500)).run(replace(start, record=end.record)))
    assert again.orders == []
    last = Driver(end.record).follow(Finished().run(replace(start, record=end.record)))
    assert restoring(last.record) is None
    assert keys_of(last.record) == KEYS


def test_up_refuses_while_one_is_under_way():
    start = three()
    assert Driver(start.record).follow(NothingUnderWay().run(start)) == start
    for wish, words in ((WISH, MANIFEST.name), (SURVIVOR, "--survivor cp-1")):
        half = replace(start, record=with_restoring(start.record, wish))
        with pytest.raises(KubernetesError) as caught:
            Driver(half.record).follow(NothingUnderWay().run(half))
        assert caught.value.code == "backup/restore-unfinished"
        assert words in caught.value.hint


# --- schedule


SENT = "c-20231114T221321Z"
TIMER = f"active active\nlast 1700000000\nnext 1700021600\nresult success\nsent 1700000001 {SENT}\nsaid {SENT}\n"


def test_every_control_plane_node_gets_the_timer_and_tells_of_it():
    start = three()
    driver = Driver(start.record, lambda _node, step: TIMER if step.title == "ask the timer" else "")
    wish = Schedule(Toy(), "*-*-* 00:00:00 UTC", Sending("send it", Secret('user = "id:secret-of-a-bucket"')))
    driver.follow(wish.run(start))
    assert set(wish.seen) == {"cp-1", "cp-2", "cp-3"}
    assert wish.seen["cp-1"] == {
        "active": True, "last": 1700000000, "next": 1700021600, "result": "success", "sent": "c-20231114T221321Z",
        "said": "c-20231114T221321Z",
    }  # fmt: skip
    puts = {step.path: step for name, steps in driver.trips if name == "cp-2" for step in steps if isinstance(step, Put)}
    assert puts["/etc/sloth/backup/place.curl"].mode == 0o600
    assert "OnCalendar=*-*-* 00:00:00 UTC" in puts["/etc/systemd/system/sloth-backup.timer"].content
    assert "--if-leader --send" in puts["/etc/systemd/system/sloth-backup.service"].content
    assert all("secret-of-a-bucket" not in str(put.content) for put in puts.values())


def test_without_a_schedule_it_is_taken_away():
    start = three()
    driver = Driver(start.record, lambda _node, _step: "inactive")
    wish = Schedule(Toy())
    driver.follow(wish.run(start))
    assert [title for name, title in flat(driver) if name == "cp-1"] == ["take the schedule away", "ask the timer"]
    assert not any(seen["active"] for seen in wish.seen.values())


@pytest.mark.parametrize(
    ("text", "last", "following"),
    [("active active\nlast 0\nnext 1700021600\n", 0, 1700021600), ("active inactive\nnext x\n", 0, 0), ("", 0, 0)],
)
def test_a_timer_that_has_not_run_yet(text, last, following):
    seen = read_timer(text)
    assert (seen["last"], seen["next"], seen["sent"]) == (last, following, "")


def test_orders_are_of_known_kinds():
    assert {type(order) for order in put_back(WISH, OPENED).orders} == {Each, Keep}
    assert Result().ok


def test_nodes_of_the_data_that_are_gone_are_forgotten_before_anybody_joins():
    [step] = [step for _, steps in put_back(WISH, OPENED).trips for step in steps if step.title == "forget nodes that are gone"]
    done = subprocess.run(
        ["sh", "-c", "kubectl() { shift; case $1 in get) printf 'node/%s\\n' cp-1 cp-2 cp-10 work-1 old-7 ;; esac; }\n"
         + step.run.replace("xargs -r kubectl --quick delete --wait=false >/dev/null", "tr '\\n' ' '")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.split() == ["node/cp-2", "node/cp-10", "node/old-7"]
