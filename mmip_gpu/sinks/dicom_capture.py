"""Attributes of DICOM images that have no original series: Secondary Capture.

Values in: a Source in the order z, y, x. Values out: pydicom datasets without pixels, with all attributes of type 1
and 2 of the Secondary Capture IODs. Implements no section of FORMAT.md; follows DICOM PS3.3 A.8.
Guarantees that voxel size, place in the patient and rescaling are kept as far as the source says them. Nothing is
known of a patient: those attributes are empty. BurnedInAnnotation is YES in files of many frames, which must say
it: nobody looked at the pixels.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from mmip_gpu.errors import InvalidArgument
from mmip_gpu.sinks.dicom_writing import decimal, describe_equipment, describe_loss, describe_pixels, file_meta
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


def captured_datasets(source: Source, count: int, volumes: int, *, is_time: bool) -> list[Any]:
    """Make one dataset per file: `count` of one slice each, or one of all slices.

    Slices are those of so many volumes, one after another, in the same places.
    """
    from pydicom.uid import generate_uid

    depth = source.shape[0] // volumes
    if volumes > 1 and count == 1:
        raise InvalidArgument(f"{source.name} holds {volumes} volumes: give a folder (a name without a suffix)")
    study_uid, series_uid, frame_uid = (generate_uid() for _ in range(3))
    made = []
    for number in range(count):
        dataset = _dataset(source, number + 1, study_uid, series_uid)
        frames = source.shape[0] // count
        own = [_of_slice(source.metadata, number + n, depth) for n in range(frames)]
        if frames > 1:
            _make_multi_frame(dataset, source, own)
        else:
            for tags in own[0].values():
                for keyword, value in tags.items():
                    setattr(dataset, keyword, value)
        if any("ImagePositionPatient" in tags for tags in own):
            dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = frame_uid, ""
        if is_time:
            dataset.TemporalPositionIdentifier, dataset.NumberOfTemporalPositions = number // depth + 1, volumes
        dataset.SOPClassUID = _class_uid(source, frames)
        dataset.file_meta = file_meta(dataset)
        made.append(dataset)
    return made


def _dataset(source: Source, number: int, study_uid: str, series_uid: str) -> Any:
    """Make the attributes that files of one slice and of many share."""
    from pydicom import Dataset
    from pydicom.uid import generate_uid

    metadata, dataset, now = source.metadata, Dataset(), datetime.datetime.now()
    for keyword in _EMPTY:
        setattr(dataset, keyword, "")
    dataset.SOPInstanceUID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), study_uid, series_uid
    dataset.StudyDate = dataset.ContentDate = now.strftime("%Y%m%d")
    dataset.StudyTime = dataset.ContentTime = now.strftime("%H%M%S")
    dataset.Modality, dataset.ConversionType = str(metadata.get("modality") or "OT"), "WSD"
    dataset.SeriesNumber, dataset.InstanceNumber = 1, number
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.SeriesDescription = "mmip"
    is_grey = "c" not in source.axes
    stored = metadata.get("bits_stored")
    full = 8 * source.dtype.itemsize
    describe_pixels(dataset, source, min(int(stored), full) if stored and is_grey else full)
    if is_grey:
        is_inverted = metadata.get("photometric") in ("MONOCHROME1", "MINISWHITE")
        dataset.PhotometricInterpretation = "MONOCHROME1" if is_inverted else "MONOCHROME2"
        dataset.PresentationLUTShape = "INVERSE" if is_inverted else "IDENTITY"
        padding = metadata.get("padding_value")
        if padding is not None:
            dataset.add_new("PixelPaddingValue", "SS" if dataset.PixelRepresentation else "US", int(padding))
    spacing = metadata.get("spacing") or []
    if len(spacing) == 3 and spacing[0] is not None:
        dataset.SpacingBetweenSlices = decimal(spacing[0])
    describe_loss(dataset, source, metadata)
    describe_equipment(dataset)
    return dataset


def _of_slice(metadata: Mapping[str, Any], number: int, depth: int) -> dict[str, dict[str, Any]]:
    """Give the attributes of one slice, by the functional group that holds them in a file of many frames."""
    found: dict[str, dict[str, Any]] = {}
    sizes = metadata.get("spacing_per_slice")
    spacing = sizes[number % depth] if sizes else (metadata.get("spacing") or [])[-2:]
    if len(spacing) == 2 and None not in spacing:
        found["PixelMeasuresSequence"] = {"PixelSpacing": [decimal(size) for size in spacing]}
    place = _placed(metadata, number % depth)
    if place is not None:
        found["PlanePositionSequence"] = {"ImagePositionPatient": place[0]}
        found["PlaneOrientationSequence"] = {"ImageOrientationPatient": place[1]}
    slope, intercept = (
        metadata[f"{key}_per_slice"][number] if metadata.get(f"{key}_per_slice") else metadata.get(key)
        for key in ("slope", "intercept")
    )
    if slope is not None and intercept is not None and metadata.get("photometric") != "RGB":
        unit = metadata.get("value_unit") or ("HU" if metadata.get("modality") == "CT" else "US")
        scale = {"RescaleSlope": decimal(slope), "RescaleIntercept": decimal(intercept), "RescaleType": unit[:16]}
        found["PixelValueTransformationSequence"] = scale
    return found


def _make_multi_frame(dataset: Any, source: Source, own: Sequence[Mapping[str, Mapping[str, Any]]]) -> None:
    """Add what a file of many frames has beside: what all frames share, and what each has of its own, in groups."""
    if source.dtype.kind == "i":
        raise InvalidArgument(
            f"a DICOM capture of many frames holds unsigned samples, found {source.dtype}: give a folder (a name "
            "without a suffix), or the original series as template"
        )
    frames = len(own)
    dataset.NumberOfFrames, dataset.BurnedInAnnotation = frames, "YES"
    dataset.FrameIncrementPointer, dataset.PageNumberVector = _PAGES, list(range(1, frames + 1))
    shared = {name: tags for name, tags in own[0].items() if all(other.get(name) == tags for other in own)}
    if "SpacingBetweenSlices" in dataset and "PixelMeasuresSequence" in shared:
        shared["PixelMeasuresSequence"] = dict(shared["PixelMeasuresSequence"]) | {
            "SpacingBetweenSlices": dataset.SpacingBetweenSlices
        }
    for keyword in ("PixelMeasuresSequence", "PixelValueTransformationSequence"):
        for name, value in shared.get(keyword, {}).items():
            setattr(dataset, name, value)
    if shared:
        dataset.SharedFunctionalGroupsSequence = [_groups(shared)]
    if any(len(tags) > len(shared) for tags in own):
        each = [{name: tags for name, tags in frame.items() if name not in shared} for frame in own]
        dataset.PerFrameFunctionalGroupsSequence = [_groups(tags) for tags in each]


def _groups(tags: Mapping[str, Mapping[str, Any]]) -> Any:
    """Make an item of functional groups."""
    from pydicom import Dataset

    groups = Dataset()
    for name, values in tags.items():
        item = Dataset()
        for keyword, value in values.items():
            setattr(item, keyword, value)
        setattr(groups, name, [item])
    return groups


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


def _placed(metadata: Mapping[str, Any], number: int) -> tuple[list[str], list[str]] | None:
    """Give position and orientation of a slice, where it has a place of its own or there is an affine.

    DICOM counts to the left and back, metadata to the right and forward.
    """
    flips = np.array([-1.0, -1.0, 1.0])
    if metadata.get("slice_positions"):
        position, directions = metadata["slice_positions"][number], metadata["directions"]
    elif metadata.get("affine"):
        matrix = np.array(metadata["affine"], float)[:3]
        position = matrix @ np.array([0.0, 0.0, number, 1.0])
        directions = np.concatenate([matrix[:, k] / np.linalg.norm(matrix[:, k]) for k in (0, 1)])
    else:
        return None
    place, turned = flips * position + 0.0, np.tile(flips, 2) * directions + 0.0  # + 0.0: no negative zeros
    return [decimal(v) for v in place], [decimal(v) for v in turned]
