"""Growing stores: bounds hold for all of it, what is there stays, and a job that is killed leaves it as it was."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr

import mmip_gpu as mmip
from mmip_gpu import InvalidArgument, StoreError
from mmip_gpu.cli import main

RNG = np.random.default_rng(0)
SERIES = (mmip.phantom3d((48, 64, 64)) // 16 + RNG.integers(0, 60, (48, 64, 64))).astype("u2")
CHUNKS = (16, 32, 64)


def started(place, first=SERIES[:16], **options):
    options = options or {"max_error": 2}
    return mmip.write_zarr(first, place, chunks=CHUNKS, cell_depth=8, progress=False, **options)


def test_slices_in_whole_chunks():
    store = {}
    started(store)
    before = {key: value.to_bytes() for key, value in store.items() if "/c/" in key}
    for start in (16, 32):
        report = mmip.append_zarr(SERIES[start : start + 16], store, progress=False)
    assert abs(mmip.open_zarr(store)[...].astype(int) - SERIES).max() == report["loss"]["max_error"] <= 2
    assert all(store[key].to_bytes() == value for key, value in before.items())
    assert mmip.verify_zarr(store, progress=False)["ok"]


@pytest.mark.parametrize(
    ("axes", "shape", "count"), [("tzyx", (3, 16, 64, 64), 3), ("tyx", (48, 64, 64), 48), ("ntyx", (3, 2, 64, 64), 3)]
)
def test_time_points_one_by_one(axes, shape, count):
    series, store = SERIES[: np.prod(shape[:-2])].reshape(shape), {}
    options = {"axes": axes} if axes != "ntyx" else {"axes": "tcyx"}
    mmip.write_zarr(series[:1], store, max_error=3, progress=False, **options)
    for t in range(1, min(count, 5)):
        report = mmip.append_zarr(mmip_source(series[t : t + 1], options["axes"]), store, progress=False)
    found = mmip.open_zarr(store)[...]
    assert report["shape"][0] == len(found) == min(count, 5)
    assert abs(found.astype(int) - series[: len(found)]).max() <= 3
    assert mmip.verify_zarr(store, progress=False)["ok"]


def mmip_source(array, axes):
    """A Zarr array that names its axes."""
    return zarr.create_array({}, data=array, dimension_names=list(axes))


@pytest.mark.parametrize(
    ("options", "exact"),
    [({"lossless": True, "stages": 3}, True), ({"quality": 20}, False), ({"qstep": 30}, False)],
)
def test_the_store_is_what_one_job_writes_by_the_same_plan(options, exact):
    parts, whole = {}, {}
    started(parts, **options)
    mmip.append_zarr(SERIES[16:], parts, progress=False)
    found = mmip.open_zarr(parts)[...]
    if exact or "qstep" in options:
        started(whole, SERIES, **options)
        assert (found == mmip.open_zarr(whole)[...]).all()
    error = float(((found.astype(float) - SERIES) ** 2).sum())
    assert mmip.open_zarr(parts).report["loss"]["lossless"] is exact is (error == 0)


def test_a_rule_marks_what_is_appended():
    store = {}
    started(store, quality=5, roi="threshold:300", roi_quality="lossless")
    mmip.append_zarr(SERIES[16:], store, progress=False)
    assert (mmip.open_zarr(store)[...] == SERIES)[SERIES >= 300].all()


def test_floats_keep_their_bound():
    series, store = (SERIES / 100).astype("f4"), {}
    started(store, series[:16], max_error=0.1, step=0.01)
    mmip.append_zarr(series[16:], store, progress=False)
    assert abs(mmip.open_zarr(store)[...] - series.astype(float)).max() <= 0.1 + 1e-6


@pytest.mark.parametrize("mode", ["psnr", "ratio"])
def test_a_target_of_the_whole_is_kept_or_nothing_is_appended(mode):
    store, value = {}, {"psnr": 45, "ratio": 6}[mode]
    calm = (SERIES[:16] // 8 * 8).astype("u2") if mode == "psnr" else np.full_like(SERIES[:16], 7)
    calm[:, ::2] = 500
    report = started(store, calm, **{mode: value})
    before = mmip.open_zarr(store)[...]
    wild = RNG.integers(0, 65535, (16, 64, 64)).astype("u2")
    if mode == "ratio":
        with pytest.raises(InvalidArgument, match="nothing was appended"):
            mmip.append_zarr(wild, store, progress=False)
        assert mmip.open_zarr(store).report["loss"] == report["loss"]
        assert not any("/c/0/1/" in key for key in store)
    else:
        assert mmip.append_zarr(calm, store, progress=False)["loss"]["psnr"] >= value
    assert (mmip.open_zarr(store)[:16] == before).all()


@pytest.mark.parametrize(
    ("part", "options", "message"),
    [
        (SERIES[:16, :32], {}, "expected axes"),
        (SERIES[:16].astype("i2"), {}, "expected axes"),
        (SERIES[:16], {"axis": "t"}, "axis='t'"),
        (SERIES[:16], {"axis": "y"}, "axis='y'"),
    ],
)
def test_what_does_not_fit_is_refused(part, options, message):
    store = {}
    started(store)
    with pytest.raises(InvalidArgument, match=message):
        mmip.append_zarr(part, store, progress=False, **options)


def test_a_store_that_ends_within_a_chunk_is_refused():
    store = {}
    started(store, SERIES[:20])
    with pytest.raises(InvalidArgument, match="holds 4 of 16"):
        mmip.append_zarr(SERIES[20:], store, progress=False)


def test_copies_masks_and_zips_are_refused(tmp_path):
    store, copy = {}, {}
    started(store)
    mmip.fetch_zarr(store, copy, stages=1, progress=False)
    masked = {}
    started(masked, quality=9, roi=SERIES[:16] > 300)
    started(tmp_path / "a.zip")
    for place, kind, word in (
        (copy, StoreError, "all its stages"),
        (masked, InvalidArgument, "mask"),
        (tmp_path / "a.zip", StoreError, "zip"),
    ):
        with pytest.raises(kind, match=word):
            mmip.append_zarr(SERIES[16:32], place, progress=False)


def test_losses_of_the_source_are_kept():
    first, lossy, store = {}, {}, {}
    started(lossy, quality=5)
    mmip.write_zarr(SERIES[:16], store, lossless=True, stages=3, chunks=CHUNKS, progress=False)
    assert not mmip.append_zarr(SERIES[16:32], store, progress=False)["lossy"]
    report = mmip.append_zarr(mmip.open_zarr(lossy), store, progress=False)
    assert report["loss"]["lossless"]
    assert report["lossy"]
    assert first == {}


KILLED = """
import os, sys, numpy as np, mmip_gpu as m
from mmip_gpu.store.group.records import ChunkStore
from mmip_gpu.store.group.zarr_group import StoreGroup
place, when = sys.argv[1:]
left = [3]
def dying(kind, name):
    whole = getattr(kind, name)
    def work(*args, **options):
        left[0] -= 1
        if when == name and left[0] < (0 if name == "write" else 3):
            os._exit(9)
        return whole(*args, **options)
    setattr(kind, name, work)
