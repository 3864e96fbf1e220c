"""CT images as a scanner writes them, for tests of derived DICOM."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ImplicitVRLittleEndian, generate_uid

HEAD = (np.random.default_rng(3).normal(0, 300, (6, 16, 20)).cumsum(2) / 3).astype(np.int16).clip(-2048, 2047)


def make(frames: np.ndarray, **tags: Any) -> Dataset:
    """A CT image, with the attributes that a scanner writes."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3", "1.2.3.4"
    dataset.PatientName, dataset.PatientID, dataset.Modality = "Doe^Jane", "42", "CT"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.Rows, dataset.Columns = frames.shape[-2:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 1
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
    dataset.SmallestImagePixelValue = int(frames.min())
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    dataset.PixelData = frames.astype("<i2").tobytes()
    dataset["PixelData"].VR = "OW"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    return dataset


def headers(folder: Path) -> list[Dataset]:
    return [pydicom.dcmread(path) for path in sorted(folder.iterdir())]
