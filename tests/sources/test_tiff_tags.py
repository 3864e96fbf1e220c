"""TIFF: tags that a file may leave out, what samples mean, and what a resolution, a frame and a channel are."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from helpers.sink_sources import volume
from helpers.tiff_files import ramp, write

import mmip_gpu
from mmip_gpu.cli import main
from mmip_gpu.errors import InvalidArgument, MetadataWarning
from mmip_gpu.sinks import write_image
from mmip_gpu.sources import open_source

GREY = np.arange(4096, dtype="<u2").reshape(64, 64)


def bare(path: Path, *without: int) -> Path:
    """Write a TIFF file tag by tag, without some of the tags."""
    tags = {256: 64, 257: 64, 258: 16, 259: 1, 262: 1, 273: 0, 277: 1, 278: 64, 279: GREY.nbytes}
    tags = {tag: value for tag, value in tags.items() if tag not in without}
    tags[273] = 8 + 2 + 12 * len(tags) + 4
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    path.write_bytes(b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + GREY.tobytes())
    return path


@pytest.mark.parametrize("without", [(259,), (262,), (259, 262), (277,), (278,), (279,), (259, 262, 277, 278)])
def test_tags_with_a_default_may_be_left_out(without: tuple[int, ...], tmp_path: Path) -> None:
    opened = open_source(bare(tmp_path / "bare.tif", *without))
    np.testing.assert_array_equal(opened.read(), GREY)
    assert opened.metadata["photometric"] == "MINISBLACK"
    assert opened.metadata["spacing"] is None
    assert main(["compress", str(tmp_path / "bare.tif"), str(tmp_path / "a.zarr"), "--lossless"]) == 0
    np.testing.assert_array_equal(mmip_gpu.open_zarr(tmp_path / "a.zarr")[...], GREY)


@pytest.mark.parametrize("name", ["b.tif", "b.ome.tif", "b.nii"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_white_is_zero_stays_so_or_is_told(name: str, dtype: str, tmp_path: Path) -> None:
    array = ramp(32, 48, dtype=dtype)
    opened = write(tmp_path / "a.tif", array, photometric="miniswhite")
    mmip_gpu.write_zarr(opened, tmp_path / "a.zarr", lossless=True, stages=3)
    stored = open_source(array).metadata | mmip_gpu.open_zarr(tmp_path / "a.zarr").metadata
    assert stored["photometric"] == "MINISWHITE"
    if name.endswith(".nii"):
        with pytest.warns(MetadataWarning, match="low samples are bright"):
            write_image(opened, tmp_path / name)
        return
    assert main(["extract", str(tmp_path / "a.zarr"), "-o", str(tmp_path / name)]) == 0
    page = tifffile.TiffFile(tmp_path / name).pages[0]
    assert page.photometric.name == "MINISWHITE"
    np.testing.assert_array_equal(page.asarray(), array)


@pytest.mark.parametrize(("kind", "channels"), [("separated", 4), ("cielab", 3), ("cfa", 1), ("icclab", 3)])
def test_samples_that_are_neither_grey_nor_rgb_are_refused(kind: str, channels: int, tmp_path: Path) -> None:
    array = ramp(32, 48, channels, dtype="uint8").squeeze()
    tifffile.imwrite(tmp_path / "a.tif", array, photometric=kind, metadata=None, extrasamples=())
    with pytest.raises(InvalidArgument, match=r"neither intensities nor RGB: convert"):
        open_source(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("resolution", "unit", "expected"),
    [
        (72, "INCH", None),
        (96, "INCH", None),
        (28.35, "CENTIMETER", None),
        (1, "NONE", None),
        (300, "INCH", 25.4 / 300),
        (20000, "CENTIMETER", 5e-4),
    ],
)
def test_the_resolution_of_a_screen_is_no_voxel_size(
    resolution: float, unit: str, expected: float | None, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"resolution": (resolution, resolution), "resolutionunit": unit, "metadata": None}
    found = write(tmp_path / "a.tif", ramp(8, 9), **options).metadata["spacing"]
    assert found == (None if expected is None else pytest.approx([expected] * 2))


CHANNELS = [
    {"name": "DAPI", "colour": "0000FF", "emission_nm": 461.0, "excitation_nm": 358.0},
    {"name": "GFP", "colour": "00FF00"},
    {"name": "Cy5"},
]


@pytest.mark.parametrize("axes", ["tczyx", "czyx", "cyx"])
def test_channels_and_frames_of_ome_tiff_come_back(axes: str, tmp_path: Path) -> None:
    known = {"length_unit": "micrometer", "spacing": [2e-3, 5e-4, 5e-4][-sum(a in "zyx" for a in axes) :]}
    known |= {"time_step": 0.25, "time_unit": "millisecond", "channels": CHANNELS}
    write_image(volume(axes, colour=False, **known), tmp_path / "a.ome.tif")
    text = tifffile.TiffFile(tmp_path / "a.ome.tif").ome_metadata
    assert 'PhysicalSizeXUnit="µm"' in text
    assert 'PhysicalSizeX="0.5"' in text
    mmip_gpu.write_zarr(tmp_path / "a.ome.tif", tmp_path / "a.zarr", lossless=True, stages=3)
    assert main(["extract", str(tmp_path / "a.zarr"), "-o", str(tmp_path / "b.ome.tif")]) == 0
    for name in ("a.ome.tif", "b.ome.tif"):
        found = open_source(tmp_path / name).metadata
        assert found["channels"] == CHANNELS
        assert found["length_unit"] == "micrometer"
        assert found["spacing"] == pytest.approx(known["spacing"])
        assert (found.get("time_step"), found.get("time_unit")) == (
            (0.25, "millisecond") if "t" in axes else (None,) * 2
        )


def test_frames_of_imagej_and_of_plain_tiff_come_back(tmp_path: Path) -> None:
    metadata = {"axes": "TZYX", "spacing": 3.5, "unit": "um", "finterval": 2.0}
    opened = write(tmp_path / "a.tif", ramp(3, 4, 17, 19), imagej=True, metadata=metadata, resolution=(4, 2))
    write_image(opened, tmp_path / "b.tif")
    for found in (opened.metadata, open_source(tmp_path / "b.tif").metadata):
        assert (found["time_step"], found["length_unit"]) == (2.0, "micrometer")
        assert found["spacing"] == pytest.approx([3.5e-3, 0.5e-3, 0.25e-3])


def test_what_a_format_has_no_place_for_is_told(tmp_path: Path) -> None:
    source = volume("czyx", colour=False, slope=2.0, affine=np.eye(4).tolist(), channels=CHANNELS)
    with pytest.warns(MetadataWarning, match="slope and intercept; affine; names of channels"):
        write_image(source, tmp_path / "a.tif")
    with pytest.warns(MetadataWarning, match="mark of orientation"):
        write(tmp_path / "o.tif", ramp(8, 9), extratags=[(274, 3, 1, 6, True)])
