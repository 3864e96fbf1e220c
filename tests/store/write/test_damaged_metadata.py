"""Metadata of a store's arrays that are damaged: repaired where the description says what is due, else refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mmip_gpu as mmip
from mmip_gpu import StoreError

SOURCE = "phantom3d:16x40x48"
QUIET: dict[str, Any] = {"progress": False, "threads": 1}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    mmip.write_zarr(SOURCE, tmp_path / "a.zarr", quality=10, chunks=(8, 32, 32), **QUIET)
    return tmp_path / "a.zarr"


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


@pytest.mark.parametrize("name", ["stage_1", "stage_3", "chunk"])
@pytest.mark.parametrize("length", [1, 2**31, 2**62])
def test_a_shape_that_is_damaged_is_made_good(store: Path, name: str, length: int) -> None:
    whole = mmip.open_zarr(store)[...]
    edit(store / name / "zarr.json", lambda document: document["shape"].__setitem__(1, length))
    mmip.repair_zarr(store, SOURCE, **QUIET)
    assert mmip.verify_zarr(store, **QUIET)["ok"]
    assert (mmip.open_zarr(store)[...] == whole).all()


@pytest.mark.parametrize("name", ["stage_1", "chunk"])
def test_metadata_that_have_grown_are_not_read(store: Path, name: str) -> None:
    os.truncate(store / name / "zarr.json", 1 << 36)
    with pytest.raises(StoreError, match="expected metadata of"):
        mmip.repair_zarr(store, SOURCE, **QUIET)


@pytest.mark.parametrize("configuration", [7, None, [], "x"])
def test_a_group_with_a_damaged_array_is_named(store: Path, configuration: Any) -> None:
    edit(store / "zarr.json", lambda document: document.update(attributes={}))
    edit(store / "stage_1" / "zarr.json", lambda document: document["codecs"][0].update(configuration=configuration))
    for work in (mmip.open_zarr, lambda path: mmip.export_ome_zarr(path, store.with_name("b.zarr"), **QUIET)):
        with pytest.raises(StoreError, match="Zarr group"):
            work(store)