dying(ChunkStore, "write"); dying(StoreGroup, "create_arrays"); dying(StoreGroup, "set_attributes")
m.append_zarr(place + ".npy", place, threads=1, progress=False)
"""


@pytest.mark.parametrize("when", ["write", "create_arrays", "set_attributes"])
def test_a_job_that_is_killed_leaves_the_store_that_was_there(tmp_path, when):
    place = tmp_path / "a.zarr"
    started(place)
    before = mmip.open_zarr(place)[...]
    np.save(f"{place}.npy", SERIES[16:])
    root = Path(mmip.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", KILLED, str(place), when], check=False, cwd=root, timeout=120)
    assert done.returncode == 9
    assert (mmip.open_zarr(place)[...] == before).all()
    if when != "set_attributes":
        assert mmip.verify_zarr(place, progress=False)["ok"]
    assert mmip.append_zarr(f"{place}.npy", place, progress=False)["shape"][0] == 48
    assert mmip.verify_zarr(place, progress=False)["ok"]
    assert abs(mmip.open_zarr(place)[...].astype(int) - SERIES).max() <= 2


def test_a_longer_store_is_repaired_from_all_of_its_source(tmp_path):
    place = tmp_path / "a.zarr"
    started(place)
    mmip.append_zarr(SERIES[16:], place, progress=False)
    (place / "stage_2/c/0/2/0/0/0").unlink()
    assert mmip.repair_zarr(place, SERIES, progress=False)["ok"]
    assert abs(mmip.open_zarr(place)[...].astype(int) - SERIES).max() <= 2


def test_the_command(tmp_path, capsys):
    place, part, told = tmp_path / "a.zarr", tmp_path / "b.npy", tmp_path / "r.json"
    started(place)
    np.save(part, SERIES[16:])
    assert main(["append", str(part), str(place), "--json", str(told)]) == 0
    assert "48 x 64 x 64" in capsys.readouterr().out
    assert json.loads(told.read_text())["shape"] == [48, 64, 64]
    assert main(["append", str(part), str(place), "--axis", "t"]) == 2


@pytest.mark.parametrize("dtype", ["i8", "u4", "u1", "?"])
def test_samples_of_a_narrower_type_are_taken(dtype):
    store = {}
    mmip.write_zarr(SERIES[:16].astype("i8"), store, lossless=True, chunks=(16, 32, 32), progress=False)
    small = (SERIES[16:32] % 2).astype(dtype)
    mmip.append_zarr(small, store, progress=False)
    assert mmip.open_zarr(store).dtype == "u2"
    assert (mmip.open_zarr(store)[16:] == small).all()
