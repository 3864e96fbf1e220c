"""A loss of power: only what was flushed is left, and it is never taken for more than it is."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mmip_gpu as mmip
from mmip_gpu.store.group import claim, durable, zipped
from mmip_gpu.store.group.records import ChunkStore
from mmip_gpu.store.group.report import description_of
from mmip_gpu.store.group.zarr_group import StoreGroup

SOURCE = "phantom3d:16x64x64"
OPTIONS: dict[str, Any] = {"quality": 20, "chunks": (16, 32, 32), "progress": False, "threads": 1}


class PowerLost(BaseException):
    """The machine stops here."""


class Disk:
    """What a disk has after so many flushes: of files their bytes, of folders the names in them.

    Files and folders that were seen stay open, so that no other gets the inode of one that is deleted.
    """

    def __init__(self, flushes: int) -> None:
        self.left = flushes
        self.held: dict[int, int] = {}
        self.bytes: dict[int, bytes] = {}
        self.names: dict[int, dict[str, int]] = {}

    def flush(self, path: Path) -> None:
        if self.left == 0:
            raise PowerLost
        self.left -= 1
        if path.is_dir():
            self.names[self.hold(path)] = {inside.name: self.hold(inside) for inside in path.iterdir()}
        else:
            self.bytes[self.hold(path)] = path.read_bytes()

    def hold(self, path: Path) -> int:
        """The inode of a file or folder, which nothing else gets from now on."""
        inode = path.stat().st_ino
        if inode not in self.held:
            self.held[inode] = os.open(path, os.O_RDONLY)
        return inode

    def close(self) -> None:
        for opened in self.held.values():
            os.close(opened)
        self.held.clear()

    def left_in(self, root: Path) -> dict[str, bytes]:
        """Files below a folder after the loss, by name; empty where only their name was flushed."""
        found: dict[str, bytes] = {}

        def walk(folder: int, before: str) -> None:
            for name, inode in self.names.get(folder, {}).items():
                if inode in self.names:
                    walk(inode, f"{before}{name}/")
                elif "." in name or name.isdigit():
                    found[before + name] = self.bytes.get(inode, b"")

        walk(root.stat().st_ino, "")
        return found


def written(place: Path, source: Any, flushes: int, monkeypatch: pytest.MonkeyPatch, **more: Any) -> tuple[Disk, bool]:
    """Write with so many flushes; the disk, and whether the job ended before."""
    disk = Disk(flushes)
    with monkeypatch.context() as patch:
        patch.setattr(durable, "flush", disk.flush)
        try:
            mmip.write_zarr(source, place, **OPTIONS, **more)
        except PowerLost:
            return disk, False
        finally:
            disk.close()
    return disk, True


def rebuilt(disk: Disk, place: Path, target: Path) -> Path:
    target.mkdir()
    for name, data in disk.left_in(place).items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(data)
    return target


def whole_chunks(place: Path) -> dict[Any, Any]:
    """Chunks that count as whole, decoded."""
    group = StoreGroup(place, read_only=True)
    try:
        attributes = group.attributes()
    except mmip.StoreError:  # a torn zarr.json is nobody's
        return {}
    if attributes is None or attributes["state"] == "preparing":
        return {}
    store = ChunkStore(group, description_of(group, attributes))
    array, grid = mmip.open_zarr(place), store.description.grid
    return {at: array[grid.region(at)] for at in grid.coordinates() if store.whole_header(at) is not None}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("expected") / "a.zarr"
    mmip.write_zarr(SOURCE, folder, **OPTIONS)
    return folder


@pytest.mark.parametrize("flushes", range(0, 110, 6))
def test_what_counts_as_whole_is_whole(expected, tmp_path, monkeypatch, flushes):
    disk, ended = written(tmp_path / "a.zarr", SOURCE, flushes, monkeypatch)
    store = rebuilt(disk, tmp_path / "a.zarr", tmp_path / "b.zarr")
    monkeypatch.setattr(claim, "_STALE_SECONDS", 0)  # the torn claim of the job is taken over after that
    found, all_of_it = whole_chunks(store), mmip.open_zarr(expected)
    for at, samples in found.items():
        region = ChunkStore(StoreGroup(expected, read_only=True), description_at(expected)).description.grid.region(at)
        assert (samples == all_of_it[region]).all()
    assert not ended or len(found) == 4
    if (store / "zarr.json").exists() and (store / "zarr.json").stat().st_size:
        assert mmip.write_zarr(SOURCE, store, **OPTIONS)["complete"]
        assert mmip.verify_zarr(store, progress=False)["ok"]
        assert (store / "zarr.json").read_bytes() == (expected / "zarr.json").read_bytes()


def description_at(place: Path) -> Any:
    group = StoreGroup(place, read_only=True)
    return description_of(group, group.attributes() or {})


@pytest.mark.parametrize("flushes", range(1, 110, 9))
def test_an_earlier_store_never_looks_like_the_new_one(expected, tmp_path, monkeypatch, flushes):
    """The same options, another volume: chunks of the old one whose deletion was lost are not kept."""
    place = tmp_path / "a.zarr"
    shutil.copytree(expected, place)
    other = mmip.phantom3d((16, 64, 64))[::-1].copy()
    disk, ended = written(place, other, flushes, monkeypatch, overwrite=True)
    store = rebuilt(disk, place, tmp_path / "b.zarr")
    mine = mmip.decode(mmip.encode(other, quality=20))
    for samples in whole_chunks(store).values():
        assert np.abs(samples.astype(int)).max() <= mine.max() + 100
    if ended:
        assert mmip.verify_zarr(store, progress=False)["ok"]


def test_a_record_is_written_after_its_chunk_is_flushed(tmp_path, monkeypatch):
    place, early = tmp_path / "a.zarr", []

    def flush(path: Path) -> None:
        if path.parts[-7:-6] == ("stage_3",) and path.is_file():
            early.append(place.joinpath("chunk", *path.parts[-6:]).exists())

    monkeypatch.setattr(durable, "flush", flush)
    mmip.write_zarr(SOURCE, place, **OPTIONS)
    assert early == [False] * 4


def test_a_disk_that_fails_to_flush_is_a_store_error(tmp_path, monkeypatch):
    def flush(path: Path) -> None:
        if path.name == "0":
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(durable, "flush", flush)
    with pytest.raises(mmip.StoreError, match=r"cannot be flushed: .*Input/output error"):
        mmip.write_zarr(SOURCE, tmp_path / "a.zarr", **OPTIONS)
    monkeypatch.undo()
    assert mmip.write_zarr(SOURCE, tmp_path / "a.zarr", **OPTIONS)["complete"]


def test_another_process_has_flushed_when_its_task_ends(tmp_path, monkeypatch):
    flushed: list[str] = []
    monkeypatch.setattr(durable, "flush", lambda path: flushed.append(path.name))
    there = pickle.loads(pickle.dumps(durable.Durable()))
    there.hold("chunk", "a/1")
    there.seal(tmp_path, "chunk", "b/2", lambda: flushed.append("record"))
    assert [name for name in flushed if name in ("1", "2", "record")] == ["1", "record", "2"]


def test_without_it_nothing_is_flushed(tmp_path, monkeypatch):
    for options in ({"durable": False}, {"client": None, "durable": False}):
        disk, ended = written(tmp_path / "a.zarr", SOURCE, 0, monkeypatch, overwrite=True, **options)
        assert ended
        assert not disk.bytes
    monkeypatch.setattr(durable, "flush", Disk(0).flush)
    assert mmip.write_zarr(SOURCE, {}, durable=True, **OPTIONS)["complete"]  # memory has no disk


def test_a_zip_is_flushed_before_it_has_its_name(tmp_path, monkeypatch):
    flushed: list[str] = []
    monkeypatch.setattr(zipped, "flush", lambda path: flushed.append(path.name))
    mmip.write_zarr(SOURCE, tmp_path / "a.zip", **OPTIONS)
    assert flushed == ["a.zip.packing", tmp_path.name]
