"""The node image is made once for the same content, and never half."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from sloth.errors import MachinesError
from sloth.model.artifact import Delivery
from tests.unit.providers.local.conftest import Cluster, Engine, part, put_command

packages, bake = part("packages"), part("bake")


def test_first_up_builds_and_bakes_second_does_not(engine: Engine, delivery: Delivery) -> None:
    cluster = Cluster(delivery)
    cluster.up("work-1")
    image = cluster.machines.image
    assert engine.state["images"][image.ref] == {"sloth.image": image.key, "sloth.mode": "capabilities", "sloth.bake": ""}
    baked = engine.state["baked"]
    assert baked["files"]["usr/local/bin/ctr"] == ["program", 0o755]
    assert "usr/local/sbin/sloth-node" in baked["files"] and baked["refs"] == ["registry.test/pause:1"]
    assert len(baked["programs"]) == 3
    assert [c["name"] for c in engine.state["containers"]] == ["sloth-demo-work-1"]
    progress = [event for event in cluster.events if event.kind == "progress"]
    assert progress[-1].done == progress[-1].total > 0
    engine.set(calls=[])
    Cluster(delivery, name="second").up("work-1")
    assert not {"build", "commit", "run", "exec"} & set(engine.verbs())


def test_the_key_follows_the_content(engine: Engine, delivery: Delivery) -> None:
    one = Cluster(delivery).machines.image.key
    again = Cluster(Delivery(artifacts=delivery.artifacts[::-1], store="/elsewhere")).machines.image.key
    other = replace(delivery.artifacts[0], sha256="0" * 64)
    assert one == again != Cluster(Delivery(artifacts=(other,))).machines.image.key


def test_without_images_no_containerd_is_started(engine: Engine, delivery: Delivery) -> None:
    Cluster(replace(delivery, artifacts=delivery.artifacts[:1])).up("work-1")
    assert len(engine.state["baked"]["programs"]) == 1


def test_a_privileged_engine_is_noted_on_the_image(engine: Engine, delivery: Delivery) -> None:
    engine.set(privileged=True)
    cluster = Cluster(delivery)
    cluster.up("work-1")
    assert engine.state["images"][cluster.machines.image.ref]["sloth.mode"] == "privileged"


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_an_artifact_that_is_not_as_pinned_is_refused(engine: Engine, delivery: Delivery, damage: str) -> None:
    path = Path(delivery.store) / "ctr"
    path.unlink() if damage == "missing" else path.write_text("something else", "utf-8")
    with pytest.raises(MachinesError) as caught:
        Cluster(delivery).up("work-1")
    assert caught.value.code == {"missing": "local/artifact-missing", "changed": "local/artifact-digest"}[damage]
    assert str(path) in caught.value.detail and engine.state["images"] == {}


def test_an_archive_with_another_image_is_refused_and_leaves_nothing(engine: Engine, delivery: Delivery) -> None:
    binary, image = delivery.artifacts
    wrong = replace(delivery, artifacts=(binary, replace(image, ref="registry.test/other:1")))
    with pytest.raises(MachinesError) as caught:
        Cluster(wrong).up("work-1")
    assert caught.value.code == "local/image-name" and "registry.test/other:1" in caught.value.summary
    assert engine.state["containers"] == [] and not any(ref.startswith("sloth-node") for ref in engine.state["images"])


def test_a_bake_container_that_does_not_start_is_said(engine: Engine, delivery: Delivery) -> None:
    engine.set(oven_fault="no space left on device")
    with pytest.raises(MachinesError) as caught:
        Cluster(delivery).up("work-1")
    assert "no space left on device" in caught.value.detail and "bakes" in caught.value.summary


def test_bake_containers_of_ended_runs_are_swept(engine: Engine) -> None:
    here = os.uname().nodename
    gone = os.spawnlp(os.P_WAIT, "true", "true") or 2**22 + 12345  # a pid above the kernel's largest
    owners = {"a": f"{here}:{gone}", "b": f"{here}:{os.getpid()}", "c": "elsewhere:1", "d": f"{here}:1"}
    engine.set(
        containers=[
            {"id": name, "name": name, "state": "running", "labels": {"sloth.bake": owner}} for name, owner in owners.items()
        ]
    )
    bake.sweep(part("docker").Docker())
    assert [item["name"] for item in engine.state["containers"]] == ["b", "c", "d"]


@pytest.fixture
def offline(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setattr(packages, "_REGISTRY", ("127.0.0.1", 9))
    engine.set(mirrors="")
    return engine


def debstrap(engine: Engine, text: str) -> None:
    put_command(engine.path.parent / "bin" / "mmdebstrap", text)


def test_without_a_registry_mmdebstrap_makes_the_base(offline: Engine, delivery: Delivery) -> None:
    debstrap(offline, 'echo "I: installing $2" >&2; test -d "$TMPDIR" && printf 0123456789')
    cluster = Cluster(delivery)
    cluster.up("work-1")
    base = f"sloth-packages:{part('image').packages_key()}"
    assert offline.state["imported"] == 10 and base in offline.state["images"]
    assert f"{base}-part" not in offline.state["images"] and "build" not in offline.verbs()
    assert any("cloud-init,conntrack" in event.detail for event in cluster.events)


def test_a_failing_mmdebstrap_leaves_no_image(offline: Engine, delivery: Delivery) -> None:
    debstrap(offline, "echo 'E: no mirror' >&2; printf 01234; exit 1")
    with pytest.raises(MachinesError) as caught:
        Cluster(delivery).up("work-1")
    assert caught.value.code == "local/packages" and "E: no mirror" in caught.value.detail
    assert offline.state["images"] == {}
    assert list((offline.path.parent / "cache" / "local").glob("mmdebstrap-*")) == []


def test_a_failing_import_is_the_engines_failure(offline: Engine, delivery: Delivery) -> None:
    debstrap(offline, "printf 0123456789")
    offline.set(import_fault="disk is full")
    with pytest.raises(MachinesError) as caught:
        Cluster(delivery).up("work-1")
    assert "disk is full" in caught.value.detail


def test_neither_registry_nor_mmdebstrap(offline: Engine, delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages.shutil, "which", lambda name: None)
    with pytest.raises(MachinesError) as caught:
        Cluster(delivery).up("work-1")
    assert caught.value.code == "local/no-base-image" and caught.value.hint == "sloth doctor --fix"


def test_a_dockerfile_that_fails_makes_way_for_mmdebstrap(engine: Engine, delivery: Delivery) -> None:
    engine.set(build_fault="no route to host")
    debstrap(engine, "printf 0123456789")
    Cluster(delivery).up("work-1")
    assert engine.state["imported"] == 10


def test_a_base_image_at_hand_needs_no_registry(offline: Engine) -> None:
    offline.set(images={"debian:bookworm-slim": {}})
    assert packages.registry_reachable(part("docker").Docker())


def test_no_docker_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, delivery: Delivery) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MachinesError) as caught:
        Cluster(delivery).machines.survey()
    assert caught.value.code == "local/docker-missing"
    with pytest.raises(MachinesError), part("docker").Docker().open("run"):
        raise AssertionError("not reached")


def test_an_engine_that_hangs_is_given_up(tmp_path: Path) -> None:
    put_command(tmp_path / "docker", "exec sleep 30")
    with pytest.raises(MachinesError) as caught:
        part("docker").Docker(str(tmp_path / "docker")).call("info", timeout=0.2)
    assert caught.value.code == "local/docker-timeout"


def test_the_package_list_is_the_one_of_the_dockerfile() -> None:
    names = packages.package_names()
    assert {"systemd", "openssh-server", "cloud-init", "haproxy", "socat", "wireguard-tools"} <= set(names)
    assert names == sorted(names) and "packages.txt" in packages.text("Dockerfile")
    assert f"debian:{packages.RELEASE}-slim" in packages.text("Dockerfile")


def test_a_run_that_waits_for_another_says_so_and_finds_the_image(engine: Engine, delivery: Delivery) -> None:
    import fcntl
    import threading

    cluster = Cluster(delivery)
    image = cluster.machines.image
    folder = part("image").cache_folder()
    with (folder / "bake.lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        thread = threading.Thread(target=image.ensure)
        thread.start()
        while not cluster.events:
            thread.join(0.05)
        engine.set(images={image.ref: {"sloth.mode": "capabilities"}})
    thread.join(30)
    assert not thread.is_alive() and "wait for another run" in cluster.events[0].detail
    assert "commit" not in engine.verbs()
