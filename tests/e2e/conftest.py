"""Fixtures of the end-to-end tests: real nodes, real Kubernetes."""

import json
import secrets
import subprocess
from pathlib import Path

import pytest

from tests.e2e.cluster import Bed


def pytest_collection_modifyitems(items):
    for item in items:
        if "tests/e2e" in str(item.path):
            item.add_marker("e2e")


@pytest.fixture(scope="module")
def bed(tmp_path_factory, request):
    """A cluster of this module's own, gone afterwards whatever happened."""
    made = Bed(tmp_path_factory.mktemp("cluster"), f"t{secrets.token_hex(3)}")
    yield made
    made.destroy()


@pytest.fixture(scope="session")
def probe_image(tmp_path_factory):
    """An image archive with the probe workload, `sloth.test/probe:1`."""
    from sloth.adapters.artifacts.oci import write_image

    folder = tmp_path_factory.mktemp("probe")
    source = Path(__file__).parent / "probe"
    subprocess.run(
        ["go", "build", "-trimpath", "-ldflags", "-s -w", "-o", str(folder / "probe"), "."],
        cwd=source, check=True, env={**__import__("os").environ, "CGO_ENABLED": "0"},
    )  # fmt: skip
    target = folder / "probe.tar"
    write_image(target, "sloth.test/probe:1", {"probe": folder / "probe"}, entrypoint=["/probe", "serve"])
    return target


def pods(text):
    """Pod names, nodes and addresses out of `kubectl get pods -o json`."""
    return [(item["metadata"]["name"], item["spec"]["nodeName"], item["status"]["podIP"]) for item in json.loads(text)["items"]]
