"""What differs by slice in a DICOM series: slopes, places, pixel spacing, overlays; through stores and back."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.commands import run
from helpers.ct_files import HEAD, headers, make
from pydicom.dataset import Dataset

import mmip_gpu
from mmip_gpu.cli import main
from mmip_gpu.errors import InvalidArgument, MetadataWarning
from mmip_gpu.sinks import write_image
from mmip_gpu.sources import open_source

AXIAL = [1, 0, 0, 0, 1, 0]
SLOPES = [0.5, 0.75, 1.0, 1.25, 1.5, 1.75]
UNEVEN = [0.0, 2, 4, 8, 10, 12]


def slices(folder: Path, **by_slice: Any) -> Path:
    """Write HEAD with one value of each attribute a slice."""
    folder.mkdir()
    for z in range(6):
        tags: dict[str, Any] = {"ImagePositionPatient": [-9.0, 4.0, 3.0 * z], "InstanceNumber": z + 1}
        tags |= {"ImageOrientationPatient": AXIAL, "PixelSpacing": [0.25, 0.5]}
        tags |= {keyword: values[z] for keyword, values in by_slice.items()}
        make(HEAD[z], **tags).save_as(folder / f"{z}.dcm", enforce_file_format=True)
    return folder


def places(z: list[float]) -> list[list[float]]:
    return [[-9.0, 4.0, at] for at in z]


class TestSlopes:
    @pytest.fixture
    def pet(self, tmp_path: Path) -> Path:
        return slices(tmp_path / "pet", RescaleSlope=SLOPES, RescaleIntercept=[0] * 6, Modality=["PT"] * 6)

    @pytest.mark.parametrize("template", [True, False])
    @pytest.mark.parametrize("part", [[], ["--region", "1:4,2:9,:"], ["--scale", "2"]])
    def test_come_back_in_dicom(self, template: bool, part: list[str], pet: Path, tmp_path: Path) -> None:
        run("compress", pet, tmp_path / "a.zarr", "--lossless")
        run("extract", tmp_path / "a.zarr", "-o", tmp_path / "out", *part, *(["--template", pet] if template else []))
        expected = SLOPES[1:4] if "--region" in part else SLOPES
        assert [float(d.RescaleSlope) for d in headers(tmp_path / "out")] == expected
        assert open_source(tmp_path / "out").metadata["slope_per_slice"] == expected

    @pytest.mark.parametrize("by_slice", [{"RescaleSlope": SLOPES}, {"RescaleIntercept": [0, 0, 0, 0, 0, 5]}])
    def test_are_refused_by_nifti_and_said_for_tiff(self, by_slice: dict[str, Any], tmp_path: Path) -> None:
        source = open_source(slices(tmp_path / "pet", **by_slice))
        for name in ("a.nii", "a.nii.gz"):
            with pytest.raises(InvalidArgument, match="one slope and one intercept"):
                write_image(source, tmp_path / name)
            assert not (tmp_path / name).exists()
        for name in ("a.tif", "a.ome.tif"):
            with pytest.warns(MetadataWarning, match="which differ by slice"):
                write_image(source, tmp_path / name)

    def test_slices_of_other_slopes_are_never_averaged(self, pet: Path, tmp_path: Path) -> None:
        with pytest.raises(InvalidArgument, match="different slopes"):
            mmip_gpu.write_zarr(pet, tmp_path / "a.zarr", quality=10, cell_depth=8, progress=False)
        report = mmip_gpu.write_zarr(pet, tmp_path / "a.zarr", quality=10, progress=False)
        assert report["plan"]["cell_depth"] == 1
        assert mmip_gpu.open_zarr(tmp_path / "a.zarr", scale=2).shape[0] == 6
        run("encode", pet, "-o", tmp_path / "a.mmip", "--lossless", "--stages", 3, "--cell-depth", 8)
        command = ["decode", tmp_path / "a.mmip", "-o", tmp_path / "out", "--template", pet, "--scale", 2]
        assert main([*map(str, command)]) == 2

    def test_of_frames_come_back(self, tmp_path: Path) -> None:
        source = open_source(slices(tmp_path / "pet", RescaleSlope=SLOPES))
        grey = mmip_gpu.sources.Source(
            source.shape,
            np.dtype("uint16"),
            "zyx",
            source.metadata,
            "pet",
            "",
            np.abs(HEAD).astype(np.uint16).__getitem__,
        )
        write_image(grey, tmp_path / "frames.dcm")
        assert open_source(tmp_path / "frames.dcm").metadata["slope_per_slice"] == SLOPES


class TestPlaces:
    @pytest.mark.parametrize(
        ("z", "told"),
        [
            (UNEVEN, "2 to 4 mm"),
            ([0.0, 3, 6, 9, 15, 18], "3 to 6 mm"),
            ([0.0, 1, 3, 6, 10, 15], "1 to 5 mm"),
            ([0.0, -3, -6, -12, -15, -18], "3 to 6 mm"),
        ],
    )
    @pytest.mark.parametrize("template", [True, False])
    def test_uneven_slices_keep_theirs(self, z: list[float], told: str, template: bool, tmp_path: Path) -> None:
        folder = slices(tmp_path / "ct", ImagePositionPatient=places(z))
        with pytest.warns(MetadataWarning, match=f"slices lie unevenly, {told}"):
            report = mmip_gpu.write_zarr(folder, tmp_path / "a.zarr", lossless=True, stages=3, progress=False)
        assert "slices lie unevenly" in report["lost"][0]
        run("extract", tmp_path / "a.zarr", "-o", tmp_path / "out", *(["--template", folder] if template else []))
        assert sorted(float(d.ImagePositionPatient[2]) for d in headers(tmp_path / "out")) == sorted(z)
        assert {tuple(d.ImageOrientationPatient) for d in headers(tmp_path / "out")} == {tuple(AXIAL)}
        for name in ("a.nii", "a.tif"):
            with pytest.warns(MetadataWarning, match="places of slices, which are uneven"):
                run("extract", tmp_path / "a.zarr", "-o", tmp_path / name)

    def test_a_slice_beside_the_line_is_uneven(self, tmp_path: Path) -> None:
        at = places([0.0, 3, 6, 9, 12, 15])
        at[3][0] += 2
        with pytest.warns(MetadataWarning, match="unevenly"):
            source = open_source(slices(tmp_path / "ct", ImagePositionPatient=at))
        assert "affine" not in source.metadata
        assert source.metadata["slice_positions"][3] == [7.0, -4.0, 9.0]

    def test_of_a_part_are_moved(self, tmp_path: Path) -> None:
        folder = slices(tmp_path / "ct", ImagePositionPatient=places(UNEVEN))
        run("compress", folder, tmp_path / "a.zarr", "--lossless", "--stages", 3, "--cell-depth", 8)
        part = ["extract", tmp_path / "a.zarr", "-o", tmp_path / "part", "--region", "2:5,3:9,4:12"]
        run(*part)
        assert [list(d.ImagePositionPatient) for d in headers(tmp_path / "part")] == [
            [-7.0, 4.75, z] for z in UNEVEN[2:5]
        ]
        run("extract", tmp_path / "a.zarr", "-o", tmp_path / "half", "--scale", 2)
        assert [d.ImagePositionPatient[2] for d in headers(tmp_path / "half")] == [1.0, 6.0, 11.0]

    def test_tilted_and_rounded_slices_are_even(self, tmp_path: Path) -> None:
        tilted = [[-9.0, 4.0 + 0.75 * z, round(2.9047 * z, 2)] for z in range(6)]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            source = open_source(slices(tmp_path / "ct", ImagePositionPatient=tilted))
        assert source.metadata["spacing_uniform"]
        np.testing.assert_allclose(np.array(source.metadata["affine"])[:3, 2], [0, -0.75, 2.904], atol=1e-6)

    @pytest.mark.parametrize("template", [True, False])
    def test_pixel_spacing_that_differs_is_kept(self, template: bool, tmp_path: Path) -> None:
        sizes = [[0.25, 0.5]] * 5 + [[0.5, 1.0]]
        folder = slices(tmp_path / "ct", PixelSpacing=sizes)
        with pytest.warns(MetadataWarning, match=r"pixel spacing differs by slice, 0\.25 to 1 mm"):
            run("compress", folder, tmp_path / "a.zarr", "--lossless")
        run("extract", tmp_path / "a.zarr", "-o", tmp_path / "out", *(["--template", folder] if template else []))
        assert [list(d.PixelSpacing) for d in headers(tmp_path / "out")] == sizes
        with pytest.warns(MetadataWarning, match="pixel spacing, which differs by slice"):
            run("extract", tmp_path / "a.zarr", "-o", tmp_path / "a.nii")


def overlay(dataset: Dataset, group: int, data: bytes | None) -> None:
    """Add an overlay of 16 x 20: its bits of their own, or in bit 15 of the pixels."""
    tags = [(0x10, "US", 16), (0x11, "US", 20), (0x40, "CS", "G"), (0x50, "SS", [1, 1])]
    tags += [(0x100, "US", 16 if data is None else 1), (0x102, "US", 15 if data is None else 0)]
    for element, vr, value in tags:
        dataset.add_new((group, element), vr, value)
    if data is not None:
        dataset.add_new((group, 0x3000), "OW", data)


class TestOverlays:
    @pytest.fixture
    def marked(self, tmp_path: Path) -> Path:
        folder = tmp_path / "marked"
        folder.mkdir()
        for z in range(6):
            place = {"ImagePositionPatient": [0, 0, 3.0 * z], "ImageOrientationPatient": AXIAL, "InstanceNumber": z}
            dataset = make(HEAD[z], PixelSpacing=[1, 1], **place)
            overlay(dataset, 0x6000, None)
            overlay(dataset, 0x6002, bytes(40))
            dataset.save_as(folder / f"{z}.dcm", enforce_file_format=True)
        return folder

    def test_are_recorded_as_lost(self, marked: Path, tmp_path: Path) -> None:
        with pytest.warns(MetadataWarning, match="overlays of 6 files"):
            report = mmip_gpu.write_zarr(marked, tmp_path / "a.zarr", quality=10, progress=False)
        assert report["lost"] == ["overlays of 6 files"]

    @pytest.mark.parametrize(
        ("part", "kept"),
        [([], [0x6002]), (["--scale", 2], []), (["--region", ":,0:8,:"], []), (["--stages", 1], [0x6002])],
    )
    def test_are_declared_only_where_they_are(
        self, part: list[Any], kept: list[int], marked: Path, tmp_path: Path
    ) -> None:
        run("compress", marked, tmp_path / "a.zarr", "--lossless", "--stages", 3, "--cell-depth", 1)
        with pytest.warns(MetadataWarning, match="overlays of 6 files, which are removed"):
            run("extract", tmp_path / "a.zarr", "-o", tmp_path / "out", "--template", marked, *part)
        for dataset in headers(tmp_path / "out"):
            assert sorted({tag.group for tag in dataset.keys() if 0x6000 <= tag.group < 0x6020}) == kept  # noqa: SIM118


class TestTemplates:
    @pytest.mark.parametrize("name", ["out", "out.nii", "out.ome.tif"])
    def test_of_another_series_are_refused(self, name: str, series: Path, tmp_path: Path) -> None:
        other = slices(tmp_path / "other", SeriesInstanceUID=["1.2.9"] * 6, PatientName=["Other^Person"] * 6)
        run("compress", series, tmp_path / "a.zarr", "--lossless")
        run("compress", tmp_path / "a.zarr", tmp_path / "b.zarr", "--lossless")
        for store in ("a.zarr", "b.zarr"):
            command = ["extract", tmp_path / store, "-o", tmp_path / name, "--template", other]
            assert main([*map(str, command)]) == 2
        with pytest.raises(InvalidArgument, match="another series"):
            write_image(open_source(series), tmp_path / name, template=other)
        assert not (tmp_path / name).exists()

    def test_of_a_container_cannot_be_checked_which_is_said(self, series: Path, tmp_path: Path) -> None:
        run("encode", series, "-o", tmp_path / "a.mmip", "--lossless")
        with pytest.warns(MetadataWarning, match="which series it was"):
            run("decode", tmp_path / "a.mmip", "-o", tmp_path / "out", "--template", series)

    def test_are_never_replaced(self, series: Path, tmp_path: Path) -> None:
        before = {path.name: path.read_bytes() for path in series.iterdir()}
        run("compress", series, tmp_path / "a.zarr", "--lossless")
        pairs = [(series, series), (series / "3.dcm", series), (series, series / "3.dcm"), (series.parent, series)]
        for output, template in pairs:
            command = ["extract", tmp_path / "a.zarr", "-o", output, "--template", template, "--overwrite"]
            assert main([*map(str, command)]) == 2
        assert {path.name: path.read_bytes() for path in series.iterdir()} == before


def test_names_of_folders_and_files_stay_outside(tmp_path: Path) -> None:
    folder = slices(tmp_path / "DOE_JANE_19800101")
    run("compress", folder, tmp_path / "a.zarr", "--lossless")
    run("compress", folder / "3.dcm", tmp_path / "one.zarr", "--lossless")
    run("fetch", tmp_path / "a.zarr", tmp_path / "copy.zarr", "--stages", 1)
    run("export", tmp_path / "a.zarr", tmp_path / "a.ome.zarr")
    run("extract", tmp_path / "a.zarr", "-o", tmp_path / "out")
    run("extract", tmp_path / "a.zarr", "-o", tmp_path / "a.ome.tif")
    for place in ("a.zarr", "one.zarr", "copy.zarr", "a.ome.zarr", "out", "a.ome.tif"):
        files = [path for path in (tmp_path / place).rglob("*") if path.is_file()] or [tmp_path / place]
        assert files
        assert not any(b"DOE_JANE" in path.read_bytes() or b"3.dcm" in path.read_bytes() for path in files)


@pytest.mark.parametrize(
    "wrong",
    [
        {"slope_per_slice": [1.0, 2.0]},
        {"intercept_per_slice": [1.0] * 7},
        {"spacing_per_slice": [[1.0, 1.0]]},
        {"slice_positions": [[0.0, 0.0, 0.0]] * 5, "directions": [1.0, 0, 0, 0, 1, 0]},
        {"slice_positions": [[0.0, 0.0, 0.0]] * 6, "affine": None},
    ],
)
def test_lists_that_do_not_fit_are_left_out_and_said(wrong: dict[str, Any], series: Path, tmp_path: Path) -> None:
    run("compress", series, tmp_path / "a.zarr", "--lossless", "--stages", 3, "--cell-depth", 1)
    attributes = json.loads((tmp_path / "a.zarr" / "zarr.json").read_text())
    attributes["attributes"]["mmip"]["metadata"] |= wrong
    (tmp_path / "a.zarr" / "zarr.json").write_text(json.dumps(attributes))
    for name in ("out", "out.nii"):
        with pytest.warns(MetadataWarning, match="by slice|uneven"):
            run("extract", tmp_path / "a.zarr", "-o", tmp_path / name, "--region", "1:4,:,:")
    with pytest.warns(MetadataWarning, match="by slice|uneven"):
        run("compress", tmp_path / "a.zarr", tmp_path / "b.zarr", "--lossless")
