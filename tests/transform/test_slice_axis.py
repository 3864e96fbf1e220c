"""Slices along t or n: the bytes of the same slices along z, and everything else in the order of the array's axes."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import reference
from helpers.places import REPOSITORY
from helpers.strategies import make
from numpy.typing import NDArray

import mmip_gpu as mmip
from mmip_gpu.container.header import Header

VECTORS = REPOSITORY / "tests" / "vectors"

# name: shape, axes, axis of slices, options
CASES: dict[str, tuple[tuple[int, ...], str, str, dict[str, Any]]] = {
    "time": ((5, 90, 75), "tyx", "t", {"qstep": 30}),
    "predicted": ((5, 150, 140), "tyx", "t", {"qstep": 3000, "prediction": True}),
    "numbers": ((4, 90, 75), "nyx", "n", {"psnr": 48}),
    "last": ((60, 70, 6), "yxt", "t", {"qstep": 30, "padding": 0}),
    "volumes": ((6, 2, 60, 50), "tzyx", "t", {"qstep": 3000, "prediction": True}),
    "channels": ((3, 2, 5, 40, 66), "tcnyx", "n", {"quality": 20}),
    "all axes": ((2, 3, 2, 4, 24, 20), "ncztyx", "t", {"quality": 30}),
    "colour": ((4, 3, 64, 70), "tcyx", "t", {"quality": 60}),
    "bound": ((4, 64, 70), "tyx", "t", {"max_error": 20, "stages": 2}),
    "exact": ((4, 64, 70), "tyx", "t", {"lossless": True, "stages": 3}),
    "low rate": ((4, 150, 140), "tyx", "t", {"psnr": 20}),
}


def samples_of(name: str) -> NDArray[Any]:
    dtype = "uint8" if name == "colour" else "uint16"
    return make("edges", CASES[name][0], dtype, len(name))


def encoded(name: str) -> bytes:
    _, axes, axis, options = CASES[name]
    return mmip.encode(samples_of(name), axes=axes, slice_axis=axis, **options)


def along_z(name: str) -> tuple[NDArray[Any], str]:
    """The samples with the slices along z, and what was z along the other axis; axes in the order of planes."""
    _, axes, axis, _ = CASES[name]
    letters = axes.translate(str.maketrans({axis: "z", "z": axis}))
    order = sorted(range(len(axes)), key=lambda i: "tnczyx".index(letters[i]))
    return samples_of(name).transpose(order), "".join(letters[i] for i in order)


def payloads(blob: bytes) -> bytes:
    return blob[Header.parse(blob)[1] :]


@pytest.mark.parametrize("name", CASES)
def test_bytes_are_those_of_the_same_slices_along_z(name: str) -> None:
    blob, (samples, axes) = encoded(name), along_z(name)
    other = mmip.encode(samples, axes=axes, cell_depth=1, **CASES[name][3])
    header = Header.parse(blob)[0]
    assert header.layout.slice_axis == header.fields.slice_axis == CASES[name][2]
    assert payloads(blob) == payloads(other)
    assert len(blob) == len(other) + 1
    assert header.loss == Header.parse(other)[0].loss


@pytest.mark.parametrize("name", CASES)
def test_arrays_decode_in_their_own_order(name: str) -> None:
    blob, samples = encoded(name), samples_of(name)
    found = mmip.decode(blob)
    assert found.shape == samples.shape
    assert np.array_equal(found, reference.decode(blob))
    assert Header.parse(blob)[0].loss.sse == np.sum((found.astype(np.int64) - samples) ** 2)
    assert mmip.inspect(blob)["config"]["slice_axis"] == CASES[name][2]
    assert mmip.inspect(blob)["axes"] == CASES[name][1]
    for stages in (1, 2):
        assert np.array_equal(mmip.decode(blob, stages=stages), reference.decode(blob, stages=stages))


@pytest.mark.parametrize(("name", "scale"), list(product(CASES, (1, 2, 4, 8))))
def test_regions_are_parts_of_the_whole(name: str, scale: int) -> None:
    rng, blob = np.random.default_rng(scale), encoded(name)
    whole = mmip.decode(blob, scale=scale)
    axes = CASES[name][1]
    assert whole.shape == tuple(-(-n // scale) if a in "yx" else n for a, n in zip(axes, CASES[name][0], strict=True))
    for _ in range(6):
        starts = [int(rng.integers(0, n)) for n in whole.shape]
        part = tuple(slice(a, int(rng.integers(a, n)) + 1) for a, n in zip(starts, whole.shape, strict=True))
        assert np.array_equal(mmip.decode(blob, region=part, scale=scale), whole[part])


def test_a_region_needs_the_bytes_of_its_tiles() -> None:
    samples = make("textured", (16, 128, 128), "uint16", 4)
    blob = mmip.encode(samples, quality=60, axes="tyx", slice_axis="t", cell_depth=1, prediction=False)
    early = (slice(0, 4), slice(None), slice(None))
    needed = mmip.inspect(blob, region=early)["bytes_needed"]
    assert needed < 0.52 * len(blob)  # one of two groups of sub-streams
    assert np.array_equal(mmip.decode(blob, region=early), mmip.decode(blob)[:4])


def test_masks_are_in_the_order_of_the_array() -> None:
    rng = np.random.default_rng(3)
    samples = make("textured", (6, 3, 40, 50), "uint16", 9)
    mask = rng.random(samples.shape) < 0.002
    blob = mmip.encode(samples, quality=1, roi=mask, roi_quality="lossless", axes="tzyx", slice_axis="t")
    found = mmip.decode(blob)
    assert np.array_equal(found[mask], samples[mask])
    assert not np.array_equal(found, samples)


def test_arrays_with_one_slice_have_no_such_axis() -> None:
    samples = make("textured", (1, 5, 40, 50), "uint16", 9)
    blob = mmip.encode(samples, quality=10, axes="tzyx", slice_axis="t")
    assert Header.parse(blob)[0].fields.slice_axis is None
    assert blob == mmip.encode(samples, quality=10, axes="tzyx", cell_depth=1)


def test_batches_give_the_same() -> None:
    names = [name for name in CASES if CASES[name][1:3] == ("tyx", "t") and CASES[name][3] == {"qstep": 30}]
    arrays = [samples_of(name) for name in names]
    found = mmip.encode_batch(arrays, qstep=30, axes="tyx", slice_axis="t")
    assert found == [encoded(name) for name in names]
    assert all(np.array_equal(a, mmip.decode(b)) for a, b in zip(mmip.decode_batch(found), found, strict=True))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"slice_axis": "c"}, "expected 'z', 't', 'n'"),
        ({"slice_axis": "y"}, "expected 'z', 't', 'n'"),
        ({"slice_axis": ""}, "expected 'z', 't', 'n'"),
        ({"slice_axis": 3}, "slice_axis"),
        ({"slice_axis": "n"}, "the axes 'tyx'"),
        ({"slice_axis": "t", "cell_depth": 8}, "2D cells"),
        ({"slice_axis": "t", "lossless": True}, "slice_axis"),
        ({"slice_axis": "t", "labels": True}, "slice_axis"),
    ],
    ids=str,
)
def test_bad_options(options: dict[str, Any], named: str) -> None:
    target = {} if {"lossless", "labels"} & options.keys() else {"quality": 10}
    with pytest.raises(mmip.InvalidArgument, match=named):
        mmip.encode(np.zeros((3, 16, 16), np.uint8), axes="tyx", **(target | options))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"effort": 3}, "t"),
        ({"effort": 2, "prediction": True}, "t"),
        ({"effort": 2}, "z"),
        ({"effort": 3, "prediction": False}, "z"),
        ({"effort": 3, "slice_axis": "z"}, "z"),
        ({"effort": 3, "axes": "nyx"}, "z"),
        ({"effort": 3, "axes": "zyx"}, "z"),
        ({"effort": 3, "cell_depth": 1}, "t"),
    ],
    ids=str,
)
def test_it_is_tried_along_t_where_prediction_is(options: dict[str, Any], expected: str) -> None:
    samples = np.stack([make("edges", (130, 140), "uint16", 3)] * 4)
    found = {name: mmip.encode(samples, **({"axes": "tyx", "qstep": 900} | o)) for name, o in _with_z(options)}
    assert mmip.inspect(found["asked"])["config"]["slice_axis"] == expected
    if expected == "t":
        assert len(found["asked"]) < 0.9 * len(found["z"])


def _with_z(options: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [("asked", options), ("z", options | {"slice_axis": "z"})]


def test_times_that_differ_are_planes_of_their_own() -> None:
    samples = np.stack([make("edges", (130, 140), "uint16", seed) for seed in range(4)])
    blob = mmip.encode(samples, qstep=900, axes="tyx", effort=3)
    assert blob == mmip.encode(samples, qstep=900, axes="tyx", effort=3, slice_axis="z")


@pytest.mark.parametrize(
    "name", ["times", "times_predicted", "times_volumes", "numbers_max_error", "reference_predicted_times"]
)
def test_regions_of_vectors_at_every_scale(name: str) -> None:
    blob, rng = (VECTORS / f"v1_{name}.mmip").read_bytes(), np.random.default_rng(8)
    for scale in (1, 2, 4, 8):
        whole = reference.decode(blob, scale=scale)
        for _ in range(4):
            starts = [int(rng.integers(0, n)) for n in whole.shape]
            part = tuple(slice(a, int(rng.integers(a, n)) + 1) for a, n in zip(starts, whole.shape, strict=True))
            assert np.array_equal(mmip.decode(blob, region=part, scale=scale), whole[part])


def test_a_gain_of_less_than_a_percent_is_left() -> None:
    """A region of one time then needs the tiles of several."""
    rng = np.random.default_rng(2)
    still = make("textured", (200, 210), "uint8", 3).astype(np.int64)
    samples = np.clip(still // 8 + rng.normal(100, 30, (4, 200, 210)), 0, 255).astype(np.uint8)
    sizes = {
        axis: len(mmip.encode(samples, qstep=9, axes="tyx", effort=3, slice_axis=axis)) for axis in (None, "z", "t")
    }
    assert 0.99 * sizes["z"] < sizes["t"]
    assert sizes[None] == sizes["z"]
