"""APIs that a Kubernetes minor no longer serves, and which of them somebody still asks for.

Sources: Kubernetes documentation, "Deprecated API Migration Guide" (up to 1.32); from 1.33 on the generated
`zz_generated.prerelease-lifecycle.go` of k8s.io/api v0.36.3 (`APILifecycleRemoved`, `APILifecycleReplacement`). What is asked for
comes from the API servers' metric `apiserver_requested_deprecated_apis` (Kubernetes documentation, "Kubernetes Metrics
Reference"): one line for each deprecated API requested since that server started, with the release that removes it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sloth.upgrade.versions import minor


@dataclass(frozen=True, kw_only=True)
class Removed:
    """One resource of one API version, and the minor that serves it no more."""

    minor: tuple[int, int]
    api: str  # group and version
    resource: str  # plural
    instead: str = ""  # API version to use in its place; "" = none


_FLOW = "flowcontrol.apiserver.k8s.io"
_ADMISSION = "admissionregistration.k8s.io"
_DEVICES = ("deviceclasses", "resourceclaims", "resourceclaimtemplates", "resourceslices")
_LINES: tuple[tuple[int, str, tuple[str, ...], str], ...] = (
    (25, "batch/v1beta1", ("cronjobs",), "batch/v1"),
    (25, "discovery.k8s.io/v1beta1", ("endpointslices",), "discovery.k8s.io/v1"),
    (25, "events.k8s.io/v1beta1", ("events",), "events.k8s.io/v1"),
    (25, "autoscaling/v2beta1", ("horizontalpodautoscalers",), "autoscaling/v2"),
    (25, "policy/v1beta1", ("poddisruptionbudgets",), "policy/v1"),
    (25, "policy/v1beta1", ("podsecuritypolicies",), ""),
    (25, "node.k8s.io/v1beta1", ("runtimeclasses",), "node.k8s.io/v1"),
    (26, f"{_FLOW}/v1beta1", ("flowschemas", "prioritylevelconfigurations"), f"{_FLOW}/v1"),
    (26, "autoscaling/v2beta2", ("horizontalpodautoscalers",), "autoscaling/v2"),
    (27, "storage.k8s.io/v1beta1", ("csistoragecapacities",), "storage.k8s.io/v1"),
    (29, f"{_FLOW}/v1beta2", ("flowschemas", "prioritylevelconfigurations"), f"{_FLOW}/v1"),
    (32, f"{_FLOW}/v1beta3", ("flowschemas", "prioritylevelconfigurations"), f"{_FLOW}/v1"),
    (33, "authentication.k8s.io/v1beta1", ("selfsubjectreviews",), "authentication.k8s.io/v1"),
    (34, f"{_ADMISSION}/v1beta1", ("validatingadmissionpolicies", "validatingadmissionpolicybindings"), f"{_ADMISSION}/v1"),
    (35, "storage.k8s.io/v1alpha1", ("volumeattributesclasses",), "storage.k8s.io/v1"),
    (37, "networking.k8s.io/v1beta1", ("ipaddresses", "servicecidrs"), "networking.k8s.io/v1"),
    (37, "storage.k8s.io/v1beta1", ("volumeattributesclasses",), "storage.k8s.io/v1"),
    (37, "certificates.k8s.io/v1alpha1", ("clustertrustbundles",), "certificates.k8s.io/v1beta1"),
    (38, "resource.k8s.io/v1beta1", _DEVICES, "resource.k8s.io/v1"),
    (38, f"{_ADMISSION}/v1alpha1", ("mutatingadmissionpolicies", "mutatingadmissionpolicybindings"), f"{_ADMISSION}/v1beta1"),
    (38, "coordination.k8s.io/v1alpha2", ("leasecandidates",), "coordination.k8s.io/v1beta1"),
    (39, "resource.k8s.io/v1beta2", _DEVICES, "resource.k8s.io/v1"),
    (39, "coordination.k8s.io/v1beta1", ("leasecandidates",), ""),
    (40, f"{_ADMISSION}/v1beta1", ("mutatingadmissionpolicies", "mutatingadmissionpolicybindings"), f"{_ADMISSION}/v1"),
)
TABLE = tuple(
    Removed(minor=(1, number), api=api, resource=resource, instead=instead)
    for number, api, resources, instead in _LINES
    for resource in resources
)
_METRIC = "apiserver_requested_deprecated_apis"
_LABEL = re.compile(r'(\w+)="([^"]*)"')


def between(running: str, target: str) -> list[Removed]:
    """What the target serves no more and the running version did."""
    return [each for each in TABLE if minor(running) < each.minor <= minor(target)]


def requested(metrics: str) -> list[Removed]:
    """What was asked for, out of lines of the metric; each once, in order. Lines without a removing release are passed over."""
    found = {}
    for line in metrics.splitlines():
        if not line.startswith(f"{_METRIC}{{") or line.rpartition(" ")[2] in ("0", ""):
            continue
        labels = dict(_LABEL.findall(line))
        number = re.fullmatch(r"(\d+)\.(\d+)", labels.get("removed_release", ""))
        if number:
            api = "/".join(filter(None, (labels.get("group", ""), labels.get("version", ""))))
            resource = "/".join(filter(None, (labels.get("resource", ""), labels.get("subresource", ""))))
            key = (int(number[1]), int(number[2])), api, resource
            found[key] = Removed(minor=key[0], api=api, resource=resource, instead=_instead(api, labels.get("resource", "")))
    return [found[key] for key in sorted(found)]


def _instead(api: str, resource: str) -> str:
    return next((each.instead for each in TABLE if (each.api, each.resource) == (api, resource)), "")
