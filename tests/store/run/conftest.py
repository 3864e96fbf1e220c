"""What tests of jobs on a cluster share: the cluster, a client, the bytes of one process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from helpers.clusters import NAME, SMALL, Cluster
from zarr.storage import MemoryStore

import mmip_gpu as mmip


@pytest.fixture(scope="session")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    pytest.importorskip("distributed")
    found = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        for _ in range(2):
            found.add_worker()
        yield found
    finally:
        found.close()


@pytest.fixture
def client(cluster) -> Iterator[Any]:
    with cluster.client() as found:
        found.wait_for_workers(2, timeout=30)
        yield found


@pytest.fixture(scope="session")
def expected() -> dict[str, bytes]:
    found = MemoryStore()
    mmip.write_zarr(NAME, found, **SMALL)
    return {k: v.to_bytes() for k, v in found._store_dict.items() if "/c/" in k}
