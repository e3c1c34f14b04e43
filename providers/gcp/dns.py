"""The API's name in Google Cloud DNS. Record sets carry no labels."""

from __future__ import annotations

from collections.abc import Iterator

from pulumi_gcp import dns

from sloth.api import Listed, NamePlan


def records(plan: NamePlan) -> None:
    """One record set for each name and type."""
    zone = _zone(plan)
    for entry in plan.entries():
        about = {"type": entry.type, "ttl": plan.ttl, "rrdatas": [*entry.written]}
        dns.RecordSet(entry.part, managed_zone=zone, name=f"{entry.name}.", **about)


def listed(plan: NamePlan) -> Iterator[Listed]:
    """All record sets of the two names."""
    zone = _zone(plan)
    for name in plan.names:
        for item in dns.get_record_sets(managed_zone=zone, name=f"{name}.").rrsets:
            ident = f"{zone}/{item.name}/{item.type}"
            yield plan.listed(item.type, item.name, item.rrdatas, "gcp:dns/recordSet:RecordSet", ident)


def _zone(plan: NamePlan) -> str:
    """A managed zone has a name of its own. Raises LookupError."""
    for zone in dns.get_managed_zones().managed_zones:
        if zone.dns_name == f"{plan.zone}." and zone.visibility == "public":
            return str(zone.name)
    raise LookupError(f"the public zone {plan.zone} was not found")
