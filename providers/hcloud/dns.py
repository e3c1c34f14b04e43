"""The API's name in a zone of Hetzner Cloud."""

from __future__ import annotations

from collections.abc import Iterator

import pulumi_hcloud as hcloud

from sloth.api import CLUSTER_TAG, Listed, NamePlan

from .program import LABELS


def records(plan: NamePlan) -> None:
    """One record set for each name and type, with the cluster's label."""
    for entry in plan.entries():
        values = [hcloud.ZoneRrsetRecordArgs(value=value, comment=plan.mark) for value in entry.written]
        about = {"type": entry.type, "ttl": plan.ttl, "labels": {LABELS[CLUSTER_TAG]: plan.cluster}}
        hcloud.ZoneRrset(entry.part, zone=plan.zone, name=entry.label, records=values, **about)


def listed(plan: NamePlan) -> Iterator[Listed]:
    """All record sets of the zone."""
    for item in hcloud.get_zone_rrsets(zone=plan.zone).rrsets:
        values, ident = [each.value for each in item.records], f"{plan.zone}/{item.name}/{item.type}"
        yield plan.listed(item.type, plan.whole(item.name), values, "hcloud:index/zoneRrset:ZoneRrset", ident)
