"""Bytes depend on the array and the options alone: not on threads, kernels, batches or memory layout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers.strategies import Case, make, make_roi
from numpy.typing import NDArray

import mmip_gpu as mmip
from mmip_gpu import _core

BYTES_CASES = [
    Case("half", (90, 130), "uint16", 11, "yx", {"quality": 5}, 3),
    Case("textured", (40, 70, 60), "uint16", 12, "zyx", {"psnr": 45, "cell_depth": 8}),
    Case("slices", (32, 48, 64), "int16", 13, "zyx", {"quality": 1, "roi_quality": "lossless", "cell_depth": 8}, 2),
    Case("textured", (2, 60, 70, 3), "uint8", 14, "nyxc", {"quality": 40}),
    Case("textured", (17, 33, 65), "int8", 15, "zyx", {"lossless": True, "stages": 3}),
    Case("smooth", (100, 100), "uint16", 16, "yx", {"quality": 10}),
    Case("textured", (32, 64, 64), "uint16", 3, "zyx", {"quality": 440, "cell_depth": 8}),
]


@pytest.fixture(params=BYTES_CASES, ids=lambda case: f"{case.kind}-{case.dtype}-{case.seed}")
def bytes_case(request: pytest.FixtureRequest) -> Case:
    return request.param


def test_threads_do_not_change_bytes_or_pixels(bytes_case: Case) -> None:
    array, arguments = bytes_case.array, bytes_case.arguments
    blobs = [mmip.encode(array, threads=threads, **arguments) for threads in (1, 2, 3, None)]
    assert blobs[1:] == blobs[:-1]
    decoded = [mmip.decode(blobs[0], threads=threads) for threads in (1, 2, 3)]
    assert all(np.array_equal(decoded[0], other) for other in decoded[1:])


def test_no_kernel_is_selected_that_is_not_there(each_kernel: list[str]) -> None:
    assert not _core.select_kernels("no such kernels")
    assert _core.selected_kernels() in each_kernel


@pytest.mark.parametrize("threads", [1, 2, None])
def test_batches_do_not_change_bytes(threads: int | None) -> None:
    arrays = [make(kind, (50, 60), "uint16", 20) for kind in ("half", "smooth", "noise", "constant")]
    options: dict[str, Any] = {"quality": 8, "stages": 4, "roi": "threshold:40000"}
    singles = [mmip.encode(array, **options) for array in arrays]
    assert mmip.encode_batch(arrays, threads=threads, **options) == singles
    assert mmip.encode_batch(np.stack(arrays), threads=threads, **options) == singles
    assert mmip.encode_batch([], threads=threads, **options) == []
    for scale in (1, 2):
        decoded = mmip.decode_batch(singles, threads=threads, scale=scale)
        assert len(decoded) == len(singles)
        for found, blob in zip(decoded, singles, strict=True):
            assert np.array_equal(found, mmip.decode(blob, scale=scale))


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    array = array.copy()
    array.flags.writeable = False
    return array


def spread(array: NDArray[Any]) -> NDArray[Any]:
    """The same samples as every second one of a larger array."""
    wide = np.full([2 * n for n in array.shape], 77, array.dtype)
    wide[tuple(slice(None, None, 2) for _ in array.shape)] = array
    return wide[tuple(slice(None, None, 2) for _ in array.shape)]


def reversed_twice(array: NDArray[Any]) -> NDArray[Any]:
    """The same samples behind negative strides."""
    backwards = tuple(slice(None, None, -1) for _ in array.shape)
    return np.ascontiguousarray(array[backwards])[backwards]


LAYOUT_CHANGES = {
    "fortran": np.asfortranarray,
    "big-endian": lambda array: array.astype(array.dtype.newbyteorder(">")),
    "read-only": read_only,
    "strided": spread,
    "negative-strides": reversed_twice,
    "offset": lambda array: (
        np.frombuffer(b"\0" + array.tobytes(), np.uint8, offset=1).view(array.dtype).reshape(array.shape)
    ),
}


@pytest.mark.parametrize("change", LAYOUT_CHANGES)
def test_memory_layout_does_not_change_bytes(bytes_case: Case, change: str) -> None:
    array = bytes_case.array
    changed = LAYOUT_CHANGES[change](array)
    assert np.array_equal(changed, array)
    arguments = bytes_case.arguments
    expected = mmip.encode(array, **arguments)
    assert mmip.encode(changed, **arguments) == expected
    if "roi" in arguments and change not in ("big-endian", "offset"):
        arguments["roi"] = LAYOUT_CHANGES[change](arguments["roi"])
        assert mmip.encode(array, **arguments) == expected


def test_forms_of_a_mask_do_not_change_bytes() -> None:
    array = make("textured", (40, 50), "uint16", 30)
    mask = make_roi(array, "yx", 2, 31)
    expected = mmip.encode(array, quality=5, roi=mask)
    for form in (mask.astype(bool), mask.astype(np.int64), np.asfortranarray(mask), mask.tolist()):
        assert mmip.encode(array, quality=5, roi=form) == expected
