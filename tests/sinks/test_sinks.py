"""Sinks: what is written comes back as a source, whole or not at all, and DICOM says what was done to it."""

from __future__ import annotations

import dataclasses
import resource
import signal
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    generate_uid,
)

import mmip_gpu
from mmip_gpu.cli import main
from mmip_gpu.errors import InvalidArgument, MissingResource, MmipError, StoreError
from mmip_gpu.sinks import sink, sink_of, write_image
from mmip_gpu.sources import Source, open_source

AFFINE = [[-0.5, 0.0, 0.0, 9.0], [0.0, -0.25, 0.0, -4.0], [0.0, 0.0, 3.0, -50.0], [0.0, 0.0, 0.0, 1.0]]
SIZE = {"t": 2, "n": 3, "c": 3, "z": 4, "y": 17, "x": 19}


def volume(axes: str, dtype: str = "uint16", colour: bool | None = None, **metadata: Any) -> Source:
    """A source whose samples differ along every axis."""
    shape = tuple(SIZE[letter] for letter in axes)
    array = (np.arange(np.prod(shape)) * 7919 % 65521).astype(dtype).reshape(shape)
    opened = open_source(np.zeros((1, 1), dtype))
    spacing = [3.0, 0.25, 0.5][-sum(a in "zyx" for a in axes) :]
    known = opened.metadata | {"spacing": spacing} | metadata
    return Source(shape, np.dtype(dtype), axes, known, "made", "", array.__getitem__, colour)


def run(*arguments: Any) -> None:
    assert main([str(argument) for argument in arguments]) == 0


class TestBlocks:
    @given(data=st.data())
    def test_they_cover_the_array_once_in_whole_chunks(self, data: st.DataObject) -> None:
        shape = data.draw(st.lists(st.integers(0, 9), min_size=1, max_size=4))
        chunks = data.draw(st.lists(st.integers(1, 5), min_size=len(shape), max_size=len(shape)))
        covered = np.zeros(shape, int)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sink, "BLOCK_BYTES", data.draw(st.integers(1, 400)))
            for region in sink.blocks(shape, 2, chunks):
                covered[region] += 1
                assert all(part.start % chunk == 0 for part, chunk in zip(region, chunks, strict=True))
        assert (covered == 1).all()

    @given(data=st.data())
    def test_a_file_in_any_order_of_blocks_is_the_array(
        self, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        shape = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=4))
        array = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sink, "BLOCK_BYTES", data.draw(st.integers(1, 100)))
            regions = data.draw(st.permutations(sink.blocks(shape, 2, [1] * len(shape))))
        path = tmp_path_factory.getbasetemp() / "blocks"
        with path.open("wb") as file:
            for region in regions:
                sink.put(file, 5, shape, region, array[region])
        assert path.read_bytes() == bytes(5) + array.tobytes()

    def test_memory_is_that_of_a_block(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sink, "BLOCK_BYTES", 1 << 18)
        for name in ("a.npy", "a.nii", "a.nii.gz", "a.ome.tif", "a.dcm", "series"):
            write_image("phantom3d:2x16x16", tmp_path / "w" / name)  # loads the packages
            tracemalloc.start()
            write_image("phantom3d:64x256x256", tmp_path / name)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < 5 << 20, name
            np.testing.assert_array_equal(
                open_source(tmp_path / name).read(), mmip_gpu.phantom3d((64, 256, 256)), err_msg=name
            )


