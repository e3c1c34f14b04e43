"""How sloth logs in to an OpenStack cloud: the usual OS_ variables, from the spec's options or else from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from sloth.api import CredentialsError, Secret, resolve_secret

URL, USER, CLOUD = "OS_AUTH_URL", "OS_USERNAME", "OS_CLOUD"
CREDENTIAL = "OS_APPLICATION_CREDENTIAL_ID"
# Variable that tells the way -> all that the way needs. An application credential is bound to its project already.
WAYS = {
    CLOUD: (CLOUD,),  # an entry of clouds.yaml
    CREDENTIAL: (URL, CREDENTIAL, "OS_APPLICATION_CREDENTIAL_SECRET"),
    USER: (URL, USER, "OS_PASSWORD", "OS_PROJECT_NAME"),
}
DOMAINS = ("OS_USER_DOMAIN_NAME", "OS_PROJECT_DOMAIN_NAME")
MORE = ("OS_REGION_NAME", "OS_CACERT", "OS_INTERFACE", "OS_CLIENT_CONFIG_FILE")
OPTIONS = {
    "cloud": CLOUD,
    "authUrl": URL,
    "region": "OS_REGION_NAME",
    "user": USER,
    "password": "OS_PASSWORD",
    "project": "OS_PROJECT_NAME",
    "credential": CREDENTIAL,
    "credentialSecret": "OS_APPLICATION_CREDENTIAL_SECRET",
}


def environment(options: Mapping[str, Any]) -> dict[str, Secret | str]:
    """Variables for the engine's plugin, of one way to log in only: a mix of two is refused by Keystone.

    Raises CredentialsError that names everything that is missing.
    """
    given = {OPTIONS[name]: value for name, value in options.items() if name in OPTIONS}
    if domain := options.get("domain"):
        given |= dict.fromkeys(DOMAINS, domain)
    way = next((way for known in (given, os.environ) for way in WAYS if known.get(way)), USER)
    names = (*WAYS[way], *MORE, *(DOMAINS if way == USER else ()))
    found: dict[str, Secret | str] = {
        name: _value(name, given.get(name)) for name in names if given.get(name) or os.environ.get(name)
    }
    if missing := [name for name in WAYS[way] if name not in found]:
        raise CredentialsError(
            "cloud/no-credentials",
            f"openstack: {', '.join(missing)} not set, and spec.providers.openstack does not tell either",
            hint="source the openrc file of the project, or name an entry of clouds.yaml: export OS_CLOUD=…",
        )
    # The engine inherits this process's environment: what belongs to another way in is hidden from it.
    others = {name for each in WAYS.values() for name in each} | {*DOMAINS}
    return {**{name: "" for name in others - {*names} if name in os.environ}, **found}


def _value(name: str, given: Any) -> Secret | str:
    if isinstance(given, Mapping):
        return resolve_secret(given)
    value = str(given or os.environ[name])
    return Secret(value) if name.endswith(("PASSWORD", "SECRET")) else value
