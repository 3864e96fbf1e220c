"""DICOM files of ours have what the standard requires, say who wrote them, and list every loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from helpers.commands import run
from helpers.ct_files import HEAD, headers, make
from helpers.dicom_types import missing, required
from helpers.sink_sources import volume
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000, EnhancedMRImageStorage, RLELossless

from mmip_gpu.sinks import write_image
from mmip_gpu.sources import open_source

AXIAL = [1, 0, 0, 0, 1, 0]


def conformant(class_number: str, z: int) -> Dataset:
    """One slice with all attributes of type 1 and 2 of its class."""
    tags = {"ImagePositionPatient": [0, 0, 3.0 * z], "ImageOrientationPatient": AXIAL, "PixelSpacing": [1, 1]}
    dataset = make(HEAD[z], InstanceNumber=z + 1, SOPClassUID=f"1.2.840.10008.5.1.4.1.1.{class_number}", **tags)
    with_value, present = required(class_number)
    for keyword in [*with_value, *present]:
        if keyword not in dataset:
            vr = pydicom.datadict.dictionary_VR(keyword)
            values: dict[str, Any] = {"UI": "1.2.5", "IS": "1", "DS": "1", "US": 1, "DA": "20200101", "TM": "1200"}
            setattr(dataset, keyword, values.get(vr, [] if vr == "SQ" else "A"))
    dataset.file_meta.ImplementationVersionName = "SCANNER 1.0"
    dataset.file_meta.ImplementationClassUID = "1.2.6"
    return dataset


@pytest.mark.parametrize("class_number", ["2", "4", "128"])
@pytest.mark.parametrize("part", [[], ["--scale", 2], ["--region", "1:3,:,:"], ["--stages", 1]])
def test_derived_images_keep_what_is_required(class_number: str, part: list[Any], tmp_path: Path) -> None:
    folder = tmp_path / "original"
    folder.mkdir()
    for z in range(6):
        dataset = conformant(class_number, z)
        assert not missing(dataset)
        dataset.save_as(folder / f"{z}.dcm", enforce_file_format=True)
    run("compress", folder, tmp_path / "a.zarr", "--lossless", "--stages", 3, "--cell-depth", 8)
    run("extract", tmp_path / "a.zarr", "-o", tmp_path / "out", "--template", folder, *part)
    for dataset in headers(tmp_path / "out"):
        assert not missing(dataset)
        assert dataset.ImageType[0] == "DERIVED"
        assert dataset.file_meta.ImplementationVersionName.startswith("MMIP_GPU")
        assert dataset.file_meta.ImplementationClassUID.startswith("2.25.")
        assert dataset.DerivationDescription
        assert dataset.ContributingEquipmentSequence[-1].Manufacturer == "mmip_gpu"
        assert dataset.Manufacturer == "A"
        assert int(dataset.get("NumberOfSlices", 0)) in (0, len(headers(tmp_path / "out")))


@pytest.mark.parametrize(
    ("axes", "dtype", "name"),
    [
        ("yx", "uint8", "a.dcm"),
        ("zyx", "uint8", "a.dcm"),
        ("zyx", "uint16", "a.dcm"),
        ("zyxc", "uint8", "a.dcm"),
        ("zyx", "int16", "a"),
    ],
)
def test_captures_have_what_is_required(axes: str, dtype: str, name: str, tmp_path: Path) -> None:
    write_image(volume(axes, dtype, colour=True if "c" in axes else None, slope=2.0, intercept=1.0), tmp_path / name)
    for dataset in headers(tmp_path / name) if name == "a" else [pydicom.dcmread(tmp_path / name)]:
        assert not missing(dataset)
        assert dataset.file_meta.ImplementationVersionName.startswith("MMIP_GPU")


def test_frames_of_enhanced_files_are_derived(tmp_path: Path) -> None:
    def group(name: str, **tags: Any) -> Dataset:
        item, outer = Dataset(), Dataset()
        for keyword, value in tags.items():
            setattr(item, keyword, value)
        setattr(outer, name, [item])
        return outer

    kind = ["ORIGINAL", "PRIMARY", "T1", "NONE"]
    shared = group("MRImageFrameTypeSequence", FrameType=kind)
    frames = [group("PlanePositionSequence", ImagePositionPatient=[0, 0, 2.0 * z]) for z in range(6)]
    frames[3].MRImageFrameTypeSequence = group("MRImageFrameTypeSequence", FrameType=kind).MRImageFrameTypeSequence
    tags = {"SharedFunctionalGroupsSequence": [shared], "PerFrameFunctionalGroupsSequence": frames, "ImageType": kind}
    dataset = make(HEAD, SOPClassUID=EnhancedMRImageStorage, NumberOfFrames=6, **tags)
    dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    write_image(tmp_path / "a.dcm", tmp_path / "b.dcm", template=tmp_path / "a.dcm")
    found = pydicom.dcmread(tmp_path / "b.dcm")
    derived = ["DERIVED", *kind[1:]]
    assert list(found.ImageType) == derived
    assert list(found.SharedFunctionalGroupsSequence[0].MRImageFrameTypeSequence[0].FrameType) == derived
    assert list(found.PerFrameFunctionalGroupsSequence[3].MRImageFrameTypeSequence[0].FrameType) == derived


class TestLoss:
    @pytest.mark.parametrize(
        ("ratios", "methods"),
        [
            ([7.5], ["ISO_10918_1"]),
            ([7.5, 3], ["ISO_10918_1", "ISO_14495_1"]),
            ([7.5], []),
            ([], ["ISO_10918_1"]),
            ([], []),
        ],
    )
    @pytest.mark.parametrize("template", [True, False])
    def test_earlier_entries_stay_first(
        self, ratios: list[float], methods: list[str], template: bool, tmp_path: Path
    ) -> None:
        folder = tmp_path / "original"
        folder.mkdir()
        for z in range(6):
            tags = {"LossyImageCompression": "01", "InstanceNumber": z}
            tags |= {"LossyImageCompressionRatio": ratios} if ratios else {}
            tags |= {"LossyImageCompressionMethod": methods} if methods else {}
            make(HEAD[z], **tags).save_as(folder / f"{z}.dcm", enforce_file_format=True)
        run("compress", folder, tmp_path / "a.zarr", "--psnr", 40)
        run("extract", tmp_path / "a.zarr", "-o", tmp_path / "out", *(["--template", folder] if template else []))
        for dataset in headers(tmp_path / "out"):
            assert dataset.LossyImageCompression == "01"
            found = dataset.LossyImageCompressionRatio
            assert ([found] if isinstance(found, float) else list(found))[:-1] == ratios
            method = dataset.LossyImageCompressionMethod
            assert ([method] if isinstance(method, str) else list(method)) == [*methods, "MMIP"]

    def test_a_syntax_that_loses_is_an_entry(self, tmp_path: Path) -> None:
        imagecodecs = pytest.importorskip("imagecodecs")
        image = np.add.outer(np.arange(16), np.arange(20)).astype(np.uint8)
        tags = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0}
        dataset = make(HEAD[0], LossyImageCompression="01", LossyImageCompressionRatio=3, **tags)
        dataset.LossyImageCompressionMethod = "ISO_10918_1"
        dataset.PixelData = encapsulate([imagecodecs.jpeg2k_encode(image, level=30, codecformat="j2k")])
        del dataset.SmallestImagePixelValue
        dataset.file_meta.TransferSyntaxUID = JPEG2000
        dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)
        metadata = open_source(tmp_path / "a.dcm").metadata
        assert metadata["lossy_methods"] == ["ISO_10918_1", "ISO_15444_1"]
        assert len(metadata["lossy_ratios"]) == 2

    def test_exact_syntaxes_are_none(self, tmp_path: Path) -> None:
        dataset = make(HEAD[0])
        dataset.compress(RLELossless)
        dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)
        assert "lossy" not in open_source(tmp_path / "a.dcm").metadata
