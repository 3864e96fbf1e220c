"""Attributes of a derived DICOM series: those of the original, but for what coding changed.

Values in: a Source in the order z, y, x and the path of the original. Values out: pydicom datasets without pixels.
Implements no section of FORMAT.md; follows DICOM PS3.3 C.7.6.1 (General Image) and C.12.4 (SOP Common, derivation).
Guarantees a new series of new instances, each naming its source image, and that a mark of lossy compression is
never taken back. LossyImageCompressionMethod is MMIP, since DICOM has no defined term for this codec.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import numpy as np

from mmip_gpu.errors import InvalidArgument
from mmip_gpu.sources import Source, reopen_source
from mmip_gpu.sources.dicom import loss_record, series_files
from mmip_gpu.sources.dicom_geometry import Frame, file_frames, order_frames
from mmip_gpu.sources.history import METHOD

_FIRST_PIXEL_GROUP: Final = 0x7FE0  # pixels, and private copies of them in higher groups
_STALE: Final = (
    "SmallestImagePixelValue",
    "LargestImagePixelValue",
    "IconImageSequence",
    "DigitalSignaturesSequence",
    "MACParametersSequence",
    "PixelDataProviderURL",
    "PixelDataAreaOriginRelativeToFOV",
)
_LOSSY_CODE: Final = ("113040", "Lossy Compression")
_PREDECESSOR_CODE: Final = ("121320", "Uncompressed predecessor")


def derived_datasets(source: Source, template: Path, count: int) -> list[Any]:
    """Make one dataset per file from those of the original series.

    Raises
    ------
    InvalidArgument
        Where the original has another dtype, or cannot give as many files.
    """
    import pydicom

    original = reopen_source(template)
    if (original.dtype, "c" in original.axes) != (source.dtype, "c" in source.axes):
        raise InvalidArgument(
            f"the template {original.name} has {original.dtype} {original.axes}, expected {source.dtype} {source.axes}"
        )
    files, _ = series_files(template)
    datasets = {file: pydicom.dcmread(file, stop_before_pixels=True) for file in files}
    if not all(dataset.file_meta.TransferSyntaxUID.is_little_endian for dataset in datasets.values()):
        raise InvalidArgument(f"the template {original.name} is big endian, a retired form: convert it by dcmconv +te")
    unordered = [frame for file, dataset in datasets.items() for frame in file_frames(dataset, file)]
    frames, _ = order_frames(unordered, original.name)
    history = loss_record(list(datasets.values()))
    grid = source.metadata.get("grid") or {"start": [0, 0, 0], "step": [1, 1, 1], "shape": source.shape[:3]}
    starts, steps = ([default] * (3 - len(grid[key])) + list(grid[key]) for key, default in (("start", 0), ("step", 1)))
    series_uid = pydicom.uid.generate_uid()
    if len(files) == 1 and len(frames) > 1:
        return [_multi_frame(datasets[files[0]], source, frames, history, series_uid, count)]
    if count != source.shape[0]:
        raise InvalidArgument(f"{original.name} has one file per slice: give a folder (a name without a suffix)")
    made = []
    for z in range(count):
        centre = (starts[0] + z) * steps[0] + (steps[0] - 1) / 2
        around = [frames[min(int(at), len(frames) - 1)] for at in (np.floor(centre), np.ceil(centre))]
        dataset = deepcopy(datasets[around[0].path])
        sources = [datasets[path] for path in dict.fromkeys(frame.path for frame in around)]
        _derive(dataset, source, sources, history, series_uid)
        _place(dataset, around, starts, steps)
        if steps[0] > 1:
            dataset.InstanceNumber = z + 1
        made.append(dataset)
    return made


def describe_loss(dataset: Any, source: Source, history: Mapping[str, Any]) -> None:
    """Set what DICOM says of derivation and loss; once lossy, always lossy.

    Of what `history` and the source say of earlier compression, the one that knows more is told.
    """
    coding = source.metadata.get("coding") or {}
    dataset.DerivationDescription = str(coding.get("text", "Written by mmip_gpu"))[:1024]
    is_lossy = bool(coding.get("lossy"))
    if len(source.metadata.get("lossy_methods") or ()) > len(history.get("lossy_methods") or ()):
        history = source.metadata
    if not (is_lossy or history.get("lossy") or source.metadata.get("lossy")):
        return
    ratios, methods = list(history.get("lossy_ratios", [])), list(history.get("lossy_methods", []))
    if is_lossy:
        ratios.append(float(coding["ratio"]))
        methods.append(METHOD)
        dataset.DerivationCodeSequence = [_code(*_LOSSY_CODE)]
    dataset.LossyImageCompression = "01"
    if ratios:
        dataset.LossyImageCompressionRatio = [f"{ratio:.6g}" for ratio in ratios if ratio is not None]
    if methods:
        dataset.LossyImageCompressionMethod = methods


def describe_pixels(dataset: Any, source: Source, bits_stored: int) -> None:
    """Set how the pixels lie."""
    dataset.Rows, dataset.Columns = source.shape[1:3]
    dataset.BitsAllocated = 8 * source.dtype.itemsize
    dataset.BitsStored = bits_stored
    dataset.HighBit = bits_stored - 1
    dataset.PixelRepresentation = int(source.dtype.kind == "i")
    if "c" in source.axes:
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0
    else:
        dataset.SamplesPerPixel = 1


def _multi_frame(
    dataset: Any, source: Source, frames: Sequence[Frame], history: Mapping[str, Any], series_uid: str, count: int
) -> Any:
    """Derive a file of many frames, whole as it is."""
    is_part = source.shape[0] != len(frames) or source.shape[1:3] != (int(dataset.Rows), int(dataset.Columns))
    if count != 1 or is_part:
        raise InvalidArgument("the template is one file of many frames: write the whole image at full size to a .dcm")
    _derive(dataset, source, [deepcopy(dataset)], history, series_uid)
    if "PerFrameFunctionalGroupsSequence" in dataset:
        groups = list(dataset.PerFrameFunctionalGroupsSequence)
        dataset.PerFrameFunctionalGroupsSequence = [groups[frame.index] for frame in frames]
    return dataset


def _derive(dataset: Any, source: Source, sources: Sequence[Any], history: Mapping[str, Any], series_uid: str) -> None:
    """Turn a copy of the original into a derived instance."""
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    references = [(original.SOPClassUID, original.SOPInstanceUID) for original in sources]
    tags = dataset.keys()
    for tag in [tag for tag in tags if tag.group >= _FIRST_PIXEL_GROUP]:
        del dataset[tag]
    for keyword in _STALE:
        if keyword in dataset:
            del dataset[keyword]
    dataset.ImageType = ["DERIVED", "SECONDARY", *list(dataset.get("ImageType") or [])[2:]]
    dataset.SOPInstanceUID, dataset.SeriesInstanceUID = generate_uid(), series_uid
    described = str(dataset.get("SeriesDescription") or "").removesuffix("mmip")
    dataset.SeriesDescription = f"{described.strip()} mmip".strip()[-64:]
    describe_pixels(dataset, source, int(dataset.get("BitsStored") or dataset.BitsAllocated))
    describe_loss(dataset, source, history)
    dataset.SourceImageSequence = [_reference(*names) for names in references]
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian


def _place(dataset: Any, around: Sequence[Frame], starts: Sequence[int], steps: Sequence[int]) -> None:
    """Set where a slice lies that is cut out of, or scaled from, those around it."""
    if all(start == 0 for start in starts[1:]) and all(step == 1 for step in steps):
        return
    frame = around[0]
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        if dataset.get(keyword):
            dataset[keyword].value = [
                decimal(float(v) * k) for v, k in zip(dataset[keyword].value, steps[1:], strict=True)
            ]
    for keyword in ("SpacingBetweenSlices", "SliceThickness"):
        if dataset.get(keyword):
            dataset[keyword].value = decimal(float(dataset[keyword].value) * steps[0])
    positions = [np.array(other.position) for other in around if other.position is not None]
    if len(positions) == len(around) and frame.orientation is not None and frame.spacing is not None:
        row, column = ((start * step + (step - 1) / 2) for start, step in zip(starts[1:], steps[1:], strict=True))
        along_x, along_y = np.array(frame.orientation[:3]), np.array(frame.orientation[3:])
        shift = along_x * frame.spacing[1] * column + along_y * frame.spacing[0] * row
        dataset.ImagePositionPatient = [decimal(v) for v in np.mean(positions, axis=0) + shift]


def decimal(value: float) -> str:
    """Write a number in the 16 characters that DICOM gives it."""
    from pydicom.valuerep import format_number_as_ds

    return str(format_number_as_ds(float(value)))


def _code(value: str, meaning: str) -> Any:
    from pydicom import Dataset

    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item


def _reference(class_uid: str, instance_uid: str) -> Any:
    from pydicom import Dataset

    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = class_uid, instance_uid
    item.PurposeOfReferenceCodeSequence = [_code(*_PREDECESSOR_CODE)]
    return item