class TestRoundTrip:
    @pytest.mark.parametrize("shape", [(3, 4), (0, 4), (7,)])
    def test_npy(self, shape: tuple[int, ...], tmp_path: Path) -> None:
        array = np.arange(np.prod(shape), dtype=">i2").reshape(shape)
        write_image(array, tmp_path / "new/a.npy")
        found = np.load(tmp_path / "new/a.npy")
        assert found.dtype == np.dtype("<i2")
        np.testing.assert_array_equal(found, array)

    @pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
    @pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "float32"])
    @pytest.mark.parametrize("axes", ["x", "yx", "zyx", "tzyx"])
    def test_nifti(self, axes: str, dtype: str, suffix: str, tmp_path: Path) -> None:
        source = volume(axes, dtype, slope=0.5, intercept=-3.0)
        write_image(source, tmp_path / f"a{suffix}")
        found = open_source(tmp_path / f"a{suffix}")
        assert (found.axes, found.dtype) == (axes, source.dtype)
        np.testing.assert_array_equal(found.read(), source.read())
        assert found.metadata["spacing"] == pytest.approx(source.metadata["spacing"])
        assert (found.metadata["slope"], found.metadata["intercept"]) == (0.5, -3.0)
        image = nibabel.load(tmp_path / f"a{suffix}")
        assert image.shape == source.shape[::-1]
        np.testing.assert_array_equal(image.get_fdata(), source.read().T * 0.5 - 3)

    def test_nifti_affine_colour_order_and_long_axes(self, tmp_path: Path) -> None:
        write_image(volume("zyx", affine=AFFINE, space="mni"), tmp_path / "a.nii")
        image = nibabel.load(tmp_path / "a.nii")
        np.testing.assert_allclose(image.affine, AFFINE)
        assert (int(image.header["sform_code"]), int(image.header["qform_code"])) == (4, 4)
        for axes in ("yxc", "zyxc", "cyx"):
            source = volume(axes, "uint8", colour=True)
            write_image(source, tmp_path / f"{axes}.nii")
            expected = np.moveaxis(source.read(), axes.index("c"), -1)
            np.testing.assert_array_equal(open_source(tmp_path / f"{axes}.nii").read(), expected)
        source = volume("tyx")
        write_image(source, tmp_path / "t.nii")
        np.testing.assert_array_equal(open_source(tmp_path / "t.nii").read()[:, 0], source.read())
        write_image(np.zeros((2, 40000), np.uint8), tmp_path / "long.nii")
        assert isinstance(nibabel.load(tmp_path / "long.nii").header, nibabel.Nifti2Header)
        assert open_source(tmp_path / "long.nii").shape == (2, 40000)

    @pytest.mark.parametrize("name", ["a.tif", "a.tiff", "a.ome.tif", "a.OME.TIFF"])
    @pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
    @pytest.mark.parametrize("axes", ["yx", "zyx", "tzyx", "cyx", "czyx", "tczyx", "tyx", "nzyx", "tnzyx"])
    def test_tiff(self, axes: str, dtype: str, name: str, tmp_path: Path) -> None:
        source = volume(axes, dtype, colour=False if "c" in axes else None)
        write_image(source, tmp_path / name)
        found = open_source(tmp_path / name)
        assert (found.axes, found.dtype, found.colour) == (axes, source.dtype, source.colour)
        np.testing.assert_array_equal(found.read(), source.read())
        assert found.metadata["spacing"] == pytest.approx(source.metadata["spacing"], rel=1e-6)
        with tifffile.TiffFile(tmp_path / name) as file:
            assert file.is_ome == ("ome" in name.lower())
            assert not file.is_bigtiff

    @pytest.mark.parametrize("name", ["a.tif", "a.ome.tif"])
    @pytest.mark.parametrize("axes", ["yxc", "zyxc", "tzyxc", "cyx"])
    def test_tiff_colour(self, axes: str, name: str, tmp_path: Path) -> None:
        source = volume(axes, "uint8", colour=True)
        write_image(source, tmp_path / name)
        found = open_source(tmp_path / name)
        assert (found.axes, found.colour) == (axes.replace("c", "") + "c", True)
        np.testing.assert_array_equal(found.read(), np.moveaxis(source.read(), axes.index("c"), -1))
        with tifffile.TiffFile(tmp_path / name) as file:
            assert file.pages[0].photometric.name == "RGB"

    @pytest.mark.parametrize("name", ["a.nii", "series"])
    def test_axes_of_length_one_need_no_place(self, name: str, tmp_path: Path) -> None:
        source = volume("zyx")
        shape, reader = (1, SIZE["z"], 1, SIZE["y"], SIZE["x"]), source.read()[None, :, None].__getitem__
        write_image(dataclasses.replace(source, shape=shape, axes="nzcyx", reader=reader), tmp_path / name)
        found = open_source(tmp_path / name)
        assert found.axes == "zyx"
        np.testing.assert_array_equal(found.read(), source.read())

    def test_tiff_of_one_axis_and_of_many_channels(self, tmp_path: Path) -> None:
        write_image(volume("x"), tmp_path / "x.tif")
        assert open_source(tmp_path / "x.tif").shape == (1, SIZE["x"])
        source = volume("yxc", colour=False)
        write_image(source, tmp_path / "c.ome.tif")
        found = open_source(tmp_path / "c.ome.tif")
        assert (found.axes, found.colour) == ("cyx", False)
        np.testing.assert_array_equal(found.read(), np.moveaxis(source.read(), -1, 0))

    def test_large_files_are_bigtiff(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("mmip_gpu.sinks.tiff._BIG_BYTES", 1000)
        source = volume("zyx")
        write_image(source, tmp_path / "a.tif")
        with tifffile.TiffFile(tmp_path / "a.tif") as file:
            assert file.is_bigtiff
        np.testing.assert_array_equal(open_source(tmp_path / "a.tif").read(), source.read())


class TestWriting:
    @pytest.mark.parametrize("name", ["a.npy", "a.nii", "a.nii.gz", "a.tif", "a.dcm", "series"])
    def test_what_is_there_is_kept_until_the_new_is_whole(self, name: str, tmp_path: Path) -> None:
        write_image(volume("zyx"), tmp_path / name)
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        with pytest.raises(StoreError, match="--overwrite"):
            write_image(volume("zyx"), tmp_path / name)

        def fail(region: Any) -> Any:
            raise RuntimeError("the source broke")

        with pytest.raises(StoreError, match="the source broke"):
            write_image(dataclasses.replace(volume("zyx"), reader=fail), tmp_path / name, overwrite=True)
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
        write_image(np.zeros((1, 3, 5), np.uint8), tmp_path / name, overwrite=True)
        assert not open_source(tmp_path / name).read().any()
        assert [path.name for path in tmp_path.iterdir()] == [name]

    @pytest.mark.parametrize("name", ["a.npy", "a.nii", "a.nii.gz", "a.tif", "a.dcm", "series"])
    def test_a_full_disk(self, name: str, tmp_path: Path) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        noise = np.random.default_rng(0).integers(0, 1 << 16, (2, 200, 200)).astype(np.uint16)
        before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (60000, hard))
            with pytest.raises(StoreError, match="cannot write"):
                write_image(noise, tmp_path / name)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, before)
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_of_other_things_is_never_replaced(self, tmp_path: Path) -> None:
        (tmp_path / "series").mkdir()
        (tmp_path / "series/thesis.txt").write_text("mine")
        with pytest.raises(StoreError, match=r"thesis\.txt"):
            write_image(volume("zyx"), tmp_path / "series", overwrite=True)
        (tmp_path / "file").write_text("mine")
        with pytest.raises(StoreError, match="something else"):
            write_image(volume("zyx"), tmp_path / "file", overwrite=True)
        with pytest.raises(StoreError, match="cannot write"):
            write_image(volume("zyx"), tmp_path / "file/a.npy")

    @pytest.mark.parametrize(
        ("axes", "dtype", "name"),
        [
            ("nzyx", "uint16", "a.nii"), ("yxc", "uint16", "a.nii"), ("tzyx", "uint16", "a.dcm"),
            ("x", "uint8", "a.dcm"), ("yxc", "uint16", "a.dcm"), ("zyx", "int16", "a.dcm"),
            ("zyx", "float32", "series"),
        ],
    )  # fmt: skip
    def test_what_a_format_cannot_hold(self, axes: str, dtype: str, name: str, tmp_path: Path) -> None:
        with pytest.raises(InvalidArgument):
            write_image(volume(axes, dtype), tmp_path / name)
        assert list(tmp_path.iterdir()) == []

    def test_names_empty_images_and_missing_packages(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(InvalidArgument, match=r"\.ome\.tif"):
            sink_of("a.gif")
        with pytest.raises(InvalidArgument, match="empty"):
            write_image(np.zeros((0, 3), np.uint8), tmp_path / "a.tif")
        for package, name in (("tifffile", "a.tif"), ("nibabel", "a.nii"), ("pydicom", "a.dcm")):
            monkeypatch.setitem(sys.modules, package, None)
            with pytest.raises(MissingResource, match=package):
                write_image(volume("zyx"), tmp_path / name)


HEAD = (np.random.default_rng(3).normal(0, 300, (6, 16, 20)).cumsum(2) / 3).astype(np.int16).clip(-2048, 2047)


def make(frames: np.ndarray, **tags: Any) -> Dataset:
    """A CT image, with the attributes that a scanner writes."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3", "1.2.3.4"
    dataset.PatientName, dataset.PatientID, dataset.Modality = "Doe^Jane", "42", "CT"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.Rows, dataset.Columns = frames.shape[-2:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 1
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
    dataset.SmallestImagePixelValue = int(frames.min())
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    dataset.PixelData = frames.astype("<i2").tobytes()
    dataset["PixelData"].VR = "OW"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    return dataset


@pytest.fixture
def series(tmp_path: Path) -> Path:
    folder = tmp_path / "original"
    folder.mkdir()
    for z in range(6):
        place = {"ImagePositionPatient": [-9.0, 4.0, 3.0 * z - 50], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
        tags = place | {"PixelSpacing": [0.25, 0.5], "InstanceNumber": 6 - z, "SliceThickness": 3}
        make(HEAD[z], **tags).save_as(folder / f"{6 - z}.dcm", enforce_file_format=True)
    return folder


def headers(folder: Path) -> list[Dataset]:
    return [pydicom.dcmread(path) for path in sorted(folder.iterdir())]


class TestDerivedDicom:
    def test_lossless_through_a_store(self, series: Path, tmp_path: Path) -> None:
        run("compress", series, tmp_path / "a.zarr", "--lossless")
        run("extract", tmp_path / "a.zarr", "-o", tmp_path / "out", "--template", series)
        found, expected = open_source(tmp_path / "out"), open_source(series)
        np.testing.assert_array_equal(found.read(), HEAD)
        assert found.metadata == expected.metadata | {"file": "out"}
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
        run("compress", series, tmp_path / "a.zarr", "--lossless")
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
        run("compress", series, tmp_path / "a.zarr", "--lossless", "--cell-depth", 1)
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
        run("compress", series, tmp_path / "a.zarr", "--lossless", "--cell-depth", 8)
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
        assert found.metadata == source.metadata | {"file": "b.dcm"}
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
        assert found.metadata == expected.metadata | {"file": "out"}
        assert headers(tmp_path / "out")[0].PatientName == ""


class TestCommandLine:
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Path]:
        write_image(volume("zyx", affine=AFFINE, space="scanner"), tmp_path / "a.nii.gz")
        run("compress", tmp_path / "a.nii.gz", tmp_path / "a.zarr", "--lossless", "--chunks", "16,32,32")
        return tmp_path / "a.zarr"

    @pytest.mark.parametrize("name", ["b.npy", "b.nii", "b.nii.gz", "b.tif", "b.ome.tiff", "b.dcm", "b"])
    def test_extract(self, name: str, store: Path, tmp_path: Path) -> None:
        run("extract", store, "-o", tmp_path / name)
        found = open_source(tmp_path / name)
        np.testing.assert_array_equal(found.read(), volume("zyx").read())
        assert name == "b.npy" or found.metadata["spacing"] == pytest.approx([3.0, 0.25, 0.5])
        if not name.endswith((".npy", ".tif", ".tiff")):
            np.testing.assert_allclose(found.metadata["affine"], AFFINE)
        assert main(["extract", str(store), "-o", str(tmp_path / name)]) == 2
        run("extract", store, "-o", tmp_path / name, "--overwrite", "--region", "1:3,2:9,4:")
        np.testing.assert_array_equal(open_source(tmp_path / name).read(), volume("zyx").read()[1:3, 2:9, 4:])

    def test_decode_with_a_template(self, store: Path, tmp_path: Path) -> None:
        run("encode", tmp_path / "a.nii.gz", "-o", tmp_path / "a.mmip", "--lossless")
        run("decode", tmp_path / "a.mmip", "-o", tmp_path / "plain.nii")
        assert "affine" not in open_source(tmp_path / "plain.nii").metadata
        run("decode", tmp_path / "a.mmip", "-o", tmp_path / "b.nii", "--template", tmp_path / "a.nii.gz")
        np.testing.assert_allclose(open_source(tmp_path / "b.nii").metadata["affine"], AFFINE)
        run(
            "decode", tmp_path / "a.mmip", "-o", tmp_path / "c.nii", "--template", tmp_path / "a.nii.gz",
            "--region", "1:4,:,8:",
        )  # fmt: skip
        np.testing.assert_allclose(
            np.array(open_source(tmp_path / "c.nii").metadata["affine"])[:3, 3], np.array(AFFINE)[:3] @ [8, 0, 1, 1]
        )
        for name in ("d.ome.tif", "d.dcm"):
            run("decode", tmp_path / "a.mmip", "-o", tmp_path / name, "--template", tmp_path / "a.nii.gz")
            assert open_source(tmp_path / name).metadata["spacing"] == pytest.approx([3.0, 0.25, 0.5])

    def test_float32(self, tmp_path: Path) -> None:
        array = np.random.default_rng(0).normal(3, 50, (5, 20, 30)).astype(np.float32)
        np.save(tmp_path / "a.npy", array)
        run("compress", tmp_path / "a.npy", tmp_path / "a.zarr", "--max-error", 0.5, "--step", 0.125)
        run("encode", tmp_path / "a.npy", "-o", tmp_path / "a.mmip", "--max-error", 0.5, "--step", 0.125)
        for command, stored in (("extract", "a.zarr"), ("decode", "a.mmip")):
            for name in ("b.npy", "b.nii.gz", "b.tif", "b.ome.tif"):
                run(command, tmp_path / stored, "-o", tmp_path / name, "--overwrite")
                found = open_source(tmp_path / name)
                assert found.dtype == np.float32
                assert np.abs(found.read() - array).max() <= 0.5
            assert main([command, str(tmp_path / stored), "-o", str(tmp_path / "folder")]) != 0

    def test_one_time_point_as_dicom(self, tmp_path: Path) -> None:
        source = volume("tzyx")
        write_image(source, tmp_path / "a.nii")
        run("compress", tmp_path / "a.nii", tmp_path / "a.zarr", "--lossless")
        assert main(["extract", str(tmp_path / "a.zarr"), "-o", str(tmp_path / "a.dcm")]) == 2
        run("extract", tmp_path / "a.zarr", "-o", tmp_path / "a.dcm", "--region", "1:2,:,:,:")
        np.testing.assert_array_equal(open_source(tmp_path / "a.dcm").read(), source.read()[1])

    def test_colour_and_channels(self, tmp_path: Path) -> None:
        for axes, colour in (("zyxc", True), ("czyx", False)):
            source = volume(axes, "uint8", colour=colour)
            write_image(source, tmp_path / f"{axes}.ome.tif")
            run("compress", tmp_path / f"{axes}.ome.tif", tmp_path / f"{axes}.zarr", "--lossless")
            run("extract", tmp_path / f"{axes}.zarr", "-o", tmp_path / f"{axes}.out.ome.tif")
            found = open_source(tmp_path / f"{axes}.out.ome.tif")
            assert (found.axes, found.colour) == (axes, colour)
            np.testing.assert_array_equal(found.read(), source.read())

    def test_an_unfinished_store_is_refused(self, store: Path, tmp_path: Path) -> None:
        import json

        document = json.loads((store / "zarr.json").read_text())
        document["attributes"]["mmip"] |= {"state": "writing", "report": None}
        (store / "zarr.json").write_text(json.dumps(document))
        assert main(["extract", str(store), "-o", str(tmp_path / "x.tif")]) == 2
        assert not (tmp_path / "x.tif").exists()


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
