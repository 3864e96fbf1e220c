"""DICOM files for tests: single images, frames, and a series of slices in shuffled order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

SERIES = generate_uid()
SLICES = (np.arange(6 * 5 * 4) % 241).reshape(6, 5, 4).astype(np.int16) - 120
AXIAL = [1, 0, 0, 0, 1, 0]


def make(pixels: np.ndarray, **tags: Any) -> Dataset:
    """Make an image: (y, x), or (frames, y, x) with NumberOfFrames, or colour with SamplesPerPixel=3."""
    colour = tags.get("SamplesPerPixel", 1) == 3
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, generate_uid()
    dataset.SeriesInstanceUID, dataset.Modality = SERIES, "CT"
    dataset.Rows, dataset.Columns = pixels.shape[-3:-1] if colour else pixels.shape[-2:]
    dataset.BitsAllocated = dataset.BitsStored = pixels.dtype.itemsize * 8
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        dataset.PlanarConfiguration = 0
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    data = pixels.tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OW" if dataset.BitsAllocated > 8 else "OB"
    return dataset


def save(dataset: Dataset, path: Path, syntax: Any = None) -> Path:
    """Write a part 10 file."""
    dataset.file_meta.TransferSyntaxUID = syntax or dataset.file_meta.TransferSyntaxUID
    dataset.save_as(path, enforce_file_format=True)
    return path


def series(folder: Path, positions: Any = range(6), **tags: Any) -> Path:
    """Write one file per slice of SLICES, names and instance numbers in no relation to position."""
    folder.mkdir(exist_ok=True)
    order = np.random.default_rng(1).permutation(6)
    for z, position in enumerate(positions):
        place = {"ImagePositionPatient": [-9.0, 4.0, 3.0 * position - 50], "ImageOrientationPatient": AXIAL}
        given = {"InstanceNumber": int(order[z]) + 1, "PixelSpacing": [0.5, 0.25]} | place | tags
        save(make(SLICES[z], **given), folder / f"IM{order[z]:04d}")
    return folder
