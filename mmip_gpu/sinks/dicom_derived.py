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
from mmip_gpu.sinks.dicom_palette import indexed
from mmip_gpu.sinks.dicom_writing import (
    code_item,
    decimal,
    describe_equipment,
    describe_loss,
    describe_pixels,
    describe_types,
    file_meta,
    remove_overlays,
)
from mmip_gpu.sources import Source, reopen_source
from mmip_gpu.sources.dicom import find_volumes, palette_table
from mmip_gpu.sources.dicom_geometry import Frame
from mmip_gpu.sources.dicom_headers import PALETTE, sample_type
from mmip_gpu.sources.dicom_loss import loss_record
from mmip_gpu.sources.dicom_series import split_part
from mmip_gpu.sources.lost import warn_lost

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
_PREDECESSOR_CODE: Final = ("121320", "Uncompressed predecessor")


def derived_datasets(source: Source, template: Path, count: int) -> tuple[list[Any], Source]:
    """Make one dataset per file from those of the original series, and give the samples as these hold them.

    Raises
    ------
    InvalidArgument
        Where the original has another dtype, or cannot give as many files.
    """
    import pydicom

    original = reopen_source(template)
    is_alike = source.dtype == original.dtype or source.dtype.itemsize < original.dtype.itemsize
    if not is_alike or ("c" in original.axes) != ("c" in source.axes):
        raise InvalidArgument(
            f"the template {original.name} has {original.dtype} {original.axes}, expected {source.dtype} {source.axes}"
        )
    name, part = (str(template), {}) if template.exists() else split_part(str(template))
    found = find_volumes(Path(name), **part)
    files, frames, layout = found.series.files, found.frames, found.layout
    if layout.photometric == PALETTE:
        stored = sample_type(layout, original.name)
        source = indexed(source, palette_table(found.series, stored, original.name), stored)
    datasets = {file: pydicom.dcmread(file, stop_before_pixels=True) for file in files}
    if not all(dataset.file_meta.TransferSyntaxUID.is_little_endian for dataset in datasets.values()):
        raise InvalidArgument(f"the template {original.name} is big endian, a retired form: convert it by dcmconv +te")
    series_uid = pydicom.uid.generate_uid()
    if len(files) == 1 and len(frames) > 1:
        made = [_multi_frame(datasets[files[0]], source, frames, files[0], series_uid, count)]
    else:
        made = _slices(datasets, source, found.volumes, series_uid, count, original.name)
    is_part = source.shape[1:3] != (layout.rows, layout.columns)
    if removed := sum(remove_overlays(dataset, is_part=is_part) for dataset in made):
        warn_lost(original.name, [f"overlays of {removed} files, which are removed from their headers"])
    return made, source


def _slices(
    datasets: Mapping[Path, Any],
    source: Source,
    volumes: Sequence[Sequence[Frame]],
    series_uid: str,
    count: int,
    name: str,
) -> list[Any]:
    """Derive one dataset per slice, each from those around it."""
    depth, rest = divmod(count, len(volumes))
    if count != source.shape[0] or rest:
        raise InvalidArgument(
            f"{name} has one file per slice, {len(volumes)} volumes of {len(volumes[0])}: give a folder (a name "
            f"without a suffix) for the same volumes, or one of them as template ('{name}:volume=0')"
        )
    grid = source.metadata.get("grid") or {"start": [0, 0, 0], "step": [1, 1, 1]}
    starts, steps = ([default] * (3 - len(grid[key])) + list(grid[key]) for key, default in (("start", 0), ("step", 1)))
    history = loss_record((dataset, file) for file, dataset in datasets.items())
    made = []
    for number in range(count):
        frames = volumes[number // depth]
        centre = (starts[0] + number % depth) * steps[0] + (steps[0] - 1) / 2
        around = [frames[min(int(at), len(frames) - 1)] for at in (np.floor(centre), np.ceil(centre))]
        if len({(frame.slope, frame.intercept) for frame in around}) > 1:
            raise InvalidArgument(f"scale {steps[0]} averages slices of {name} whose slopes differ: extract at scale 1")
        dataset = deepcopy(datasets[around[0].path])
        sources = {frame.path: datasets[frame.path] for frame in around}
        told = loss_record((original, file) for file, original in sources.items()) or history
        _derive(dataset, source, list(sources.values()), told, series_uid)
        _place(dataset, around, starts, steps)
        if steps[0] > 1:
            dataset.InstanceNumber = number + 1
            dataset.pop("SliceLocation", None)
        if "NumberOfSlices" in dataset:
            dataset.NumberOfSlices = depth
        made.append(dataset)
    return made


def _multi_frame(dataset: Any, source: Source, frames: Sequence[Frame], file: Path, series_uid: str, count: int) -> Any:
    """Derive a file of many frames, whole as it is."""
    is_part = source.shape[0] != len(frames) or source.shape[1:3] != (int(dataset.Rows), int(dataset.Columns))
    if count != 1 or is_part:
        raise InvalidArgument("the template is one file of many frames: write the whole image at full size to a .dcm")
    _derive(dataset, source, [deepcopy(dataset)], loss_record([(dataset, file)]), series_uid)
    if "PerFrameFunctionalGroupsSequence" in dataset:
        groups = list(dataset.PerFrameFunctionalGroupsSequence)
        dataset.PerFrameFunctionalGroupsSequence = [groups[frame.index] for frame in frames]
    return dataset


def _derive(dataset: Any, source: Source, sources: Sequence[Any], history: Mapping[str, Any], series_uid: str) -> None:
    """Turn a copy of the original into a derived instance."""
    from pydicom.uid import generate_uid

    references = [(original.SOPClassUID, original.SOPInstanceUID) for original in sources]
    tags = dataset.keys()
    for tag in [tag for tag in tags if tag.group >= _FIRST_PIXEL_GROUP]:
        del dataset[tag]
    for keyword in _STALE:
        if keyword in dataset:
            del dataset[keyword]
    describe_types(dataset)
    dataset.SOPInstanceUID, dataset.SeriesInstanceUID = generate_uid(), series_uid
    described = str(dataset.get("SeriesDescription") or "").removesuffix("mmip")
    dataset.SeriesDescription = f"{described.strip()} mmip".strip()[-64:]
    full = 8 * source.dtype.itemsize
    stored = full if "c" in source.axes else int(dataset.get("BitsStored") or full)
    describe_pixels(dataset, source, min(stored, full))
    describe_loss(dataset, source, history)
    describe_equipment(dataset)
    dataset.SourceImageSequence = [_reference(*names) for names in references]
    dataset.file_meta = file_meta(dataset)


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


def _reference(class_uid: str, instance_uid: str) -> Any:
    from pydicom import Dataset

    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = class_uid, instance_uid
    item.PurposeOfReferenceCodeSequence = [code_item(*_PREDECESSOR_CODE)]
    return item
