"""What clouds, plugins and the engine say when they fail, as errors."""

from __future__ import annotations

import re

import pytest

from sloth import registry
from sloth.adapters.pulumi import faults
from sloth.adapters.pulumi.faults import classify, translate
from sloth.contracts.cloud import Cloud
from sloth.model.secret import Secret

TEXTS = [
    # the engine
    ("no resource plugin 'pulumi-resource-hcloud' found in the workspace at version v1.43.3", "engine/no-plugin", 12),
    ("could not load plugin for hcloud provider: no such file", "engine/no-plugin", 12),
    ("error: getting secrets manager: incorrect passphrase", "engine/wrong-passphrase", 16),
    ("error: passphrase must be set with PULUMI_CONFIG_PASSPHRASE", "engine/wrong-passphrase", 16),
    ("error: failed to load checkpoint: EOF", "engine/state-damaged", 16),
    ("error: failed to load checkpoint: unexpected end of JSON input", "engine/state-damaged", 16),
    ("the current deployment has 1 snapshot integrity error: resource refers to missing parent", "engine/state-damaged", 16),
    # credentials
    ("POST https://api.example/v2/droplets: 401 Unable to authenticate: Unauthorized", "cloud/credentials", 11),
    ("status code: 401, request id: 6d1e", "cloud/credentials", 11),
    ("api error AuthFailure: AWS was not able to validate the provided access credentials", "cloud/credentials", 11),
    ("UnauthorizedOperation: You are not authorized to perform this operation", "cloud/credentials", 11),
    ("Error 403: Forbidden", "cloud/credentials", 11),
    ("invalid token", "cloud/credentials", 11),
    ("the access token has expired", "cloud/credentials", 11),
    # limits
    ("server limit exceeded (resource_limit_exceeded, 8d0e9d4a6c7b)", "cloud/quota", 12),
    ("googleapi: Error 403: Quota 'CPUS' exceeded. Limit: 24.0 in region europe-west3, quotaExceeded", "cloud/quota", 12),
    ("VcpuLimitExceeded: You have requested more vCPU capacity than your current vCPU limit", "cloud/quota", 12),
    ("Quota exceeded for cores: Requested 4, but already used 20 of 20 cores", "cloud/quota", 12),
    ("RequestLimitExceeded: Request limit exceeded.", "cloud/rate-limit", 12),
    ("api error Throttling: Rate exceeded", "cloud/rate-limit", 12),
    ("429 Too Many Requests: rate limit exceeded", "cloud/rate-limit", 12),
    ("limit of 3600 requests per hour reached (rate_limit_exceeded)", "cloud/rate-limit", 12),
    # room and use
    ("InsufficientInstanceCapacity: We currently do not have sufficient t3.large capacity", "cloud/capacity", 12),
    ("error during placement (resource_unavailable, 8d0e9d4a6c7b)", "cloud/capacity", 12),
    ("DependencyViolation: The vpc 'vpc-1' has dependencies and cannot be deleted.", "cloud/in-use", 12),
    ("firewall with ID '7' is still in use (resource_in_use)", "cloud/in-use", 12),
    # nothing known
    ("unexpected EOF while waiting for the answer", "cloud/failed", 12),
    ("", "cloud/failed", 12),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code", "exit"), TEXTS)
def test_real_looking_texts(text, code, exit):
    error = translate("toy", "change", [text], "")
    assert (error.code, error.exit) == (code, exit)
    assert error.where == "toy"
    assert error.summary.startswith("toy: change failed")
    assert error.hint
    assert error.detail == text


@pytest.mark.parametrize("text", [
    "creating work-401: connection reset",
    "deleting server 403",
    "id 429 is gone",
    "urn:pulumi:toy::p::toy:index/server:Server::work-429",
])  # fmt: skip
def test_numbers_in_names_and_ids_mean_nothing(text):
    assert classify(text, ()) is None


def test_the_clouds_own_patterns_come_first_with_their_hints():
    own = ((r"quota of the moon", "capacity", "wait for the moon"),)
    error = translate("toy", "change", ["quota of the moon"], "", own)
    assert (error.code, error.hint) == ("cloud/capacity", "wait for the moon")
    assert translate("toy", "change", ["another quota"], "", own).code == "cloud/quota"


def test_what_the_cli_printed_counts_where_there_is_no_diagnostic():
    printed = "\n".join(["Updating (toy):", "", *(f"line {n}" for n in range(60)), "error: incorrect passphrase"])
    error = translate("toy", "plan", ["update failed"], printed)
    assert error.code == "engine/wrong-passphrase"
    assert error.detail.splitlines()[-1] == "error: incorrect passphrase"
    assert "Updating" not in error.detail
    assert "update failed" not in error.detail


def test_each_text_is_told_once():
    assert translate("toy", "change", ["no room", "no room", "update failed"], "").detail == "no room"


def test_secrets_in_texts_are_masked():
    Secret("tok-3f9d8a7b6c")
    error = translate("toy", "change", ["request with tok-3f9d8a7b6c was refused"], "")
    assert "tok-3f9d8a7b6c" not in repr(error.as_dict())
    assert "***" in error.detail


CLOUDS = [name for name in registry.names("providers") if isinstance(registry.provider(name), Cloud)]


@pytest.mark.parametrize("name", CLOUDS)
def test_every_clouds_patterns_are_of_known_kinds(name):
    for pattern, kind, _ in registry.provider(name).faults:
        re.compile(pattern)
        assert kind in faults._ERRORS, f"{pattern}: {kind}"


def test_every_kind_that_is_no_surprise_has_a_hint():
    assert {kind for _, kind, hint in faults._COMMON if not hint} <= set(faults._HINTS)
    assert set(faults._HINTS) < set(faults._ERRORS)
