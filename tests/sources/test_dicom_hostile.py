"""DICOM files that ask for more than they hold, or that are read only as a data set."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from helpers.dicom_files import SLICES, make, save
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless, JPEGBaseline8Bit, RLELossless

from mmip_gpu.errors import LimitExceeded, MmipError, StoreError
from mmip_gpu.sources import dicom_headers, open_source


@pytest.mark.parametrize("syntax", [RLELossless, JPEGBaseline8Bit, None])
@pytest.mark.parametrize(
    "tags",
    [
        {"NumberOfFrames": 10**9},
        {"NumberOfFrames": 10**6},
        {"Rows": 65535, "Columns": 65535},
        {"NumberOfFrames": 2**31 - 1, "Rows": 65535, "Columns": 65535},
        {"NumberOfFrames": -1},
        {"Rows": 0},
        {"NumberOfFrames": 1 << 20, "Rows": 60000},
    ],
)
def test_sizes_are_held_against_the_file(syntax: Any, tags: dict[str, Any], tmp_path: Path) -> None:
    image = make(np.zeros((8, 8), np.uint8), **tags)
    if syntax:
        image.PixelData = encapsulate([bytes(64)])
    path = save(image, tmp_path / "frames.dcm", syntax)
    start = time.monotonic()
    with pytest.raises((LimitExceeded, StoreError), match=r"frames\.dcm"):
        open_source(path)
    assert time.monotonic() - start < 1


def test_a_folder_of_them_is_refused_too(tmp_path: Path) -> None:
    for z in range(3):
        save(make(SLICES[z], InstanceNumber=z, Rows=60000), tmp_path / f"{z}.dcm")
    with pytest.raises(StoreError, match="truncated"):
        open_source(tmp_path)


def test_what_inflates_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(make(np.zeros((512, 512), np.uint8)), tmp_path / "a.dcm", DeflatedExplicitVRLittleEndian)
    assert open_source(path).shape == (512, 512)
    monkeypatch.setattr(dicom_headers, "_MOST_INFLATED", 1 << 16)
    with pytest.raises(LimitExceeded, match="inflates to more than 65536 bytes"):
        open_source(path)


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_deflated_file_is_a_store_error(seed: int, tmp_path: Path) -> None:
    path = save(make(SLICES[0]), tmp_path / "a.dcm", DeflatedExplicitVRLittleEndian)
    data = bytearray(path.read_bytes())
    random = np.random.default_rng(seed)
    for at in random.integers(380, len(data), 40):
        data[at] = random.integers(256)
    path.write_bytes(data)
    with pytest.raises(MmipError):
        open_source(path).read()


@pytest.mark.parametrize("name", ["SC_rgb_jpeg.dcm", "image_dfl.dcm"])
def test_files_that_pydicom_reads_as_a_data_set_only(name: str) -> None:
    path = Path(str(get_testdata_file(name)))
    opened = open_source(path)
    np.testing.assert_array_equal(opened.read(), pydicom.dcmread(path).pixel_array)


def test_dose_grids_have_their_scaling_and_places(tmp_path: Path) -> None:
    grid = np.abs(SLICES).astype(np.uint16)
    offsets = [0.0, 2.5, 5.0, 7.5, 10.0, 12.5]
    place = {"ImagePositionPatient": [1, 2, 3], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "PixelSpacing": [2, 2]}
    dose = {"DoseGridScaling": "0.0125", "DoseUnits": "GY", "GridFrameOffsetVector": offsets, "Modality": "RTDOSE"}
    metadata = open_source(save(make(grid, NumberOfFrames=6, **place, **dose), tmp_path / "dose.dcm")).metadata
    assert (metadata["slope"], metadata["intercept"], metadata["value_unit"]) == (0.0125, 0.0, "GY")
    assert metadata["spacing"] == [2.5, 2.0, 2.0]
    assert metadata["affine"][2] == [0.0, 0.0, 2.5, 3.0]
    dose["GridFrameOffsetVector"] = [0.0, 2.5, 5.0, 7.5, 10.0, 20.0]
    with pytest.warns(UserWarning, match="unevenly"):
        source = open_source(save(make(grid, NumberOfFrames=6, **place, **dose), tmp_path / "dose.dcm"))
    assert source.metadata["slice_positions"][-1] == [-1.0, -2.0, 23.0]


@pytest.mark.parametrize("length", [0, 1, 7])
def test_a_box_without_length_is_refused(length: int, tmp_path: Path) -> None:
    image = make(np.zeros((8, 8), np.uint8))
    image.PixelData = encapsulate([b"\0\0\0\x0cjP  \r\n\x87\n" + length.to_bytes(4, "big") + b"ftyp" + bytes(64)])
    with pytest.raises(StoreError, match=f"box of {length} bytes"):
        open_source(save(image, tmp_path / "a.dcm", JPEG2000Lossless)).read()
