"""JSON Schema of the fields that all clouds have in common (docs/reference/spec.md is generated from it)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_WORD = {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[A-Za-z0-9][A-Za-z0-9_.:/@-]*$"}


def _choice(title: str, description: str, example: str) -> dict[str, Any]:
    return {
        "title": title,
        "description": description,
        "anyOf": [_WORD, {"type": "array", "items": _WORD, "minItems": 1, "maxItems": 20, "uniqueItems": True}],
        "examples": [example],
        "x-rule": "a name, or a list of names in order of preference",
    }


def _common(example: Mapping[str, str]) -> dict[str, Any]:
    return {
        "size": _choice(
            "Machine type", "The cloud's name of a machine type; of a list, the first that can be had.", example["size"]
        ),
        "location": _choice(
            "Location",
            "Where in the cloud; nodes are spread over a list, and what one place has not is taken from the next.",
            example["location"],
        ),
        "image": {
            **_WORD,
            "title": "Image",
            "description": "Name of the operating system image. Its resolved id is pinned for each node.",
            "examples": ["debian-12"],
            "x-rule": "the name of an image at that cloud",
        },
    }


def provider_fields(example: Mapping[str, str], image: str) -> dict[str, Any]:
    """Fields of `spec.providers.NAME`: defaults of its pools, and the private network."""
    fields = _common(example)
    fields["image"] = {**fields["image"], "default": image}
    network = {
        "type": "string",
        "title": "Private network",
        "description": "CIDR of the private network that sloth makes for the cluster there.",
        "pattern": r"^[0-9]{1,3}(\.[0-9]{1,3}){3}/[0-9]{1,2}$",
        "examples": ["10.110.0.0/16"],
        "x-rule": "an IPv4 network such as 10.110.0.0/16",
    }
    return {**fields, "network": network}


def pool_fields(example: Mapping[str, str]) -> dict[str, Any]:
    """Fields of a pool at a cloud."""
    return {
        **_common(example),
        "public": {
            "type": "boolean",
            "title": "Public address",
            "description": "False: private address only; reached through a public node of the same cloud, with a NAT to get out.",
            "default": True,
            "examples": [False],
        },
        "spot": {
            "type": "boolean",
            "title": "Spot machines",
            "description": "Cheaper machines that the cloud may take back at any time. Workers only.",
            "default": False,
            "examples": [True],
        },
        "volumes": {
            "type": "array",
            "title": "Volumes",
            "description": "Further disks of each node; they go with the node.",
            "default": [],
            "maxItems": 8,
            "items": _VOLUME,
            "examples": [[{"name": "data", "size": "100Gi", "mount": "/var/lib/data"}]],
        },
    }


_VOLUME: dict[str, Any] = {
    "type": "object",
    "title": "Volume",
    "description": "One disk.",
    "additionalProperties": False,
    "required": ["name", "size"],
    "examples": [{"name": "data", "size": "100Gi"}],
    "properties": {
        "name": {
            "type": "string",
            "title": "Name",
            "description": "Names the disk, with the node's name before it.",
            "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
            "maxLength": 20,
            "examples": ["data"],
            "x-rule": "lower-case letters, digits and `-`",
        },
        "size": {
            "type": "string",
            "title": "Size",
            "description": "Whole gibibytes.",
            "pattern": "^[1-9][0-9]{0,4}Gi$",
            "examples": ["100Gi"],
            "x-rule": "a number of gibibytes, such as 100Gi",
        },
        "mount": {
            "type": "string",
            "title": "Mount point",
            "description": "Directory where the node mounts it (ext4, made if the disk is empty).",
            "pattern": "^/[A-Za-z0-9/_.-]+$",
            "examples": ["/var/lib/data"],
            "x-rule": "an absolute path",
        },
    },
}
