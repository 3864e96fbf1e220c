"""Sinks: what is written comes back as a source, in .npy, NIfTI and TIFF."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
from helpers.sink_sources import AFFINE, SIZE, volume

from mmip_gpu.sinks import write_image
from mmip_gpu.sources import open_source


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
