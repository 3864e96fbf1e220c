"""Stores whose channels have steps of their own: each reaches its target over all chunks."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from helpers.strategies import make
from numpy.typing import NDArray

import mmip_gpu as mmip
from mmip_gpu.container.header import Header
from mmip_gpu.errors import CorruptData, InvalidArgument, StoreError

SHAPE = (4, 70, 100)
ONE_BY_ONE: Any = {"axes": "cyx", "chunks": 32, "threads": 1, "progress": False}


def channels(shape: tuple[int, ...] = SHAPE) -> NDArray[Any]:
    """Three channels of ranges up to 20 apart, and a constant one."""
    scales = (60, 3, 24, 0)
    parts = [make("textured", shape[1:], "uint8", i).astype(np.uint16) * s + 9 for i, s in enumerate(scales)]
    return np.stack(parts)


def psnrs(array: NDArray[Any], decoded: NDArray[Any]) -> list[float]:
    found = []
    for a, b in zip(array.astype(float), decoded.astype(float), strict=True):
        square, peak = float(((a - b) ** 2).mean()), a.max() - a.min()
        found.append(10 * math.log10(peak**2 / square) if square and peak else math.inf)
    return found


@pytest.mark.parametrize("effort", [1, 2])
def test_each_channel_reaches_its_psnr(effort: int, tmp_path: Path) -> None:
    array = channels()
    report = mmip.write_zarr(array, tmp_path / "a.zarr", psnr=42, effort=effort, **ONE_BY_ONE)
    found = psnrs(array, mmip.open_zarr(tmp_path / "a.zarr")[:])
    assert all(42 <= psnr <= 44 for psnr in found[:3]), found
    assert found[3] == math.inf
    assert [one["psnr"] for one in report["loss"]["channels"][:3]] == pytest.approx(found[:3])
    assert report["loss"]["reached"] == pytest.approx(min(found))
    assert (report["loss"]["channels"][3]["psnr"], report["loss"]["channels"][3]["lossless"]) == (None, True)
    assert "channel 3: lossless" in report.info
    one = mmip.write_zarr(array, tmp_path / "b.zarr", psnr=42, per_channel=False, **ONE_BY_ONE)
    assert min(psnrs(array, mmip.open_zarr(tmp_path / "b.zarr")[:])) < 42
    assert len({row[0] for row in report["plan"]["steps"]}) == 1
    assert len(report["plan"]["steps"][0]) == 4
    assert len(one["plan"]["steps"][0]) == 1


def test_bounds_steps_and_ratios(tmp_path: Path) -> None:
    array = channels()
    bounds = [9, 1.5, 0, 4]
    report = mmip.write_zarr(array, tmp_path / "a.zarr", max_error=bounds, **ONE_BY_ONE)
    stored = mmip.open_zarr(tmp_path / "a.zarr")
    worst = np.abs(stored[:].astype(int) - array).max(axis=(1, 2))
    assert all(found <= most for found, most in zip(worst, bounds, strict=True))
    assert [one["max_error"] for one in report["loss"]["channels"]] == worst.tolist()
    assert np.array_equal(stored[1:3, 10:50, 30:90], stored[:][1:3, 10:50, 30:90])
    report = mmip.write_zarr(array, tmp_path / "b.zarr", qstep=[40, 2, 16, 1], **ONE_BY_ONE)
    assert report["plan"]["steps"] == [[40, 2, 16, 1]]
    report = mmip.write_zarr(array, tmp_path / "c.zarr", ratio=4, **ONE_BY_ONE | {"chunks": 128})
    assert report["ratio"] >= 4
    found = psnrs(array, mmip.open_zarr(tmp_path / "c.zarr")[:])[:3]
    assert max(found) - min(found) < 2


def test_a_chunk_holds_what_encode_gives_of_its_channel(tmp_path: Path) -> None:
    """Records have the steps of their channel, and stage arrays decode without them."""
    array = channels((4, 64, 64))[:3]
    mmip.write_zarr(array, tmp_path / "a.zarr", qstep=[40, 2, 16], colour=False, **ONE_BY_ONE)
    group = zarr.open_group(tmp_path / "a.zarr", mode="r")
    for channel, step in enumerate((40, 2, 16)):
        record = np.asarray(group["chunk"][channel, 0, 1, 1]).tobytes()
        header, _ = Header.parse(record)
        assert header.fields.steps == ((256 * step,),)
        assert header.loss.requested == step
        assert not header.channel_losses
    first = np.asarray(group["stage_1"][:])
    copied = zarr.create_array(
        zarr.storage.MemoryStore(),
        shape=first.shape,
        chunks=group["stage_1"].chunks,
        dtype="int32",
        serializer=group["stage_1"].serializer,
        compressors=None,
        fill_value=-1,
    )
    copied[...] = first
    assert np.array_equal(copied[...], first)


@pytest.mark.parametrize("quality", [None, "lossless"])
def test_regions_have_steps_that_serve_all_channels(quality: Any, tmp_path: Path) -> None:
    array = channels()
    mask = np.zeros(SHAPE[1:], np.uint8)
    mask[20:60, 30:80] = 1
    report = mmip.write_zarr(array, tmp_path / "a.zarr", psnr=40, roi=mask, roi_quality=quality, **ONE_BY_ONE)
    decoded = mmip.open_zarr(tmp_path / "a.zarr")[:]
    assert min(psnrs(array, decoded)) >= 40
    assert all(len(set(row)) == 1 for row in report["plan"]["steps"])
    if quality == "lossless":
        assert np.array_equal(decoded[:, mask > 0], array[:, mask > 0])
    with pytest.raises(InvalidArgument, match="all channels have one step"):
        mmip.write_zarr(array, tmp_path / "b.zarr", qstep=[9, 1, 2, 3], roi=mask, **ONE_BY_ONE)


def test_quality_data_range_and_floats(tmp_path: Path) -> None:
    array = channels()
    mmip.write_zarr(array, tmp_path / "a.zarr", quality=40, **ONE_BY_ONE)
    mmip.write_zarr(array, tmp_path / "b.zarr", psnr=60, data_range=9999, **ONE_BY_ONE)
    errors = mmip.open_zarr(tmp_path / "b.zarr")[:].astype(float) - array
    assert all(20 * math.log10(9999) - 10 * math.log10(max((e**2).mean(), 1e-9)) >= 60 for e in errors)
    floats = array.astype(np.float32) / 32
    mmip.write_zarr(floats, tmp_path / "c.zarr", psnr=45, step=2.0**-8, **ONE_BY_ONE)
    assert min(psnrs(floats, mmip.open_zarr(tmp_path / "c.zarr")[:])) >= 45


def test_a_job_goes_on_is_repaired_and_grows(tmp_path: Path) -> None:
    array = np.stack([channels(), np.roll(channels(), 7, 2)])
    options: Any = ONE_BY_ONE | {"axes": "tcyx", "psnr": 40}
    place = tmp_path / "a.zarr"
    first = mmip.write_zarr(array, place, **options)
    before = mmip.open_zarr(place)[:]
    chunk = place / "stage_2" / "c" / "1" / "0" / "0" / "1" / "0"
    whole = chunk.read_bytes()
    chunk.unlink()
    assert not mmip.verify_zarr(place)["ok"]
    again = mmip.write_zarr(array, place, **options)
    assert (chunk.read_bytes(), again["ratio"]) == (whole, first["ratio"])
    assert np.array_equal(mmip.open_zarr(place)[:], before)
    chunk.write_bytes(whole[:-3])
    assert len(mmip.repair_zarr(place, array)["repaired"]) == 1
    assert chunk.read_bytes() == whole
    mmip.append_zarr(array[:1], place)
    assert np.array_equal(mmip.open_zarr(place)[:], np.concatenate([before, before[:1]]))
    noise = np.random.default_rng(0).integers(0, array.max(axis=(0, 2, 3))[:, None, None] + 1, array[:1].shape)
    with pytest.raises(InvalidArgument, match="nothing was appended"):
        mmip.append_zarr(noise.astype(np.uint16), place)
    with pytest.raises(StoreError, match="per_channel"):
        mmip.write_zarr(array, place, per_channel=False, **options)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("steps", [[640, 64]]),
        ("steps", [[640, 64, 256, 1]]),
        ("steps", [[640]]),
        ("channel_corrections", [9, 1, 0]),
        ("channel_corrections", [9, 1, 0, 5]),
        ("channel_corrections", [8, 1, 0, 4]),
        ("channel_corrections", [9, -1, 0, 4]),
        ("channel_corrections", None),
    ],
)
def test_attributes_that_do_not_fit_are_corrupt(key: str, value: Any, tmp_path: Path) -> None:
    place = tmp_path / "a.zarr"
    mmip.write_zarr(channels(), place, max_error=[9, 1, 0, 4], **ONE_BY_ONE)
    metadata = json.loads((place / "zarr.json").read_text())
    description = metadata["attributes"]["mmip"]["description"]
    assert description["channel_corrections"] == [9, 1, 0, 4]
    if value is None:
        del description[key]
    else:
        description[key] = value
    (place / "zarr.json").write_text(json.dumps(metadata))
    with pytest.raises(CorruptData):
        mmip.open_zarr(place)[:]
