"""Provider `vultr`: servers at Vultr, all of a cluster in one region."""

from __future__ import annotations

from sloth.api import Abilities, Cloud, Credential, Sdk


class Vultr(Cloud):
    """Vultr. No private-only servers: without IPv4 they have a public IPv6 address, and a VPC takes no routes. No spot ones."""

    name = "vultr"
    # The SDK's plugin file names the place but no version; SDK and plugin are released with the same number.
    sdk = Sdk(
        module="ediri_vultr", plugin="vultr", extra="vultr", version="2.27.1",
        server="github://api.github.com/dirien/pulumi-vultr",
    )  # fmt: skip
    abilities = Abilities(balancer=True, dns=True, volumes=True)  # a VPC is of one region
    default_network = "10.170.0.0/16"
    example = {"size": "vc2-2c-4gb", "location": "fra", "image": "2136"}
    sealed = {"vultr:index/instance:Instance": ("userData",)}
    credentials = (Credential("VULTR_API_KEY", "apiKey", "Key of Vultr's API"),)
    faults = (
        (r"invalid api (token|key)|unauthorized ip address", "credentials",
         "look at the key and at the addresses that may use it, in Vultr's console under API"),
        (r"maximum (monthly fee|number of)|reached (the|your) .*limit", "quota", "ask Vultr's support for a higher limit"),
        (r"not (currently )?available in|unavailable in|out of stock|no capacity", "capacity",
         "give the pool a list of sizes to fall back to"),
        (r"too many results", "conflict", "two things have the cluster's name: delete the wrong one in Vultr's console"),
        (r"(currently|still) attached|has .*attached|servers? .*using", "in-use", "run sloth down again"),
        (r"no results were found|invalid (plan|region|os|instance)|\b404\b", "not-found", "sloth providers show vultr"),
    )  # fmt: skip


PLUGIN = Vultr()
