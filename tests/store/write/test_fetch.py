"""Copies of the first stages of a store: fetched, upgraded, checked, resumed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import zarr
from helpers.progressive_stores import CHUNKS, CountingStore, damaged
from zarr.storage import MemoryStore

import mmip_gpu as mmip
from mmip_gpu import repair_zarr, verify_zarr
from mmip_gpu.cli import main
from mmip_gpu.errors import CorruptData, InvalidArgument, StoreError


def test_upgrade_reads_the_new_stages_only(written, volume):
    counting = CountingStore(written)
    lazy = mmip.open_zarr(counting, stages=1)
    coarse = lazy[...]
    assert set(counting.take()) == {"chunk", "stage_1"}
    assert lazy.upgrade(2) is lazy
    middle = lazy[...]
    assert set(counting.take()) == {"stage_2"}
    fine = lazy.upgrade()[...]
    assert set(counting.take()) == {"stage_3"}
    errors = [np.square(image.astype(float) - volume).mean() for image in (coarse, middle, fine)]
    assert errors[0] > errors[1] > errors[2]
    assert lazy.stages == 3
    for bad in (0, 4, True):
        with pytest.raises(InvalidArgument, match="stages"):
            lazy.upgrade(bad)


def test_a_copy_of_the_first_stages_is_upgraded(written, tmp_path):
    counting, copy = CountingStore(written), tmp_path / "copy.zarr"
    whole = mmip.open_zarr(written)
    fetched = mmip.fetch_zarr(counting, copy, stages=1)
    assert set(counting.bytes) == {"chunk", "stage_1"}
    assert fetched == {"stages": 1, "stage_count": 3, "bytes_read": counting.take().total()}
    opened = mmip.open_zarr(copy)
    assert opened.stages == 1
    assert (opened[...] == mmip.open_zarr(written, stages=1)[...]).all()
    assert (mmip.open_zarr(copy, scale=8)[...] == mmip.open_zarr(written, scale=8)[...]).all()
    for options in ({"stages": 2}, {"scale": 4, "stages": 2}):
        with pytest.raises(StoreError, match=r"a copy of 1 of 3 stages"):
            mmip.open_zarr(copy, **options)
    with pytest.raises(InvalidArgument, match="source="):
        mmip.upgrade_zarr(copy)
    (copy / "stage_1/c/0/0/0/0/0").unlink()
    assert mmip.upgrade_zarr(copy, source=counting, stages=2)["stages"] == 2
    assert set(counting.bytes) == {"stage_1", "stage_2"}
    assert counting.requests["stage_1"] == 8 + 1
    assert mmip.fetch_zarr(counting, copy, stages=1)["bytes_read"] == 0
    mmip.upgrade_zarr(copy, source=counting)
    refined = mmip.open_zarr(copy)
    assert (refined[...] == whole[...]).all()
    assert refined.report == whole.report
    assert mmip.upgrade_zarr(copy)["bytes_read"] == 0


def test_a_copy_of_a_folder_knows_its_origin(written, tmp_path, monkeypatch):
    mmip.fetch_zarr(written, tmp_path / "a.zarr", stages=None)
    monkeypatch.chdir(tmp_path)
    mmip.fetch_zarr("a.zarr", "b.zarr")
    monkeypatch.chdir("/")
    assert mmip.upgrade_zarr(tmp_path / "b.zarr")["stages"] == 3
    assert (mmip.open_zarr(tmp_path / "b.zarr")[3] == mmip.open_zarr(written)[3]).all()


def test_a_copy_is_checked_as_far_as_it_goes(written, tmp_path, capsys):
    mmip.fetch_zarr(written, tmp_path / "a", stages=2)
    assert main(["info", str(tmp_path / "a")]) == 0
    assert "a copy of the first 2 of 3 stages: mmip upgrade" in capsys.readouterr().out
    assert verify_zarr(tmp_path / "a")["ok"]
    with pytest.raises(StoreError, match="mmip upgrade"):
        repair_zarr(tmp_path / "a", mmip.phantom3d((40, 96, 96)))
    (tmp_path / "a/stage_2/c/0/0/0/1/0").unlink()
    assert verify_zarr(tmp_path / "a")["chunks"][0]["chunk"] == [0, 0, 0, 1]


def test_an_interrupted_copy_goes_on(written, tmp_path):
    class Broken(CountingStore):
        left = 5

        async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
            self.left -= "stage_1/c/" in key
            if self.left < 0:
                raise OSError("the line is dead")
            return await super().get(key, prototype, byte_range)

    with pytest.raises(StoreError, match="the line is dead"):
        mmip.fetch_zarr(Broken(written), tmp_path / "a", threads=1)
    with pytest.raises(StoreError, match=r"a copy of 0 of 3"):
        mmip.open_zarr(tmp_path / "a")
    counting = CountingStore(written)
    mmip.fetch_zarr(counting, tmp_path / "a")
    assert counting.requests["stage_1"] == 8 - 5
    assert (mmip.open_zarr(tmp_path / "a")[0] == mmip.open_zarr(written, stages=1)[0]).all()


def test_copies_that_are_refused(written, volume, tmp_path):
    other = MemoryStore()
    mmip.write_zarr(volume, other, quality=30, **CHUNKS)
    mmip.fetch_zarr(written, tmp_path / "a")
    with pytest.raises(StoreError, match="another store"):
        mmip.fetch_zarr(other, tmp_path / "a")
    for stages in (0, 4, True):
        with pytest.raises(InvalidArgument, match="stages"):
            mmip.fetch_zarr(written, tmp_path / "b", stages=stages)
    with pytest.raises(InvalidArgument, match="itself"):
        mmip.fetch_zarr(tmp_path / "a", tmp_path / "a")
    with pytest.raises(InvalidArgument, match="threads"):
        mmip.fetch_zarr(written, tmp_path / "b", threads=0)
    with pytest.raises(StoreError, match="does not exist"):
        mmip.fetch_zarr(tmp_path / "none", tmp_path / "b")
    with pytest.raises(CorruptData, match=r"chunk \(0, 0, 0, 0\): .*crc"):
        mmip.fetch_zarr(damaged(written, "stage_1", 20), tmp_path / "c")
    group = zarr.open_group(tmp_path / "a", mode="r+")
    for bad in (7, {"stages": 4}, {"stages": True}):
        group.update_attributes({"mmip": dict(group.attrs["mmip"]) | {"copy": bad}})
        with pytest.raises(CorruptData, match="copy"):
            mmip.open_zarr(tmp_path / "a")
