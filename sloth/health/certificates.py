"""Certificates on nodes: the question that reads them, what they say, and how many days they have left.

Nodes send the certificates themselves (they are public); they are read here, so that no node needs a tool for it.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Any

from sloth.health.finding import Finding, critical, healthy, unknown, warning
from sloth.health.severity import Severity, worst
from sloth.health.view import View
from sloth.model.certificate import CertificateFile
from sloth.model.facts import Facts

DAY = 86400.0
WARNING_DAYS = 30  # a kubelet renews its own long before
CRITICAL_DAYS = 7
_KEY = "cert."
CA_HINT = "sloth certs rotate --ca"


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """One certificate that lies on one node."""

    node: str
    name: str
    path: str
    authority: bool
    subject: str = ""
    issuer: str = ""
    expires: float | None = None  # Unix seconds; None = it could not be read
    missing: bool = False
    optional: bool = False  # that it is not there is no fault

    def days(self, now: float) -> int | None:
        """Whole days left; negative once it has expired; None if it could not be read."""
        return None if self.expires is None else int((self.expires - now) // DAY)


def question(files: Sequence[CertificateFile], *, control_plane: bool) -> str:
    """Shell text that prints `cert.PATH=BASE64` (DER, the file's first certificate), or `missing`; reads only."""
    mine = [each for each in files if control_plane or not each.control_plane]
    pem = " ".join(quote(each.path) for each in mine if not each.kubeconfig)
    conf = " ".join(quote(each.path) for each in mine if each.kubeconfig)
    if not mine:
        return ""
    first = '/-----BEGIN CERT/{on=1;next} /-----END CERT/{exit} on{gsub(/[ \\r]/,"");printf "%s",$0}'
    data = '$1=="client-certificate-data:"{print $2;exit}'
    return (
        f"for file in {pem}; do\n"
        f'  if [ -r "$file" ]; then echo "{_KEY}$file=$(awk \'{first}\' "$file")"; else echo "{_KEY}$file=missing"; fi\n'
        "done\n"
        f"for file in {conf}; do\n"
        f'  if [ -r "$file" ]; then echo "{_KEY}$file=$(awk \'{data}\' "$file" | base64 -d 2>/dev/null | awk \'{first}\')"\n'
        f'  else echo "{_KEY}$file=missing"; fi\n'
        "done\n"
    )


def read(node: str, facts: Facts, files: Sequence[CertificateFile], *, control_plane: bool) -> list[Certificate]:
    """What a node said of its certificates, in the order of `files`."""
    mine = [each for each in files if control_plane or not each.control_plane]
    return [_read(node, each, facts.get(_KEY + each.path)) for each in mine]


def of(view: View) -> list[Certificate]:
    """All certificates of a cluster that were asked for."""
    return [
        certificate
        for lease in view.leases
        for certificate in read(lease.name, view.fact(lease.name), view.certificates, control_plane=lease.role == "control-plane")
    ]


def _read(node: str, file: CertificateFile, text: str) -> Certificate:
    found: dict[str, Any] = {"missing": text == "missing"}
    if text and text != "missing":
        found.update(_decode(text))
    return Certificate(node=node, name=file.name, path=file.path, authority=file.authority, optional=file.optional, **found)


def _decode(text: str) -> dict[str, Any]:
    from cryptography import x509

    try:
        certificate = x509.load_der_x509_certificate(base64.b64decode(text, validate=True))
        return {
            "subject": certificate.subject.rfc4514_string(),
            "issuer": certificate.issuer.rfc4514_string(),
            "expires": certificate.not_valid_after_utc.timestamp(),
        }
    except ValueError:
        return {}


def listing(view: View) -> list[dict[str, Any]]:
    """Rows for people and JSON: every certificate that there is, or should be."""
    return [_line(each, view.now) for each in of(view) if not (each.missing and each.optional)]


def _line(each: Certificate, now: float) -> dict[str, Any]:
    days = each.days(now)
    expires = "" if each.expires is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(each.expires))
    return {
        "node": each.node,
        "name": each.name,
        "path": each.path,
        "authority": each.authority,
        "days": days,
        "left": "missing" if each.missing else "unknown" if days is None else str(days),
        "expires": expires,
        "subject": each.subject,
        "issuer": each.issuer,
        "severity": worst([Severity.HEALTHY, *(finding.severity for finding in _judge(each, now))]).word,
    }


def certificates(view: View) -> Iterator[Finding]:
    """One line per node, for the certificate that ends first; one more for each that needs somebody."""
    if not view.certificates:
        return
    listed = of(view)
    for name in view.names:
        mine = [each for each in listed if each.node == name]
        if not view.answered(name):
            yield unknown("certificates", name, "not read: the node does not answer", f"sloth ssh {name}")
            continue
        if view.fact(name).get("kube.state") != "joined":
            continue
        found = [finding for each in mine for finding in _judge(each, view.now)]
        yield from found or _first(name, mine, view.now)


def _judge(each: Certificate, now: float) -> Iterator[Finding]:
    days = each.days(now)
    hint = CA_HINT if each.authority else "sloth certs rotate"
    if each.missing and each.optional:
        return
    if each.missing:
        yield critical("certificates", each.node, f"{each.name} is missing: {each.path}", "sloth recover")
    elif days is None:
        yield unknown(
            "certificates",
            each.node,
            f"{each.name} could not be read: {each.path}",
            f"sloth ssh {each.node} -- ls -l {each.path}",
        )
    elif days < 0:
        yield critical("certificates", each.node, f"{each.name} expired {-days} days ago", "sloth recover")
    elif days < CRITICAL_DAYS:
        yield critical("certificates", each.node, f"{each.name} expires in {days} days", hint)
    elif days < WARNING_DAYS:
        yield warning("certificates", each.node, f"{each.name} expires in {days} days", hint)


def _first(name: str, mine: Sequence[Certificate], now: float) -> Iterator[Finding]:
    days = [(left, each.name) for each in mine if (left := each.days(now)) is not None]
    if days:
        yield healthy("certificates", name, f"{min(days)[1]} ends first, in {min(days)[0]} days")
