"""Folders of DICOM as scanners export them: what is no image is skipped, series and volumes are chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.commands import run
from helpers.dicom_files import AXIAL, SLICES, make, save, series
from pydicom.dataset import Dataset

import mmip_gpu
from mmip_gpu.cli import main
from mmip_gpu.errors import InvalidArgument, MetadataWarning
from mmip_gpu.sinks import write_image
from mmip_gpu.sources import open_source


def no_image(**tags: Any) -> Dataset:
    """A report, or a directory file: an object without pixels."""
    report = make(SLICES[0], **tags)
    for keyword in ("Rows", "Columns", "BitsAllocated", "PixelData"):
        del report[keyword]
    return report


def volumes(folder: Path, count: int, **by_volume: Any) -> Path:
    """Several volumes of three slices in one series, numbered slice by slice, as scanners do."""
    folder.mkdir()
    for z in range(3):
        for t in range(count):
            place = {"ImagePositionPatient": [0, 0, 2.0 * z], "ImageOrientationPatient": AXIAL, "PixelSpacing": [1, 1]}
            tags = {keyword: values[t] for keyword, values in by_volume.items()}
            image = make(SLICES[z] + 100 * t, InstanceNumber=z * count + t, SOPClassUID="1.2.840.10008.5.1.4.1.1.4")
            for keyword, value in (place | tags).items():
                setattr(image, keyword, value)
            save(image, folder / f"{z}{t}.dcm")
    return folder


STACK = np.stack([SLICES[:3] + 100 * t for t in range(4)])


class TestWhatIsNoImage:
    @pytest.mark.parametrize("name", ["DIRFILE", "DICOMDIR", "report.dcm", "PS000001"])
    def test_is_skipped_beside_slices(self, name: str, tmp_path: Path) -> None:
        folder = series(tmp_path / "head")
        save(no_image(Modality="SR", SeriesInstanceUID="1.2.9"), folder / name)
        opened = open_source(folder)
        np.testing.assert_array_equal(opened.read(), SLICES)
        assert "lost" not in opened.metadata
        assert main(["compress", str(folder), str(tmp_path / "a.zarr"), "--quality", "10"]) == 0

    def test_slices_in_nested_folders_are_one_series(self, tmp_path: Path) -> None:
        folder = series(tmp_path / "head")
        for number, file in enumerate(sorted(folder.iterdir())):
            inner = folder / f"S{number % 2}" / "deep"
            inner.mkdir(parents=True, exist_ok=True)
            file.rename(inner / file.name)
        np.testing.assert_array_equal(open_source(folder).read(), SLICES)

    def test_a_folder_of_reports_is_refused(self, tmp_path: Path) -> None:
        save(no_image(), tmp_path / "a.dcm")
        with pytest.raises(InvalidArgument, match="1 DICOM files, none of them with an image"):
            open_source(tmp_path)

    @pytest.mark.parametrize("uid", [{}, {"SeriesInstanceUID": "1.2.9"}])
    def test_localizers_are_passed_over_with_a_warning(self, uid: dict[str, str], tmp_path: Path) -> None:
        folder = series(tmp_path / "head")
        scout = {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"], "ImageOrientationPatient": [1, 0, 0, 0, 0, -1]}
        save(make(np.zeros((9, 9), np.int16), ImagePositionPatient=[0, 0, 0], **scout, **uid), folder / "scout.dcm")
        with pytest.warns(MetadataWarning, match="1 localizer images beside the series"):
            np.testing.assert_array_equal(open_source(folder).read(), SLICES)


class TestSeries:
    def test_one_of_several_is_chosen(self, tmp_path: Path) -> None:
        folder = series(tmp_path / "study", SeriesNumber=1)
        save(make(SLICES[3], SeriesInstanceUID="1.2.3", SeriesNumber=7), folder / "other.dcm")
        with pytest.raises(InvalidArgument, match=r"2 series: 0: 6 files .*1: 1 files of 1\.2\.3.*series=0"):
            open_source(folder)
        np.testing.assert_array_equal(open_source(f"{folder}:series=0").read(), SLICES)
        for name in ("1", "1.2.3"):
            chosen = open_source(f"{folder}:series={name}")
            np.testing.assert_array_equal(chosen.read(), SLICES[3])
            run("compress", folder, tmp_path / "a.zarr", "--lossless", "--series", name, "--overwrite")
            assert mmip_gpu.open_zarr(tmp_path / "a.zarr").shape == (5, 4)
        run("encode", folder, "-o", tmp_path / "a.mmip", "--lossless", "--series", 0)
        with pytest.raises(InvalidArgument, match="none of them 5"):
            open_source(f"{folder}:series=5")

    def test_a_template_is_chosen_in_the_same_way(self, tmp_path: Path) -> None:
        folder = series(tmp_path / "study", SeriesNumber=1, StudyInstanceUID="1.5")
        save(make(SLICES[3], SeriesInstanceUID="1.2.3", SeriesNumber=7), folder / "other.dcm")
        run("compress", folder, tmp_path / "a.zarr", "--lossless", "--series", 0)
        run("extract", tmp_path / "a.zarr", "-o", tmp_path / "out", "--template", f"{folder}:series=0")
        np.testing.assert_array_equal(open_source(tmp_path / "out").read(), SLICES)


class TestVolumes:
    @pytest.mark.parametrize(
        ("tags", "axes"),
        [
            ({"TemporalPositionIdentifier": [1, 2, 3, 4]}, "tzyx"),
            ({"TriggerTime": [0, 40, 80, 120]}, "tzyx"),
            ({"EchoTime": [2, 4, 6, 8]}, "nzyx"),
            ({}, "nzyx"),
        ],
    )
    def test_repeated_places_are_an_axis(self, tags: dict[str, Any], axes: str, tmp_path: Path) -> None:
        opened = open_source(volumes(tmp_path / "mr", 4, **tags))
        assert (opened.axes, opened.shape) == (axes, (4, 3, 5, 4))
        np.testing.assert_array_equal(opened.read(), STACK)
        region = (slice(1, 3), slice(0, 2), slice(1, 5), slice(2, 4))
        np.testing.assert_array_equal(opened.read(region), STACK[region])
        assert opened.metadata["spacing"] == [2.0, 1.0, 1.0]

    def test_one_volume_is_chosen(self, tmp_path: Path) -> None:
        folder = volumes(tmp_path / "mr", 4)
        np.testing.assert_array_equal(open_source(f"{folder}:volume=2").read(), STACK[2])
        with pytest.raises(InvalidArgument, match="no volume 4: it holds 4"):
            open_source(f"{folder}:volume=4")
        run("compress", folder, tmp_path / "a.zarr", "--lossless", "--volume", 2)
        run("extract", tmp_path / "a.zarr", "-o", tmp_path / "out", "--template", f"{folder}:volume=2")
        np.testing.assert_array_equal(open_source(tmp_path / "out").read(), STACK[2])
        assert main(["extract", str(tmp_path / "a.zarr"), "-o", str(tmp_path / "b"), "--template", str(folder)]) == 2

    @pytest.mark.parametrize("template", [True, False])
    @pytest.mark.parametrize("tags", [{"TemporalPositionIdentifier": [1, 2, 3, 4]}, {"EchoTime": [2, 4, 6, 8]}])
    def test_all_volumes_come_back(self, tags: dict[str, Any], template: bool, tmp_path: Path) -> None:
        folder = volumes(tmp_path / "mr", 4, **tags)
        run("compress", folder, tmp_path / "a.zarr", "--lossless")
        run("extract", tmp_path / "a.zarr", "-o", tmp_path / "out", *(["--template", folder] if template else []))
        found = open_source(tmp_path / "out")
        assert found.axes == open_source(folder).axes
        np.testing.assert_array_equal(found.read(), STACK)
        with pytest.raises(InvalidArgument, match="folder"):
            write_image(open_source(folder), tmp_path / "one.dcm")

    def test_volumes_of_other_directions_have_to_be_chosen(self, tmp_path: Path) -> None:
        folder = series(tmp_path / "head")
        for z in range(2):
            place = {"ImagePositionPatient": [0, 3.0 * z, 0], "ImageOrientationPatient": [1, 0, 0, 0, 0, -1]}
            save(make(SLICES[z], InstanceNumber=20 + z, **place), folder / f"coronal{z}.dcm")
        with pytest.raises(InvalidArgument, match="2 volumes of different place"):
            open_source(folder)
        shapes = {open_source(f"{folder}:volume={n}").shape for n in (0, 1)}
        assert shapes == {(6, 5, 4), (2, 5, 4)}

    def test_files_of_many_frames_are_volumes(self, tmp_path: Path) -> None:
        for t in range(3):
            save(make(SLICES + t, NumberOfFrames=6, InstanceNumber=t), tmp_path / f"{2 - t}.dcm")
        np.testing.assert_array_equal(open_source(tmp_path).read(), np.stack([SLICES + t for t in range(3)]))
