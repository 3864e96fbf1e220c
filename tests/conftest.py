"""What all tests share: hypothesis profiles, watched children, the kernels to run on, and an object store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from helpers.children import watch_children
from hypothesis import HealthCheck, settings

from mmip_gpu import _core

# Child processes import the installed package, never the source tree that they are started in.
os.environ["PYTHONSAFEPATH"] = "1"


def pytest_configure(config: pytest.Config) -> None:
    if not getattr(config.option, "numprocesses", None):  # the workers of pytest-xdist watch theirs, and live on
        watch_children()


_QUIET = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture)
settings.register_profile("default", max_examples=40, deadline=None, derandomize=True, suppress_health_check=_QUIET)
settings.register_profile("ci", max_examples=40, deadline=None, derandomize=True, suppress_health_check=_QUIET)
settings.register_profile("nightly", max_examples=1000, deadline=None, suppress_health_check=_QUIET)
settings.load_profile("default")


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What a stand-in for CuPy compiles must not be found by a device."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CUPY_CACHE_DIR", str(tmp_path_factory.mktemp("kernel_cache")))
        yield


@pytest.fixture
def each_kernel() -> Iterator[list[str]]:
    """Names of the kernel copies that this machine runs; what was selected before is selected again after."""
    before = _core.selected_kernels()
    yield _core.kernel_names()
    assert _core.select_kernels(before)


_BUCKETS = count()


@pytest.fixture(scope="session")
def object_server() -> Iterator[str]:
    """An S3 server on loopback."""
    server = pytest.importorskip("moto.server")
    pytest.importorskip("s3fs")
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def bucket(object_server: str, monkeypatch: pytest.MonkeyPatch) -> tuple[str, dict[str, Any]]:
    """A new bucket: its URL, which opens without options, and the options that say the same."""
    import boto3

    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    name = f"volumes-{next(_BUCKETS)}"
    boto3.client("s3", endpoint_url=object_server, **keys).create_bucket(Bucket=name)
    for key, value in {
        "AWS_ENDPOINT_URL": object_server,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(key, value)
    return f"s3://{name}", {"key": "test", "secret": "test", "client_kwargs": {"endpoint_url": object_server}}
