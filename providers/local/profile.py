"""How a container must be started to be a machine, and what Kubernetes must know of it."""

from __future__ import annotations

from typing import Any

from sloth.api import Profile

PRIVILEGED, CAPABILITIES = "privileged", "capabilities"

# The host's disk is shared with everything else on it: its fill level must evict no pod and no image. The file
# names the relay to Docker's resolver (templates/node).
_KUBELET: dict[str, Any] = {
    "failSwapOn": False,
    "localStorageCapacityIsolation": False,
    "imageGCHighThresholdPercent": 100,
    "evictionHard": {
        "memory.available": "100Mi", "nodefs.available": "0%", "nodefs.inodesFree": "0%",
        "imagefs.available": "0%", "imagefs.inodesFree": "0%",
    },
    "oomScoreAdj": 0,
    "resolvConf": "/etc/sloth-node/resolv.conf",
}  # fmt: skip
# On cgroup v1 the systemd driver does not work below a container's cgroup, and kubelet refuses v1 unless told.
_KUBELET_CGROUP_V1: dict[str, Any] = {"cgroupDriver": "cgroupfs", "failCgroupV1": False, "enforceNodeAllocatable": []}


def run_options(mode: str) -> list[str]:
    """Options of `docker create` that let systemd, containerd and kubelet work inside.

    Some engines run without CAP_SYS_RESOURCE and cannot give it: there everything else is listed one by one.
    """
    if mode == PRIVILEGED:
        return ["--privileged", "--cgroupns=private"]
    return [
        "--cgroupns=private", "--cap-add", "ALL", "--cap-drop", "SYS_RESOURCE",
        "--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined",
        "--security-opt", "systempaths=unconfined", "--device-cgroup-rule", "a *:* rwm", "--device", "/dev/net/tun",
    ]  # fmt: skip


def profile(cgroup: str, *, baked: bool) -> Profile:
    """What differs from an ordinary host, for an engine with this cgroup version (`1` or `2`)."""
    kubelet = {**_KUBELET, **(_KUBELET_CGROUP_V1 if cgroup == "1" else {})}
    return Profile(
        kubelet=kubelet,
        kube_proxy={"mode": "nftables", "conntrack": {"maxPerCore": 0}},
        containerd={"restrict_oom_score_adj": True, "tolerate_missing_hugetlb_controller": True},
        ignore_preflight=("SystemVerification", "Swap"),
        baked=baked,
    )
