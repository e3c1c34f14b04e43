"""Well-known software that people install into clusters, and the Kubernetes minors that its makers name for each release.

It is known by its image, however it was installed. Makers say different things: Cilium and Calico list what they test with,
cert-manager, Istio and Kyverno what they support, the Cluster Autoscaler asks for its own minor. A target outside that list may
work; nobody has said so. Sources (read in November 2026): docs.cilium.io "Kubernetes Compatibility" of v1.18; docs.tigera.io
"System requirements" of v3.31 to v3.33; cert-manager.io "Supported Releases"; istio.io "Supported Releases"; kyverno.io
"Compatibility Matrix"; kubernetes/autoscaler, cluster-autoscaler/README.md "Releases".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sloth.upgrade.finding import Finding, unknown, warns
from sloth.upgrade.versions import minor

Minor = tuple[int, int]
_TAG = re.compile(r"v?(\d+)\.(\d+)(?=[.+-]|\Z)")
_IMAGE = '{.kind}{" "}{.metadata.namespace}/{.metadata.name}{"\\t"}{.spec.template.spec.containers[*].image}'


@dataclass(frozen=True, kw_only=True)
class Addon:
    """One product. `images`: how its image's repository ends. `releases`: its minor -> first and last Kubernetes minor."""

    name: str
    images: tuple[str, ...]
    releases: Mapping[Minor, tuple[Minor, Minor]]
    page: str  # where its makers say it


def _releases(major: int, **spans: tuple[int, int]) -> dict[Minor, tuple[Minor, Minor]]:
    """`_releases(1, r18=(30, 33))`: 1.18 is for Kubernetes 1.30 to 1.33."""
    return {(major, int(name[1:])): ((1, first), (1, last)) for name, (first, last) in spans.items()}


KNOWN = (
    Addon(
        name="Cilium",
        images=("cilium/cilium", "mirrored-cilium-cilium"),
        releases=_releases(1, r18=(30, 33)),
        page="https://docs.cilium.io/en/stable/network/kubernetes/compatibility/",
    ),
    Addon(
        name="Calico",
        images=("calico/node", "mirrored-calico-node"),
        releases=_releases(3, r31=(32, 35), r32=(34, 36), r33=(35, 37)),
        page="https://docs.tigera.io/calico/latest/getting-started/kubernetes/requirements",
    ),
    Addon(
        name="cert-manager",
        images=("jetstack/cert-manager-controller",),
        releases=_releases(1, r18=(29, 33), r19=(31, 35), r20=(32, 35), r21=(33, 36)),
        page="https://cert-manager.io/docs/releases/",
    ),
    Addon(
        name="Istio",
        images=("istio/pilot", "istio-release/pilot"),
        releases=_releases(1, r25=(29, 32), r26=(29, 33), r27=(29, 33), r28=(30, 34), r29=(31, 35)),
        page="https://istio.io/latest/docs/releases/supported-releases/",
    ),
    Addon(
        name="Kyverno",
        images=("kyverno/kyverno",),
        releases=_releases(1, r16=(31, 34), r17=(32, 35), r18=(33, 35), r19=(33, 35)),
        page="https://kyverno.io/docs/installation/#compatibility-matrix",
    ),
    Addon(
        name="Cluster Autoscaler",
        images=("autoscaling/cluster-autoscaler",),
        releases=_releases(1, r34=(34, 34), r35=(35, 35), r36=(36, 36)),
        page="https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/README.md",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Running:
    """An addon as it runs. `release`: its minor; None where the image's tag does not say one."""

    addon: Addon
    workload: str  # `Kind namespace/name`
    release: Minor | None


def question(kubectl: str) -> str:
    """Shell text, a part of the look: the workloads that run one of those images, and no others. Reads only."""
    names = "|".join(image for addon in KNOWN for image in addon.images)
    each = f'{{range .items[*]}}{_IMAGE}{{"\\n"}}{{end}}'
    return f"""echo '= addons'
addons=$({kubectl} get deployments,daemonsets,statefulsets -A -o jsonpath='{each}') || exit
printf '%s\\n' "$addons" | grep -E '({names})([:@ ]|$)' || true"""


def read(lines: Iterable[str]) -> tuple[Running, ...]:
    """What the answer says. Raises ValueError for a line that is none."""
    found = []
    for line in lines:
        workload, images = line.split("\t")
        found += [
            Running(addon=addon, workload=workload, release=tag) for image in images.split() for addon, tag in _known(image)
        ]
    return tuple(found)


def _known(image: str) -> list[tuple[Addon, Minor | None]]:
    path = image.partition("@")[0]
    repository, colon, tag = path.rpartition(":")
    if not colon or "/" in tag:  # no tag: the colon was a registry's port, or there is none
        repository, tag = path, ""
    version = _TAG.match(tag)
    release = (int(version[1]), int(version[2])) if version else None
    return [(addon, release) for addon in KNOWN if any(f"/{repository}".endswith(f"/{name}") for name in addon.images)]


def findings(running: Sequence[Running] | None, target: str) -> list[Finding]:
    """What the makers do not stand for with the target version. `running` None: not read."""
    if running is None:
        return []
    return [found for each in running if (found := _judged(each, minor(target)))]


def _judged(each: Running, target: Minor) -> Finding | None:
    addon, look = each.addon, f"see {each.addon.page}"
    if each.release is None:
        return unknown("addons", f"{each.workload} runs {addon.name}, its image does not say which release", look)
    what = f"{each.workload} runs {addon.name} {_text(each.release)}"
    span = addon.releases.get(each.release)
    if span is None and each.release < min(addon.releases):
        oldest = _text(min(addon.releases))
        return warns("addons", f"{what}, older than {oldest}, the first that sloth has its makers' word for", look)
    if span is None:
        return unknown("addons", f"{what}: sloth does not know which Kubernetes its makers name for it", look)
    if span[0] <= target <= span[1]:
        return None
    names = _text(span[0]) if span[0] == span[1] else f"{_text(span[0])} to {_text(span[1])}"
    return warns("addons", f"{what}; its makers name Kubernetes {names} for it, not {_text(target)}", f"upgrade it first: {look}")


def _text(version: Minor) -> str:
    return f"{version[0]}.{version[1]}"
