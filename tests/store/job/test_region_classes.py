"""Regions of interest of stores: masks and rules, as those of the whole array."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import zarr
from helpers.stores import SMALL, VOLUME, chunk_bytes, textured
from zarr.storage import MemoryStore

import mmip_gpu as mmip
from mmip_gpu.errors import InvalidArgument
from mmip_gpu.store.group import grid
from mmip_gpu.store.job.region_classes import RegionClasses
from mmip_gpu.store.job.survey import surveyed_here
from mmip_gpu.volume.axes import PlaneLayout
from mmip_gpu.volume.roi import RoiRule


def test_masks(tmp_path):
    mask = np.zeros(VOLUME.shape, np.uint8)
    mask[4:9, 10:40, 20:60] = 1
    mask[6, 20:24, 40:48] = 2
    options = SMALL | {"roi_quality": {1: 40, 2: "lossless"}}
    found = []
    stored = zarr.create_array(tmp_path / "mask.zarr", data=mask, chunks=(3, 50, 70))
    for roi in (mask, mask.astype(np.int64), stored):
        target = MemoryStore()
        mmip.write_zarr(VOLUME, target, roi=roi, **options)
        found.append(chunk_bytes(target))
        image = mmip.open_zarr(target).to_numpy()
        assert (image[mask == 2] == VOLUME[mask == 2]).all()
        assert (image != VOLUME).any()
    assert found[0] == found[1] == found[2]


def test_a_spatial_mask_holds_for_all_times_and_channels():
    series = textured((2, 8, 32, 32, 3), "uint8")[0]
    mask = np.zeros((8, 32, 32), bool)
    mask[:, :16] = True
    target = MemoryStore()
    mmip.write_zarr(series, target, axes="zyxc", colour=False, quality=5, roi=mask, roi_quality="lossless")
    image = mmip.open_zarr(target).to_numpy()
    assert (image[:, :16] == series[:, :16]).all()
    full = MemoryStore()
    channels = np.zeros(series.shape, np.uint8)
    channels[:, :16, :, 1] = 1
    mmip.write_zarr(series, full, axes="zyxc", colour=False, quality=5, roi=channels, roi_quality="lossless")
    assert chunk_bytes(full) == chunk_bytes(target)


@pytest.mark.parametrize("colour", [True, False])
def test_a_rule_marks_what_it_marks_in_the_whole_array(colour):
    image = textured((40, 70, 3), "uint8")
    options: dict[str, Any] = {"quality": 5, "roi": "threshold:140", "roi_quality": "lossless", "axes": "yxc"}
    target = MemoryStore()
    mmip.write_zarr(image, target, colour=colour, chunks=(64, 96), **options)
    whole = mmip.decode(mmip.encode(image, colour=colour, **options))
    marked = (image >= 140).any(axis=-1)
    assert (mmip.open_zarr(target).to_numpy()[marked] == image[marked]).all()
    assert (whole[marked] == image[marked]).all()


def test_otsu_is_that_of_the_whole_array(tmp_path):
    pytest.importorskip("skimage")
    array = VOLUME.copy()
    array[:, 10:20, 10:20] += 2000
    report = mmip.write_zarr(array, tmp_path / "a.zarr", roi="otsu", **SMALL)
    rule = report["plan"]["rule"]
    assert rule.startswith("threshold:")
    assert (RoiRule.parse("otsu").apply(array) == RoiRule.parse(rule).apply(array)).all()
    before = (tmp_path / "a.zarr/stage_1/c/0/0/0/0/0").read_bytes()
    (tmp_path / "a.zarr/chunk/c/0/0/0/0/0").unlink()
    mmip.write_zarr(array, tmp_path / "a.zarr", roi="otsu", **SMALL)
    assert (tmp_path / "a.zarr/stage_1/c/0/0/0/0/0").read_bytes() == before
    constant = mmip.write_zarr(np.full((4, 32, 32), 7, np.uint8), MemoryStore(), quality=10, roi="otsu")
    assert constant["plan"]["rule"] == "threshold:256"


@pytest.mark.parametrize(
    "roi",
    [
        np.ones((20, 50, 71), bool),
        np.ones((50, 70), bool),
        np.ones(VOLUME.shape),
        np.full(VOLUME.shape, 8, np.uint8),
        np.full(VOLUME.shape, -1, np.int8),
        "threshold",
        [[1]],
    ],
    ids=["shape", "rank", "float", "above", "below", "rule", "list"],
)
def test_regions_that_do_not_fit(roi, tmp_path):
    with pytest.raises(InvalidArgument, match="roi"):
        mmip.write_zarr(VOLUME, tmp_path / "a.zarr", roi=roi, **SMALL)


def test_the_checksum_of_a_mask_does_not_depend_on_its_pieces(monkeypatch):
    mask = np.random.default_rng(5).integers(0, 3, (9, 40, 50), np.uint8)
    moved = mask.copy()
    moved[4, [7, 8]] = moved[4, [8, 7]]
    layout = PlaneLayout.of(mask.shape, "zyx")
    found = {}
    for lengths in ({"z": 64, "y": 256, "x": 256}, {"z": 4, "y": 7, "x": 11}):
        monkeypatch.setitem(grid._DEFAULT_LENGTHS, 3, lengths)
        for name, array in {"same": mask, "wide": mask.astype(">i8"), "moved": moved, "turned": mask[::-1]}.items():
            classes = RegionClasses.of(array, layout).surveyed(surveyed_here)
            assert classes.class_count == 3
            found.setdefault(name, set()).add(classes.identity)
    assert all(len(identities) == 1 for identities in found.values())
    assert found["same"] == found["wide"]
    assert len(set.union(*found.values())) == 3
