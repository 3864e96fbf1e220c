"""Sources in DICOM: what is refused, damaged or missing."""

from __future__ import annotations

import contextlib
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.dicom_files import AXIAL, SERIES, SLICES, make, save, series
from pydicom.encaps import encapsulate
from pydicom.uid import MPEG2MPML, JPEGLSLossless, RLELossless

from mmip_gpu.errors import InvalidArgument, MissingResource, MmipError, StoreError
from mmip_gpu.sources import open_source


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"SeriesInstanceUID": "1.2.3"}, r"2 series: 0: 1 files of 1\.2\.3 \(CT\), 1: 6 files of .*--series"),
        ({"SeriesInstanceUID": SERIES, "Columns": 2, "Rows": 10}, "mixes slices of 2 kinds.*rows=5.*rows=10"),
        (
            {"SeriesInstanceUID": SERIES, "NumberOfFrames": 2, "Rows": 5, "Columns": 4},
            "8 slices at only 6 positions, not equally often",
        ),
        (
            {"SeriesInstanceUID": SERIES, "ImageOrientationPatient": [1, 0, 0, 0, 0, -1]},
            r"2 volumes of different place or orientation.*0: 6 slices, 1: 1 slices.*--volume",
        ),
        ({"SeriesInstanceUID": SERIES, "InstanceNumber": 9}, "7 slices at only 6 positions"),
    ],
)
def test_mixed_folders_are_refused(tmp_path: Path, tags: dict[str, Any], message: str) -> None:
    folder = series(tmp_path / "mixed")
    place = {"ImagePositionPatient": [-9.0, 4.0, -50.0], "ImageOrientationPatient": AXIAL}
    pixels = np.concatenate([SLICES[:1]] * tags.get("NumberOfFrames", 1))
    save(make(pixels, **(place | tags)), folder / "another.dcm")
    with pytest.raises(InvalidArgument, match=message):
        open_source(folder)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"BitsAllocated": 32}, "int32"),
        ({"BitsAllocated": 1}, "bool"),
        ({"BitsAllocated": 12}, "12 bits allocated"),
        ({"SamplesPerPixel": 4, "PhotometricInterpretation": "CMYK"}, "4 samples per pixel as CMYK"),
        ({"NumberOfFrames": 2, "TotalPixelMatrixColumns": 9}, "tiled slide"),
    ],
)
def test_images_that_cannot_be_coded(tmp_path: Path, tags: dict[str, Any], message: str) -> None:
    path = save(make(SLICES[0], **tags), tmp_path / "one.dcm")
    with pytest.raises(InvalidArgument, match=message):
        open_source(path)


def test_a_file_without_an_image_is_refused(tmp_path: Path) -> None:
    report = make(SLICES[0], Modality="SR")
    del report.Rows
    with pytest.raises(InvalidArgument, match=r"no image.*SR"):
        open_source(save(report, tmp_path / "report.dcm"))


def test_compression_without_a_decoder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = make(SLICES[0])
    image.PixelData = encapsulate([b"\xff\xd8\xff\xf7 not decoded here"])
    path = save(image, tmp_path / "one.dcm", JPEGLSLossless)
    decoders = sys.modules["pydicom.pixels.decoders.base"]
    monkeypatch.setattr(decoders._PIXEL_DATA_DECODERS[JPEGLSLossless][0], "_available", {})
    with pytest.raises(MissingResource, match=r"JPEG-LS.*pylibjpeg.*gdcmconv"):
        open_source(path)
    with pytest.raises(InvalidArgument, match="MPEG2"):
        open_source(save(image, tmp_path / "film.dcm", MPEG2MPML))


def test_damaged_files_are_store_errors(tmp_path: Path) -> None:
    path = save(make(np.zeros((64, 64), np.int16)), tmp_path / "one.dcm")
    data = path.read_bytes()
    path.write_bytes(data[:-2000])
    with pytest.raises(StoreError, match="truncated"):
        open_source(path)
    path.write_bytes(data[:-2])
    opened = open_source(path)
    with pytest.raises(StoreError, match=r"cannot read one.dcm"):
        opened.read()
    path.write_bytes(data[:128] + b"XXXX" + data[132:])
    with pytest.raises(StoreError, match=r"cannot read one.dcm"):
        open_source(path)


def test_damaged_rle_is_a_store_error(tmp_path: Path) -> None:
    image = make(SLICES[0])
    image.compress(RLELossless)
    image.PixelData = encapsulate([b"\1" + b"\0" * 80])
    opened = open_source(save(image, tmp_path / "one.dcm"))
    with pytest.raises(StoreError, match=r"cannot read one.dcm"):
        opened.read()


@pytest.mark.parametrize("seed", range(8))
def test_any_damage_gives_samples_or_an_error_of_ours(tmp_path: Path, seed: int) -> None:
    image = make(SLICES, NumberOfFrames=6, InstanceNumber=3, ImagePositionPatient=[0, 0, 1.5], PixelSpacing=[1, 2])
    data = save(image, tmp_path / "one.dcm").read_bytes()
    random = np.random.default_rng(seed)
    for _ in range(25):
        damaged = bytearray(data[: random.choice([len(data), random.integers(133, len(data))])])
        for at in random.integers(132, len(damaged), size=random.integers(1, 6)):
            damaged[at] = random.integers(256)
        (tmp_path / "one.dcm").write_bytes(damaged)
        with warnings.catch_warnings(), contextlib.suppress(MmipError):
            warnings.simplefilter("ignore")
            assert open_source(tmp_path / "one.dcm").read().dtype.kind in "iu"


def test_folders_without_dicom_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="found 0 other files"):
        open_source(tmp_path)
    (tmp_path / "inner").mkdir()
    (tmp_path / "notes.txt").write_text("text")
    with pytest.raises(StoreError, match="found 1 other files"):
        open_source(tmp_path)


def test_fingerprint_follows_the_files(tmp_path: Path) -> None:
    folder = series(tmp_path / "head")
    before = open_source(folder).fingerprint
    assert open_source(folder).fingerprint == before
    save(
        make(SLICES[0] + 1, ImagePositionPatient=[-9.0, 4.0, 1], ImageOrientationPatient=AXIAL),
        folder / "IM9999",
    )
    assert open_source(folder).fingerprint != before


def test_missing_pydicom_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(make(SLICES[0]), tmp_path / "one.dcm")
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(MissingResource, match=r"pydicom.*mmip-gpu\[io\]"):
        open_source(path)
