"""What Kubernetes itself hands out of its certificate authorities, while others take their place (sloth.model.authorities).

That pods read whom to trust when they start, and so are made anew: kubernetes.io, "Manual Rotation of CA Certificates". That the
controller manager keeps a ConfigMap `kube-root-ca.crt` in each namespace: kubernetes.io, "Certificates and Certificate Signing
Requests".
"""

from __future__ import annotations

from sloth.hosting.admin import WHY, Admin
from sloth.hosting.text import HOSTING
from sloth.model.authorities import Authority, Rotation
from sloth.model.step import Do, Wait


def published(authority: Authority, rotation: Rotation, admin: Admin) -> Wait:
    """Every namespace has the bundle as it is in this stage: the controller manager writes it anew after its restart.

    Each of the two is known by a line of its own: the second one of its text, which has its serial number.
    """
    old, new = (text.splitlines()[1] for text in (authority.old, authority.new))
    listed = f"kubectl get configmaps -A --field-selector metadata.name=kube-root-ca.crt -o yaml {admin.quick}"
    fine = f"n && n == new && {'n == old' if rotation.stage == 'trust' else '!old'}"
    lines = f'/^ *name: kube-root-ca.crt$/ {{n++}} index($0, "{new}") {{new++}} index($0, "{old}") {{old++}}'
    count = f"{lines} END {{exit !({fine})}}"
    return Wait(
        title="wait until every namespace has it",
        until=f"{listed} | awk '{count}'",
        timeout=180.0,
        diagnose=f"{listed} | grep -c BEGIN; {WHY}",
        hint="kubectl get configmaps -A --field-selector metadata.name=kube-root-ca.crt",
    )


def restart_workloads(rotation: Rotation, admin: Admin) -> Do:
    """Every Deployment, DaemonSet and StatefulSet makes its pods anew, once for this rotation."""
    return Do(
        title="make pods anew",
        run=f"(\n{HOSTING.text('restart-workloads.sh', QUICK=admin.quick, FLAGS=admin.flags, ID=rotation.id)})",
        timeout=1800.0,
        hint="kubectl get pods -A -o wide shows what does not come back; then the same command again",
    )
