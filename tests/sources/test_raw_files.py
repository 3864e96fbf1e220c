"""NRRD, MetaImage, pairs of .hdr and .img, slides, and folders of TIFF slices."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import tifffile
from helpers.sink_sources import AFFINE, volume
from helpers.source_checks import check_common, ramp
from hypothesis import given, settings
from hypothesis import strategies as st

import mmip_gpu
from mmip_gpu.cli import main
from mmip_gpu.errors import InvalidArgument, MetadataWarning, MmipError, StoreError
from mmip_gpu.sinks import write_image
from mmip_gpu.sources import open_source

SAMPLES = ramp((4, 5, 6))
NRRD = {
    "type": "short",
    "dimension": "3",
    "space": "left-posterior-superior",
    "sizes": "6 5 4",
    "space directions": "(0.5,0,0) (0,0.25,0) (0,0,3)",
    "kinds": "domain domain domain",
    "endian": "little",
    "encoding": "raw",
    "space origin": "(-9,4,-50)",
}
META = {
    "ObjectType": "Image",
    "NDims": "3",
    "BinaryData": "True",
    "BinaryDataByteOrderMSB": "False",
    "CompressedData": "False",
    "TransformMatrix": "1 0 0 0 1 0 0 0 1",
    "Offset": "-9 4 -50",
    "ElementSpacing": "0.5 0.25 3",
    "DimSize": "6 5 4",
    "ElementType": "MET_SHORT",
}


def nrrd(path: Path, data: bytes | None = None, **changed: str) -> Path:
    fields = NRRD | {key.replace("_", " "): value for key, value in changed.items()}
    text = "NRRD0004\n# made by hand\n" + "".join(f"{key}: {value}\n" for key, value in fields.items() if value)
    path.write_bytes((text + "\n").encode() + (SAMPLES.astype("<i2").tobytes() if data is None else data))
    return path


def meta(path: Path, data: bytes | None = None, file: str = "LOCAL", **changed: str) -> Path:
    text = "".join(f"{key} = {value}\n" for key, value in (META | changed).items() if value)
    data = SAMPLES.astype("<i2").tobytes() if data is None else data
    path.write_bytes(f"{text}ElementDataFile = {file}\n".encode() + (data if file == "LOCAL" else b""))
    if file != "LOCAL":
        (path.parent / file).write_bytes(data)
    return path


@pytest.mark.parametrize("kind", ["raw", "big", "gzip", "detached"])
@pytest.mark.parametrize("write", [nrrd, meta])
def test_samples_size_and_place(write: Any, kind: str, tmp_path: Path) -> None:
    little, is_nrrd = SAMPLES.astype("<i2").tobytes(), write is nrrd
    path = tmp_path / ("a.nrrd" if is_nrrd else "a.mha")
    if kind == "raw":
        write(path)
    elif kind == "big":
        change = {"endian": "big"} if is_nrrd else {"BinaryDataByteOrderMSB": "True"}
        write(path, SAMPLES.astype(">i2").tobytes(), **change)
    elif kind == "gzip" and is_nrrd:
        nrrd(path, gzip.compress(little), encoding="gzip")
    elif kind == "gzip":
        meta(path, zlib.compress(little), CompressedData="True")
    elif is_nrrd:
        path = nrrd(tmp_path / "a.nhdr", b"", data_file="a.raw")
        (tmp_path / "a.raw").write_bytes(little)
    else:
        path = meta(tmp_path / "a.mhd", file="a.raw")
    opened = open_source(path)
    check_common(opened)
    assert (opened.shape, opened.axes, opened.dtype) == ((4, 5, 6), "zyx", np.int16)
    np.testing.assert_array_equal(opened.read(), SAMPLES)
    assert opened.metadata["spacing"] == [3.0, 0.25, 0.5]
    expected = np.diag([-0.5, -0.25, 3.0, 1.0])
    expected[:3, 3] = 9, -4, -50
    np.testing.assert_allclose(opened.metadata["affine"], expected)
    report = mmip_gpu.write_zarr(path, tmp_path / "s.zarr", lossless=True, stages=3)
    assert report["complete"]


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("axes", ["yx", "zyx", "tzyx", "zyxc", "yxc", "czyx"])
def test_what_is_written_comes_back(axes: str, dtype: str, suffix: str, tmp_path: Path) -> None:
    place = {"affine": AFFINE, "space": "scanner"} if axes in ("zyx", "zyxc") and suffix == ".nrrd" else {}
    place = {"affine": AFFINE, "space": "scanner"} if axes == "zyx" else place
    source = volume(axes, dtype, colour=False if "c" in axes else None, **place)
    write_image(source, tmp_path / f"a{suffix}")
    found = open_source(tmp_path / f"a{suffix}")
    assert (found.axes, found.dtype) == (axes.replace("c", "") + "c" * ("c" in axes), source.dtype)
    expected = np.moveaxis(source.read(), axes.index("c"), -1) if "c" in axes else source.read()
    np.testing.assert_array_equal(found.read(), expected)
    assert found.metadata["spacing"] == pytest.approx(source.metadata["spacing"])
    if place:
        np.testing.assert_allclose(found.metadata["affine"], AFFINE)


def test_the_command_line_writes_them(tmp_path: Path) -> None:
    meta(tmp_path / "a.mha", ElementToIntensityFunctionSlope="0.5", ElementToIntensityFunctionOffset="-3")
    assert main(["compress", str(tmp_path / "a.mha"), str(tmp_path / "a.zarr"), "--lossless"]) == 0
    for name in ("b.mha", "b.nrrd", "b.nii"):
        assert main(["extract", str(tmp_path / "a.zarr"), "-o", str(tmp_path / name)]) == 0
        np.testing.assert_array_equal(open_source(tmp_path / name).read(), SAMPLES)
    assert open_source(tmp_path / "b.mha").metadata["slope"] == 0.5
    with pytest.warns(MetadataWarning, match="slope and intercept"):
        write_image(tmp_path / "a.mha", tmp_path / "c.nrrd")


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"sizes": "6 5 4000"}, StoreError, "truncated: expected 240"),
        ({"sizes": "6 5 -4"}, InvalidArgument, "sizes"),
        ({"sizes": "six"}, StoreError, "damaged: found the sizes"),
        ({"type": "block"}, InvalidArgument, "samples of type 'block'"),
        ({"encoding": "ascii"}, InvalidArgument, "raw or gzip"),
        ({"data_file": "../other.raw"}, StoreError, "beside it"),
        ({"data_file": "LIST"}, InvalidArgument, "several files"),
        ({"kinds": "domain domain vector"}, InvalidArgument, "channels have to come first"),
    ],
)
def test_nrrd_that_cannot_be_read(changed: dict[str, str], error: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=message):
        open_source(nrrd(tmp_path / "a.nrrd", **changed))


@pytest.mark.parametrize("write", [nrrd, meta])
def test_damage_of_compressed_samples_and_hostile_sizes(write: Any, tmp_path: Path) -> None:
    little = SAMPLES.astype("<i2").tobytes()
    packed = gzip.compress(little) if write is nrrd else zlib.compress(little)
    change: dict[str, str] = {"encoding": "gzip"} if write is nrrd else {"CompressedData": "True"}
    path = tmp_path / ("a.nrrd" if write is nrrd else "a.mha")
    for damaged in (packed[:-1], packed[:-9], packed[:-4] + b"abcd", packed[:20] + b"\0" + packed[21:]):
        with pytest.raises(StoreError, match="a\\."):
            open_source(write(path, damaged, **change)).read()
    sizes = {"sizes" if write is nrrd else "DimSize": "200000 200000 4"}
    with pytest.raises(StoreError, match="truncated: expected 320000000"):
        open_source(write(path, packed, **change, **sizes))


@given(seed=st.integers(0, 2**32 - 1), kind=st.sampled_from(["a.nrrd", "a.mha"]))
@settings(max_examples=120)
def test_any_damage_gives_samples_or_an_error_of_ours(
    seed: int, kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rng = np.random.default_rng(seed)
    path = (nrrd if kind == "a.nrrd" else meta)(tmp_path_factory.getbasetemp() / kind)
    data = bytearray(path.read_bytes())
    for at in rng.integers(0, 300, 4):
        data[at] = rng.integers(256)
    path.write_bytes(data[: rng.choice([len(data), rng.integers(1, len(data))])])
    try:
        opened = open_source(path)
        assert opened.read().shape == opened.shape
    except MmipError:
        pass


@pytest.mark.parametrize("kind", [nibabel.Nifti1Pair, nibabel.Spm2AnalyzeImage, nibabel.Nifti2Pair])
def test_pairs_of_header_and_image(kind: Any, tmp_path: Path) -> None:
    stored = ramp((4, 5, 6))
    image = kind(stored, np.diag([2.0, 3.0, 4.0, 1.0]))
    image.header.set_data_dtype(np.int16)
    image.to_filename(tmp_path / "a.img")
    for name in ("a.img", "a.hdr"):
        opened = open_source(tmp_path / name)
        np.testing.assert_array_equal(opened.read(), stored.T)
        assert opened.metadata["spacing"] == [4.0, 3.0, 2.0]
    (tmp_path / "a.img").write_bytes(b"short")
    with pytest.raises(StoreError, match="truncated"):
        open_source(tmp_path / "a.hdr")


@pytest.mark.parametrize("suffix", [".svs", ".qptiff", ".scn", ".bif"])
def test_slides_are_tiff_by_other_names(suffix: str, tmp_path: Path) -> None:
    pixels = ramp((64, 96, 3), "uint8")
    text = "Aperio Image Library v12\n96x64 |AppMag = 20|MPP = 0.4990" if suffix == ".svs" else None
    options: dict[str, Any] = {"photometric": "rgb", "tile": (32, 32), "metadata": None, "description": text}
    tifffile.imwrite(tmp_path / f"a{suffix}", pixels, **options)
    opened = open_source(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(opened.read(), pixels)
    assert opened.metadata["spacing"] == (pytest.approx([0.499e-3] * 2) if text else None)
    assert open_source(f"{tmp_path}/a{suffix}:level=0").shape == (64, 96, 3)


@pytest.mark.parametrize("colour", [False, True])
def test_a_folder_of_slices_follows_the_numbers(colour: bool, tmp_path: Path) -> None:
    volume = ramp((12, 20, 24, 3) if colour else (12, 20, 24), "uint8")
    for z, plane in enumerate(volume):
        options: dict[str, Any] = {"photometric": "rgb" if colour else "minisblack", "resolution": (20000, 10000)}
        tifffile.imwrite(tmp_path / f"slice_{z + 1}.tif", plane, resolutionunit="CENTIMETER", metadata=None, **options)
    opened = open_source(tmp_path)
    assert (opened.shape, opened.axes) == (volume.shape, "zyxc" if colour else "zyx")
    np.testing.assert_array_equal(opened.read(), volume)
    part = (slice(3, 11), slice(2, 9), slice(0, 24), slice(1, 2))[: volume.ndim]
    np.testing.assert_array_equal(opened.read(part), volume[part])
    assert opened.metadata["spacing"] == [None, pytest.approx(1e-3), pytest.approx(5e-4)]
    assert main(["compress", str(tmp_path), str(tmp_path.parent / f"{tmp_path.name}.zarr"), "--lossless"]) == 0
    tifffile.imwrite(tmp_path / "slice_13.tif", volume[0, :10])
    with pytest.raises(InvalidArgument, match="its slices differ"):
        open_source(tmp_path)
