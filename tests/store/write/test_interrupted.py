"""Jobs that were interrupted go on where they stopped."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers.stores import SMALL, VOLUME, chunk_bytes, keys_of
from zarr.storage import MemoryStore

import mmip_gpu as mmip
from mmip_gpu.errors import StoreError
from mmip_gpu.store.group.zarr_group import StoreGroup
from mmip_gpu.store.job import job as jobs


@pytest.mark.parametrize("threads", [1, 2])
def test_an_interrupted_job_goes_on(threads, monkeypatch, tmp_path):
    expected = MemoryStore()
    mmip.write_zarr(VOLUME, expected, **SMALL)
    target = MemoryStore()
    options = SMALL | {"threads": threads}
    code, coded = jobs.Job.code, []

    def interrupted(self: Any, description: Any, at: Any) -> Any:
        if len(coded) >= 5:
            raise KeyboardInterrupt
        coded.append(at)
        return code(self, description, at)

    monkeypatch.setattr(jobs.Job, "code", interrupted)
    with pytest.raises(KeyboardInterrupt):
        mmip.write_zarr(VOLUME, target, **options)
    volume = mmip.open_zarr(target)
    assert not volume.report["complete"]
    assert volume.report["loss"] is None
    assert 0 < volume.bytes_needed < mmip.open_zarr(expected).bytes_needed
    assert volume[:16, :32, :32].shape == (16, 32, 32)
    with pytest.raises(StoreError, match=r"chunk \(0, 1, 1, 2\) is missing"):
        volume[-1, -1, -1]

    before = len(keys_of(target, "chunk"))
    done: list[Any] = []

    def counted(self: Any, description: Any, at: Any) -> Any:
        done.append(at)
        return code(self, description, at)

    monkeypatch.setattr(jobs.Job, "code", counted)
    report = mmip.write_zarr(VOLUME, target, **options)
    assert report["complete"]
    assert len(done) == 12 - before
    assert chunk_bytes(target) == chunk_bytes(expected)
    assert report["loss"] == mmip.open_zarr(expected).report["loss"]
    mmip.write_zarr(VOLUME, target, **options)
    assert len(done) == 12 - before


@pytest.mark.parametrize("when", ["attributes", "erase", "arrays"])
def test_a_job_stopped_before_its_first_chunk(when, tmp_path, monkeypatch):
    where = tmp_path / "a.zarr"
    mmip.write_zarr(VOLUME, where, **SMALL)
    name = {"attributes": "set_attributes", "erase": "erase_arrays", "arrays": "create_arrays"}[when]

    def stopped(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(StoreGroup, name, stopped)
        with pytest.raises(KeyboardInterrupt):
            mmip.write_zarr(VOLUME + 1, where, overwrite=True, **SMALL)
    if when == "attributes":
        assert mmip.open_zarr(where).report["complete"]
        return
    with pytest.raises(StoreError, match="stopped"):
        mmip.open_zarr(where)
    report = mmip.write_zarr(VOLUME + 1, where, **SMALL)
    assert report["complete"]
    error = np.abs(mmip.open_zarr(where)[...].astype(int) - VOLUME - 1)
    assert error.max() == report["loss"]["max_error"]
