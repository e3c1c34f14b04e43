"""The options of provider `ssh`, as JSON Schema."""

from __future__ import annotations

from typing import Any

_USER: dict[str, Any] = {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_.-]{0,31}$", "x-rule": "a login name"}
_KEY_TYPES = "ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)"

_BASTION: dict[str, Any] = {
    "address": {
        "type": "string",
        "description": "IP address or DNS name of the jump host.",
        "pattern": "^[A-Za-z0-9]([-A-Za-z0-9.]{0,251}[A-Za-z0-9])?$|^[0-9a-fA-F:]+$",
        "examples": ["198.51.100.7"],
        "x-rule": "an IP address or a DNS name",
    },
    "user": {**_USER, "description": "Who logs in there; by default the same `user`.", "examples": ["jump"]},
    "port": {"$ref": "#/$defs/port", "title": "SSH port", "description": "Port of the jump host.", "default": 22},
    "hostKey": {
        "type": "string",
        "description": "Expected public host key of the jump host, or its SHA256 fingerprint.",
        "pattern": rf"^(SHA256:[A-Za-z0-9+/]{{43}}=?|({_KEY_TYPES}) [A-Za-z0-9+/]{{32,}}={{0,2}}( .*)?)$",
        "examples": ["SHA256:uNiVztksCsDhcc0u9e8BrSLw+eXJdGzz8kHJQ6Y+hR8"],
        "x-rule": "a public key as in a .pub file, or a fingerprint as `ssh-keygen -lf` prints it",
    },
}
_OPTIONS: dict[str, Any] = {
    "user": {
        **_USER,
        "description": "Who logs in; anybody but root needs sudo without a password.",
        "default": "root",
        "examples": ["admin"],
    },
    "key": {"$ref": "#/$defs/secret", "description": "Private key to log in with; without it, the SSH agent is asked."},
    "bastion": {
        "type": "object",
        "description": "A host through which all others are reached.",
        "additionalProperties": False,
        "required": ["address"],
        "properties": _BASTION,
        "examples": [{"address": "198.51.100.7"}],
    },
    "knownHosts": {
        "type": "string",
        "description": "File with the public host keys of hosts that have no `hostKey`. Default: ~/.ssh/known_hosts.",
        "minLength": 1,
        "examples": ["~/.ssh/known_hosts"],
    },
}
SCHEMA = {
    "provider": {"type": "object", "additionalProperties": False, "properties": _OPTIONS},
    "pool": {"type": "object", "additionalProperties": False, "properties": {}},
}
