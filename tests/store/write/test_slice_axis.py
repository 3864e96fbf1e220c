"""Stores with slices along t or n, which are asked for: chunks hold several places on the axis, all else stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from helpers.edges import edges
from numpy.typing import NDArray

import mmip_gpu as mmip

QUIET: dict[str, Any] = {"progress": False}
# name: shape, axes, axis of slices, chunks, options
CASES: dict[str, tuple[tuple[int, ...], str, str, Any, dict[str, Any]]] = {
    "times": ((9, 100, 70), "tyx", "t", (4, 64, 64), {"quality": 10}),
    "predicted": ((5, 130, 140), "tyx", "t", (5, 128, 128), {"qstep": 40, "prediction": True}),
    "volumes": ((5, 3, 70, 66), "tzyx", "t", (4, 1, 64, 64), {"psnr": 50, "prediction": True, "effort": 3}),
    "numbers": ((3, 2, 5, 40, 50), "tcnyx", "n", (1, 1, 4, 64, 64), {"quality": 20}),
    "colour": ((5, 3, 40, 50), "tcyx", "t", None, {"quality": 40}),
    "bound": ((4, 64, 70), "tyx", "t", None, {"max_error": 20, "stages": 2}),
    "one": ((1, 3, 64, 70), "tzyx", "t", None, {"quality": 10}),
}


def samples_of(name: str) -> NDArray[Any]:
    shape = CASES[name][0]
    samples = edges((int(np.prod(shape[:-2])), *shape[-2:]), 5).reshape(shape)
    return (samples // 16).astype(np.uint8) if name == "colour" else samples


def written(name: str, path: Path, **others: Any) -> Path:
    _, axes, axis, chunks, options = CASES[name]
    store = path / "a.zarr"
    mmip.write_zarr(samples_of(name), store, axes=axes, slice_axis=axis, chunks=chunks, **QUIET, **options, **others)
    return store


@pytest.mark.parametrize("name", CASES)
def test_stores_are_read_in_the_order_of_their_axes(name: str, tmp_path: Path) -> None:
    samples, store = samples_of(name), written(name, tmp_path)
    assert mmip.verify_zarr(store, **QUIET)["ok"]
    opened = mmip.open_zarr(store)
    assert (opened.shape, opened.report["plan"]["slice_axis"]) == (samples.shape, CASES[name][2])
    whole = opened[:]
    largest = opened.report["loss"]["max_error"]
    assert np.abs(whole.astype(int) - samples).max() == largest < 300
    rng = np.random.default_rng(3)
    for scale in (1, 2, 4, 8):
        small = mmip.open_zarr(store, scale=scale)
        array = small[:]
        assert array.shape == tuple(
            -(-n // scale) if a in "yx" else n for a, n in zip(CASES[name][1], samples.shape, strict=True)
        )
        for _ in range(3):
            starts = [int(rng.integers(0, n)) for n in array.shape]
            part = tuple(slice(a, int(rng.integers(a, n)) + 1) for a, n in zip(starts, array.shape, strict=True))
            assert np.array_equal(small[part], array[part])
    assert np.array_equal(mmip.open_zarr(store, stages=2)[0], mmip.open_zarr(store, stages=2)[:][0])


@pytest.mark.parametrize("name", ["times", "volumes", "numbers"])
def test_a_chunk_is_the_container_of_its_samples(name: str, tmp_path: Path) -> None:
    """The first chunk of a store decodes to what its samples encode to, by the steps of the store."""
    samples, store = samples_of(name), written(name, tmp_path)
    opened = mmip.open_zarr(store)
    first = tuple(slice(0, min(c, n)) for c, n in zip(opened.chunks, samples.shape, strict=True))
    plan, (_, axes, axis, _, options) = opened.report["plan"], CASES[name]
    if len({tuple(row) for row in plan["steps"]}) == 1 and len(plan["steps"][0]) == 1 and "psnr" not in options:
        target = {"qstep": plan["qstep"]} | {k: v for k, v in options.items() if k == "prediction"}
        blob = mmip.encode(samples[first], axes=axes, slice_axis=axis, padding=None, per_channel=False, **target)
        assert np.array_equal(mmip.decode(blob), opened[first])


def test_masks_are_in_the_order_of_the_array(tmp_path: Path) -> None:
    rng, samples = np.random.default_rng(1), samples_of("volumes")
    mask = rng.random(samples.shape) < 0.001
    store = written("volumes", tmp_path, roi=mask, roi_quality="lossless")
    found = mmip.open_zarr(store)[:]
    assert np.array_equal(found[mask], samples[mask])
    assert not np.array_equal(found, samples)


def test_damaged_chunks_are_found_and_repaired(tmp_path: Path) -> None:
    store = written("times", tmp_path)
    whole = mmip.open_zarr(store)[:]
    place = next(path for path in sorted((store / "stage_2" / "c").rglob("*")) if path.is_file())
    data = bytearray(place.read_bytes())
    data[len(data) // 2] ^= 255
    place.write_bytes(bytes(data))
    assert not mmip.verify_zarr(store, **QUIET)["ok"]
    mmip.repair_zarr(store, samples_of("times"), **QUIET)
    assert mmip.verify_zarr(store, **QUIET)["ok"]
    assert np.array_equal(mmip.open_zarr(store)[:], whole)


def test_stores_grow_by_whole_chunks(tmp_path: Path) -> None:
    samples, store = samples_of("times"), tmp_path / "a.zarr"
    options: dict[str, Any] = {"qstep": 40, "axes": "tyx", "slice_axis": "t", "chunks": (4, 64, 64), **QUIET}
    mmip.write_zarr(samples[:8], store, **options)
    mmip.append_zarr(samples[8:], store, **QUIET)
    mmip.write_zarr(samples, tmp_path / "b.zarr", **options)
    assert mmip.verify_zarr(store, **QUIET)["ok"]
    assert np.array_equal(mmip.open_zarr(store)[:], mmip.open_zarr(tmp_path / "b.zarr")[:])
    with pytest.raises(mmip.InvalidArgument, match="whole chunks"):
        mmip.append_zarr(samples[:1], store, **QUIET)


def test_stores_grow_on_z_as_an_axis_of_planes(tmp_path: Path) -> None:
    samples, store = samples_of("volumes"), tmp_path / "a.zarr"
    options: dict[str, Any] = {"qstep": 40, "axes": "tzyx", "slice_axis": "t", "chunks": (4, 1, 64, 64), **QUIET}
    mmip.write_zarr(samples[:, :2], store, **options)
    mmip.append_zarr(samples[:, 2:], store, axis="z", **QUIET)
    mmip.write_zarr(samples, tmp_path / "b.zarr", **options)
    assert mmip.verify_zarr(store, **QUIET)["ok"]
    assert np.array_equal(mmip.open_zarr(store)[:], mmip.open_zarr(tmp_path / "b.zarr")[:])


def test_stage_arrays_have_the_slices_where_z_stands(tmp_path: Path) -> None:
    group = zarr.open_group(written("volumes", tmp_path), mode="r")
    stage: Any = group["stage_1"]
    assert stage.shape == (3, 5, 9, 9, 2)  # planes run over z
    assert (np.asarray(stage)[..., 0] == 0).all()


def test_chunks_of_several_z_are_refused(tmp_path: Path) -> None:
    with pytest.raises(mmip.InvalidArgument, match="expected 1 on axis z"):
        mmip.write_zarr(samples_of("volumes"), tmp_path / "a.zarr", quality=10, slice_axis="t", chunks=64, **QUIET)


def test_an_axis_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(mmip.InvalidArgument, match="slice_axis='n'"):
        mmip.write_zarr(samples_of("times"), tmp_path / "a.zarr", quality=10, axes="tyx", slice_axis="n", **QUIET)


def test_stores_choose_none(tmp_path: Path) -> None:
    samples = np.stack([samples_of("times")[0]] * 4)
    mmip.write_zarr(samples, tmp_path / "a.zarr", qstep=20, axes="tyx", effort=3, **QUIET)
    opened = mmip.open_zarr(tmp_path / "a.zarr")
    assert (opened.report["plan"]["slice_axis"], opened.chunks[0]) == ("z", 1)
