"""Damage that only the end of a file tells of, and headers that ask for more than a file can hold."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import imagecodecs
import nibabel
import numpy as np
import pytest
import tifffile

import mmip_gpu
from mmip_gpu.cli import main
from mmip_gpu.errors import StoreError
from mmip_gpu.sources import open_source

NOISE = np.random.default_rng(3).integers(0, 2000, (10, 32, 32)).astype(np.int16)


def packed(folder: Path) -> bytes:
    nibabel.Nifti1Image(NOISE.T, np.eye(4)).to_filename(folder / "a.nii.gz")
    return (folder / "a.nii.gz").read_bytes()


@pytest.mark.parametrize("place", [0.3, 0.5, 0.9, 1.0])
def test_a_flipped_bit_of_a_nii_gz_is_found(place: float, tmp_path: Path) -> None:
    data = bytearray(packed(tmp_path))
    data[min(int(len(data) * place), len(data) - 6)] ^= 16
    (tmp_path / "a.nii.gz").write_bytes(data)
    with pytest.raises(StoreError, match=r"a\.nii\.gz"):
        mmip_gpu.write_zarr(tmp_path / "a.nii.gz", tmp_path / "a.zarr", lossless=True, stages=3)
    assert not (tmp_path / "a.zarr" / "stage_1").exists()
    assert main(["encode", str(tmp_path / "a.nii.gz"), "-o", str(tmp_path / "a.mmip"), "--quality", "10"]) != 0
    assert not (tmp_path / "a.mmip").exists()


@pytest.mark.parametrize("cut", [1, 4, 8, 200])
def test_a_cut_nii_gz_is_refused_also_where_all_samples_are_there(cut: int, tmp_path: Path) -> None:
    (tmp_path / "a.nii.gz").write_bytes(packed(tmp_path)[:-cut])
    with pytest.raises(StoreError, match=r"a\.nii\.gz"):
        open_source(tmp_path / "a.nii.gz").read()


def test_bytes_after_the_end_of_gzip_are_refused_and_zeros_are_not(tmp_path: Path) -> None:
    data = packed(tmp_path)
    (tmp_path / "a.nii.gz").write_bytes(data + bytes(512))
    np.testing.assert_array_equal(open_source(tmp_path / "a.nii.gz").read(), NOISE)
    (tmp_path / "a.nii.gz").write_bytes(data + b"other")
    with pytest.raises(StoreError, match=r"a\.nii\.gz"):
        open_source(tmp_path / "a.nii.gz").read()


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_header_that_asks_for_gigabytes_is_refused_before_they_are_taken(suffix: str, tmp_path: Path) -> None:
    data = bytearray(gzip.decompress(packed(tmp_path)))
    data[40:56] = struct.pack("<8h", 4, 2000, 2000, 2000, 2, 1, 1, 1)
    (tmp_path / f"b{suffix}").write_bytes(gzip.compress(data) if suffix == ".nii.gz" else data)
    with pytest.raises(StoreError, match="truncated: expected 32000000352 bytes"):
        open_source(tmp_path / f"b{suffix}")


def test_a_png_without_its_end_is_refused(tmp_path: Path) -> None:
    data = imagecodecs.png_encode(NOISE[0].astype(np.uint16))
    for cut in (1, 4, 8, 12, 40):
        (tmp_path / "a.png").write_bytes(data[:-cut])
        with pytest.raises(StoreError, match=r"a\.png"):
            open_source(tmp_path / "a.png").read()


@pytest.mark.parametrize("compression", ["zlib", "lzma", "png"])
def test_a_flipped_bit_of_a_tiff_tile_with_a_checksum_is_found(compression: str, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", NOISE[0].astype(np.uint16), compression=compression)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        start, count = file.pages[0].dataoffsets[0], file.pages[0].databytecounts[0]
    data = (tmp_path / "a.tif").read_bytes()
    for at in range(start + count // 3, start + count - 16, count // 9):
        damaged = bytearray(data)
        damaged[at] ^= 16
        (tmp_path / "a.tif").write_bytes(damaged)
        with pytest.raises(StoreError, match=r"a\.tif"):
            open_source(tmp_path / "a.tif").read()


@pytest.mark.parametrize(("planes", "width"), [(3 * 10**8, 16), (10**12, 16), (-5, 16)])
def test_an_ome_header_that_asks_for_more_than_there_is(planes: int, width: int, tmp_path: Path) -> None:
    text = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0"><Pixels ID="Pixels:0" '
        f'DimensionOrder="XYZCT" Type="uint8" SizeX="{width}" SizeY="16" SizeC="1" SizeZ="{planes}" SizeT="1">'
        '<Channel ID="Channel:0:0" SamplesPerPixel="1"/><TiffData/></Pixels></Image></OME>'
    )
    pixels = np.zeros((16, 16), np.uint8)
    tifffile.imwrite(tmp_path / "a.ome.tif", pixels, photometric="minisblack", metadata=None, description=text)
    with pytest.raises(StoreError, match=r"a\.ome\.tif"):
        open_source(tmp_path / "a.ome.tif").read((slice(0, 2), slice(0, 16), slice(0, 16)))
