"""Provider `digitalocean`: Droplets in a VPC of one region."""

from __future__ import annotations

from sloth.api import Abilities, Cloud, Credential, Sdk

_VARIABLE = "DIGITALOCEAN_TOKEN"


class DigitalOcean(Cloud):
    """DigitalOcean, one team."""

    name = "digitalocean"
    sdk = Sdk(module="pulumi_digitalocean", plugin="digitalocean", extra="digitalocean")
    # A VPC is of one region, and so are volumes and balancers.
    abilities = Abilities(balancer=True, dns=True, volumes=True, private=True)
    default_network = "10.150.0.0/16"
    example = {"size": "s-2vcpu-4gb", "location": "fra1"}
    sealed = {"digitalocean:index/droplet:Droplet": ("userData",)}
    credentials = (Credential(_VARIABLE, "token", "API token with the scopes of docs/clouds/digitalocean.md"),)
    faults = (
        (r"unable to authenticate|\b401\b", "credentials", f"make a token in the control panel, then: export {_VARIABLE}=…"),
        (r"\b403\b|not authorized|missing .*scope", "credentials", "make a token with the scopes of docs/clouds/digitalocean.md"),
        (r"\b429\b|too many requests|rate limit", "rate-limit", "wait some minutes: the limit is per token and hour"),
        (
            r"exceed.*limit|limit.*(exceeded|reached)|quota",
            "quota",
            "ask for a higher limit in the control panel, or lower `count`",
        ),
        (
            r"(size|region).*(not available|unavailable)|out of capacity",
            "capacity",
            "give the pool a list of sizes to fall back to",
        ),
        (r"with members|still attached|attached to a droplet|pending event|\b412\b", "in-use", "run the command again"),
        (r"already in use|duplicate name|already exists|\b409\b", "conflict", "delete what has that name, or rename the cluster"),
        (r"\b404\b|could not be found|found with name", "not-found", "sloth providers show digitalocean"),
    )


PLUGIN = DigitalOcean()
