"""Sources in TIFF: axes, colours, pyramids, voxel sizes, lazy reading."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from helpers.tiff_files import ramp, write

import mmip_gpu
from mmip_gpu.cli import main
from mmip_gpu.errors import InvalidArgument, StoreError
from mmip_gpu.sources import Source, open_source, tiff_pages
from mmip_gpu.sources.tiff import split_series


def check(opened: Source, array: np.ndarray) -> None:
    """All samples, and those of some regions, are those of the array."""
    assert (opened.shape, opened.dtype) == (array.shape, array.dtype.newbyteorder("="))
    np.testing.assert_array_equal(opened.read(), array)
    rng = np.random.default_rng(0)
    for _ in range(8):
        bounds = [sorted(rng.integers(0, size + 1, 2)) for size in array.shape]
        region = tuple(slice(int(low), int(high)) for low, high in bounds)
        np.testing.assert_array_equal(opened.read(region), array[region])


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("bigtiff", [False, True])
def test_plain_stacks(dtype: str, byteorder: str, bigtiff: bool, tmp_path: Path) -> None:
    array = ramp(5, 33, 47, dtype=dtype)
    opened = write(
        tmp_path / "a.tif", array, byteorder=byteorder, bigtiff=bigtiff, photometric="minisblack", metadata=None
    )
    assert (opened.axes, opened.colour) == ("zyx", None)
    check(opened, array)


@pytest.mark.parametrize(
    "options",
    [
        {"tile": (16, 32)},
        {"tile": (16, 16), "compression": "zlib", "predictor": True},
        {"rowsperstrip": 7, "compression": "lzw"},
        {"rowsperstrip": 7, "compression": "zstd", "byteorder": ">"},
        {"compression": "packbits"},
        {"tile": (2, 16, 16), "volumetric": True},
        {"tile": (2, 16, 16), "volumetric": True, "compression": "zlib"},
    ],
)
@pytest.mark.parametrize("shape", [(5, 33, 47), (33, 47), (3, 2, 20, 17)])
def test_tiles_and_strips(options: dict[str, Any], shape: tuple[int, ...], tmp_path: Path) -> None:
    if options.get("volumetric") and len(shape) < 3:
        pytest.skip("a volume has three axes")
    array = ramp(*shape)
    axes = "TZYX"[-len(shape) :]
    opened = write(tmp_path / "a.tiff", array, photometric="minisblack", metadata={"axes": axes}, **options)
    assert opened.axes == axes.lower()
    check(opened, array)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("axes", ["YX", "ZYX", "TZYX", "CYX", "TCYX", "CZYX", "TZCYX", "TCZYX", "YXS", "ZYXS", "TZYXS"])
def test_ome_axes(axes: str, compression: str | None, tmp_path: Path) -> None:
    sizes = {"T": 2, "Z": 4, "C": 3, "Y": 19, "X": 23, "S": 3}
    is_colour = "S" in axes
    array = ramp(*(sizes[a] for a in axes), dtype="uint8" if is_colour else "uint16")
    metadata = {"axes": axes, "PhysicalSizeX": 0.25, "PhysicalSizeY": 0.5, "PhysicalSizeYUnit": "nm"}
    metadata |= {"PhysicalSizeZ": 2, "PhysicalSizeZUnit": "mm"}
    photometric = "rgb" if is_colour else "minisblack"
    opened = write(tmp_path / "a.ome.tif", array, metadata=metadata, photometric=photometric, compression=compression)
    assert opened.axes == axes.lower().replace("s", "c")
    assert opened.colour == (is_colour if {"C", "S"} & set(axes) else None)
    assert opened.metadata["spacing"] == pytest.approx(([2.0] if "Z" in axes else []) + [0.5e-6, 0.25e-3])
    check(opened, array)


def test_imagej_hyperstack(tmp_path: Path) -> None:
    array = ramp(3, 4, 2, 17, 19)
    metadata = {"axes": "TZCYX", "spacing": 3.5, "unit": "um"}
    opened = write(tmp_path / "a.tif", array, imagej=True, metadata=metadata, resolution=(4, 2))
    assert (opened.axes, opened.colour) == ("tzcyx", False)
    assert opened.metadata["spacing"] == pytest.approx([3.5e-3, 0.5e-3, 0.25e-3])
    check(opened, array)


@pytest.mark.parametrize(("unit", "expected"), [("CENTIMETER", [0.5, 0.25]), ("INCH", [1.27, 0.635]), ("NONE", None)])
def test_resolution_tags(unit: str, expected: list[float] | None, tmp_path: Path) -> None:
    options = {"resolution": (40, 20), "resolutionunit": unit, "metadata": None}
    opened = write(tmp_path / "a.tif", ramp(8, 9), **options)
    found = opened.metadata["spacing"]
    assert found == (expected and pytest.approx(expected))


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_rgb(planar: str, compression: str | None, tmp_path: Path) -> None:
    array = ramp(21, 33, 3) if planar == "contig" else ramp(3, 21, 33)
    opened = write(
        tmp_path / "a.tif", array, photometric="rgb", planarconfig=planar, compression=compression, metadata=None
    )
    assert (opened.axes, opened.colour) == ("yxc" if planar == "contig" else "cyx", True)
    check(opened, array)


def test_channels_that_are_not_colour(tmp_path: Path) -> None:
    array = ramp(21, 33, 3)
    opened = write(tmp_path / "a.tif", array, photometric="minisblack", planarconfig="contig", metadata=None)
    assert (opened.axes, opened.colour) == ("yxc", False)
    check(opened, array)
    report = mmip_gpu.write_zarr(tmp_path / "a.tif", tmp_path / "a.zarr", lossless=True, stages=3)
    assert report["colour"] is False
    np.testing.assert_array_equal(mmip_gpu.open_zarr(tmp_path / "a.zarr")[...], array)


def test_opaque_alpha_is_left_out_and_other_alpha_refused(tmp_path: Path) -> None:
    array = ramp(2, 21, 33, 4, dtype="uint8")
    array[..., 3] = 255
    options = {"photometric": "rgb", "extrasamples": ["unassalpha"], "metadata": {"axes": "ZYXS"}}
    check(write(tmp_path / "a.tif", array, **options), array[..., :3])
    grey = np.ascontiguousarray(array[..., 2:])
    options["photometric"] = "minisblack"
    check(write(tmp_path / "g.tif", grey, planarconfig="contig", **options), grey[..., 0])
    array[1, 3, 4, 3] = 9
    opened = write(tmp_path / "b.tif", array, **(options | {"photometric": "rgb"}))
    opened.read((slice(0, 1), slice(0, 21), slice(0, 33), slice(0, 3)))
    with pytest.raises(InvalidArgument, match="alpha"):
        opened.read()


def test_a_palette_becomes_rgb(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (3, 256)).astype(np.uint16) * 257
    array = ramp(3, 21, 33, dtype="uint8")
    expected = np.moveaxis(colours[:, array] >> 8, 0, -1).astype(np.uint8)
    opened = write(tmp_path / "a.tif", array, photometric="palette", colormap=colours, metadata={"axes": "ZYX"})
    assert (opened.axes, opened.colour) == ("zyxc", True)
    check(opened, expected)
    opened = write(tmp_path / "b.tif", array, photometric="palette", colormap=colours | 1, metadata={"axes": "ZYX"})
    assert opened.dtype == np.uint16
    opened = write(tmp_path / "j.tif", array, imagej=True, colormap=colours, metadata={"axes": "ZYX"})
    check(opened, array)


@pytest.fixture
def pyramid(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """A file with a pyramid of three levels and a second image."""
    array = ramp(64, 96)
    with tifffile.TiffWriter(tmp_path / "a.tif", ome=True) as file:
        options = {"tile": (16, 16), "compression": "zlib", "photometric": "minisblack"}
        file.write(array, subifds=2, metadata={"axes": "YX", "PhysicalSizeX": 1, "PhysicalSizeY": 2}, **options)
        file.write(array[::2, ::2], subfiletype=1, **options)
        file.write(array[::4, ::4], subfiletype=1, **options)
        file.write(array[:10, :20], photometric="minisblack", metadata={"axes": "YX"})
    return tmp_path / "a.tif", array


def test_pyramids_and_series(pyramid: tuple[Path, np.ndarray]) -> None:
    path, array = pyramid
    opened = open_source(path)
    check(opened, array)
    assert {key: opened.metadata[key] for key in ("level_count", "series_count")} == {
        "level_count": 3,
        "series_count": 2,
    }
    small = open_source(f"{path}:level=2")
    check(small, array[::4, ::4])
    assert small.metadata["spacing"] == pytest.approx([8e-3, 4e-3])
    check(open_source(f"{path}:series=1"), array[:10, :20])
    assert len({s.fingerprint for s in (opened, small, open_source(path))}) == 2
    with pytest.raises(InvalidArgument, match="expected 0 to 2"):
        open_source(f"{path}:level=3")
    with pytest.raises(StoreError, match="does not exist"):
        open_source(f"{path}x.tif:level=3")


def test_split_part() -> None:
    assert split_series("a.TIF:series=1,level=2") == ("a.TIF", {"series": 1, "level": 2})
    for text in ("a.npy:level=2", "a.tif:level=", "a.tif:other=2", "phantom3d:1x2x3"):
        assert split_series(text) == (text, {})


def test_an_image_in_several_files(tmp_path: Path) -> None:
    array = ramp(2, 17, 19)
    planes = "".join(
        f'<TiffData FirstZ="{z}" IFD="0" PlaneCount="1"><UUID FileName="{z}.ome.tif">urn:uuid:{z}</UUID></TiffData>'
        for z in range(2)
    )
    for z in range(2):
        text = (
            f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:{z}"><Image ID="Image:0">'
            f'<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="19" SizeY="17" SizeC="1" SizeZ="2" '
            f'SizeT="1"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>{planes}</Pixels></Image></OME>'
        )
        tifffile.imwrite(tmp_path / f"{z}.ome.tif", array[z], description=text, metadata=None, photometric="minisblack")
    opened = open_source(tmp_path / "0.ome.tif")
    check(opened, array)
    before = opened.fingerprint
    (tmp_path / "1.ome.tif").touch()
    assert open_source(tmp_path / "0.ome.tif").fingerprint != before
    (tmp_path / "1.ome.tif").unlink()
    with pytest.raises(StoreError, match="plane 1 is not in the file"):
        open_source(tmp_path / "0.ome.tif").read()


@pytest.mark.parametrize("options", [{}, {"compression": "zlib", "tile": (64, 64)}])
def test_write_zarr_reads_lazily(options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiff_pages, "CACHE_BYTES", 1 << 20)
    volume = mmip_gpu.phantom3d((96, 256, 256))
    write(tmp_path / "a.tif", volume, photometric="minisblack", metadata={"axes": "ZYX"}, **options)
    tracemalloc.start()
    mmip_gpu.write_zarr(
        str(tmp_path / "a.tif"), tmp_path / "a.zarr", lossless=True, stages=3, chunks=(16, 64, 64), threads=1
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(mmip_gpu.open_zarr(tmp_path / "a.zarr")[...], volume)
    assert peak < 0.7 * volume.nbytes


def test_the_command_line_takes_them(pyramid: tuple[Path, np.ndarray], tmp_path: Path) -> None:
    path, array = pyramid
    assert main(["encode", f"{path}:level=1", "-o", str(tmp_path / "a.mmip"), "--lossless"]) == 0
    np.testing.assert_array_equal(mmip_gpu.decode((tmp_path / "a.mmip").read_bytes()), array[::2, ::2])
    assert main(["compress", str(path), str(tmp_path / "a.zarr"), "--lossless", "--check"]) == 0
