"""Bad arguments of the public functions get an error that says what is accepted."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
from helpers.strategies import make
from numpy.typing import NDArray

import mmip_gpu as mmip

GOOD = make("textured", (20, 24), "uint8", 1)
BAD_ENCODES: dict[str, tuple[Any, dict[str, Any]]] = {
    "no target": (GOOD, {}),
    "lossless false": (GOOD, {"lossless": False}),
    "two targets": (GOOD, {"quality": 10, "psnr": 40}),
    "lossless and quality": (GOOD, {"quality": 10, "lossless": True}),
    "lossless as text": (GOOD, {"lossless": "smallest"}),
    "lossless as number": (GOOD, {"lossless": 1}),
    "lossless None": (GOOD, {"lossless": None}),
    "lossless alone and roi_quality": (GOOD, {"lossless": True, "roi_quality": 10}),
    "lossless alone and cell_depth": (GOOD, {"lossless": True, "cell_depth": 8}),
    "quality 0": (GOOD, {"quality": 0}),
    "quality above": (GOOD, {"quality": 441}),
    "quality NaN": (GOOD, {"quality": float("nan")}),
    "quality infinite": (GOOD, {"quality": float("inf")}),
    "quality text": (GOOD, {"quality": "10"}),
    "quality bool": (GOOD, {"quality": True}),
    "psnr 0": (GOOD, {"psnr": 0}),
    "psnr above": (GOOD, {"psnr": 141}),
    "max_error below": (GOOD, {"max_error": -0.5}),
    "max_error above": (GOOD, {"max_error": 2**18 + 1}),
    "max_error NaN": (GOOD, {"max_error": float("nan")}),
    "max_error text": (GOOD, {"max_error": "1"}),
    "float32 without step": (GOOD.astype(np.float32), {"quality": 10}),
    "step of integers": (GOOD, {"quality": 10, "step": 0.5}),
    "step 0": (GOOD.astype(np.float32), {"quality": 10, "step": 0}),
    "step NaN": (GOOD.astype(np.float32), {"quality": 10, "step": float("nan")}),
    "step too small": (GOOD.astype(np.float32), {"quality": 10, "step": 1e-5}),
    "colour of float32": (np.zeros((8, 8, 3), np.float32), {"quality": 10, "step": 1, "axes": "yxc", "colour": True}),
    "psnr beyond the step": (GOOD.astype(np.float32) / 7, {"psnr": 100, "step": 1}),
    "max_error below half a step": (GOOD.astype(np.float32), {"max_error": 0.49, "step": 1}),
    "3D blocks of large float32": (
        np.full((8, 8, 8), 2.0**17 + 1, np.float32),
        {"quality": 10, "step": 1, "cell_depth": 8},
    ),
    "ratio below": (GOOD, {"ratio": 0.99}),
    "ratio above": (GOOD, {"ratio": 1e7}),
    "ratio out of reach": (GOOD, {"ratio": 1000}),
    "psnr NaN": (GOOD, {"psnr": float("nan")}),
    "one stage": (GOOD, {"quality": 10, "stages": 1}),
    "six stages": (GOOD, {"quality": 10, "stages": 6}),
    "stages text": (GOOD, {"quality": 10, "stages": "3"}),
    "cuts and stages": (GOOD, {"quality": 10, "stages": 3, "cuts": [3, 9]}),
    "cuts down": (GOOD, {"quality": 10, "cuts": [9, 3]}),
    "cuts equal": (GOOD, {"quality": 10, "cuts": [9, 9]}),
    "cuts 0": (GOOD, {"quality": 10, "cuts": [0]}),
    "cuts 63": (GOOD, {"quality": 10, "cuts": [63]}),
    "too many cuts": (GOOD, {"quality": 10, "cuts": list(range(1, 17))}),
    "cuts not a list": (GOOD, {"quality": 10, "cuts": 5}),
    "cuts text": (GOOD, {"quality": 10, "cuts": ["a"]}),
    "cuts fractions": (GOOD, {"quality": 10, "cuts": [1.5]}),
    "cell depth 2": (GOOD, {"quality": 10, "cell_depth": 2}),
    "cell depth text": (GOOD, {"quality": 10, "cell_depth": "8"}),
    "cell depth fraction": (GOOD, {"quality": 10, "cell_depth": 8.0}),
    "unknown axis": (GOOD, {"quality": 10, "axes": "qx"}),
    "no x": (GOOD, {"quality": 10, "axes": "ty"}),
    "z without y": (GOOD, {"quality": 10, "axes": "zx"}),
    "axes out of order": (GOOD, {"quality": 10, "axes": "xy"}),
    "axis twice": (GOOD, {"quality": 10, "axes": "xx"}),
    "too few axes": (GOOD, {"quality": 10, "axes": "x"}),
    "too many axes": (GOOD, {"quality": 10, "axes": "zyx"}),
    "no axes": (GOOD, {"quality": 10, "axes": ""}),
    "axes not text": (GOOD, {"quality": 10, "axes": 5}),
    "axes a tuple": (GOOD, {"quality": 10, "axes": ("y", "x")}),
    "colour without c": (GOOD, {"quality": 10, "colour": True}),
    "colour of two": (make("noise", (9, 9, 2), "uint8"), {"quality": 10, "axes": "yxc", "colour": True}),
    "threads 0": (GOOD, {"quality": 10, "threads": 0}),
    "threads negative": (GOOD, {"quality": 10, "threads": -1}),
    "threads fraction": (GOOD, {"quality": 10, "threads": 1.0}),
    "threads bool": (GOOD, {"quality": 10, "threads": True}),
    "threads text": (GOOD, {"quality": 10, "threads": "2"}),
    "data range NaN": (GOOD, {"psnr": 40, "data_range": float("nan")}),
    "data range infinite": (GOOD, {"psnr": 40, "data_range": float("inf")}),
    "data range 0": (GOOD, {"psnr": 40, "data_range": 0}),
    "data range negative": (GOOD, {"psnr": 40, "data_range": -5}),
    "data range text": (GOOD, {"psnr": 40, "data_range": "9"}),
    "device": (GOOD, {"quality": 10, "device": "tpu"}),
    "roi shape": (GOOD, {"quality": 10, "roi": np.zeros((24, 20), bool)}),
    "roi rank": (GOOD, {"quality": 10, "roi": np.zeros(20, bool)}),
    "roi dtype": (GOOD, {"quality": 10, "roi": np.zeros((20, 24))}),
    "roi class 8": (GOOD, {"quality": 10, "roi": np.full((20, 24), 8)}),
    "roi class -1": (GOOD, {"quality": 10, "roi": np.full((20, 24), -1)}),
    "roi rule": (GOOD, {"quality": 10, "roi": "brightest"}),
    "roi rule NaN": (GOOD, {"quality": 10, "roi": "threshold:nan"}),
    "roi object": (GOOD, {"quality": 10, "roi": object()}),
    "roi quality 0": (GOOD, {"quality": 10, "roi": GOOD > 9, "roi_quality": 0}),
    "roi quality text": (GOOD, {"quality": 10, "roi": GOOD > 9, "roi_quality": "good"}),
    "roi quality None": (GOOD, {"quality": 10, "roi": GOOD > 9, "roi_quality": {1: None}}),
    "roi quality class 0": (GOOD, {"quality": 10, "roi": GOOD > 9, "roi_quality": {0: 10}}),
    "roi quality class text": (GOOD, {"quality": 10, "roi": GOOD > 9, "roi_quality": {"1": 10}}),
    "rank 0": (np.uint8(3), {"quality": 10}),
    "rank 6 without axes": (np.zeros((1,) * 6, np.uint8), {"quality": 10}),
    "rank 7": (np.zeros((1,) * 7, np.uint8), {"quality": 10, "axes": "tnczyxx"}),
    "not an array": ("image", {"quality": 10}),
    "None": (None, {"quality": 10}),
    "ragged lists": ([[1, 2], [3]], {"quality": 10}),
}


@pytest.mark.parametrize("name", BAD_ENCODES)
def test_bad_arguments_of_encode(name: str) -> None:
    array, options = BAD_ENCODES[name]
    with pytest.raises(mmip.InvalidArgument):
        mmip.encode(array, **options)


@pytest.mark.parametrize(
    "dtype",
    [
        "complex64",
        "object",
        "datetime64[s]",
        "S3",
        "U3",
        "V4",
        "i2,i2",
    ],
)
def test_unsupported_dtypes_are_refused_with_advice(dtype: str) -> None:
    array = np.zeros((8, 8), dtype)
    for target in ({"quality": 10}, {"lossless": True, "stages": 3}):
        with pytest.raises(mmip.InvalidArgument, match="expected one of uint8, int8, uint16, int16"):
            mmip.encode(array, **target)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_arrays_with_nan_are_refused_with_advice(value: float) -> None:
    with pytest.raises(mmip.InvalidArgument, match="NaN or infinity"):
        mmip.encode(np.array([1.0, value]), quality=10)
    with pytest.raises(mmip.InvalidArgument, match=f"found {value:g}"):
        mmip.encode(np.array([1.0, value], np.float32), quality=10, step=1)


@pytest.mark.parametrize("device", ["gpu", None])
def test_device_arrays_are_told_what_to_do(device: str | None) -> None:
    class OnDevice:
        __cuda_array_interface__: ClassVar[dict[str, Any]] = {}

    array: Any = GOOD if device else OnDevice()
    with pytest.raises(mmip.BackendUnavailable):
        mmip.encode(array, quality=10, device=device)


BAD_DECODES: dict[str, dict[str, Any]] = {
    "more stages": {"stages": 5},
    "stages 0": {"stages": 0},
    "stages -1": {"stages": -1},
    "stages fraction": {"stages": 1.0},
    "stages bool": {"stages": True},
    "stages text": {"stages": "1"},
    "scale 0": {"scale": 0},
    "scale 3": {"scale": 3},
    "scale 16": {"scale": 16},
    "scale None": {"scale": None},
    "scale text": {"scale": "2"},
    "scale fraction": {"scale": 2.0},
    "scale a list": {"scale": [1]},
    "region outside": {"region": (slice(0, 61), slice(0, 1))},
    "region negative": {"region": (slice(-1, None), slice(0, 1))},
    "region reversed": {"region": (slice(5, 4), slice(0, 1))},
    "region outside at a scale": {"region": (slice(0, 60), slice(0, 1)), "scale": 2},
    "region step": {"region": (slice(0, 4, 2), slice(0, 1))},
    "region step -1": {"region": (slice(None, None, -1), slice(0, 1))},
    "region rank": {"region": (slice(0, 1),)},
    "region of integers": {"region": (1, 2)},
    "region a list": {"region": [slice(0, 1), slice(0, 1)]},
    "region a slice": {"region": slice(0, 1)},
    "region of text": {"region": (slice("a", None), slice(0, 1))},
    "region of fractions": {"region": (slice(0.5, 2), slice(0, 1))},
    "threads 0": {"threads": 0},
    "threads fraction": {"threads": 1.5},
}


@pytest.mark.parametrize("name", BAD_DECODES)
def test_bad_arguments_of_decode(small: bytes, name: str) -> None:
    with pytest.raises(mmip.InvalidArgument):
        mmip.decode(small, **BAD_DECODES[name])
    if "threads" not in BAD_DECODES[name]:
        with pytest.raises(mmip.InvalidArgument):
            mmip.inspect(small, **BAD_DECODES[name])


@pytest.mark.parametrize("name", [name for name in BAD_DECODES if name[:4] in ("stag", "scal")])
def test_bad_arguments_of_decode_for_raw_containers(small_raw: bytes, name: str) -> None:
    """A raw container has one part for every number of stages, but the argument must still make sense."""
    if name == "more stages":
        assert np.array_equal(mmip.decode(small_raw, **BAD_DECODES[name]), mmip.decode(small_raw))
        return
    with pytest.raises(mmip.InvalidArgument):
        mmip.decode(small_raw, **BAD_DECODES[name])


@pytest.mark.parametrize("data", ["text", 5, None, [1, 2], np.zeros((4, 4), np.uint8)[::2, ::2], object()])
def test_what_is_not_bytes_is_refused(data: Any) -> None:
    for call in (mmip.decode, mmip.inspect):
        with pytest.raises(mmip.InvalidArgument):
            call(data)


def test_batches_raise_what_their_item_raises(small: bytes) -> None:
    with pytest.raises(mmip.TruncatedData, match="item 1: "):
        mmip.decode_batch([small, small[:-1]], threads=2)
    whole, cut = mmip.decode_batch([small, small[:-1]], threads=2, errors="return")
    assert np.array_equal(whole, mmip.decode(small))
    assert isinstance(cut, mmip.TruncatedData)
    with pytest.raises(mmip.InvalidArgument, match="errors='skip'"):
        mmip.decode_batch([small], errors="skip")
    with pytest.raises(mmip.InvalidArgument):
        mmip.encode_batch([GOOD, GOOD.astype(float)], quality=10, threads=2)


def test_a_wide_dtype_is_not_read_as_bytes(small: bytes) -> None:
    """Any contiguous buffer is its bytes, whatever its items are."""
    padded: NDArray[Any] = np.frombuffer(small[: (len(small) - 1) // 8 * 8], np.uint64)
    with pytest.raises(mmip.TruncatedData):
        mmip.decode(padded)
