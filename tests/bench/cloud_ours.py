"""sloth's side of tests/bench/clouds.py: the machines of one cluster at some clouds, as `sloth plan` and `sloth up` bring them.

`python -m tests.bench.cloud_ours first|no-op|plus-one COUNT FOLDER CLOUD,CLOUD`
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any

from sloth import registry
from sloth.clouds import cloud_machines
from sloth.config.load import from_document
from sloth.engine.stop import Stop
from sloth.model.plan import MachineRequest
from sloth.model.record import Record
from sloth.model.spec import ClusterSpec

PLACES = {"hcloud": ("cx23", "fsn1"), "aws": ("m7i.large", "eu-central-1a"), "digitalocean": ("s-2vcpu-4gb", "fra1")}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJlbmNoYmVuY2hiZW5jaGJlbmNoYmVuY2hiZW5jaGJl bench"


def spec_of(clouds: list[str], count: int) -> ClusterSpec:
    """One pool of workers at each cloud."""
    pools: list[dict[str, Any]] = [{"name": "control", "role": "control-plane", "provider": "local"}]
    for cloud in clouds:
        size, place = PLACES[cloud]
        pools.append({"name": cloud, "role": "worker", "provider": cloud, "count": count, "size": size, "location": place})
    access = {"ssh": ["127.0.0.1/32"], "api": ["127.0.0.1/32"]}
    providers = {"aws": {"region": "eu-central-1"}} if "aws" in clouds else {}
    document = {
        "apiVersion": "sloth.dev/v1",
        "kind": "Cluster",
        "metadata": {"name": "b"},
        "spec": {"access": access, "providers": providers, "pools": pools, "network": {"pods": "10.16.0.0/14"}},
    }
    return from_document(document).spec


def one(cloud: str, spec: ClusterSpec, verb: str, count: int, root: Path) -> None:
    """All machines at one cloud. Placements are kept, as the record keeps them."""
    record = Record(cluster="b", ssh_public_key=KEY)
    machines: Any = cloud_machines(
        registry.provider(cloud),  # type: ignore[arg-type]
        spec, root=root, emit=lambda event: None, stop=Stop(), record=lambda: record,
    )  # fmt: skip
    names = [f"{cloud}-{number}" for number in range(1, count + 1)]
    known = root / f"{cloud}.placements"
    placed: dict[str, Any] = json.loads(known.read_text()) if known.is_file() else {}
    new = [name for name in names if name not in placed]
    if new:
        placed |= machines.preflight(new, placed)
        known.write_text(json.dumps(placed))
    wanted = [
        MachineRequest(name=name, cluster="b", pool=cloud, role="worker", ssh_public_key=KEY, placement=placed[name])
        for name in names
    ]
    if verb == "no-op":
        machines.preview(wanted, ())
    else:
        machines.apply(wanted)


def main(verb: str, count: int, root: Path, clouds: list[str]) -> None:
    """All clouds side by side."""
    spec = spec_of(clouds, count)
    failures: list[BaseException] = []

    def guarded(cloud: str) -> None:
        try:
            one(cloud, spec, verb, count, root)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(cloud,)) for cloud in clouds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4].split(","))
