"""Files that cannot be read, have grown, are missing or are a folder: findings of a check, mended by a repair."""

from __future__ import annotations

import os
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.phantom_stores import chunk_bytes
from zarr.storage import LocalStore

import mmip_gpu as mmip
from mmip_gpu.cli import main
from mmip_gpu.errors import CorruptData, MmipError, StoreError

SOURCE = "phantom3d:32x64x64"
OPTIONS: dict[str, Any] = {"quality": 20, "chunks": (16, 32, 32), "progress": False}
ARRAYS = ("chunk", "stage_1", "stage_2", "stage_3")
FIRST, LAST = "c/0/0/0/0", "c/0/1/1/1"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "a.zarr"
    mmip.write_zarr(SOURCE, folder, **OPTIONS)
    return folder


@pytest.fixture
def store(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole, tmp_path / "a.zarr")
    return tmp_path / "a.zarr"


def folder_in_place(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "file").write_bytes(b"1")


def grown(path: Path) -> None:
    os.truncate(path, 20 << 30)


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGE: dict[str, Callable[[Path], None]] = {
    "folder": folder_in_place,
    "grown": grown,
    "missing": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "flipped": flipped,
}


@pytest.mark.parametrize("array", ARRAYS)
@pytest.mark.parametrize("damage", DAMAGE)
def test_it_is_found_with_the_others_and_mended(whole, store, array, damage):
    DAMAGE[damage](store / array / FIRST / "0")
    flipped(store / "stage_2" / LAST / "0")
    tracemalloc.start()
    found = mmip.verify_zarr(store, progress=False)
    assert [chunk["chunk"] for chunk in found["chunks"]] == [[0, 0, 0, 0], [0, 1, 1, 1]]
    assert {chunk["state"] for chunk in found["chunks"]} <= {"missing", "damaged"}
    assert (mmip.open_zarr(store)[:16, 32:] == mmip.open_zarr(whole)[:16, 32:]).all()
    with pytest.raises(MmipError, match=r"\(0, 0, 0, 0\)"):
        mmip.open_zarr(store)[:16, :32, :32]
    assert tracemalloc.get_traced_memory()[1] < 2**26
    tracemalloc.stop()
    assert mmip.repair_zarr(store, SOURCE, progress=False)["repaired"] == [[0, 0, 0, 0], [0, 1, 1, 1]]
    assert chunk_bytes(store) == chunk_bytes(whole)


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_job_that_goes_on_writes_it_again(whole, store, damage):
    DAMAGE[damage](store / "stage_1" / FIRST / "0")
    DAMAGE[damage](store / "chunk" / LAST / "0")
    mmip.write_zarr(SOURCE, store, **OPTIONS)
    assert (
        mmip.verify_zarr(store, progress=False)["ok"] or damage == "flipped"
    )  # bodies are for verify, heads for resume
    assert sorted(chunk_bytes(store)) == sorted(chunk_bytes(whole))


@pytest.mark.parametrize("array", ARRAYS)
def test_a_copy_names_it(store, tmp_path, array):
    grown(store / array / FIRST / "0")
    with pytest.raises(CorruptData, match=r"\(0, 0, 0, 0\)"):
        mmip.fetch_zarr(store, tmp_path / "copy.zarr", stages=3, progress=False)


@pytest.mark.parametrize("array", [".", *ARRAYS])
def test_metadata_that_has_grown_is_not_read(store, array):
    grown(store / array / "zarr.json")
    with pytest.raises(StoreError, match="bytes at most"):
        mmip.open_zarr(store)[...]
    if array == ".":
        with pytest.raises(MmipError):
            mmip.write_zarr(store, {}, quality=10)
    else:
        assert array in mmip.verify_zarr(store)["arrays"][0]


class Failing(LocalStore):
    """A disk with a bad sector: reading what is under some keys is an error."""

    bad = ()

    async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
        if key in self.bad:
            raise OSError(5, "Input/output error")
        return await super().get(key, prototype, byte_range)


@pytest.mark.parametrize("array", ARRAYS)
def test_an_error_of_the_disk_is_a_finding(store, array):
    failing = Failing(store)
    failing.bad = (f"{array}/{FIRST}/0", f"stage_3/{LAST}/0")
    found = mmip.verify_zarr(failing, progress=False)["chunks"]
    assert [chunk["chunk"] for chunk in found] == [[0, 0, 0, 0], [0, 1, 1, 1]]
    assert all("Input/output error" in chunk["problem"] for chunk in found)


def test_the_command_lists_them(store, capsys):
    folder_in_place(store / "stage_2" / FIRST / "0")
    grown(store / "stage_3" / LAST / "0")
    assert main(["verify", str(store)]) == 1
    assert "a folder is in its place" in capsys.readouterr().out
