"""DICOM by a template: what is kept of the original, and what is said about the coding."""

from __future__ import annotations

import contextlib
import dataclasses
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from helpers.commands import run
from helpers.ct_files import HEAD, headers, make
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, ExplicitVRBigEndian, JPEGBaseline8Bit

import mmip_gpu
from mmip_gpu.cli import main
from mmip_gpu.errors import InvalidArgument, MmipError
from mmip_gpu.sinks import write_image
from mmip_gpu.sources import open_source


class TestDerivedDicom:
    def test_lossless_through_a_store(self, series: Path, tmp_path: Path) -> None:
        run("compress", series, tmp_path / "a.zarr", "--lossless")
        run("extract", tmp_path / "a.zarr", "-o", tmp_path / "out", "--template", series)
        found, expected = open_source(tmp_path / "out"), open_source(series)
        np.testing.assert_array_equal(found.read(), HEAD)
        assert found.metadata == expected.metadata | {"file": "out", "series": found.metadata["series"]}
        originals = {int(d.InstanceNumber): d for d in headers(series)}
        written = headers(tmp_path / "out")
        assert len({d.SOPInstanceUID for d in written}) == 6
        assert len({d.SeriesInstanceUID for d in written}) == 1
        for dataset in written:
            original = originals[int(dataset.InstanceNumber)]
            assert (dataset.PatientName, dataset.StudyInstanceUID) == ("Doe^Jane", "1.2.3")
            assert dataset.SOPClassUID == dataset.file_meta.MediaStorageSOPClassUID == CTImageStorage
            assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
            assert dataset.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
            assert dataset.SOPInstanceUID != original.SOPInstanceUID
            assert dataset.SeriesInstanceUID != original.SeriesInstanceUID
            assert list(dataset.ImageType) == ["DERIVED", "SECONDARY", "AXIAL"]
            assert dataset.SourceImageSequence[0].ReferencedSOPInstanceUID == original.SOPInstanceUID
            assert (dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation) == (12, 11, 1)
            assert (dataset.RescaleSlope, dataset.RescaleIntercept) == (1, -1024)
            assert "LossyImageCompression" not in dataset
            assert "SmallestImagePixelValue" not in dataset
            np.testing.assert_array_equal(dataset.pixel_array, original.pixel_array)

    def test_lossy_says_so(self, series: Path, tmp_path: Path) -> None:
        run("compress", series, tmp_path / "a.zarr", "--psnr", 40)
        run("extract", tmp_path / "a.zarr", "-o", tmp_path / "out", "--template", series)
        report = mmip_gpu.open_zarr(tmp_path / "a.zarr").report
        for dataset in headers(tmp_path / "out"):
            assert dataset.LossyImageCompression == "01"
            assert float(dataset.LossyImageCompressionRatio) == pytest.approx(report["ratio"], rel=1e-4)
            assert dataset.LossyImageCompressionMethod == "MMIP"
            assert "psnr 40" in dataset.DerivationDescription
            assert dataset.DerivationCodeSequence[0].CodeValue == "113040"
            assert len(dataset.LossyImageCompressionMethod) <= 16

    @pytest.mark.parametrize("error", [0, 3])
    def test_an_error_bound_is_lossy_unless_it_is_zero(self, error: int, series: Path, tmp_path: Path) -> None:
        run("compress", series, tmp_path / "a.zarr", "--max-error", error)
        run("extract", tmp_path / "a.zarr", "-o", tmp_path / "out", "--template", series)
        expected = None if error == 0 else "01"
        assert {d.get("LossyImageCompression") for d in headers(tmp_path / "out")} == {expected}
        found = open_source(tmp_path / "out").read().astype(int)
        assert np.abs(found - HEAD).max() <= error

    @pytest.mark.parametrize("options", [["--stages", 1], ["--scale", 2]])
    def test_a_part_of_a_lossless_store_is_lossy(self, options: list[Any], series: Path, tmp_path: Path) -> None:
        run("compress", series, tmp_path / "a.zarr", "--lossless", "--stages", 3)
        run("extract", tmp_path / "a.zarr", "-o", tmp_path / "out", "--template", series, *options)
        assert all(d.LossyImageCompression == "01" for d in headers(tmp_path / "out"))

    def test_once_lossy_always_lossy(self, series: Path, tmp_path: Path) -> None:
        for path in series.iterdir():
            dataset = pydicom.dcmread(path)
            dataset.LossyImageCompression = "01"
            dataset.LossyImageCompressionRatio, dataset.LossyImageCompressionMethod = 7.5, "ISO_10918_1"
            dataset.save_as(path)
        run("compress", series, tmp_path / "exact.zarr", "--lossless")
        run("compress", series, tmp_path / "lossy.zarr", "--psnr", 40)
        for template in (["--template", series], []):
            run("extract", tmp_path / "exact.zarr", "-o", tmp_path / "exact", "--overwrite", *template)
            run("extract", tmp_path / "lossy.zarr", "-o", tmp_path / "lossy", "--overwrite", *template)
            for dataset in headers(tmp_path / "exact"):
                assert dataset.LossyImageCompression == "01"
                assert dataset.LossyImageCompressionMethod == "ISO_10918_1"
                assert dataset.LossyImageCompressionRatio == 7.5
            for dataset in headers(tmp_path / "lossy"):
                assert list(dataset.LossyImageCompressionMethod) == ["ISO_10918_1", "MMIP"]
                assert len(dataset.LossyImageCompressionRatio) == 2
        run("compress", tmp_path / "lossy", tmp_path / "again.zarr", "--lossless")
        run("extract", tmp_path / "again.zarr", "-o", tmp_path / "again")
        assert list(headers(tmp_path / "again")[0].LossyImageCompressionMethod) == ["ISO_10918_1", "MMIP"]

    def test_a_mark_of_exactness_is_kept_only_while_it_holds(self, series: Path, tmp_path: Path) -> None:
        for path in series.iterdir():
            dataset = pydicom.dcmread(path)
            dataset.LossyImageCompression = "00"
            dataset.save_as(path)
        for target, mark in ((["--lossless"], "00"), (["--psnr", 40], "01")):
            run("compress", series, tmp_path / "a.zarr", *target, "--overwrite")
            run("extract", tmp_path / "a.zarr", "-o", tmp_path / "out", "--template", series, "--overwrite")
            assert {d.LossyImageCompression for d in headers(tmp_path / "out")} == {mark}

    def test_a_cut_and_scaled_part_lies_where_it_was(self, series: Path, tmp_path: Path) -> None:
        run("compress", series, tmp_path / "a.zarr", "--lossless", "--stages", 3, "--cell-depth", 1)
        run("extract", tmp_path / "a.zarr", "-o", tmp_path / "out", "--template", series, "--region", "2:5,3:16,4:20")
        found = open_source(tmp_path / "out")
        np.testing.assert_array_equal(found.read(), HEAD[2:5, 3:16, 4:20])
        whole = np.array(open_source(series).metadata["affine"])
        np.testing.assert_allclose(np.array(found.metadata["affine"]) @ [0, 0, 0, 1], whole @ [4, 3, 2, 1])
        run(
            "extract", tmp_path / "a.zarr", "-o", tmp_path / "half", "--template", series, "--scale", 2,
            "--region", "1:4,2:8,1:10",
        )  # fmt: skip
        half = open_source(tmp_path / "half")
        assert half.metadata["spacing"] == [3.0, 0.5, 1.0]
        np.testing.assert_allclose(np.array(half.metadata["affine"]) @ [0, 0, 0, 1], whole @ [2.5, 4.5, 1, 1])

    def test_a_scaled_volume_lies_between_its_slices(self, series: Path, tmp_path: Path) -> None:
        run("compress", series, tmp_path / "a.zarr", "--lossless", "--stages", 3, "--cell-depth", 8)
        run("extract", tmp_path / "a.zarr", "-o", tmp_path / "half", "--template", series, "--scale", 2)
        half, whole = open_source(tmp_path / "half"), np.array(open_source(series).metadata["affine"])
        assert half.shape == (3, 8, 10)
        assert half.metadata["spacing"] == [6.0, 0.5, 1.0]
        np.testing.assert_allclose(np.array(half.metadata["affine"]) @ [0, 0, 0, 1], whole @ [0.5, 0.5, 0.5, 1])
        assert [len(d.SourceImageSequence) for d in headers(tmp_path / "half")] == [2, 2, 2]
        assert [d.InstanceNumber for d in headers(tmp_path / "half")] == [1, 2, 3]

    def test_values_outside_the_stored_bits(self, series: Path, tmp_path: Path) -> None:
        source = open_source(series)
        outside = HEAD.copy()
        outside[2, 3, 4], outside[2, 3, 5] = 2100, -2100
        exact = dataclasses.replace(source, reader=outside.__getitem__)
        with pytest.raises(InvalidArgument, match="expected -2048 to 2047"):
            write_image(exact, tmp_path / "out", template=series)
        assert not (tmp_path / "out").exists()
        coding = {"lossy": True, "ratio": 9.0, "text": "test"}
        lossy = dataclasses.replace(exact, metadata=source.metadata | {"coding": coding})
        write_image(lossy, tmp_path / "out", template=series)
        assert open_source(tmp_path / "out").read()[2, 3, 4:6].tolist() == [2047, -2048]

    def test_templates_of_another_image(self, series: Path, tmp_path: Path) -> None:
        for image in (np.zeros((5, 16, 20), np.int16), np.zeros((6, 16, 20), np.uint16)):
            with pytest.raises(InvalidArgument, match="template"):
                write_image(image, tmp_path / "out", template=series)
        with pytest.raises(InvalidArgument, match="folder"):
            write_image(open_source(series), tmp_path / "out.dcm", template=series)
        assert not (tmp_path / "out.dcm").exists()

    def test_one_slice(self, tmp_path: Path) -> None:
        dataset = make(HEAD[0], PixelPaddingValue=-2000)
        dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)
        run("encode", tmp_path / "a.dcm", "-o", tmp_path / "a.mmip", "--lossless")
        run("decode", tmp_path / "a.mmip", "-o", tmp_path / "b.dcm", "--template", tmp_path / "a.dcm")
        found = pydicom.dcmread(tmp_path / "b.dcm")
        np.testing.assert_array_equal(found.pixel_array, HEAD[0])
        assert (found.PixelPaddingValue, found.PatientID) == (-2000, "42")

    def test_a_big_endian_template_is_refused(self, tmp_path: Path) -> None:
        dataset = make(HEAD[0])
        dataset.PixelData = HEAD[0].astype(">i2").tobytes()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
        dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)
        with pytest.raises(InvalidArgument, match="big endian"):
            write_image(tmp_path / "a.dcm", tmp_path / "b.dcm", template=tmp_path / "a.dcm")

    def test_enhanced_files_keep_their_frames(self, tmp_path: Path) -> None:
        shared, measures = Dataset(), Dataset()
        measures.PixelSpacing, measures.SpacingBetweenSlices = [0.25, 0.5], 3
        direction = Dataset()
        direction.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [direction]
        groups = []
        for z in range(6):
            place, group = Dataset(), Dataset()
            place.ImagePositionPatient = [0, 0, 15.0 - 3 * z]
            group.PlanePositionSequence = [place]
            groups.append(group)
        tags = {"SharedFunctionalGroupsSequence": [shared], "PerFrameFunctionalGroupsSequence": groups}
        dataset = make(HEAD[::-1], SOPClassUID=EnhancedCTImageStorage, NumberOfFrames=6, **tags)
        dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)
        source = open_source(tmp_path / "a.dcm")
        np.testing.assert_array_equal(source.read(), HEAD)
        write_image(source, tmp_path / "b.dcm", template=tmp_path / "a.dcm")
        found = open_source(tmp_path / "b.dcm")
        np.testing.assert_array_equal(found.read(), HEAD)
        assert found.metadata == source.metadata | {"file": "b.dcm", "series": found.metadata["series"]}
        assert pydicom.dcmread(tmp_path / "b.dcm").SOPClassUID == EnhancedCTImageStorage
        run("compress", tmp_path / "a.dcm", tmp_path / "a.zarr", "--lossless")
        part = ["extract", tmp_path / "a.zarr", "-o", tmp_path / "c.dcm", "--template", tmp_path / "a.dcm"]
        assert main([*map(str, part), "--region", "0:2,:,:"]) == 2

    def test_a_lossy_transfer_syntax_is_known_without_a_mark(self, tmp_path: Path) -> None:
        import imagecodecs
        from pydicom.encaps import encapsulate

        pytest.importorskip("PIL")
        image = np.add.outer(np.arange(16), np.arange(20)).astype(np.uint8)
        tags = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0}
        dataset = make(HEAD[0], **tags)
        dataset.PixelData = encapsulate([imagecodecs.jpeg8_encode(image, level=90)])
        del dataset.SmallestImagePixelValue
        dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
        dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)
        run("encode", tmp_path / "a.dcm", "-o", tmp_path / "a.mmip", "--lossless")
        run("decode", tmp_path / "a.mmip", "-o", tmp_path / "b.dcm", "--template", tmp_path / "a.dcm")
        assert pydicom.dcmread(tmp_path / "b.dcm").LossyImageCompression == "01"


def test_a_template_may_be_damaged(series: Path, tmp_path: Path) -> None:
    source = open_source(series)
    data = (series / "3.dcm").read_bytes()
    for length in range(0, len(data), 61):
        (series / "3.dcm").write_bytes(data[:length])
        try:
            write_image(source, tmp_path / "out", template=series, overwrite=True)
        except MmipError:
            continue
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("seed", range(6))
def test_damaged_templates_give_files_or_errors_of_ours(seed: int, series: Path, tmp_path: Path) -> None:
    source = open_source(series / "3.dcm")
    data, random = (series / "3.dcm").read_bytes(), np.random.default_rng(seed)
    for _ in range(12):
        damaged = bytearray(data)
        for at in random.integers(140, 1000, 4):
            damaged[at] = random.integers(256)
        (tmp_path / "template.dcm").write_bytes(damaged)
        with contextlib.suppress(MmipError), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            write_image(source, tmp_path / "out.dcm", template=tmp_path / "template.dcm", overwrite=True)
            assert open_source(tmp_path / "out.dcm").shape == source.shape
    assert not list(tmp_path.glob("*.part"))
