"""Attributes of DICOM images that have no original series: Secondary Capture.

Values in: a Source in the order z, y, x. Values out: pydicom datasets without pixels, with all attributes of type 1
and 2 of the Secondary Capture IODs. Implements no section of FORMAT.md; follows DICOM PS3.3 A.8.
Guarantees that voxel size, place in the patient and rescaling are kept as far as the source says them. Nothing is
known of a patient: those attributes are empty. BurnedInAnnotation is YES in files of many frames, which must say
it: nobody looked at the pixels.
"""

from __future__ import annotations

import datetime
from typing import Any, Final

import numpy as np

from mmip_gpu.errors import InvalidArgument
from mmip_gpu.sinks.dicom_derived import decimal, describe_loss, describe_pixels
from mmip_gpu.sources import Source

_EMPTY: Final = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
    "PatientOrientation",
    "Laterality",
)
_PAGES: Final = 0x00182001  # PageNumberVector


def captured_datasets(source: Source, count: int) -> list[Any]:
    """Make one dataset per file: `count` of one slice each, or one of all slices."""
    from pydicom.uid import generate_uid

    study_uid, series_uid, frame_uid = (generate_uid() for _ in range(3))
    affine = source.metadata.get("affine")
    made = []
    for number in range(count):
        dataset = _dataset(source, number + 1, study_uid, series_uid)
        frames = source.shape[0] // count
        if frames > 1:
            _make_multi_frame(dataset, source, frames)
        elif affine is not None:
            slice_, orientation = _placed(affine, number)
            dataset.ImagePositionPatient, dataset.ImageOrientationPatient = slice_, orientation
        if affine is not None:
            dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = frame_uid, ""
        dataset.SOPClassUID = _class_uid(source, frames)
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        made.append(dataset)
    return made


def _dataset(source: Source, number: int, study_uid: str, series_uid: str) -> Any:
    """Make the attributes that files of one slice and of many share."""
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    metadata, dataset, now = source.metadata, Dataset(), datetime.datetime.now()
    for keyword in _EMPTY:
        setattr(dataset, keyword, "")
    dataset.SOPInstanceUID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), study_uid, series_uid
    dataset.StudyDate = dataset.ContentDate = now.strftime("%Y%m%d")
    dataset.StudyTime = dataset.ContentTime = now.strftime("%H%M%S")
    dataset.Modality, dataset.ConversionType = str(metadata.get("modality") or "OT"), "WSD"
    dataset.SeriesNumber, dataset.InstanceNumber = 1, number
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.SeriesDescription = f"{source.name} mmip"[-64:]
    is_grey = "c" not in source.axes
    stored = metadata.get("bits_stored")
    full = 8 * source.dtype.itemsize
    describe_pixels(dataset, source, min(int(stored), full) if stored and is_grey else full)
    if is_grey:
        is_inverted = metadata.get("photometric") in ("MONOCHROME1", "MINISWHITE")
        dataset.PhotometricInterpretation = "MONOCHROME1" if is_inverted else "MONOCHROME2"
        dataset.PresentationLUTShape = "INVERSE" if is_inverted else "IDENTITY"
        slope, intercept = metadata.get("slope"), metadata.get("intercept")
        if slope is not None and intercept is not None:
            dataset.RescaleSlope, dataset.RescaleIntercept = decimal(slope), decimal(intercept)
            dataset.RescaleType = "HU" if metadata.get("modality") == "CT" else "US"
        padding = metadata.get("padding_value")
        if padding is not None:
            dataset.add_new("PixelPaddingValue", "SS" if dataset.PixelRepresentation else "US", int(padding))
    _set_spacing(dataset, source)
    describe_loss(dataset, source, metadata)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def _set_spacing(dataset: Any, source: Source) -> None:
    spacing = source.metadata.get("spacing") or []
    if len(spacing) >= 2 and None not in spacing[-2:]:
        dataset.PixelSpacing = [decimal(size) for size in spacing[-2:]]
    if len(spacing) == 3 and spacing[0] is not None:
        dataset.SpacingBetweenSlices = decimal(spacing[0])


def _make_multi_frame(dataset: Any, source: Source, frames: int) -> None:
    """Add what a file of many frames has beside, its geometry in functional groups."""
    from pydicom import Dataset

    if source.dtype.kind == "i":
        raise InvalidArgument(
            f"a DICOM capture of many frames holds unsigned samples, found {source.dtype}: give a folder (a name "
            "without a suffix), or the original series as template"
        )
    dataset.NumberOfFrames, dataset.BurnedInAnnotation = frames, "YES"
    dataset.FrameIncrementPointer, dataset.PageNumberVector = _PAGES, list(range(1, frames + 1))
    shared, affine = Dataset(), source.metadata.get("affine")
    if "PixelSpacing" in dataset:
        measures = Dataset()
        for keyword in ("PixelSpacing", "SpacingBetweenSlices"):
            if keyword in dataset:
                setattr(measures, keyword, dataset[keyword].value)
        shared.PixelMeasuresSequence = [measures]
    if affine is not None:
        per_frame = []
        for number in range(frames):
            group, place, direction = Dataset(), Dataset(), Dataset()
            place.ImagePositionPatient, direction.ImageOrientationPatient = _placed(affine, number)
            group.PlanePositionSequence = [place]
            per_frame.append(group)
            shared.PlaneOrientationSequence = [direction]
        dataset.PerFrameFunctionalGroupsSequence = per_frame
    if len(shared):
        dataset.SharedFunctionalGroupsSequence = [shared]


def _class_uid(source: Source, frames: int) -> str:
    """Choose the SOP class."""
    from pydicom import uid

    if frames == 1:
        return str(uid.SecondaryCaptureImageStorage)
    if "c" in source.axes:
        return str(uid.MultiFrameTrueColorSecondaryCaptureImageStorage)
    if source.dtype.itemsize == 1:
        return str(uid.MultiFrameGrayscaleByteSecondaryCaptureImageStorage)
    return str(uid.MultiFrameGrayscaleWordSecondaryCaptureImageStorage)


def _placed(affine: Any, number: int) -> tuple[list[str], list[str]]:
    """Give position and orientation of a slice; DICOM counts to the left and back, the affine right and forward."""
    matrix = np.array(affine, float)
    matrix[:2] *= -1
    position = matrix[:3] @ np.array([0.0, 0.0, number, 1.0])
    directions = [matrix[:3, k] / np.linalg.norm(matrix[:3, k]) for k in (0, 1)]
    return [decimal(v) for v in position], [decimal(v) for v in np.concatenate(directions) + 0.0]  # no negative zeros
