"""A server of S3 and KMS for all tests of a process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.adapters.aws_server import ENVIRONMENT, NOT_SET, AwsServer, serving


@pytest.fixture(scope="session")
def aws_process() -> Iterator[AwsServer]:
    """The server itself."""
    with serving() as server:
        yield server


@pytest.fixture
def aws(aws_process: AwsServer, monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> AwsServer:
    """The server with an empty bucket, and an environment that leads to it and nowhere else."""
    aws_process.reset()
    for name in NOT_SET:
        monkeypatch.delenv(name, raising=False)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, f"{tmp_path}/none")
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", aws_process.url)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return aws_process
