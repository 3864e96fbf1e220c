"""Stores are checked and repaired."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from helpers.phantom_stores import NAME, SMALL, chunk_bytes
from zarr.storage import MemoryStore

import mmip_gpu as mmip
from mmip_gpu import repair_zarr, verify_zarr
from mmip_gpu.cli import main
from mmip_gpu.errors import CorruptData, InvalidArgument, StoreError, UnsupportedVersion
from mmip_gpu.volume.phantoms import phantom3d

BROKEN = {"chunk": [0, 1, 1, 0], "region": [[16, 32], [32, 64], [0, 32]]}
KEY = "c/0/1/1/0/0"


@pytest.fixture
def store(tmp_path) -> Path:
    mmip.write_zarr(NAME, tmp_path / "a.zarr", **SMALL)
    return tmp_path / "a.zarr"


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 16
    path.write_bytes(data)


def test_a_whole_store(store):
    before = {p: p.stat().st_mtime_ns for p in store.rglob("*")}
    found = verify_zarr(store)
    nothing: dict[str, Any] = {"chunks": [], "arrays": [], "report": []}
    assert found == {"ok": True, "complete": True, "chunk_count": 12} | nothing
    assert {p: p.stat().st_mtime_ns for p in store.rglob("*")} == before


@pytest.mark.parametrize("name", ["chunk", "stage_1", "stage_2", "stage_3"])
def test_every_byte_of_a_chunk_is_checked_and_repaired(store, name):
    expected = chunk_bytes(store)
    path = store / name / KEY
    size = path.stat().st_size
    for at in [0, 9, size // 3, size // 2, size - 1]:
        flip(path, at)
        found = verify_zarr(store)
        assert not found["ok"]
        assert [{k: c[k] for k in BROKEN} for c in found["chunks"]] == [BROKEN]
        assert found["chunks"][0]["state"] == "damaged"
        assert found["chunks"][0]["problem"]
        fixed = repair_zarr(store, NAME)
        assert fixed["ok"]
        assert fixed["repaired"] == [BROKEN["chunk"]]
        assert chunk_bytes(store) == expected


def test_what_is_missing_is_named_and_recoded(store):
    expected = chunk_bytes(store)
    (store / "chunk" / KEY).unlink()
    (store / "stage_2/c/0/0/0/1/0").unlink()
    (store / "stage_3/c/0/2/0/0/0").write_bytes(b"")
    found = verify_zarr(store, threads=1)
    assert [(c["chunk"], c["state"]) for c in found["chunks"]] == [
        ([0, 0, 0, 1], "missing"),
        ([0, 1, 1, 0], "missing"),
        ([0, 2, 0, 0], "damaged"),
    ]
    assert "stage_2 not found" in found["chunks"][0]["problem"]
    assert len(repair_zarr(store, NAME)["repaired"]) == 3
    assert chunk_bytes(store) == expected
    assert repair_zarr(store, NAME)["repaired"] == []


def test_a_missing_array_and_a_changed_report(store):
    expected = mmip.open_zarr(store).report
    (store / "stage_2/zarr.json").unlink()
    found = verify_zarr(store)
    assert not found["ok"]
    assert "stage_2" in found["arrays"][0]
    assert repair_zarr(store, NAME)["ok"]
    group = zarr.open_group(store, mode="r+")
    attributes: dict[str, Any] = dict(group.attrs["mmip"])  # type: ignore[arg-type]
    attributes["report"]["loss"]["psnr"] = 99.0
    attributes["report"]["bytes"] -= 1
    group.update_attributes({"mmip": attributes})
    found = verify_zarr(store)
    assert [line.split(":")[0] for line in found["report"]] == ["bytes", "loss"]
    assert repair_zarr(store, NAME)["ok"]
    assert mmip.open_zarr(store).report == expected


ALL = ("chunk", "stage_1", "stage_2", "stage_3")


@pytest.mark.parametrize("names", [ALL, ALL[:1]], ids=["chunks", "records"])
def test_chunks_that_changed_places_are_coded_again(tmp_path, names):
    """Of flat slices all stages are equal, so that the record of another chunk fits them."""
    slices = np.repeat(np.arange(3, dtype=np.uint16), 16)[:40, None, None]
    np.save(tmp_path / "a.npy", np.broadcast_to(slices if names == ALL[:1] else phantom3d((40, 64, 64)), (40, 64, 64)))
    store = tmp_path / "a.zarr"
    mmip.write_zarr(tmp_path / "a.npy", store, **SMALL)
    expected = chunk_bytes(store)
    for name in names:
        one, other = store / name / "c/0/0/0/0/0", store / name / "c/0/1/0/0/0"
        first, second = one.read_bytes(), other.read_bytes()
        one.write_bytes(second)
        other.write_bytes(first)
    assert [chunk["chunk"] for chunk in verify_zarr(store)["chunks"]] == [[0, 0, 0, 0], [0, 1, 0, 0]]
    assert repair_zarr(store, tmp_path / "a.npy")["repaired"] == [[0, 0, 0, 0], [0, 1, 0, 0]]
    assert chunk_bytes(store) == expected


def test_chunks_of_another_store_are_coded_again(tmp_path):
    options = {"lossless": True, "stages": 3, "cell_depth": 1, "padding": None, "chunks": SMALL["chunks"]}
    for name, volume in (("a", phantom3d((40, 64, 64))), ("b", phantom3d((40, 64, 64))[:, ::-1])):
        np.save(tmp_path / f"{name}.npy", volume)
        mmip.write_zarr(tmp_path / f"{name}.npy", tmp_path / name, **options)
    expected, report = chunk_bytes(tmp_path / "a"), mmip.open_zarr(tmp_path / "a").report
    for name in ALL:
        (tmp_path / "a" / name / KEY).write_bytes((tmp_path / "b" / name / KEY).read_bytes())
    assert verify_zarr(tmp_path / "a")["report"]
    with pytest.raises(StoreError, match="not the one that it was written from"):
        repair_zarr(tmp_path / "a", tmp_path / "b.npy")
    assert repair_zarr(tmp_path / "a", tmp_path / "a.npy")["repaired"] == [BROKEN["chunk"]]
    assert chunk_bytes(tmp_path / "a") == expected
    assert mmip.open_zarr(tmp_path / "a").report == report


@pytest.mark.parametrize(
    ("options", "source"),
    [
        ({"psnr": 60, "effort": 1}, NAME),
        ({"ratio": 8}, NAME),
        ({"max_error": 20}, NAME),
        ({"lossless": True, "stages": 3}, NAME),
        ({"quality": 10, "roi": "otsu", "roi_quality": "lossless"}, NAME),
        ({"quality": 10, "cell_depth": 1}, "phantom"),
    ],
    ids=str,
)
def test_the_plan_is_that_of_the_store(options, source, tmp_path):
    chunks = (16, 32, 32) if source == NAME else (256, 256)
    mmip.write_zarr(source, tmp_path / "a", chunks=chunks, **options)
    expected = chunk_bytes(tmp_path / "a")
    for key in list(expected)[::3]:
        (tmp_path / "a" / key).unlink()
    assert repair_zarr(tmp_path / "a", source)["ok"]
    assert chunk_bytes(tmp_path / "a") == expected


def test_a_mask_is_asked_for(tmp_path):
    mask = phantom3d((40, 64, 64)) > 9000
    mmip.write_zarr(NAME, tmp_path / "a", roi=mask, **SMALL)
    expected = chunk_bytes(tmp_path / "a")
    (tmp_path / "a/stage_1" / KEY).unlink()
    with pytest.raises(InvalidArgument, match="roi="):
        repair_zarr(tmp_path / "a", NAME)
    with pytest.raises(StoreError, match="roi: expected"):
        repair_zarr(tmp_path / "a", NAME, roi=~mask)
    assert repair_zarr(tmp_path / "a", NAME, roi=mask)["ok"]
    assert chunk_bytes(tmp_path / "a") == expected


def test_sources_that_are_others(store, tmp_path):
    (store / "stage_1" / KEY).unlink()
    broken = chunk_bytes(store)
    volume = phantom3d((40, 64, 64))
    other = volume.copy()
    other[16:32, 32:, :32] += 500
    with pytest.raises(StoreError, match="shape: expected"):
        repair_zarr(store, volume[1:])
    with pytest.raises(StoreError, match="dtype: expected uint16"):
        repair_zarr(store, volume.astype(np.int16))
    with pytest.raises(StoreError, match=r"chunk \(0, 0, 0, 0\) comes out"):
        repair_zarr(store, volume + 500)
    with pytest.raises(StoreError, match="its record tells"):  # the others are equal, this one is not
        repair_zarr(store, other)
    assert chunk_bytes(store) == broken
    assert repair_zarr(store, volume)["ok"]  # an array of the same samples looks different, and is proven


def test_stores_that_are_not_to_be_checked(store, tmp_path):
    with pytest.raises(StoreError, match="does not exist"):
        verify_zarr(tmp_path / "none")
    with pytest.raises(StoreError, match="found nothing"):
        verify_zarr(MemoryStore())
    group = zarr.open_group(store, mode="r+")
    attributes: dict[str, Any] = dict(group.attrs["mmip"])  # type: ignore[arg-type]
    group.update_attributes({"mmip": attributes | {"state": "writing", "report": None}})
    found = verify_zarr(store)
    assert (found["ok"], found["complete"], found["chunks"]) == (False, False, [])
    with pytest.raises(StoreError, match="did not end"):
        repair_zarr(store, NAME)
    group.update_attributes({"mmip": attributes | {"format_version": 99}})
    with pytest.raises(UnsupportedVersion):
        verify_zarr(store)
    group.update_attributes({"mmip": attributes | {"description": None}})
    with pytest.raises(CorruptData):
        repair_zarr(store, NAME)


def test_the_commands(store, capsys):
    assert main(["verify", str(store)]) == 0
    assert "12 chunks, all whole" in capsys.readouterr().out
    flip(store / "stage_3" / KEY, 40)
    assert main(["verify", str(store)]) == 1
    shown = capsys.readouterr()
    assert "damaged: chunk (0, 1, 1, 0), samples [16:32, 32:64, 0:32]" in shown.out
    assert "1 of 12 chunks" in shown.err
    assert main(["verify", str(store), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["chunks"][0]["chunk"] == [0, 1, 1, 0]
    assert main(["repair", str(store), "--source", "phantom3d:40x64x65"]) == 2
    assert main(["repair", str(store), "--source", NAME]) == 0
    assert "repaired: chunk (0, 1, 1, 0)" in capsys.readouterr().out
    assert main(["repair", str(store), "--source", NAME, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["repaired"] == []
