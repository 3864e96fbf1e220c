"""Sources in DICOM: shuffled series, multi-frame, colour, compression."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.dicom_files import AXIAL, SLICES, make, save, series
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from mmip_gpu.errors import InvalidArgument, MetadataWarning, StoreError
from mmip_gpu.sources import open_source


def test_a_shuffled_series_is_sorted_by_position(tmp_path: Path) -> None:
    folder = series(tmp_path / "head", PixelPaddingValue=-2000, RescaleSlope=2, RescaleIntercept=-1024, BitsStored=12)
    (folder / "readme.txt").write_text("not an image")
    (folder / ".hidden").write_text("")
    opened = open_source(folder)
    assert (opened.shape, opened.axes, opened.dtype) == ((6, 5, 4), "zyx", np.int16)
    np.testing.assert_array_equal(opened.read(), SLICES)
    region = (slice(2, 4), slice(1, 5), slice(0, 3))
    np.testing.assert_array_equal(opened.read(region), SLICES[region])
    assert len(opened.metadata.pop("series")) == 16
    assert opened.metadata == {
        "kind": "dicom",
        "file": "head",
        "spacing": [3.0, 0.5, 0.25],
        "affine": [[-0.25, 0.0, 0.0, 9.0], [0.0, -0.5, 0.0, -4.0], [0.0, 0.0, 3.0, -50.0], [0.0, 0.0, 0.0, 1.0]],
        "space": "scanner",
        "spacing_uniform": True,
        "slope": 2.0,
        "intercept": -1024.0,
        "modality": "CT",
        "padding_value": -2000,
        "bits_stored": 12,
        "photometric": "MONOCHROME2",
        "files_ignored": 1,
    }
    assert json.loads(json.dumps(opened.metadata, allow_nan=False)) == opened.metadata


def test_position_is_projected_on_the_slice_normal(tmp_path: Path) -> None:
    sagittal = [0, 1, 0, 0, 0, -1]  # its normal is -x
    for z in range(6):
        image = make(
            SLICES[z],
            ImagePositionPatient=[-4 * z, 0, 0],
            ImageOrientationPatient=sagittal,
            InstanceNumber=9 - z,
        )
        save(image, tmp_path / f"{z}.dcm")
    opened = open_source(tmp_path)
    np.testing.assert_array_equal(opened.read(), SLICES)
    assert opened.metadata["spacing"] == [4.0, None, None]


def test_only_the_files_of_a_region_are_read(tmp_path: Path) -> None:
    opened = open_source(series(tmp_path / "head"))
    for file in (tmp_path / "head").iterdir():
        if file.stat().st_size and f"IM{np.random.default_rng(1).permutation(6)[3]:04d}" != file.name:
            file.unlink()
    np.testing.assert_array_equal(opened.read((slice(3, 4), slice(0, 5), slice(0, 4))), SLICES[3:4])
    with pytest.raises(StoreError, match="cannot read IM"):
        opened.read()


def test_instance_number_orders_where_there_is_no_position(tmp_path: Path) -> None:
    for z in range(6):
        save(make(SLICES[z], InstanceNumber=z + 1), tmp_path / f"{(z * 5) % 6}.dcm")
    opened = open_source(tmp_path)
    np.testing.assert_array_equal(opened.read(), SLICES)
    assert opened.metadata["spacing"] == [None, None, None]


@pytest.mark.parametrize("tags", [{}, {"InstanceNumber": 7}])
def test_slices_without_any_order_are_refused(tmp_path: Path, tags: dict[str, Any]) -> None:
    for z in range(3):
        save(make(SLICES[z], **tags), tmp_path / f"{z}.dcm")
    with pytest.raises(InvalidArgument, match="order of its 3 slices is not known"):
        open_source(tmp_path)


def test_uneven_spacing_is_recorded_not_refused(tmp_path: Path) -> None:
    with pytest.warns(MetadataWarning, match="slices lie unevenly, 3 to 6 mm apart"):
        opened = open_source(series(tmp_path / "gap", positions=(0, 1, 2, 4, 5, 6)))
    assert opened.metadata["spacing_uniform"] is False
    assert opened.metadata["spacing"] == [3.0, 0.5, 0.25]
    np.testing.assert_array_equal(opened.read(), SLICES)


def test_rescale_that_differs_by_slice_is_kept_per_slice(tmp_path: Path) -> None:
    for z in range(3):
        save(make(SLICES[z], InstanceNumber=z, RescaleSlope=z + 1.5, RescaleIntercept=0), tmp_path / f"{z}.dcm")
    metadata = open_source(tmp_path).metadata
    assert (metadata["slope"], metadata["slope_per_slice"], metadata["intercept"]) == (
        None,
        [1.5, 2.5, 3.5],
        0.0,
    )


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16"])
@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, RLELossless]
)
def test_a_single_file_of_every_type(tmp_path: Path, dtype: str, syntax: Any) -> None:
    pixels = SLICES[0].astype(dtype)
    image = make(pixels, ImagerPixelSpacing=[0.1, 0.2])
    if syntax == RLELossless:
        image.compress(RLELossless)
    opened = open_source(save(image, tmp_path / "one.dcm", syntax))
    assert (opened.shape, opened.axes, opened.dtype) == ((5, 4), "yx", np.dtype(dtype))
    assert opened.metadata["spacing"] == [0.1, 0.2]
    np.testing.assert_array_equal(opened.read(), pixels, strict=True)
    np.testing.assert_array_equal(opened.read((slice(1, 2), slice(2, 4))), pixels[1:2, 2:4])


def test_big_endian_file(tmp_path: Path) -> None:
    image = make(SLICES[0].astype(">i2"))
    path = save(image, tmp_path / "one.dcm", ExplicitVRBigEndian)
    np.testing.assert_array_equal(open_source(path).read(), SLICES[0], strict=True)


def test_a_negative_padding_value_written_as_unsigned(tmp_path: Path) -> None:
    image = make(SLICES[0])
    image.add_new("PixelPaddingValue", "US", 65536 - 2000)
    assert open_source(save(image, tmp_path / "one.dcm")).metadata["padding_value"] == -2000


@pytest.mark.parametrize("compressed", [False, True])
def test_plain_multi_frame_keeps_its_order(tmp_path: Path, compressed: bool) -> None:
    image = make(SLICES, NumberOfFrames=6, SpacingBetweenSlices=2.5, PixelSpacing=[1, 1])
    if compressed:
        image.compress(RLELossless)
    opened = open_source(save(image, tmp_path / "cine.dcm"))
    assert (opened.shape, opened.axes) == ((6, 5, 4), "zyx")
    assert opened.metadata["spacing"] == [2.5, 1.0, 1.0]
    np.testing.assert_array_equal(opened.read(), SLICES)
    np.testing.assert_array_equal(opened.read((slice(4, 6), slice(0, 5), slice(3, 4))), SLICES[4:6, :, 3:4])


def group(**tags: Any) -> Dataset:
    """Make functional groups: sequence=item tags."""
    groups = Dataset()
    for sequence, item_tags in tags.items():
        item = Dataset()
        for keyword, value in item_tags.items():
            setattr(item, keyword, value)
        setattr(groups, sequence, [item])
    return groups


def test_enhanced_multi_frame_is_sorted_by_its_frame_positions(tmp_path: Path) -> None:
    image = make(SLICES[::-1], NumberOfFrames=6)
    image.SharedFunctionalGroupsSequence = [
        group(
            PlaneOrientationSequence={"ImageOrientationPatient": AXIAL},
            PixelMeasuresSequence={"PixelSpacing": [0.5, 0.25]},
            PixelValueTransformationSequence={"RescaleSlope": 3, "RescaleIntercept": 1},
        )
    ]
    image.PerFrameFunctionalGroupsSequence = [
        group(PlanePositionSequence={"ImagePositionPatient": [0, 0, 1.5 * z]}) for z in range(6)[::-1]
    ]
    opened = open_source(save(image, tmp_path / "enhanced.dcm"))
    np.testing.assert_array_equal(opened.read(), SLICES)
    assert opened.metadata["spacing"] == [1.5, 0.5, 0.25]
    assert (opened.metadata["slope"], opened.metadata["intercept"]) == (3.0, 1.0)


@pytest.mark.parametrize("planar", [0, 1])
def test_rgb_is_colour(tmp_path: Path, planar: int) -> None:
    pixels = (np.arange(5 * 4 * 3) % 256).reshape(5, 4, 3).astype(np.uint8)
    image = make(pixels, SamplesPerPixel=3, PlanarConfiguration=planar)
    if planar:
        image.PixelData = np.moveaxis(pixels, -1, 0).tobytes()
    opened = open_source(save(image, tmp_path / "skin.dcm"))
    assert (opened.shape, opened.axes, opened.metadata["photometric"]) == ((5, 4, 3), "yxc", "RGB")
    np.testing.assert_array_equal(opened.read(), pixels)
    np.testing.assert_array_equal(opened.read((slice(0, 2), slice(1, 3), slice(1, 2))), pixels[0:2, 1:3, 1:2])


def test_rgb_frames_are_a_colour_volume(tmp_path: Path) -> None:
    pixels = (np.arange(2 * 5 * 4 * 3) % 256).reshape(2, 5, 4, 3).astype(np.uint8)
    opened = open_source(save(make(pixels, SamplesPerPixel=3, NumberOfFrames=2), tmp_path / "us.dcm"))
    assert (opened.shape, opened.axes) == ((2, 5, 4, 3), "zyxc")
    np.testing.assert_array_equal(opened.read(), pixels)


def test_ybr_is_given_as_rgb(tmp_path: Path) -> None:
    grey = np.full((4, 4, 3), 128, np.uint8)
    image = make(grey, SamplesPerPixel=3, PhotometricInterpretation="YBR_FULL")
    opened = open_source(save(image, tmp_path / "us.dcm"))
    assert opened.metadata["photometric"] == "RGB"
    np.testing.assert_array_equal(opened.read(), grey)
