"""Attributes that every DICOM file of ours has: how its pixels lie, who wrote it, what it is derived from.

Values in: a pydicom dataset, changed in place. Implements no section of FORMAT.md; follows DICOM PS3.3 C.7.6.1
(General Image), C.12.1 (SOP Common) and PS3.10 section 7.1 (file meta information).
Guarantees that a mark of lossy compression is never taken back. LossyImageCompressionMethod is MMIP, since DICOM has no
defined term for this codec.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from typing import Any, Final

from mmip_gpu.sources import Source
from mmip_gpu.sources.history import METHOD
from mmip_gpu.version import __version__

IMPLEMENTATION_UID: Final = "2.25.246719018274637350923749162839405716283"
_LOSSY_CODE: Final = ("113040", "Lossy Compression")
_MODIFYING_CODE: Final = ("109103", "Modifying Equipment")
_OVERLAYS: Final = range(0x6000, 0x6020, 2)
_OVERLAY_DATA: Final = 0x3000


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
        dataset.DerivationCodeSequence = [code_item(*_LOSSY_CODE)]
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


def describe_types(dataset: Any) -> None:
    """Mark an image and all its frames as derived; what else the types say is kept."""
    groups = [*(dataset.get("SharedFunctionalGroupsSequence") or ())]
    groups += dataset.get("PerFrameFunctionalGroupsSequence") or ()
    kept = list(dataset.get("ImageType") or [])[1:]
    if not groups:  # enhanced images are PRIMARY even where they are derived
        kept[:1] = ["SECONDARY"]
    dataset.ImageType = ["DERIVED", *(kept or ["SECONDARY"])]
    for item in _items(groups):
        if "FrameType" in item:
            item.FrameType = ["DERIVED", *list(item.FrameType or [])[1:]]


def describe_equipment(dataset: Any) -> None:
    """Add this library to the equipment that contributed."""
    from pydicom import Dataset

    item = Dataset()
    item.Manufacturer, item.SoftwareVersions = "mmip_gpu", __version__
    item.ContributionDateTime = datetime.datetime.now().strftime("%Y%m%d%H%M%S")
    item.PurposeOfReferenceCodeSequence = [code_item(*_MODIFYING_CODE)]
    dataset.ContributingEquipmentSequence = [*(dataset.get("ContributingEquipmentSequence") or ()), item]


def file_meta(dataset: Any) -> Any:
    """Make the file meta information of a file that this library writes."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_UID)
    meta.ImplementationVersionName = f"MMIP_GPU {__version__}"[:16]
    return meta


def remove_overlays(dataset: Any, *, is_part: bool) -> bool:
    """Remove overlays whose bits were in the pixels, of a part all: they have another size. Say whether any was."""
    removed, present = False, list(dataset.keys())
    for group in _OVERLAYS:
        tags = [tag for tag in present if tag.group == group]
        if tags and (is_part or (group, _OVERLAY_DATA) not in dataset):
            removed = True
            for tag in tags:
                del dataset[tag]
    return removed


def decimal(value: float) -> str:
    """Write a number in the 16 characters that DICOM gives it."""
    from pydicom.valuerep import format_number_as_ds

    return str(format_number_as_ds(float(value)))


def code_item(value: str, meaning: str) -> Any:
    """Make an item of a code sequence, of a code of DICOM's own scheme."""
    from pydicom import Dataset

    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item


def _items(groups: Any) -> Iterator[Any]:
    """Go through the items of functional groups."""
    for group in groups:
        for element in group:
            if element.VR == "SQ":
                yield from element.value
