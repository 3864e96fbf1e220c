"""Images whose samples are indices of a palette: colours in, colours or indices out, never grey."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from helpers.commands import run
from helpers.ct_files import make
from pydicom.pixels import apply_color_lut
from pydicom.uid import UltrasoundImageStorage

import mmip_gpu
from mmip_gpu.errors import InvalidArgument
from mmip_gpu.sinks import write_image
from mmip_gpu.sources import open_source

RANDOM = np.random.default_rng(5)
WAVES = np.sin(np.arange(48) / 5) + np.cos(np.arange(40) / 6)[:, None]
INDICES = ((WAVES - WAVES.min()) / np.ptp(WAVES) * 255).astype(np.uint8)
LUT = RANDOM.integers(0, 256, (3, 256)).astype(np.uint8)


def palette(path: Path, indices: np.ndarray, lut: np.ndarray, first: int = 0, bits: int = 8, **tags: Any) -> Path:
    """Write an image of indices."""
    size = indices.dtype.itemsize * 8
    layout = {"BitsAllocated": size, "BitsStored": size, "HighBit": size - 1, "PixelRepresentation": 0}
    dataset = make(indices, SOPClassUID=UltrasoundImageStorage, Modality="US", **(layout | tags))
    dataset.PhotometricInterpretation, dataset.PixelData = "PALETTE COLOR", indices.tobytes()
    for keyword in ("RescaleSlope", "RescaleIntercept", "SmallestImagePixelValue"):
        del dataset[keyword]
    for colour, values in zip(("Red", "Green", "Blue"), lut, strict=True):
        setattr(dataset, f"{colour}PaletteColorLookupTableDescriptor", [len(values) % 65536, first, bits])
        setattr(dataset, f"{colour}PaletteColorLookupTableData", values.tobytes())
    dataset.save_as(path, enforce_file_format=True)
    return path


def colours(path: Path) -> np.ndarray:
    """Colours as a viewer shows them, in 8 bits."""
    dataset = pydicom.dcmread(path)
    if dataset.PhotometricInterpretation == "RGB":
        return dataset.pixel_array
    assert dataset.PhotometricInterpretation == "PALETTE COLOR"
    shown = apply_color_lut(dataset.pixel_array, dataset)
    return shown if shown.dtype == np.uint8 else (shown >> 8).astype(np.uint8)


@pytest.mark.parametrize(
    ("indices", "lut", "first", "bits"),
    [
        (INDICES, LUT, 0, 8),
        (INDICES, LUT.astype(np.uint16) * 257, 0, 16),
        (INDICES.astype(np.uint16) * 4, RANDOM.integers(0, 256, (3, 1024)).astype(np.uint8), 0, 8),
        (INDICES, LUT[:, :100], 50, 8),
        (np.stack([INDICES, INDICES[::-1], INDICES[:, ::-1]]), LUT, 0, 8),
    ],
)
class TestPalettes:
    def test_are_given_as_colours(
        self, indices: np.ndarray, lut: np.ndarray, first: int, bits: int, tmp_path: Path
    ) -> None:
        tags = {"NumberOfFrames": len(indices)} if indices.ndim == 3 else {}
        path = palette(tmp_path / "a.dcm", indices, lut, first, bits, **tags)
        opened = open_source(path)
        assert (opened.dtype, opened.shape, opened.axes[-1]) == (np.uint8, (*indices.shape, 3), "c")
        assert opened.metadata["photometric"] == "RGB"
        np.testing.assert_array_equal(opened.read(), colours(path))
        part = (*(slice(0, size - 1) for size in indices.shape), slice(1, 3))
        np.testing.assert_array_equal(opened.read(part), colours(path)[part])

    @pytest.mark.parametrize("target", [["--lossless"], ["--psnr", 45]])
    def test_come_back_as_colours(
        self, target: list[Any], indices: np.ndarray, lut: np.ndarray, first: int, bits: int, tmp_path: Path
    ) -> None:
        tags = {"NumberOfFrames": len(indices)} if indices.ndim == 3 else {}
        path = palette(tmp_path / "a.dcm", indices, lut, first, bits, **tags)
        run("compress", path, tmp_path / "a.zarr", *target)
        for template in ([], ["--template", path]):
            run("extract", tmp_path / "a.zarr", "-o", tmp_path / "b.dcm", "--overwrite", *template)
            error = colours(path).astype(float) - colours(tmp_path / "b.dcm")
            assert np.mean(error**2) <= (0 if target == ["--lossless"] else 255**2 / 10**4.49)
            kind = "PALETTE COLOR" if template else "RGB"
            assert pydicom.dcmread(tmp_path / "b.dcm").PhotometricInterpretation == kind


def test_a_palette_scaled_is_a_mean_of_colours(tmp_path: Path) -> None:
    path = palette(tmp_path / "a.dcm", INDICES, LUT)
    run("compress", path, tmp_path / "a.zarr", "--lossless")
    half = mmip_gpu.open_zarr(tmp_path / "a.zarr", scale=2)[...].astype(float)
    mean = colours(path).reshape(20, 2, 24, 2, 3).mean((1, 3))
    assert np.abs(half - mean).mean() < 40
    run("extract", tmp_path / "a.zarr", "-o", tmp_path / "b.dcm", "--scale", 2)
    assert pydicom.dcmread(tmp_path / "b.dcm").PhotometricInterpretation == "RGB"


def test_palettes_that_differ_or_lack_are_refused(tmp_path: Path) -> None:
    for z, lut in enumerate((LUT, LUT[::-1])):
        palette(tmp_path / f"{z}.dcm", INDICES, lut, InstanceNumber=z)
    with pytest.raises(InvalidArgument, match="2 different palettes"):
        open_source(tmp_path)
    with pytest.raises(InvalidArgument, match="uint32"):
        open_source(palette(tmp_path / "wide.dcm", INDICES.astype(np.uint32), LUT))
    dataset = pydicom.dcmread(tmp_path / "0.dcm")
    del dataset.RedPaletteColorLookupTableData
    dataset.save_as(tmp_path / "0.dcm")
    with pytest.raises(mmip_gpu.MmipError, match=r"cannot read 0\.dcm"):
        open_source(tmp_path / "0.dcm")


def test_a_template_with_a_palette_holds_it_for_other_samples(tmp_path: Path) -> None:
    path = palette(tmp_path / "a.dcm", INDICES, LUT)
    with pytest.raises(InvalidArgument, match="expected uint8 zyx"):
        write_image(INDICES, tmp_path / "b.dcm", template=path)
