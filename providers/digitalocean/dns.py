"""The API's name in a domain of DigitalOcean: each record is a resource of its own, and there may be two of the same."""

from __future__ import annotations

from collections.abc import Iterator

import pulumi_digitalocean as do

from sloth.api import Listed, NamePlan


def records(plan: NamePlan) -> None:
    """One record for each value. DigitalOcean puts the quotes around texts itself."""
    for entry in plan.entries():
        for part, one in entry.each:
            value = one.written[0].strip('"')
            do.DnsRecord(part, domain=plan.zone, type=one.type, name=one.label, value=value, ttl=plan.ttl)


def listed(plan: NamePlan) -> Iterator[Listed]:
    """All records of the two names."""
    names = do.GetRecordsFilterArgs(key="name", values=[plan.label(name) for name in plan.names])
    for item in do.get_records(domain=plan.zone, filters=[names]).records:
        token, ident = "digitalocean:index/dnsRecord:DnsRecord", f"{plan.zone},{item.id}"
        yield plan.listed(item.type, plan.whole(item.name), [item.value], token, ident, single=True)
