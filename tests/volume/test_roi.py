"""Regions of interest: rules, masks and cell maps against naive definitions."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mmip_gpu.errors import InvalidArgument, MissingResource
from mmip_gpu.volume.roi import RoiRule, cell_classes, checked_axes, roi_classes

bounds = st.integers(-70000, 70000) | st.floats(-70000, 70000)
samples = st.sampled_from([np.uint8, np.int16, np.uint16, np.float32]).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=1, max_dims=3, max_side=6))
)


def naive_cells(classes, cell):
    counts = [-(-length // side) for length, side in zip(classes.shape[1:], cell, strict=True)]
    cells = np.zeros((classes.shape[0], *counts), np.uint8)
    for plane, z, y, x in np.ndindex(classes.shape):
        index = (plane, z // cell[0], y // cell[1], x // cell[2])
        cells[index] = max(cells[index], classes[plane, z, y, x])
    return cells


@settings(deadline=None)
@given(
    hnp.arrays(np.uint8, st.tuples(*[st.integers(0, 2)] + [st.integers(0, 11)] * 3), elements=st.integers(0, 7)),
    st.tuples(*[st.integers(1, 9)] * 3),
)
def test_cells_take_the_highest_class(classes, cell):
    before = classes.copy()
    cells = cell_classes(classes, cell)
    expected = naive_cells(classes, cell)
    assert cells.dtype == np.uint8
    assert cells.flags.c_contiguous
    np.testing.assert_array_equal(cells, expected)
    np.testing.assert_array_equal(cell_classes(np.asfortranarray(classes), cell), expected)
    np.testing.assert_array_equal(classes, before)


@pytest.mark.parametrize(
    ("classes", "cell"),
    [
        (np.zeros((2, 2, 2), np.uint8), (1, 1, 1)),
        (np.zeros((1, 2, 2, 2), bool), (1, 1, 1)),
        (np.zeros((1, 2, 2, 2), np.uint8), (1, 0, 1)),
        (np.zeros((1, 2, 2, 2), np.uint8), (8, 8)),
    ],
)
def test_cells_refuse_other_input(classes, cell):
    with pytest.raises(InvalidArgument, match=r"expected .* found"):
        cell_classes(classes, cell)


@settings(deadline=None)
@given(samples, bounds, bounds)
def test_rules_mean_what_they_say(array, low, high):
    low, high = sorted((low, high))
    above = RoiRule("threshold", low).apply(array)
    between = RoiRule("range", low, high).apply(array)
    assert above.dtype == between.dtype == np.bool_
    if array.dtype.kind == "f":  # bounds are rounded to the dtype, as numpy compares
        low, high = array.dtype.type(low), array.dtype.type(high)
    for index in np.ndindex(array.shape):
        value = array[index].item()
        assert above[index] == (value >= low)
        assert between[index] == (low <= value <= high)


@settings(deadline=None)
@given(bounds, bounds)
def test_rule_text_round_trip(low, high):
    low, high = sorted((low, high))
    for rule in (RoiRule("threshold", low), RoiRule("range", low, high), RoiRule("otsu")):
        assert RoiRule.parse(str(rule)) == rule
        assert rule.needs_whole_array == (rule.kind == "otsu")


def test_rule_text_forms():
    assert RoiRule.parse(" threshold:9000 ") == RoiRule("threshold", 9000)
    assert RoiRule.parse("range:-1e3..2.5") == RoiRule("range", -1000.0, 2.5)
    assert str(RoiRule.parse("range:300..3000")) == "range:300..3000"
    assert hash(RoiRule("otsu")) == hash(RoiRule.parse("otsu"))


@pytest.mark.parametrize(
    "text",
    [
        *("", "otsu:", "otsu:3", "OTSU", "bone", "threshold", "threshold:", "threshold:x", "threshold:nan"),
        *("threshold:1e999", "threshold:1..2", "range:5", "range:5..", "range:..5", "range:5..4"),
        *("range:1..2..3", "range:1-2"),
    ],
)
def test_bad_rules_list_the_rules(text):
    with pytest.raises(InvalidArgument, match=r"threshold:VALUE.*range:LOW\.\.HIGH.*otsu.*found"):
        roi_classes(text, np.zeros((2, 2)), "yx")


def test_bad_rule_fields():
    for fields in (
        ("range", None, 3),
        ("threshold", None),
        ("otsu", 1),
        ("range", 2, 1),
        ("threshold", np.inf),
    ):
        with pytest.raises(InvalidArgument):
            RoiRule(*fields)


@settings(deadline=None)
@given(samples)
def test_rule_by_chunks_equals_rule_on_the_whole(array):
    rule = RoiRule("range", 3, 200.5)
    parts = [rule.apply(array[start : start + 2]) for start in range(0, len(array), 2)]
    np.testing.assert_array_equal(np.concatenate(parts), rule.apply(array))


@settings(deadline=None, max_examples=30)
@given(samples)
def test_otsu_equals_scikit_image(array):
    filters = pytest.importorskip("skimage.filters")
    with np.errstate(over="ignore"):
        is_finite = array.dtype.kind != "f" or np.isfinite(float(array.max()) - float(array.min()))
    if not is_finite:
        with pytest.raises(InvalidArgument, match="finite"):
            RoiRule("otsu").apply(array)
    elif array.dtype.kind != "f" or abs(array).max() < 1e30:
        expected = array > filters.threshold_otsu(array.reshape(-1))
        np.testing.assert_array_equal(RoiRule("otsu").apply(array), expected)


def test_otsu_special_cases(monkeypatch):
    pytest.importorskip("skimage")
    otsu = RoiRule("otsu")
    assert not otsu.apply(np.full((4, 4), 7, np.uint16)).any()
    assert otsu.apply(np.zeros((0, 4), np.uint16)).shape == (0, 4)
    assert otsu.apply(np.array([-32768, -32768, 32767], np.int16)).tolist() == [False, False, True]
    assert otsu.apply(np.array([False, False, True])).tolist() == [False, False, True]
    swapped = np.arange(64, dtype=">u2").reshape(8, 8)[:, ::-1]
    np.testing.assert_array_equal(otsu.apply(swapped), otsu.apply(swapped.astype(np.uint16)))
    with pytest.raises(InvalidArgument, match="int64"):
        otsu.apply(np.arange(4))
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(MissingResource, match=r"mmip-gpu\[bench\]"):
        otsu.apply(np.arange(4, dtype=np.uint8))


def test_rules_refuse_other_samples():
    with pytest.raises(InvalidArgument, match="complex64"):
        RoiRule("threshold", 1).apply(np.zeros(3, np.complex64))


def test_rule_on_channels_marks_any_channel():
    image = np.zeros((4, 5, 3), np.uint8)
    image[1, 2, 0] = image[3, 4, 2] = 9
    classes = roi_classes("threshold:9", image, "yxc")
    assert classes.dtype == np.uint8
    assert np.argwhere(classes).tolist() == [[1, 2], [3, 4]]
    np.testing.assert_array_equal(roi_classes("threshold:9", np.moveaxis(image, 2, 0), "cyx"), classes)


def test_no_roi_is_none():
    assert roi_classes(None, np.zeros((2, 2)), "yx") is None


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.uint64, ">i4"])
def test_masks_of_any_small_type(dtype):
    mask = (np.arange(12).reshape(3, 4) % 3).astype(dtype)[:, ::-1]
    classes = roi_classes(mask, np.zeros((3, 4)), "yx")
    assert classes.dtype == np.uint8
    assert classes.flags.c_contiguous
    np.testing.assert_array_equal(classes, mask)


def test_masks_are_repeated_over_independent_images_and_lose_channels():
    image = np.zeros((2, 3, 4, 5, 3), np.uint8)
    spatial = np.arange(60).reshape(3, 4, 5) % 8
    repeated = roi_classes(spatial, image, "tzyxc")
    assert repeated.shape == (2, 3, 4, 5)
    np.testing.assert_array_equal(repeated[1], spatial)
    own = np.stack([spatial, spatial[::-1]])
    np.testing.assert_array_equal(roi_classes(own, image, "tzyxc"), own)
    colour = np.zeros(image.shape, bool)
    colour[1, 2, 3, 4, 1] = True
    assert np.argwhere(roi_classes(colour, image, "tzyxc")).tolist() == [[1, 2, 3, 4]]
    inner = roi_classes(spatial, np.zeros((3, 2, 4, 5)), "ztyx")
    np.testing.assert_array_equal(inner[:, 1], spatial)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.full((2, 2), 8), r"expected classes 0\.\.7, found 8\.\.8"),
        (np.array([[0, -1], [0, 0]]), r"expected classes 0\.\.7, found -1\.\.0"),
        (np.zeros((2, 2), np.float32), "expected a bool or integer mask.*found dtype float32"),
        (np.zeros((2, 3), bool), r"expected a mask of shape \(2, 2\).*found \(2, 3\)"),
        (np.zeros(4, bool), r"expected a mask of shape \(2, 2\).*found \(4,\)"),
    ],
)
def test_masks_that_do_not_fit(mask, message):
    with pytest.raises(InvalidArgument, match=message):
        roi_classes(mask, np.zeros((2, 2)), "yx")


def test_axes():
    assert [checked_axes(None, rank) for rank in (1, 2, 5)] == ["x", "yx", "tczyx"]
    for axes, rank in (("yx", 3), ("yy", 2), ("yq", 2)):
        with pytest.raises(InvalidArgument, match=r"axes: expected .* found"):
            checked_axes(axes, rank)
