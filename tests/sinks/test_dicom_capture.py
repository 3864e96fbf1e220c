"""DICOM without a template: secondary captures that come back as they were."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from helpers.commands import run
from helpers.ct_files import HEAD, headers
from helpers.sink_sources import volume

from mmip_gpu.sinks import write_image
from mmip_gpu.sources import open_source

TYPE_1 = (
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Modality", "ConversionType", "Rows",
    "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation", "PixelData",
)  # fmt: skip
TYPE_2 = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "AccessionNumber",
    "ReferringPhysicianName", "StudyID", "SeriesNumber", "InstanceNumber", "PatientOrientation",
)  # fmt: skip


class TestCapturedDicom:
    @pytest.mark.parametrize(
        ("axes", "dtype", "name", "uid"),
        [
            ("yx", "uint8", "a.dcm", "7"), ("yx", "int16", "a.dcm", "7"), ("zyx", "uint8", "a.dcm", "7.2"),
            ("zyx", "uint16", "a.dcm", "7.3"), ("yxc", "uint8", "a.dcm", "7"), ("zyxc", "uint8", "a.dcm", "7.4"),
            ("cyx", "uint8", "a.dcm", "7"), ("zyx", "int16", "series", "7"), ("zyx", "int8", "series", "7"),
            ("zyxc", "uint8", "series", "7"), ("yx", "uint16", "series", "7"),
        ],
    )  # fmt: skip
    def test_round_trip(self, axes: str, dtype: str, name: str, uid: str, tmp_path: Path) -> None:
        source = volume(axes, dtype, colour=True if "c" in axes else None, slope=2.0, intercept=-5.0)
        write_image(source, tmp_path / name)
        found = open_source(tmp_path / name)
        expected = np.moveaxis(source.read(), axes.index("c"), -1) if "c" in axes else source.read()
        assert found.dtype == source.dtype
        np.testing.assert_array_equal(found.read(), expected)
        assert found.metadata["spacing"] == pytest.approx(source.metadata["spacing"])
        assert "c" in axes or (found.metadata["slope"], found.metadata["intercept"]) == (2.0, -5.0)
        folder = tmp_path / name
        for dataset in headers(folder) if folder.is_dir() else [pydicom.dcmread(folder)]:
            assert all(dataset.get(keyword) not in (None, "") for keyword in TYPE_1)
            assert all(keyword in dataset for keyword in TYPE_2)
            assert dataset.SOPClassUID == f"1.2.840.10008.5.1.4.1.1.{uid}"
            assert "LossyImageCompression" not in dataset

    @pytest.mark.parametrize("name", ["a.dcm", "series"])
    def test_the_place_in_the_patient_is_kept(self, name: str, tmp_path: Path) -> None:
        oblique = nibabel.quaternions.quat2mat([0.9, 0.1, 0.3, 0.2])
        affine = np.eye(4)
        affine[:3, :3] = oblique @ np.diag([0.5, 0.25, 3.0])
        affine[:3, 3] = [3.5, -7.25, 11]
        write_image(volume("zyx", affine=affine.tolist()), tmp_path / name)
        np.testing.assert_allclose(open_source(tmp_path / name).metadata["affine"], affine, atol=1e-6)

    def test_the_store_of_a_series_keeps_what_it_can(self, series: Path, tmp_path: Path) -> None:
        run("compress", series, tmp_path / "a.zarr", "--lossless")
        run("extract", tmp_path / "a.zarr", "-o", tmp_path / "out")
        found, expected = open_source(tmp_path / "out"), open_source(series)
        np.testing.assert_array_equal(found.read(), HEAD)
        new = {"file": "out", "series": found.metadata["series"], "value_unit": "HU"}
        assert found.metadata == expected.metadata | new
        assert headers(tmp_path / "out")[0].PatientName == ""
