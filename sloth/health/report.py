"""All rules over one view, and what comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sloth.health.certificates import certificates
from sloth.health.etcd import etcd
from sloth.health.finding import Finding
from sloth.health.hosts import clocks, disks, versions
from sloth.health.mesh import mesh
from sloth.health.nodes import machines, nodes
from sloth.health.pods import pods
from sloth.health.severity import Severity, worst
from sloth.health.view import View

RULES = (machines, nodes, etcd, pods, mesh, certificates, disks, clocks, versions)


@dataclass(frozen=True, kw_only=True)
class Report:
    """Findings in the order of the rules."""

    findings: Sequence[Finding]

    @property
    def severity(self) -> Severity:
        """The worst of them."""
        return worst(finding.severity for finding in self.findings)

    @property
    def healthy(self) -> bool:
        """Whether everything was read, and all of it is well."""
        return self.severity == Severity.HEALTHY

    @property
    def problems(self) -> list[Finding]:
        """All that is not healthy, the worst first."""
        bad = [finding for finding in self.findings if finding.severity != Severity.HEALTHY]
        return sorted(bad, key=lambda finding: -finding.severity)


def assess(view: View, more: Sequence[Finding] = ()) -> Report:
    """What the view amounts to. `more` = findings that other rooms made, such as drift."""
    return Report(findings=(*(finding for rule in RULES for finding in rule(view)), *more))
