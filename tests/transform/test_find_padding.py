"""Whether there is a padding mask: what decides it, in containers and in stores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import zarr
from helpers.padded_images import DISC, assert_mask_holds, disc, recorded
from helpers.strategies import make
from zarr.storage import MemoryStore

import mmip_gpu as mmip
from mmip_gpu.transform.planning import find_padding
from mmip_gpu.volume.axes import PlaneLayout

# --- whether there is a mask


def test_auto_takes_a_field_of_view_and_saves() -> None:
    for shape in ((160, 160), (24, 300, 300)):
        array = disc(shape)
        found, without = (mmip.encode(array, psnr=50, padding=p) for p in ("auto", None))
        assert recorded(found) == DISC
        assert recorded(without) is None
        assert len(found) < 0.95 * len(without)  # palette cells spare much of the border without a mask
        assert mmip.encode(array, psnr=50) == found


def test_auto_refuses_what_does_not_pay() -> None:
    """Weak noise cut off at 0 around something bright: the mask costs more than the samples under it."""
    noise = np.random.default_rng(1).normal(0, 2, (128, 128))
    noise[40:80, 40:80] += 200
    array = np.clip(np.rint(noise), 0, 255).astype(np.uint8)
    candidate = find_padding.find_padding(array.__getitem__, PlaneLayout.of(array.shape))
    assert candidate is not None
    assert candidate.value == 0
    assert recorded(mmip.encode(array, psnr=30)) is None
    assert recorded(mmip.encode(array, psnr=30, padding=0)) == 0


def test_no_candidate_without_a_constant_border() -> None:
    image = make("textured", (100, 100), "uint16", 1)
    assert find_padding.find_padding(image.__getitem__, PlaneLayout.of(image.shape)) is None
    line = np.zeros(50, np.uint8)
    assert find_padding.find_padding(line.__getitem__, PlaneLayout.of(line.shape)) is None


def test_a_candidate_has_a_region_with_both() -> None:
    array = np.full((30, 600, 700), 3, np.uint8)
    array[:, 100:, 90:] = 9
    candidate = find_padding.find_padding(array.__getitem__, PlaneLayout.of(array.shape), known=3)
    assert candidate is not None
    part = array[candidate.region]
    assert part.shape == (8, 256, 256)
    assert 0.3 < (part == 3).mean() < 0.7


def test_a_value_that_does_not_occur_is_left_out() -> None:
    array = make("textured", (40, 40), "uint8", 2)
    array[array == 77] = 78
    assert recorded(mmip.encode(array, quality=10, padding=77)) is None


@pytest.mark.parametrize("value", [-1, 256, 2**40, "none", "Auto", 1.5, True, [3]])
def test_values_that_no_sample_has(value: Any) -> None:
    with pytest.raises(mmip.InvalidArgument, match="padding"):
        mmip.encode(make("textured", (40, 40), "uint8", 2), quality=10, padding=value)


def test_colour_has_no_padding() -> None:
    image = make("half", (40, 40, 3), "uint8", 2)
    with pytest.raises(mmip.InvalidArgument, match="padding"):
        mmip.encode(image, quality=10, axes="yxc", padding=0)
    assert recorded(mmip.encode(image, quality=10, axes="yxc")) is None
    assert recorded(mmip.encode(image, quality=10, axes="yxc", colour=False, padding=0)) == 0


def test_float32_has_no_padding() -> None:
    image = disc((70, 70)).astype(np.float32)
    with pytest.raises(mmip.InvalidArgument, match="padding"):
        mmip.encode(image, psnr=40, step=0.5, padding=DISC)
    assert recorded(mmip.encode(image, psnr=40, step=0.5)) is None


@pytest.mark.parametrize("depth", [1, 8])
@pytest.mark.parametrize("padding", ["auto", DISC])
def test_corrections_leave_the_mask(depth: int, padding: int | str) -> None:
    array = disc((12, 70, 100))
    blob = mmip.encode(array, max_error=5, cell_depth=depth, padding=padding)
    assert recorded(blob) == DISC
    assert mmip.inspect(blob)["config"]["correction"] == 5
    found = mmip.decode(blob)
    assert (found[array == DISC] == DISC).all()
    assert np.abs(found.astype(np.int32) - array).max() == mmip.inspect(blob)["loss"]["max_error"] <= 5
    region = (slice(3, 9), slice(20, 50), slice(60, 90))
    assert np.array_equal(mmip.decode(blob, region=region), found[region])
    assert_mask_holds(blob, array, DISC, depth)
    assert len(blob) < len(mmip.encode(array, max_error=5, cell_depth=depth, padding=None))


@pytest.mark.parametrize("target", [{"ratio": 8}, {"max_error": 0, "stages": 3}])
def test_other_targets_find_the_padding(target: dict[str, float]) -> None:
    array = disc((6, 300, 300))
    blob = mmip.encode(array, **target)
    plain = mmip.encode(array, padding=None, **target)
    assert recorded(blob) == DISC
    assert recorded(plain) is None
    assert (mmip.decode(blob)[array == DISC] == DISC).all()
    if "ratio" in target:
        assert array.nbytes / len(blob) >= 8
        assert mmip.inspect(blob)["loss"]["psnr"] > mmip.inspect(plain)["loss"]["psnr"]
    else:
        assert np.array_equal(mmip.decode(blob), array)
        assert len(blob) < len(plain)


# --- stores


@pytest.mark.parametrize("target", [{"max_error": 4}, {"ratio": 6}])
def test_a_store_of_another_target_keeps_the_mask(target: dict[str, float]) -> None:
    array, store = disc((20, 70, 100)), MemoryStore()
    report = mmip.write_zarr(array, store, cell_depth=8, chunks=(16, 64, 64), threads=1, **target)
    assert report["plan"]["padding"] == DISC
    found = mmip.open_zarr(store)[...]
    assert (found[array == DISC] == DISC).all()
    if "max_error" in target:
        assert np.abs(found.astype(np.int32) - array).max() <= 4
    else:
        assert report["ratio"] >= 6


@pytest.mark.parametrize("depth", [1, 8])
def test_a_store_keeps_the_mask(depth: int) -> None:
    array = disc((20, 70, 100))
    store = MemoryStore()
    report = mmip.write_zarr(array, store, psnr=48, cell_depth=depth, chunks=(16, 64, 64), threads=1)
    assert report["plan"]["padding"] == DISC
    opened = mmip.open_zarr(store)
    assert (opened[...] == DISC)[array == DISC].all()
    assert (mmip.open_zarr(store, stages=1)[...] == DISC)[array == DISC].all()
    assert np.array_equal(opened[3:9, 20:50, 60:90], opened[...][3:9, 20:50, 60:90])
    assert opened.report["loss"]["psnr"] >= 48
    stage = zarr.open_array(store, path="stage_1", mode="r")
    assert stage.shape[-1] == 2 + 2 * depth
    assert stage.metadata.to_dict()["codecs"][0]["configuration"]["padding"] is True
    words = stage[...][..., 2:].astype(np.uint32)
    bits = ((words[..., None] >> np.arange(32, dtype=np.uint32)) & 1).astype(bool)
    planes, gz, gy, gx = words.shape[:4]
    bits = bits.reshape(planes, gz, gy, gx, depth, 8, 8).transpose(0, 1, 4, 2, 5, 3, 6)
    mask = bits.reshape(planes, gz * depth, gy * 8, gx * 8)[0][tuple(map(slice, array.shape))]
    assert np.array_equal(mask, array == DISC)
    assert report == mmip.write_zarr(array, store, psnr=48, cell_depth=depth, chunks=(16, 64, 64), threads=1) | {
        "seconds": report["seconds"]
    }


def test_records_of_another_padding_are_corrupt() -> None:
    array = disc((64, 64))
    store, other = MemoryStore(), MemoryStore()
    mmip.write_zarr(array, store, quality=5, padding=DISC)
    moved = np.where(array == DISC, DISC + 1, array).astype(np.int16)
    mmip.write_zarr(moved, other, quality=5, padding=DISC + 1)
    key = next(k for k in store._store_dict if k.startswith("chunk/c/"))
    store._store_dict[key] = other._store_dict[key]
    with pytest.raises(mmip.CorruptData):
        mmip.open_zarr(store)[...]
