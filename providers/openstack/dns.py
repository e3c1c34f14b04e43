"""The API's name in Designate, which makes no record set that is there already. None of the SDK's functions lists them."""

from __future__ import annotations

from pulumi_openstack import dns

from sloth.api import NamePlan


def records(plan: NamePlan) -> None:
    """One record set for each name and type, with the cluster in its description."""
    zone = dns.get_dns_zone(name=f"{plan.zone}.").id
    for entry in plan.entries():
        about = {"type": entry.type, "ttl": plan.ttl, "records": [*entry.written], "description": plan.mark}
        dns.RecordSet(entry.part, zone_id=zone, name=f"{entry.name}.", **about)
