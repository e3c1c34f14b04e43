"""The API's name in Amazon Route 53. An ELB has a name and no address, so it gets a CNAME."""

from __future__ import annotations

from collections.abc import Iterator

import pulumi_aws as aws

from sloth.api import Listed, NamePlan


def records(plan: NamePlan) -> None:
    """One record set for each name and type. Quotes of texts are the plugin's affair."""
    zone = aws.route53.get_zone(name=plan.zone).zone_id
    for entry in plan.entries():
        about = {"type": entry.type, "ttl": plan.ttl, "records": [*entry.values]}
        aws.route53.Record(entry.part, zone_id=zone, name=entry.name, **about)


def listed(plan: NamePlan) -> Iterator[Listed]:
    """All record sets of the two names."""
    zone = aws.route53.get_zone(name=plan.zone).zone_id
    for item in aws.route53.get_records(zone_id=zone, name_regex=plan.pattern).resource_record_sets:
        values, ident = [each.value for each in item.resource_records or ()], f"{zone}_{item.name.rstrip('.')}_{item.type}"
        yield plan.listed(item.type, item.name, values, "aws:route53/record:Record", ident)
