"""The catalogue, and the way of a backup from a node to its place and back: real archives, a directory as the place."""

import json
import shutil
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from sloth.adapters.backup_keys import make_keys
from sloth.adapters.backup_place import FolderPlace
from sloth.backup.memory import Restoring, with_keys
from sloth.backup.names import ARCHIVE, MANIFEST, VERIFIED
from sloth.backups import bring, catalogue, choose, mark_verified, opened, place_of, remove
from sloth.cli import backup_work
from sloth.cli.backup_restore import _ask, _save_present, _wish, restore_backup
from sloth.errors import KubernetesError, StepError, UsageError
from sloth.model.node import Lease
from sloth.model.options import Options
from sloth.model.record import Record
from sloth.model.spec import BackupSpec, ClusterSpec, KeepSpec
from sloth.phases.backup_create import Made
from tests.unit.backup.material import Site, keys

RECORD = with_keys(Record(cluster="shop"), keys())


@pytest.fixture
def place(tmp_path):
    return FolderPlace(tmp_path / "place")


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path / "node")


@pytest.fixture
def here(tmp_path):
    state = SimpleNamespace(save=lambda record: replace(record, revision=record.revision + 1))
    return SimpleNamespace(
        options=Options(state_dir=tmp_path / "data"), loaded=SimpleNamespace(spec=ClusterSpec(name="shop")),
        rig=SimpleNamespace(state=state), record=RECORD, login=lambda node: node,
    )  # fmt: skip


def carried(site, place, name=""):
    """A backup made on the node and put at the place, as if at another time."""
    made = site.make().stdout.split()[-1]
    for suffix in (ARCHIVE, MANIFEST):
        place.store(f"{name or made}{suffix}", site.spool / f"{made}{suffix}")
    return name or made


def test_a_backup_goes_to_its_place_and_nothing_stays_here(here, site, place, monkeypatch, tmp_path):
    name = site.make().stdout.split()[-1]
    monkeypatch.setattr("sloth.adapters.ssh_fetch.fetch", lambda login, path, target, sha256: shutil.copy(path, target))
    made = Made("control-1", name, (site.spool / f"{name}{MANIFEST}").read_bytes(), str(site.spool / f"{name}{ARCHIVE}"))
    manifest = bring(here, SimpleNamespace(node=lambda name: name), made, place)
    assert place.names() == [name + MANIFEST, name + ARCHIVE]
    assert here.record.backup["last"] == {"name": name, "taken": manifest.taken}
    assert list((tmp_path / "data" / "clusters" / "shop").iterdir()) == []


def test_cut_off_before_the_manifest_it_is_no_backup(here, site, place, monkeypatch):
    name = site.make().stdout.split()[-1]
    made = Made("control-1", name, (site.spool / f"{name}{MANIFEST}").read_bytes(), str(site.spool / f"{name}{ARCHIVE}"))

    def broken(*_):
        raise StepError("backup/fetch", "cut", hint="again")

    monkeypatch.setattr("sloth.adapters.ssh_fetch.fetch", broken)
    with pytest.raises(StepError):
        bring(here, SimpleNamespace(node=lambda name: name), made, place)
    assert catalogue(place, "shop", RECORD) == []


def test_the_catalogue_trusts_only_what_a_node_of_the_cluster_signed(site, place):
    good = carried(site, place)
    forged, foreign, garbled = "shop-20200101T000000Z", "shop-20200102T000000Z", "shop-20200103T000000Z"
    text = place.read(good + MANIFEST)
    place.write(forged + MANIFEST, text.replace(b'"keys": 9', b'"keys": 8'))
    place.write(foreign + MANIFEST, text)  # signed, but for another name
    place.write(garbled + MANIFEST, b"{}")
    for name in (forged, foreign, garbled):
        place.write(name + ARCHIVE, b"x")
    rows = {row.name: row for row in catalogue(place, "shop", RECORD)}
    assert list(rows) == [good, garbled, foreign, forged]
    assert rows[good].problem == "" and rows[good].manifest.keys == 9
    assert all(rows[name].problem for name in (forged, foreign, garbled))
    assert choose(place, "shop", RECORD, "").name == good
    for name, code in ((forged, "backup/forged"), (garbled, "backup/damaged"), (foreign, "backup/other-key")):
        with pytest.raises(KubernetesError) as caught:
            choose(place, "shop", RECORD, name)
        assert caught.value.code == code


