"""What Kubernetes itself would refuse, or what sloth sets and a user must not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from sloth import registry
from sloth.config.problem import Finding, nearest, one_of
from sloth.config.rules.desk import Desk, Rule
from sloth.config.tree import Path, show_path

# Syntax: kubernetes.io/docs/concepts/overview/working-with-objects/labels
_WORD = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_PREFIX = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_KEY = re.compile(rf"(?=.{{1,317}}\Z)({_PREFIX}/)?{_WORD}\Z")
_VALUE = re.compile(rf"({_WORD})?\Z")
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_MOST_PODS = 253  # a /24 less its network and broadcast addresses and the bridge

OWN_LABELS = ("kubernetes.io/arch", "kubernetes.io/hostname", "kubernetes.io/os", "node-role.kubernetes.io/control-plane")
OWN_KUBELET = (
    "address", "apiVersion", "authentication", "authorization", "cgroupDriver", "clusterDNS", "clusterDomain",
    "containerRuntimeEndpoint", "imageServiceEndpoint", "kind", "podCIDR", "port", "providerID", "registerNode",
    "rotateCertificates", "staticPodPath", "tlsCertFile", "tlsPrivateKeyFile",
)  # fmt: skip


def version(desk: Desk) -> Iterator[Finding]:
    """A minor or an exact version that the distribution knows."""
    kubernetes = desk.spec.kubernetes
    if kubernetes.distribution not in registry.names("distributions"):
        return
    known = [item.removeprefix("v") for item in registry.distribution(kubernetes.distribution).versions()]
    minors = list(dict.fromkeys(".".join(item.split(".")[:2]) for item in known))
    numbers = [item.partition("+")[0] for item in known]  # of `1.36.2+k3s1`: its newest build is meant
    if kubernetes.version in (*known, *minors, *numbers):
        return
    meant = nearest(kubernetes.version, known if kubernetes.version.count(".") > 1 else minors) or known[0]
    yield desk.find(
        "config/version",
        ("spec", "kubernetes", "version"),
        f"{kubernetes.distribution} of this sloth does not know Kubernetes {kubernetes.version}",
        f'write "{meant}"',
        rule=f"a minor version ({one_of(minors)}) or an exact one ({one_of(known[:8])})",
        value=kubernetes.version,
        depends=(("spec", "kubernetes", "distribution"),),
    )


def labels(desk: Desk) -> Iterator[Finding]:
    """Keys and values of labels."""
    yield from _labels(desk, ("metadata", "labels"), desk.spec.labels)
    for index, pool in enumerate(desk.spec.pools):
        yield from _labels(desk, desk.pool_path(index, "labels"), pool.labels)


def _labels(desk: Desk, path: Path, given: Mapping[str, str]) -> Iterator[Finding]:
    for key, value in given.items():
        at = (*path, key)
        if not _KEY.match(key):
            yield desk.find(
                "config/label",
                at,
                f"`{key}` is not a label key",
                "write letters, digits, `-`, `_` and `.`, at most 63",
                value=key,
                key=True,
                rule="an optional DNS name and `/`, then at most 63 letters, digits, `-`, `_`, `.`, the first and last no sign",
            )
        elif key in OWN_LABELS or key.split("/")[0] == "sloth.dev":
            yield desk.find(
                "config/reserved",
                at,
                f"the label `{key}` is set by Kubernetes or sloth",
                f"remove `{key}`",
                value=key,
                key=True,
                rule=f"not one of {one_of([*OWN_LABELS, 'sloth.dev/…'])}",
            )
        elif not _VALUE.match(value):
            yield desk.find(
                "config/label",
                at,
                f"`{show_path(at)}` is not a label value",
                "write letters, digits, `-`, `_` and `.`, at most 63",
                value=value,
                rule="nothing, or at most 63 letters, digits, `-`, `_`, `.`, beginning and ending with a letter or digit",
            )


def taints(desk: Desk) -> Iterator[Finding]:
    """`key=value:Effect` or `key:Effect`, each key and effect once."""
    for index, pool in enumerate(desk.spec.pools):
        seen: set[tuple[str, str]] = set()
        for number, taint in enumerate(pool.taints):
            path = desk.pool_path(index, "taints", number)
            pair, _, effect = taint.rpartition(":")
            key, _, value = pair.partition("=")
            if not _KEY.match(key) or not _VALUE.match(value) or effect not in _EFFECTS:
                meant = nearest(effect, _EFFECTS) if _KEY.match(key) and _VALUE.match(value) else ""
                hint = f"did you mean `{pair}:{meant}`?" if meant else "write `dedicated=db:NoSchedule`"
                yield desk.find(
                    "config/taint",
                    path,
                    f"`{taint}` is not a taint",
                    hint,
                    value=taint,
                    rule=f"`key=value:Effect` or `key:Effect`; effects are {one_of(_EFFECTS)}",
                )
            elif (key, effect) in seen:
                yield desk.find(
                    "config/duplicate",
                    path,
                    f"the taint `{key}` with effect {effect} is there twice",
                    "keep one of them",
                    value=taint,
                    rule="one value for each key and effect",
                )
            seen.add((key, effect))


def kubelet(desk: Desk) -> Iterator[Finding]:
    """Kubelet fields that sloth sets, and pods that would find no address."""
    yield from _kubelet(desk, ("spec", "kubernetes", "kubelet", "config"), desk.spec.kubernetes.kubelet)
    for index, pool in enumerate(desk.spec.pools):
        yield from _kubelet(desk, desk.pool_path(index, "kubelet"), pool.kubelet)


def _kubelet(desk: Desk, path: Path, given: Mapping[str, Any]) -> Iterator[Finding]:
    for name in given:
        if name in OWN_KUBELET:
            yield _reserved(desk, (*path, name), OWN_KUBELET)
    pods = given.get("maxPods")
    if isinstance(pods, int) and not isinstance(pods, bool) and not 1 <= pods <= _MOST_PODS:
        yield desk.find(
            "config/range",
            (*path, "maxPods"),
            f"`{show_path((*path, 'maxPods'))}` is {pods}, but must be from 1 to {_MOST_PODS}",
            f"write a number from 1 to {_MOST_PODS}",
            value=pods,
            rule=f"every node has a /24 for its pods: {_MOST_PODS} addresses",
        )


def _reserved(desk: Desk, path: Path, own: tuple[str, ...]) -> Finding:
    name = path[-1]
    return desk.find(
        "config/reserved",
        path,
        f"`{name}` is set by sloth and cannot be given",
        f"remove `{name}`",
        value=name,
        key=True,
        rule=f"not one of {one_of(own)}",
    )


def artifacts(desk: Desk) -> Iterator[Finding]:
    """`source: mirror` names its mirror."""
    path: Path = ("spec", "artifacts")
    if desk.spec.artifacts.source == "mirror" and not desk.spec.artifacts.mirror:
        yield desk.find(
            "config/missing",
            (*path, "source"),
            "`spec.artifacts.mirror` is missing",
            "add `mirror: https://mirror.example.com`, or a directory",
            rule="`source: mirror` needs `mirror`",
            value="mirror",
            depends=((*path, "mirror"),),
        )


RULES: tuple[Rule, ...] = (version, labels, taints, kubelet, artifacts)
