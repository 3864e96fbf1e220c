"""max_bytes of sources: held against what headers state, before anything of that size is read or allocated."""

from __future__ import annotations

import gzip
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
import zarr
from helpers.dicom_files import make, save
from PIL import Image
from pydicom.uid import RLELossless

import mmip_gpu as mmip
from mmip_gpu.cli import main
from mmip_gpu.errors import LimitExceeded
from mmip_gpu.sinks import write_image
from mmip_gpu.sources import open_source

SIDE = 1024  # of images; their samples take 2**21 bytes or more
LIMIT = 2**21 - 1
IMAGE = np.zeros((SIDE, SIDE), np.uint16)


def numpy_file(folder: Path) -> Path:
    np.save(folder / "a.npy", IMAGE)
    return folder / "a.npy"


def nifti(folder: Path) -> Path:
    nibabel.Nifti1Image(IMAGE.astype(np.int16), np.eye(4)).to_filename(folder / "a.nii.gz")
    return folder / "a.nii.gz"


def written(suffix: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        write_image(IMAGE[None], folder / f"a{suffix}")
        return folder / f"a{suffix}"

    return write


def tiff(folder: Path) -> Path:
    tifffile.imwrite(folder / "a.tif", IMAGE, compression="zlib", tile=(64, 64))
    return folder / "a.tif"


def one_large_tile(folder: Path) -> Path:
    tifffile.imwrite(folder / "a.tif", IMAGE[:16, :16], compression="zlib", tile=(1024, 1024))
    return folder / "a.tif"


def slices(folder: Path) -> Path:
    (folder / "slices").mkdir()
    for number in range(4):
        tifffile.imwrite(folder / "slices" / f"{number}.tif", IMAGE[:256], compression="zlib")
    return folder / "slices"


def png(folder: Path) -> Path:
    Image.fromarray(np.zeros((2048, 2048), np.uint8)).save(folder / "a.png")
    return folder / "a.png"


def jpeg(folder: Path) -> Path:
    Image.fromarray(np.zeros((1024, 1024, 3), np.uint8)).save(folder / "a.jpg")
    return folder / "a.jpg"


def frames(folder: Path) -> Path:
    image = make(np.zeros((64, 64), np.uint8), NumberOfFrames=1000)
    image.PixelData = bytes(64 * 64 * 1000)
    return save(image, folder / "a.dcm", None)


def series(folder: Path) -> Path:
    (folder / "series").mkdir()
    for number in range(2):
        image = make(IMAGE, InstanceNumber=number + 1, ImagePositionPatient=[0, 0, number])
        save(image, folder / "series" / f"{number}.dcm", None)
    return folder / "series"


def zarr_array(folder: Path) -> Path:
    zarr.create_array(folder / "a.zarr", shape=(SIDE, SIDE), chunks=(64, 64), dtype="uint16")
    return folder / "a.zarr"


def one_large_chunk(folder: Path) -> Path:
    zarr.create_array(folder / "a.zarr", shape=(4, 4), chunks=(4096, 4096), dtype="uint16", fill_value=1)
    return folder / "a.zarr"


def image_group(folder: Path) -> Path:
    mmip.write_zarr(IMAGE, folder / "s.zarr", quality=10, progress=False)
    mmip.export_ome_zarr(folder / "s.zarr", folder / "a.ome.zarr", progress=False)
    return folder / "a.ome.zarr"


def store(folder: Path) -> Path:
    mmip.write_zarr(IMAGE, folder / "s.zarr", quality=10, progress=False)
    return folder / "s.zarr"


FILES = [numpy_file, nifti, written(".nrrd"), written(".mha"), tiff, one_large_tile, slices, png, jpeg, frames, series]
FILES += [zarr_array, one_large_chunk, image_group]
NAMES = ["npy", "nii.gz", "nrrd", "mha", "tif", "tif tile", "tif folder", "png", "jpg", "dcm frames", "dcm series"]
NAMES += ["zarr", "zarr chunk", "ome-zarr"]


@pytest.mark.parametrize("write", FILES, ids=NAMES)
def test_a_source_above_the_limit_is_refused_before_memory_is_taken(write: Callable[..., Path], tmp_path: Path) -> None:
    path = write(tmp_path)
    open_source(path, max_bytes=2**26)
    tracemalloc.start()
    try:
        with pytest.raises(LimitExceeded, match=rf"max_bytes={LIMIT}"):
            open_source(path, max_bytes=LIMIT)
        assert tracemalloc.get_traced_memory()[1] < LIMIT
    finally:
        tracemalloc.stop()
    with pytest.raises(LimitExceeded, match=rf"max_bytes={LIMIT}"):
        mmip.write_zarr(path, {}, quality=10, max_bytes=LIMIT, progress=False)


@pytest.mark.parametrize(
    "array", [IMAGE, mmip.Phantom3D((16, 128, 128)), "phantom", zarr.zeros((512, 512), dtype="u2")]
)
def test_arrays_and_phantoms_are_held_against_it(array: object) -> None:
    with pytest.raises(LimitExceeded, match="max_bytes"):
        open_source(array, max_bytes=1000)
    opened = open_source(array)
    with pytest.raises(LimitExceeded, match="max_bytes"):
        open_source(opened, max_bytes=1000)


def test_headers_that_ask_for_more_than_they_hold(tmp_path: Path) -> None:
    """Tiny files whose headers state gigabytes that a compressed stream could hold."""
    header = nibabel.Nifti1Header()
    header.set_data_shape((2000, 2000, 1000))
    header.set_data_dtype(np.int16)
    header["vox_offset"], header["magic"] = 352, b"n+1"
    with gzip.open(tmp_path / "a.nii.gz", "wb") as file:
        file.write(header.binaryblock + bytes(2**24))
    packed = zlib.compress(bytes(2**24))
    text = "NRRD0004\ntype: short\ndimension: 3\nsizes: 200 200 400\nencoding: gzip\nendian: little\n\n"
    (tmp_path / "a.nrrd").write_bytes(text.encode() + packed)
    fields = struct.pack(">IIBBBBB", 20000, 800, 16, 0, 0, 0, 0)
    chunks = [(b"IHDR", fields), (b"IDAT", packed), (b"IEND", b"")]
    parts = (struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in chunks)
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    image = make(np.zeros((600, 600), np.uint8), NumberOfFrames=90)
    image.PixelData = b"\xfe\xff\x00\xe0\x00\x00\x00\x00" + 90 * (b"\xfe\xff\x00\xe0\x40\x00\x00\x00" + bytes(64))
    save(image, tmp_path / "a.dcm", RLELossless)
    for name in ("a.nii.gz", "a.nrrd", "a.png", "a.dcm"):
        with pytest.raises(mmip.MmipError, match=r"max_bytes|cannot hold|truncated"):
            open_source(tmp_path / name, max_bytes=2**20)


def test_masks_appending_and_repairing(tmp_path: Path) -> None:
    volume = np.zeros((8, 64, 64), np.uint16)
    np.save(tmp_path / "mask.npy", np.zeros((8, 64, 64), np.int64))
    with pytest.raises(LimitExceeded, match=r"mask\.npy"):
        mmip.write_zarr(volume, {}, quality=10, roi=tmp_path / "mask.npy", max_bytes=volume.nbytes, progress=False)
    mmip.write_zarr(volume, tmp_path / "a.zarr", quality=10, axes="tyx", progress=False)
    for work in (mmip.append_zarr, lambda source, path, **more: mmip.repair_zarr(path, source, **more)):
        with pytest.raises(LimitExceeded, match="max_bytes=9"):
            work(volume, tmp_path / "a.zarr", max_bytes=9, progress=False)
    with pytest.raises(LimitExceeded, match="max_bytes=9"):
        mmip.write_zarr(tmp_path / "a.zarr", {}, quality=10, max_bytes=9, progress=False)


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(numpy_file(tmp_path))
    mmip.write_zarr(IMAGE, tmp_path / "s.zarr", quality=10, progress=False)
    place, limit = str(tmp_path / "s.zarr"), ["--max-bytes", "1K"]
    commands = [
        ["compress", path, str(tmp_path / "n.zarr"), "--quality", "10"],
        ["encode", path, "-o", str(tmp_path / "n.mmip"), "--quality", "10"],
        ["append", path, place],
        ["repair", place, "--source", path],
        ["evaluate", path, place],
        ["bench", path],
        ["demo", path, "--out", str(tmp_path / "demo")],
        ["plot", "progressive", path, place, "-o", str(tmp_path / "n.png")],
        ["plot", "error", path, place, "-o", str(tmp_path / "n.png")],
        ["bench", "seed", path, "--out", str(tmp_path / "seed")],
    ]
    for command in commands:
        assert main([*command, *limit]) == 2, command
        assert "--max-bytes 1024" in capsys.readouterr().err, command
    assert not (tmp_path / "n.zarr").exists()
