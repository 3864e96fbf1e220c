"""Attributes that DICOM PS3.3 requires of images, by SOP class: type 1 has a value, type 2 may be empty."""

from __future__ import annotations

from typing import Any

_IMAGE = (
    "SOPClassUID SOPInstanceUID StudyInstanceUID SeriesInstanceUID Modality Rows Columns SamplesPerPixel BitsAllocated "
    "BitsStored HighBit PixelRepresentation PhotometricInterpretation "
)
_PATIENT = (
    "PatientName PatientID PatientBirthDate PatientSex StudyDate StudyTime StudyID AccessionNumber SeriesNumber "
    "ReferringPhysicianName InstanceNumber "
)
_PLACED = "ImageType PixelSpacing ImagePositionPatient ImageOrientationPatient FrameOfReferenceUID "
_SLICE = _PATIENT + "Manufacturer PositionReferenceIndicator SliceThickness "
_FRAMES = _IMAGE + "ConversionType NumberOfFrames FrameIncrementPointer BurnedInAnnotation"
_ROOT = "1.2.840.10008.5.1.4.1.1."
_TYPES = {
    "2": (_IMAGE + _PLACED + "RescaleSlope RescaleIntercept", _SLICE + "KVP AcquisitionNumber"),
    "4": (
        _IMAGE + _PLACED + "ScanningSequence SequenceVariant",
        _SLICE + "ScanOptions MRAcquisitionType EchoTime EchoTrainLength",
    ),
    "128": (
        _IMAGE + _PLACED + "RescaleSlope RescaleIntercept Units CountsSource SeriesType DecayCorrection NumberOfSlices "
        "FrameReferenceTime ImageIndex SeriesDate SeriesTime",
        _SLICE + "CollimatorType CorrectedImage ActualFrameDuration AcquisitionDate AcquisitionTime "
        "RadiopharmaceuticalInformationSequence PatientOrientationCodeSequence PatientGantryRelationshipCodeSequence",
    ),
    "7": (_IMAGE + "ConversionType", _PATIENT),
    "7.2": (_FRAMES, _PATIENT),
    "7.3": (_FRAMES, _PATIENT),
    "7.4": (_FRAMES, _PATIENT),
}


def required(class_number: str) -> tuple[list[str], list[str]]:
    """Keywords of type 1 and of type 2 of an image storage class, by the end of its UID."""
    first, second = _TYPES[class_number]
    return first.split(), second.split()


def missing(dataset: Any) -> list[str]:
    """Keywords that a dataset should have and has not."""
    with_value, present = required(str(dataset.SOPClassUID).removeprefix(_ROOT))
    empty = [keyword for keyword in with_value if keyword not in dataset or dataset[keyword].is_empty]
    return empty + [keyword for keyword in present if keyword not in dataset]
