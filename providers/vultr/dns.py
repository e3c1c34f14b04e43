"""The API's name in a domain of Vultr: each record is a resource of its own. No function lists records."""

from __future__ import annotations

import ediri_vultr as vultr

from sloth.api import NamePlan


def records(plan: NamePlan) -> None:
    """One record for each value; the domain's own name is an empty text."""
    domain = vultr.get_dns_domain(domain=plan.zone).id
    for entry in plan.entries():
        for part, one in entry.each:
            about = {"type": one.type, "data": one.written[0].removesuffix("."), "ttl": plan.ttl}
            vultr.DnsRecord(part, domain=domain, name=one.label.strip("@"), **about)
