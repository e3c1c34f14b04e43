"""The minor before becomes the next one in place: the executable is replaced and the server starts again, with all its data.

Needs root, `ip netns` and sloth's mirror.
"""

import pytest

from tests.standins.build import build
from tests.standins.lab import Lab, eventually

VERSIONS = {"k3s": ("v1.35.6+k3s1", "v1.36.2+k3s1"), "rke2": ("v1.35.2+rke2r1", "v1.36.5+rke2r1")}


@pytest.mark.parametrize("distro", ["k3s", "rke2"])
def test_a_newer_executable_takes_the_data_over(distro, tmp_path):
    old, new = VERSIONS[distro]
    lab = Lab(tmp_path, distro, old)
    try:
        server = lab.machines[0]
        server.config(token="secret", **({"cluster-init": True} if distro == "k3s" else {}))
        server.start()
        assert f"Server Version: {old}" in server.kubectl("version")
        server.kubectl("create", "configmap", "kept")
        before = server.processes()
        server.process.terminate()
        server.process.wait(30)
        lab.program = build(distro, new).program
        server.start()
        eventually(lambda: _serves(server, new))
        assert "configmap/kept" in server.kubectl("get", "configmaps", "-o", "name")
        assert server.processes() == before
    finally:
        lab.close()


def _serves(server, version):
    assert f"Server Version: {version}" in server.kubectl("version")
