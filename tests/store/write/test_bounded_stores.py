"""Stores of an error bound without stages: decided once, on a probe, and written, resumed, grown and mended by it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import zarr
from helpers.commands import load_json, run
from helpers.stores import VOLUME, buffer, chunk_bytes, keys_of
from zarr.storage import MemoryStore

import mmip_gpu as mmip
from mmip_gpu.device.run.executors import HostExecutor
from mmip_gpu.errors import CorruptData, InvalidArgument, StoreError
from mmip_gpu.sources import open_source
from mmip_gpu.store.job import job as jobs
from mmip_gpu.store.run import device_runner

QUIET: dict[str, Any] = {"threads": 2, "progress": False}
BOUND: dict[str, Any] = {"max_error": 3, "chunks": (16, 32, 32), **QUIET}
RNG = np.random.default_rng(2)
SMOOTH = (np.add.outer(np.arange(20) * 9, np.add.outer(np.arange(50) ** 2, np.arange(70) * 31)) % 4000).astype("i2")
SMOOTH = SMOOTH + np.rint(RNG.normal(0, 9, SMOOTH.shape)).astype("i2")
CASES = {"samples": (VOLUME, BOUND), "stages": (SMOOTH, BOUND | {"max_error": 30})}
EACH = pytest.mark.parametrize("kind", CASES)


def written(kind: str, **more: Any) -> tuple[np.ndarray, dict[str, Any], MemoryStore]:
    array, options = CASES[kind]
    store = MemoryStore()
    mmip.write_zarr(array, store, **options | more)
    return array, options, store


def names(store: Any) -> set[str]:
    return set(zarr.open_group(store, mode="r").array_keys())


def largest(array: np.ndarray, store: Any) -> float:
    return float(np.abs(mmip.open_zarr(store)[...].astype(float) - array).max())


@EACH
def test_the_choice_is_made_once_and_recorded(kind):
    array, options, store = written(kind)
    volume = mmip.open_zarr(store)
    assert names(store) == ({"chunk", "samples"} if kind == "samples" else {
        "chunk", "stage_1", "stage_2", "stage_3", "corrections"
    })  # fmt: skip
    kinds = {record["kind"] for _, record in volume.records()}
    assert kinds == {"predictive" if kind == "samples" else "transform"}
    loss = volume.report["loss"]
    assert largest(array, store) == loss["max_error"] == loss["reached"] <= options["max_error"]
    assert (loss["mode"], loss["verified"], loss["lossless"]) == ("max_error", True, False)
    assert volume.report["lossy"]
    error = (volume[...].astype(float) - array) ** 2
    assert loss["psnr"] == pytest.approx(10 * np.log10(float(np.ptp(array)) ** 2 / error.mean()))
    assert mmip.verify_zarr(store)["ok"]
    assert f"largest error {loss['max_error']:g}" in volume.report.info


@EACH
def test_stages_are_today_s_store(kind):
    array, options, store = written(kind, stages=3)
    assert "corrections" in names(store)
    again = MemoryStore()
    mmip.write_zarr(array, again, **options, cell_depth=mmip.open_zarr(store).report["plan"]["cell_depth"])
    assert chunk_bytes(again) == chunk_bytes(store)
    if kind == "stages":
        assert chunk_bytes(written(kind)[2]) == chunk_bytes(store)


@EACH
def test_effort_1_is_one_array(kind):
    array, options, store = written(kind, effort=1)
    assert names(store) == {"chunk", "samples"}
    plain = zarr.open_group(store, mode="r")["samples"]
    assert np.array_equal(plain[...], mmip.open_zarr(store)[...])
    assert plain.metadata.to_dict()["codecs"][0]["configuration"]["max_error"] == options["max_error"]
    assert np.array_equal(plain[3:17, 20:41, 30:], mmip.open_zarr(store)[3:17, 20:41, 30:])
    assert open_source(plain).metadata["lossy"]
    for scale in (2, 8):
        assert mmip.open_zarr(store, scale=scale)[...].shape == tuple(-(-n // scale) for n in array.shape)


@EACH
def test_a_job_that_stopped_goes_on_by_its_choice(kind, monkeypatch):
    array, options, expected = written(kind)
    target, code, coded = MemoryStore(), jobs.Job.code, []

    def interrupted(self: Any, description: Any, at: Any) -> Any:
        if len(coded) >= 5:
            raise KeyboardInterrupt
        coded.append(at)
        return code(self, description, at)

    monkeypatch.setattr(jobs.Job, "code", interrupted)
    with pytest.raises(KeyboardInterrupt):
        mmip.write_zarr(array, target, **options)
    monkeypatch.setattr(jobs.Job, "code", code)
    monkeypatch.setattr("mmip_gpu.store.job.job_reader.chosen_config", None)  # nothing is chosen again
    mmip.write_zarr(array, target, **options)
    assert chunk_bytes(target) == chunk_bytes(expected)
    with pytest.raises(StoreError, match="another job"):
        mmip.write_zarr(array, target, **options | {"max_error": options["max_error"] + 1})


@EACH
def test_damage_is_mended_and_copies_are_sources(kind, tmp_path):
    array, _, store = written(kind)
    expected = chunk_bytes(store)
    for key in keys_of(store, "chunk")[:2] + keys_of(store, "samples")[-1:]:
        del store._store_dict[key]
    assert mmip.repair_zarr(store, array)["ok"]
    assert chunk_bytes(store) == expected
    mmip.fetch_zarr(store, tmp_path / "copy", stages=len(names(store)) - 1, progress=False)
    again = mmip.write_zarr(tmp_path / "copy", MemoryStore(), lossless=True, **QUIET)
    assert again["lossy"]
    assert [entry["loss"]["mode"] for entry in again["history"]] == ["max_error"]


@EACH
def test_what_is_appended_keeps_the_bound(kind, tmp_path):
    array, options = CASES[kind]
    mmip.write_zarr(array[:16], tmp_path / "a", **options)
    before = names(tmp_path / "a")
    other = CASES["stages" if kind == "samples" else "samples"][0].astype(array.dtype)[:4]
    mmip.append_zarr(other, tmp_path / "a", progress=False)
    assert names(tmp_path / "a") == before
    assert largest(np.concatenate([array[:16], other]), tmp_path / "a") <= options["max_error"]


@pytest.mark.parametrize("effort", [1, 2])
def test_floats_colour_slices_and_labels_like_values(effort):
    volume = RNG.normal(0, 4, (9, 40, 50)).cumsum(axis=-1).astype(np.float32)
    volume[2, 3, 4] = np.nan
    cases: list[tuple[np.ndarray, dict[str, Any]]] = [
        (volume, {"max_error": 0.6, "step": 0.1, "nan": -500}),
        (RNG.integers(0, 255, (40, 60, 3)).astype(np.uint8), {"max_error": 2, "axes": "yxc"}),
        (VOLUME[None], {"max_error": 3, "axes": "tzyx"}),
    ]
    for array, options in cases:
        store = MemoryStore()
        report = mmip.write_zarr(array, store, effort=effort, **options, **QUIET)
        found = np.nan_to_num(array, nan=-500) if array.dtype.kind == "f" else array
        assert largest(found, store) <= options["max_error"] * (1 + 1e-6)
        assert report["loss"]["max_error"] == pytest.approx(largest(found, store))
    apart = open_source(VOLUME)
    apart = type(apart)(**vars(apart) | {"metadata": {"slope_per_slice": [1.0 + k for k in range(20)], "slope": None}})
    report = mmip.write_zarr(apart, store, max_error=2, effort=effort, overwrite=True, **QUIET)
    assert report["plan"]["cell_depth"] == 1
    assert largest(VOLUME, store) <= 2


def test_a_device_writes_the_same_bytes(monkeypatch):
    monkeypatch.setattr(device_runner, "CudaExecutor", HostExecutor)
    array, options, store = written("samples")
    target = MemoryStore()
    mmip.write_zarr(array, target, device="gpu", **options)
    assert chunk_bytes(target) == chunk_bytes(store)


@pytest.mark.parametrize(
    "change",
    [{"method": "either"}, {"method": "small"}, {"stages": 3}, {"value": 2.0}, {"effort": 9}, {"mode": "psnr"}],
)
def test_attributes_that_nobody_writes_are_refused(change):
    _, _, store = written("samples")
    group = zarr.open_group(store, mode="r+")
    attributes = dict(group.attrs["mmip"])
    config = attributes["description"]["config"] | change
    attributes["description"] = attributes["description"] | {"config": config}
    group.attrs["mmip"] = attributes
    with pytest.raises(CorruptData, match="attributes"):
        mmip.open_zarr(store)


def test_a_chunk_of_another_bound_is_damaged():
    _, _, store = written("samples")
    _, _, other = written("samples", max_error=9)
    for name in ("samples/c/0/0/0", "chunk/c/0/0/0/0/0"):
        store._store_dict[name] = buffer(chunk_bytes(other)[name])
    with pytest.raises(CorruptData, match=r"chunk \(0, 0, 0, 0\)"):
        mmip.open_zarr(store)[:4, :4, :4]
    assert [chunk["chunk"] for chunk in mmip.verify_zarr(store)["chunks"]] == [[0, 0, 0, 0]]


def test_the_command_line(tmp_path, capsys):
    np.save(tmp_path / "a.npy", VOLUME)
    for effort in (1, 2):
        run(
            "encode", tmp_path / "a.npy", "-o", tmp_path / "a.mmip", "--max-error", 3, "--effort", effort, "--overwrite"
        )
        run("info", tmp_path / "a.mmip")
        assert "target max_error 3" in (shown := capsys.readouterr().out)
        assert "largest error 3 (measured)" in shown
        run("evaluate", tmp_path / "a.npy", tmp_path / "a.mmip", "--json", tmp_path / "e.json")
        stages = load_json(tmp_path / "e.json")["stages"]
        assert [stage["max_error"] for stage in stages] == [3]
    run("compress", tmp_path / "a.npy", tmp_path / "a.zarr", "--max-error", 3, "--check")
    run("verify", tmp_path / "a.zarr")
    assert names(tmp_path / "a.zarr") == {"chunk", "samples"}
    run("compress", tmp_path / "a.npy", tmp_path / "b.zarr", "--max-error", 3, "--stages", 3)
    assert "corrections" in names(tmp_path / "b.zarr")
    with pytest.raises(InvalidArgument, match="exactly one of"):
        mmip.write_zarr(VOLUME, MemoryStore(), max_error=3, lossless="small")
