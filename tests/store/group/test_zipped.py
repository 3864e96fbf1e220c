"""Stores in zip files are written again, resumed and claimed as any other, and the file is whole or not there."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from zarr.storage import MemoryStore, StorePath, WrapperStore, ZipStore

import mmip_gpu as mmip
from mmip_gpu import verify_zarr
from mmip_gpu.errors import StoreError
from mmip_gpu.store.group import zipped
from mmip_gpu.store.group.zarr_group import StoreGroup
from mmip_gpu.store.job import step_survey
from mmip_gpu.store.write import write as writing

NAME = "phantom3d:40x64x64"
SMALL: dict[str, Any] = {"quality": 20, "chunks": (16, 32, 32)}


@pytest.fixture
def misleading(monkeypatch) -> np.ndarray:
    """A volume whose probes promise too much, so that it is written more than once."""
    surveyed = step_survey.surveyed_plan

    def coarse(*given: Any) -> Any:
        found = surveyed(*given)
        return found.with_step(1.3 * found.background_step)

    monkeypatch.setattr("mmip_gpu.store.job.job_reader.surveyed_plan", coarse)
    monkeypatch.setattr("mmip_gpu.store.job.ratio_search._PROBES", 1)
    waves = np.sin(np.arange(16 * 32 * 400).reshape(16, 32, 400) / 9) * 800
    volume = (waves + np.random.default_rng(0).normal(0, 30, waves.shape)).astype(np.int16)
    volume[:, :, 32:] //= 50
    return volume


def entries(store: Any) -> dict[str, bytes]:
    """Keys and bytes of a zip or of a store in memory, each of them once."""
    if isinstance(store, MemoryStore):
        return {key: value.to_bytes() for key, value in store._store_dict.items()}
    with zipfile.ZipFile(store) as file:
        names = file.namelist()
        assert names == sorted(set(names))
        return {name: file.read(name) for name in names}


@pytest.mark.parametrize("asked", [{"psnr": 50}, {"ratio": 10}], ids=str)
def test_a_zip_is_written_again_as_any_store(misleading, tmp_path, asked):
    options = {"chunks": (16, 32, 32)} | asked
    expected = MemoryStore()
    assert mmip.write_zarr(misleading, expected, **options)["plan"]["attempt"] > 0
    mmip.write_zarr(misleading, tmp_path / "a.zip", **options)
    found = entries(tmp_path / "a.zip")
    assert found == entries(expected)
    assert list(tmp_path.iterdir()) == [tmp_path / "a.zip"]
    again = mmip.write_zarr(misleading, tmp_path / "a.zip", client="tcp://nobody:1", **options)  # nothing left to do
    assert again["complete"]
    assert "workers" not in again
    with ZipStore(tmp_path / "b.zip", mode="w") as own:
        own._sync_open()
        for inside in ("", "deep/down"):
            mmip.write_zarr(misleading, StorePath(own, inside), **options)
    for inside in ("", "deep/down"):
        assert verify_zarr(StorePath(StoreGroup(tmp_path / "b.zip", read_only=True)._root.store, inside))["ok"]


def test_a_store_that_deletes_nothing_is_refused_before_the_first_pass(tmp_path):
    class Wrapped(WrapperStore[Any]):
        pass

    with ZipStore(tmp_path / "a.zip", mode="w") as own:
        for asked in ({"psnr": 40}, {"ratio": 5}):
            with pytest.raises(StoreError, match="deletes nothing"):
                mmip.write_zarr(NAME, Wrapped(own), **asked)
        assert mmip.write_zarr(NAME, Wrapped(own), psnr=40, verify=False)["complete"]


class Breaking:
    """A phantom that cannot be read past its first chunks, while `breaks`."""

    shape, dtype = (40, 64, 64), np.dtype(np.uint16)
    breaks = False

    def __getitem__(self, key: Any) -> np.ndarray:
        if self.breaks and key[0].start >= 16:
            raise OSError("unplugged")
        return mmip.Phantom3D(self.shape)[key]


def files(folder: Path) -> dict[Path, int]:
    return {p: p.stat().st_mtime_ns for p in folder.rglob("c/**/*") if p.is_file()}


def test_a_zip_is_resumed(tmp_path, monkeypatch):
    source, file, folder = Breaking(), tmp_path / "a.zip", tmp_path / "a.zip.partial"
    described = writing.described_job

    def then_it_breaks(*args: Any) -> Any:
        found = described(*args)
        source.breaks = True
        return found

    monkeypatch.setattr(writing, "described_job", then_it_breaks)
    with pytest.raises(StoreError, match="unplugged"):
        mmip.write_zarr(source, file, threads=1, **SMALL)
    assert not file.exists()
    before = files(folder)
    assert before
    monkeypatch.setattr(writing, "described_job", described)
    source.breaks = False
    packing = zipped.ZipTarget.pack
    monkeypatch.setattr(zipped.ZipTarget, "pack", lambda self: None)
    mmip.write_zarr(source, file, **SMALL)
    assert before.items() <= files(folder).items()
    monkeypatch.setattr(zipped.ZipTarget, "pack", packing)
    (folder / "stage_1/c/0/0/0/0/0.1.partial").write_bytes(b"half of a chunk")
    (folder / "mmip-claim-0.json").write_text("{}")
    with pytest.raises(StoreError, match=r"another job writes here"):
        mmip.write_zarr(source, file, **SMALL)
    (folder / "mmip-claim-0.json").unlink()
    assert mmip.write_zarr(source, file, **SMALL)["complete"]
    assert not folder.exists()
    assert verify_zarr(file)["ok"]
    expected = MemoryStore()
    mmip.write_zarr(source, expected, **SMALL)
    assert entries(file).keys() == entries(expected).keys()


def test_zips_that_are_there(tmp_path):
    file = tmp_path / "a.zip"
    mmip.write_zarr(NAME, file, **SMALL)
    before = file.read_bytes()
    with pytest.raises(StoreError, match=r"a\.zip: a store of another job"):
        mmip.write_zarr(NAME, file, **(SMALL | {"quality": 30}))
    with pytest.raises(StoreError, match="a store already"):
        mmip.write_zarr(NAME, file, resume=False, **SMALL)
    with (
        ZipStore(file, mode="a") as own,
        pytest.raises(StoreError, match="cannot give up the store"),
    ):
        mmip.write_zarr(NAME, own, overwrite=True, **SMALL)
    with pytest.raises(StoreError, match="opened for reading"):
        mmip.write_zarr(NAME, ZipStore(file, mode="r"), **SMALL)
    assert mmip.open_zarr(file).report["plan"] == mmip.write_zarr(NAME, file, **SMALL)["plan"]
    assert mmip.write_zarr(NAME, file, overwrite=True, **(SMALL | {"quality": 30}))["complete"]
    assert file.read_bytes() != before
    assert verify_zarr(file)["ok"]
    place = StoreGroup(tmp_path / "b.zip", read_only=False)
    place.set_attributes(mmip_attributes(file) | {"state": "writing"})
    place.close()
    with pytest.raises(StoreError, match="did not end, which in a zip cannot be made good"):
        mmip.write_zarr(NAME, tmp_path / "b.zip", **SMALL)
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as other:
        other.writestr("letter.txt", "not ours")
    with pytest.raises(StoreError, match="found no Zarr group"):
        mmip.write_zarr(NAME, tmp_path / "c.zip", overwrite=True, **SMALL)
    assert not list(tmp_path.glob("*.partial"))


def mmip_attributes(file: Path) -> dict[str, Any]:
    found = StoreGroup(file, read_only=True).attributes()
    assert found is not None
    return found


def test_a_full_disk_leaves_no_half_of_a_zip(tmp_path, monkeypatch):
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    with pytest.raises(StoreError, match="No space left"):
        mmip.write_zarr(NAME, tmp_path / "a.zip", **SMALL)
    monkeypatch.undo()
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip.partial"]
    assert mmip.write_zarr(NAME, tmp_path / "a.zip", **SMALL)["complete"]


def test_what_a_killed_job_left_beside_a_whole_zip_is_cleared(tmp_path):
    mmip.write_zarr(NAME, tmp_path / "a.zip", **SMALL)
    mmip.write_zarr(NAME, tmp_path / "a.zip.partial", **SMALL)
    (tmp_path / "a.zip.packing").write_bytes(b"half")
    assert mmip.write_zarr(NAME, tmp_path / "a.zip", **SMALL)["complete"]
    assert list(tmp_path.iterdir()) == [tmp_path / "a.zip"]
    (tmp_path / "a.zip.partial").mkdir()
    (tmp_path / "a.zip.partial/mine").write_bytes(b"not ours")
    assert mmip.write_zarr(NAME, tmp_path / "a.zip", **SMALL)["complete"]
    assert (tmp_path / "a.zip.partial/mine").exists()


def test_equal_jobs_give_equal_files(tmp_path):
    for name in ("a.zip", "b.zip"):
        report = mmip.write_zarr(NAME, tmp_path / name, **SMALL)
        assert report["seconds"] >= 0
    assert entries(tmp_path / "a.zip") == entries(tmp_path / "b.zip")