def test_without_the_key_nothing_opens(site, place):
    name = carried(site, place)
    with pytest.raises(KubernetesError) as caught:
        choose(place, "shop", Record(cluster="shop"), name)
    assert caught.value.code == "backup/no-key"
    other = with_keys(RECORD, replace(make_keys("shop"), signing_public=keys().signing_public))
    with pytest.raises(KubernetesError) as caught:
        choose(place, "shop", other, name)
    assert caught.value.code == "backup/other-key"


def test_none_and_unknown(place):
    with pytest.raises(KubernetesError) as caught:
        choose(place, "shop", RECORD, "")
    assert caught.value.code == "backup/none"
    with pytest.raises(UsageError) as missing:
        choose(place, "shop", RECORD, "shop-20200101T000000Z")
    assert missing.value.code == "backup/unknown"


def test_it_opens_to_what_was_sealed_and_is_swept(here, site, place, tmp_path):
    name = carried(site, place)
    folder = tmp_path / "data" / "clusters" / "shop"
    (folder / "opened-of-a-killed-run").mkdir(parents=True)
    manifest = choose(place, "shop", RECORD, name)
    with opened(here, place, manifest) as backup:
        [left] = folder.iterdir()
        assert left.stat().st_mode & 0o777 == 0o700
        with open(backup.path, "rb") as stream:
            assert stream.read(2) == b"\x1f\x8b"
    assert list(folder.iterdir()) == []


def test_a_damaged_archive_is_named(here, site, place):
    name = carried(site, place)
    manifest = choose(place, "shop", RECORD, name)
    place.write(name + ARCHIVE, b"".join(place.pieces(name + ARCHIVE))[:-1] + b"x")
    with pytest.raises(KubernetesError) as caught, opened(here, place, manifest):
        pass
    assert caught.value.code == "backup/damaged"


def test_verified_is_noted_beside_it_and_removed_with_it(site, place):
    name = carried(site, place)
    mark_verified(place, choose(place, "shop", RECORD, name), 123, 4.56)
    assert json.loads(place.read(name + VERIFIED)) == {
        "name": name,
        "at": 123,
        "seconds": 4.6,
        "revision": 42,
        "hash": 123456,
        "keys": 9,
    }
    [row] = catalogue(place, "shop", RECORD)
    assert row.verified == 123
    assert row.as_dict(time.time())["verified"] == "1970-01-01T00:02:03Z"
    place.write(name + VERIFIED, b"not json")
    assert catalogue(place, "shop", RECORD)[0].verified == 0
    remove(place, name)
    assert place.names() == []


def test_without_an_address_it_is_sloths_own_directory(tmp_path):
    place = place_of(Options(state_dir=tmp_path), ClusterSpec(name="shop"))
    assert place.address == f"file://{tmp_path}/backups/shop"


@pytest.fixture
def pruned(place, monkeypatch):
    """`prune` over a place with manifests that are taken as they are."""

    def run(names, verified=(), problems=(), **wish):
        rows = []
        for name in names:
            from sloth.backup.names import taken_at
            from sloth.backups import Row

            rows.append(Row(name, taken_at(name), verified=int(name in verified), problem="bad" if name in problems else ""))
            place.write(name + MANIFEST, b"m")
            place.write(name + ARCHIVE, b"a")
        spec = ClusterSpec(name="shop", backup=BackupSpec(keep=KeepSpec(**wish)))
        monkeypatch.setattr("sloth.app.known_spec", lambda options: SimpleNamespace(spec=spec))
        monkeypatch.setattr("sloth.app.state_of", lambda options, name: SimpleNamespace(load=lambda: RECORD))
        monkeypatch.setattr("sloth.backups.place_of", lambda options, spec: place)
        monkeypatch.setattr("sloth.backups.catalogue", lambda *_: rows)
        return lambda **how: backup_work.prune_backups(Options(), **{"yes": True, "dry_run": False, **how})

    return run


DAYS = [f"shop-202611{day:02d}T120000Z" for day in range(1, 6)]


