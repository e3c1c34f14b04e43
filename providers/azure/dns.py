"""The API's name in Azure DNS. Azure makes no record set that is there already, so nothing has to be listed for that."""

from __future__ import annotations

from typing import Any

from pulumi_azure import dns

from sloth.api import CLUSTER_TAG, NamePlan

_CLASSES: dict[str, Any] = {"A": dns.ARecord, "AAAA": dns.AaaaRecord, "CNAME": dns.CNameRecord, "TXT": dns.TxtRecord}


def records(plan: NamePlan) -> None:
    """One record set for each name and type, in the zone's resource group, with the cluster's tag."""
    zone = dns.get_zone(name=plan.zone)
    there = {"zone_name": zone.name, "resource_group_name": zone.resource_group_name, "tags": {CLUSTER_TAG: plan.cluster}}
    for entry in plan.entries():
        texts = [{"value": value} for value in entry.values]
        content: Any = {"TXT": {"records": texts}, "CNAME": {"record": entry.values[0]}}.get(
            entry.type, {"records": [*entry.values]}
        )
        _CLASSES[entry.type](entry.part, name=entry.label, ttl=plan.ttl, **there, **content)
