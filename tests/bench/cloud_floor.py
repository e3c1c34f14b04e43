"""The floor of tests/bench/clouds.py: the very same resources as bare registrations, without typed SDK and without export.

`python -m tests.bench.cloud_floor first|no-op|plus-one COUNT FOLDER`
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
from pulumi.automation import LocalWorkspace, Stack

from sloth.adapters.paths import cache_dir
from sloth.adapters.pulumi.command import Command
from sloth.adapters.pulumi.tool import find

PARALLEL = 32
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJlbmNoYmVuY2hiZW5jaGJlbmNoYmVuY2hiZW5jaGJl bench"


def program(count: int) -> Callable[[], None]:
    """The resources."""
    found = importlib.util.find_spec("pulumi_hcloud")
    assert found is not None and found.submodule_search_locations
    version = json.loads((Path(found.submodule_search_locations[0]) / "pulumi-plugin.json").read_text())["version"]

    def make(token: str, name: str, /, **inputs: Any) -> pulumi.CustomResource:
        return pulumi.CustomResource(f"hcloud:index/{token}", name, inputs, pulumi.ResourceOptions(version=version))

    def run() -> None:
        cidr = "10.110.0.0/16"
        network = make("network:Network", "network", name="b-network", ipRange=cidr)
        zone = {"type": "cloud", "networkZone": "eu-central"}
        subnet = make("networkSubnet:NetworkSubnet", "subnet", networkId=network.id.apply(int), ipRange=cidr, **zone)
        firewall = make("firewall:Firewall", "firewall", name="b-firewall", rules=[])
        key = make("sshKey:SshKey", "key", name="b-key", publicKey=KEY)
        make("placementGroup:PlacementGroup", "spread", name="b-spread", type="spread")
        for each in range(count):
            name = f"work-{each}"
            inputs = {"serverType": "cx23", "image": "114690387", "location": "fsn1", "userData": "text"}
            shared = {"sshKeys": [key.id], "firewallIds": [firewall.id.apply(int)]}
            server = make("server:Server", name, name=f"b-{name}", **inputs, **shared)
            make("serverNetwork:ServerNetwork", f"{name}-network", serverId=server.id.apply(int), subnetId=subnet.id)

    return run


def main(verb: str, count: int, folder: Path) -> None:
    """One operation."""
    path, version = find(cache_dir())
    (folder / "state").mkdir(parents=True, exist_ok=True)
    (folder / "Pulumi.yaml").write_text("name: floor\nruntime: python\n")
    variables = {
        "PULUMI_BACKEND_URL": f"file://{folder}/state",
        "PULUMI_CONFIG_PASSPHRASE": "bench",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }
    command: Any = Command(path, version, {})
    workspace = LocalWorkspace(work_dir=str(folder), pulumi_home=str(folder / "home"), env_vars=variables, pulumi_command=command)
    stack = Stack.create_or_select("floor", workspace)
    operation = stack.preview if verb == "no-op" else stack.up
    operation(program=program(count), parallel=PARALLEL, color="never")  # type: ignore[operator]


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
