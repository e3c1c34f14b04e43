"""The fleet is real, and sloth's job on it does what the floor's does; the arithmetic of the benchmark."""

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fleet import bench_fleet, job, lab
from tests.fleet.measure import Figures, run

HOSTS = 6


@pytest.fixture(scope="module")
def fleet():
    with lab.fleet(HOSTS) as fleet:
        yield fleet


def client(name: str, fleet: lab.Fleet) -> dict:
    words, folder = bench_fleet.command(name, fleet)
    return run(words, folder, bench_fleet.environment(fleet)).answer


def test_the_job_has_twenty_steps() -> None:
    assert job.STEPS == 20


def test_sloth_does_the_job_in_one_round_trip_and_then_finds_nothing_to_do(fleet) -> None:
    bench_fleet.empty(fleet)
    to_do = job.STEPS - len(job.FACTS) - 1
    assert client("sloth", fleet) == {"changed": HOSTS * to_do, "round_trips": HOSTS}
    bench_fleet.verify(fleet, "sloth")
    assert client("sloth", fleet) == {"changed": 0, "round_trips": HOSTS}


def test_the_floor_does_the_same_job(fleet) -> None:
    bench_fleet.empty(fleet)
    to_do = job.STEPS - len(job.FACTS) - 1
    assert client("floor", fleet) == {"changed": HOSTS * to_do}
    bench_fleet.verify(fleet, "floor")
    assert client("floor", fleet) == {"changed": 0}


def test_what_the_floor_has_made_is_right_in_sloth_s_eyes(fleet) -> None:
    bench_fleet.empty(fleet)
    client("floor", fleet)
    assert client("sloth", fleet)["changed"] == 0


def test_a_job_that_was_not_done_is_noticed(fleet) -> None:
    client("floor", fleet)
    (Path(fleet.hosts[3]["home"]) / "etc/app/app.conf").chmod(0o600)
    with pytest.raises(RuntimeError, match=r"host004 without etc/app/app\.conf"):
        bench_fleet.verify(fleet, "floor")


def test_hosts_are_apart_from_each_other(fleet) -> None:
    bench_fleet.empty(fleet)
    client("sloth", fleet)
    homes = {host["home"] for host in fleet.hosts}
    assert len(homes) == len({host["port"] for host in fleet.hosts}) == len({host["host_key"] for host in fleet.hosts}) == HOSTS
    assert all(sorted(os.listdir(home)) == ["etc", "opt", "var"] for home in homes)


def test_another_host_s_key_is_refused(fleet, tmp_path) -> None:
    inventory = json.loads(fleet.file.read_text())
    first, second = inventory["hosts"][:2]
    first["host_key"] = second["host_key"]
    file = tmp_path / "inventory.json"
    file.write_text(json.dumps(inventory))
    with pytest.raises(RuntimeError, match="is not the one that is expected"):
        run([sys.executable, "-m", "tests.fleet.client_sloth", str(file)], bench_fleet.ROOT, bench_fleet.environment(fleet))


def test_the_fleet_ends_and_leaves_nothing() -> None:
    with lab.fleet(2) as fleet:
        port = fleet.hosts[0]["port"]
        found = subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True).stdout
        assert str(fleet.root) in found
    assert not fleet.root.exists()
    found = subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(fleet.root) not in found

    async def knock() -> None:
        await asyncio.open_connection("127.0.0.1", port)

    with pytest.raises(OSError):
        asyncio.run(knock())


def test_a_client_is_measured_by_itself(tmp_path) -> None:
    code = "import json, time; s = bytearray(60_000_000); t = time.process_time()\nwhile time.process_time() - t < 0.3: pass\n"
    code += "time.sleep(0.5); print(json.dumps({'changed': 1}))"
    begun = time.monotonic()
    figures = run([sys.executable, "-c", code], tmp_path, dict(os.environ))
    assert 0.8 < figures.wall <= time.monotonic() - begun
    assert 0.3 < figures.cpu < figures.wall
    assert 60 < figures.pss < 90
    assert figures.answer == {"changed": 1}


def test_a_client_that_fails_is_no_result(tmp_path) -> None:
    with pytest.raises(RuntimeError, match=r"exit 3\n(.|\n)*because"):
        run([sys.executable, "-c", "import sys; print('because', file=sys.stderr); sys.exit(3)"], tmp_path, dict(os.environ))


def figures(wall: float, cpu: float = 1.0, pss: float = 40.0) -> Figures:
    return Figures(wall=wall, cpu=cpu, pss=pss, answer={})


def test_ratios_are_taken_round_by_round() -> None:
    # Weather: the second round is ten times slower for everybody; the ratio of medians would be 1.1, not 2.
    table = {
        "sloth": {name: [figures(2), figures(20, cpu=3, pss=50), figures(22)] for name in bench_fleet.RUNS},
        "floor": {name: [figures(1), figures(10, cpu=2), figures(20)] for name in bench_fleet.RUNS},
        "pyinfra": {"first": [figures(60)], "noop": [figures(90)]},
    }
    found = bench_fleet.ratios(table)
    assert found["sloth_over_floor_wall_first"] == 2
    assert found["sloth_over_floor_cpu_noop"] == 1
    assert found["pyinfra_over_sloth_wall_first"] == 3
    assert found["sloth_pss_mb"] == 50
    report = bench_fleet.report(table, 5)
    assert report["targets"]["sloth_over_floor_wall_first"] == {"at_most": 1.5, "at_least": None, "met": False}
    assert report["targets"]["pyinfra_over_sloth_wall_first"]["met"]
    assert not report["targets"]["pyinfra_over_sloth_wall_noop"]["met"]
    assert json.loads(json.dumps(report))["runs"]["floor"]["noop"][1]["wall"] == 10


def test_the_benchmark_runs_from_its_command_line(tmp_path, capsys) -> None:
    out = tmp_path / "out.json"
    code = bench_fleet.main(["--hosts", "3", "--rounds", "1", "--no-pyinfra", "--json", str(out)])
    results = json.loads(out.read_text())
    assert code == 0
    assert results["hosts"] == 3
    assert set(results["runs"]) == {"floor", "sloth"}
    assert set(results["ratios"]) == {name for name in bench_fleet.TARGETS if "pyinfra" not in name}
    assert "sloth_pss_mb" in capsys.readouterr().err