def test_prune_deletes_what_is_not_kept_and_nothing_in_a_dry_run(pruned, place):
    run = pruned(DAYS, verified=[DAYS[1]], last=2)
    assert run(dry_run=True).data["deleted"] == [DAYS[0], DAYS[2]]
    assert len(place.names()) == 10
    assert run().data["kept"] == [DAYS[1], DAYS[3], DAYS[4]]
    assert {name.partition(".")[0] for name in place.names()} == {DAYS[1], DAYS[3], DAYS[4]}


def test_prune_asks_and_leaves_what_cannot_be_used(pruned, place, monkeypatch):
    asked = []
    monkeypatch.setattr("sloth.app.confirm", asked.append)
    run = pruned(DAYS, problems=[DAYS[4]], last=1)
    assert run(yes=False).data["deleted"] == DAYS[:3]
    assert "3 backups" in asked[0]
    assert DAYS[4] + MANIFEST in place.names()


# --- what a restore is about


def desk_with(record, *servers):
    leases = tuple(SimpleNamespace(name=name, role="control-plane") for name in servers)
    cluster = SimpleNamespace(spec=ClusterSpec(name="shop"), plan=SimpleNamespace(leases=leases))
    return SimpleNamespace(record=record, cluster=lambda: cluster)


def test_the_first_control_plane_node_gets_the_newest_backup(site, place):
    name = carried(site, place)
    manifest, wish = _wish(desk_with(RECORD, "control-1", "control-2"), place, "", "", None)
    assert (manifest.name, wish.name, wish.node, wish.survivor) == (name, name, "control-1", False)


def test_one_under_way_goes_on_by_name_or_without(site, place):
    name = carried(site, place)
    half = Restoring(name=name, begun=5, node="control-1")
    for asked in ("", name):
        manifest, wish = _wish(desk_with(RECORD, "control-1"), place, asked, "", half)
        assert wish is half and manifest.name == name


def test_another_one_may_be_begun_instead(site, place):
    name = carried(site, place)
    half = Restoring(name="shop-20200101T000000Z", begun=5, node="control-1")
    assert _wish(desk_with(RECORD, "control-1"), place, name, "", half)[1].id != half.id
    here = desk_with(RECORD, "control-1", "control-2")
    manifest, wish = _wish(here, place, "", "control-2", half)
    assert manifest is None and (wish.node, wish.survivor) == ("control-2", True)
    assert _wish(here, place, "", "control-2", wish)[1] is wish


def test_a_survivor_is_a_control_plane_node(place):
    with pytest.raises(UsageError) as caught:
        _wish(desk_with(RECORD, "control-1"), place, "", "work-1", None)
    assert caught.value.code == "usage/unknown-node"


def test_a_name_and_a_survivor_are_two_things():
    with pytest.raises(UsageError) as caught:
        restore_backup(Options(), "shop-20200101T000000Z", survivor="control-1", yes=True)
    assert caught.value.code == "usage/not-together"


def test_present_data_that_cannot_be_read_stops_nothing_and_is_said(place, capsys):
    record = RECORD.with_node("control-1", joined=True)

    def run(*_):
        raise KubernetesError("kubernetes/no-server", "nobody answers", hint="sloth status")

    tools = SimpleNamespace(login_for=None, distribution=None)
    here = SimpleNamespace(record=record, tools=tools, run=run, cluster=lambda as_recorded: None)
    _save_present(here, place)
    assert "cannot be backed up" in capsys.readouterr().err
    here.record = RECORD  # no member ever: there is nothing to save
    _save_present(here, place)
    assert capsys.readouterr().err == ""


def test_what_is_lost_is_said_and_the_name_must_be_typed(site, place, monkeypatch):
    said = []
    monkeypatch.setattr("sloth.app.type_cluster", lambda name, text: said.append((name, text)))
    manifest = choose(place, "shop", RECORD, carried(site, place))
    leases = tuple(
        Lease(name=f"control-{n}", pool="control", role="control-plane", provider="p", mesh_address="", pod_cidr="")
        for n in (1, 2)
    )
    here = SimpleNamespace(record=replace(RECORD, leases=leases), loaded=SimpleNamespace(spec=ClusterSpec(name="shop")))
    _ask(here, Restoring(name=manifest.name, begun=1, node="control-1"), manifest)
    _ask(here, Restoring(name="control-1", begun=1, node="control-1", survivor=True), None)
    assert [name for name, _ in said] == ["shop", "shop"]
    assert "revision 42" in said[0][1]
    assert "control-2" in said[1][1] and "majority" in said[1][1]
