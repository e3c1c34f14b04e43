"""The API's name in a domain of Linode: each record is a resource of its own, and there may be two of the same."""

from __future__ import annotations

from collections.abc import Iterator

import pulumi_linode as linode

from sloth.api import Listed, NamePlan, one


def records(plan: NamePlan) -> None:
    """One record for each value; the domain's own name is an empty text. Linode rounds the time to live to what it knows."""
    domain = linode.get_domain(domain=plan.zone).id
    for entry in plan.entries():
        for part, each in entry.each:
            about = {"record_type": each.type, "target": each.values[0], "ttl_sec": plan.ttl}
            linode.DomainRecord(part, domain_id=domain, name=each.label.strip("@"), **about)


def listed(plan: NamePlan) -> Iterator[Listed]:
    """The first record of each name: the function tells no more, so these are for the eye and not to be taken over."""
    domain = linode.get_domain(domain=plan.zone).id
    for name in plan.names:
        label = plan.label(name).strip("@")
        if item := one(r"not found|\[404\]", linode.get_domain_record, domain_id=domain, name=label):
            yield plan.listed(item.type, name, [item.target], "linode:index/domainRecord:DomainRecord", single=True)
