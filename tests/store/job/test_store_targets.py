"""Targets of stores: a PSNR or a ratio of all chunks together, and arguments that are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers.stores import VOLUME, textured
from zarr.storage import MemoryStore

import mmip_gpu as mmip
from mmip_gpu.errors import InvalidArgument
from mmip_gpu.store.group.grid import chunk_lengths
from mmip_gpu.store.job import step_survey
from mmip_gpu.volume.axes import PlaneLayout

# --- targets


@pytest.mark.parametrize("psnr", [45, 70])
def test_psnr_is_never_below_the_request(psnr):
    report = mmip.write_zarr("phantom3d:40x96x96", MemoryStore(), psnr=psnr, chunks=(16, 48, 48))
    assert psnr <= report["loss"]["psnr"] < psnr + 0.15


def test_psnr_where_the_probes_mislead(monkeypatch):
    volume = textured((16, 32, 200), "int16")
    volume[:, :, 32:] //= 50
    step_of_all = step_survey.surveyed_plan

    def coarse(plan: Any, *rest: Any) -> Any:
        found = step_of_all(plan, *rest)
        return found.with_step(found.background_step * 1.3)

    monkeypatch.setattr("mmip_gpu.store.job.job_reader.surveyed_plan", coarse)
    report = mmip.write_zarr(volume, MemoryStore(), psnr=50, chunks=(16, 32, 32))
    assert report["plan"]["attempt"] > 0
    assert report["loss"]["psnr"] >= 50
    monkeypatch.setattr("mmip_gpu.store.job.step_search._ATTEMPTS", 1)
    report = mmip.write_zarr(volume, MemoryStore(), psnr=50, chunks=(16, 32, 32))
    assert report["loss"]["lossless"]
    report = mmip.write_zarr(volume, MemoryStore(), psnr=50, chunks=(16, 32, 32), verify=False)
    assert report["plan"]["attempt"] == 0
    assert not report["loss"]["verified"]
    assert report["loss"]["max_error"] is None


@pytest.mark.parametrize("ratio", [3, 12])
def test_the_ratio_is_reached(ratio):
    report = mmip.write_zarr("phantom3d:40x96x96", MemoryStore(), ratio=ratio, chunks=(16, 48, 48))
    assert ratio <= report["ratio"] <= 1.03 * ratio
    assert report["loss"]["mode"] == "ratio"
    assert report["loss"]["requested"] == ratio


def test_a_step_that_is_given():
    report = mmip.write_zarr(VOLUME, MemoryStore(), qstep=37.5, chunks=(16, 32, 32))
    assert report["loss"]["mode"] == "qstep"
    assert report["loss"]["requested"] == 37.5
    assert report["plan"]["qstep"] == 37.5
    assert report["plan"]["steps"] == [[37.5]]


def test_the_ratio_where_the_probes_mislead(monkeypatch):
    volume = textured((16, 32, 400), "int16")
    volume[:, :, 32:] //= 50
    monkeypatch.setattr("mmip_gpu.store.job.ratio_search._PROBES", 1)
    report = mmip.write_zarr(volume, MemoryStore(), ratio=10, chunks=(16, 32, 32))
    assert report["plan"]["attempt"] > 0
    assert 10 <= report["ratio"] <= 10.3
    monkeypatch.setattr("mmip_gpu.store.job.ratio_search._ATTEMPTS", 0)
    assert mmip.write_zarr(volume, MemoryStore(), ratio=10, chunks=(16, 32, 32))["ratio"] >= 10


def test_ratios_that_lossless_reaches_or_nothing():
    flat = mmip.write_zarr(np.full((32, 64, 64), 5, np.int16), MemoryStore(), ratio=10)
    assert flat["loss"]["lossless"]
    assert flat["ratio"] >= 10
    with pytest.raises(InvalidArgument, match="largest"):
        mmip.write_zarr(VOLUME, MemoryStore(), ratio=100000, chunks=(16, 32, 32))


def test_psnr_on_a_stated_range_or_none():
    report = mmip.write_zarr(VOLUME, MemoryStore(), psnr=50, data_range=4000)
    found = mmip.write_zarr(VOLUME, MemoryStore(), psnr=50)
    assert report["loss"]["peak"] == 4000
    assert report["bytes"] < found["bytes"]
    flat = mmip.write_zarr(np.full((8, 32, 32), 5, np.uint8), MemoryStore(), psnr=50)
    assert flat["loss"]["max_error"] == 0
    for bad in (0, -1, float("nan")):
        with pytest.raises(InvalidArgument, match="data_range"):
            mmip.write_zarr(VOLUME, MemoryStore(), psnr=50, data_range=bad)


def test_the_report_holds_what_was_reached(store):
    report = mmip.open_zarr(store).report
    image = mmip.open_zarr(store).to_numpy().astype(np.int64)
    error = np.abs(image - VOLUME)
    assert report["loss"]["max_error"] == error.max()
    peak = int(VOLUME.max()) - int(VOLUME.min())
    assert report["loss"]["psnr"] == pytest.approx(10 * np.log10(peak**2 / (error**2).mean()))
    assert report["ratio"] == pytest.approx(VOLUME.nbytes / report["bytes"])
    assert report["stages"][-1]["bytes_to_here"] == report["bytes"]


# --- arguments


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"quality": 10, "psnr": 50},
        {"quality": 10, "stages": 9},
        {"quality": 10, "chunks": (8, 8)},
        {"quality": 10, "chunks": (8, 8, 0)},
        {"quality": 10, "chunks": (8, 8, 8, 8)},
        {"quality": 10, "axes": "yx"},
        {"quality": 10, "axes": "xyz"},
        {"quality": 10, "colour": True},
        {"quality": 10, "threads": 0},
        {"quality": 10, "chunks": (2, 32, 32), "axes": "tyx"},
    ],
    ids=str,
)
def test_arguments_that_are_refused_leave_no_store(options, tmp_path):
    with pytest.raises(InvalidArgument):
        mmip.write_zarr(VOLUME, tmp_path / "a.zarr", **options)
    assert not list(tmp_path.iterdir())


def test_chunks_are_whole_superblocks():
    layout = PlaneLayout.of((100, 300, 300))
    assert chunk_lengths(layout, 8, (1, 2, 2), False, (1, 17, 32)) == (16, 32, 32)
    assert chunk_lengths(layout, 1, (2, 3, 3), False, (1, 17, 33)) == (1, 32, 64)
    assert chunk_lengths(layout, 1, (2, 4, 4), False, None) == (64, 256, 256)
    assert chunk_lengths(PlaneLayout.of((2, 5, 40, 300)), 8, (2, 2, 3), False, None) == (1, 16, 48, 256)
