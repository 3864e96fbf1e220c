"""Labels of every dtype, shape and content: exact, at every scale and in every region, as the reference reads them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import mmip_gpu as mmip

DTYPES = tuple(f"{kind}{size}" for size in (1, 2, 4, 8) for kind in "ui")
CONTENT = ("blobs", "noise", "two", "one", "distinct", "lines", "checkers", "gaps")


def labels(content: str, shape: tuple[int, ...], dtype: str, seed: int) -> NDArray[Any]:
    """An array of labels; `gaps` and `noise` reach over the whole dtype."""
    rng, info = np.random.default_rng(seed), np.iinfo(dtype)
    size = int(np.prod(shape))
    if content == "noise":
        return rng.integers(info.min, info.max, shape, dtype, endpoint=True)
    if content == "two":
        return np.where(rng.random(shape) < 0.3, info.min, info.max).astype(dtype)
    if content == "one":
        return np.full(shape, info.max if seed % 2 else info.min, dtype)
    if content == "distinct":
        return (rng.permutation(size).astype(dtype)).reshape(shape)
    places = np.indices(shape)
    if content == "lines":
        return (places[-1] + places[0] * seed % 7).astype(dtype) // 3
    if content == "checkers":
        return (places.sum(0) % 2).astype(dtype)
    centres = rng.integers(0, max(shape), (9, len(shape)))
    distance = ((places[:, None] - centres.T.reshape(len(shape), 9, *[1] * len(shape))) ** 2).sum(0)
    names = rng.integers(info.min, info.max, 9, dtype) if content == "gaps" else np.arange(9).astype(dtype)
    return names[distance.argmin(0)]


def check(array: NDArray[Any], **options: Any) -> bytes:
    blob = mmip.encode(array, labels=True, **options)
    found = mmip.decode(blob)
    assert found.dtype == array.dtype
    assert np.array_equal(found, array)
    assert len(blob) <= mmip.max_encoded_size(array.shape, array.dtype)
    return blob


@given(
    st.sampled_from(CONTENT),
    st.lists(st.integers(1, 24), min_size=1, max_size=3).map(tuple),
    st.sampled_from(DTYPES),
    st.integers(0, 2**20),
    st.sampled_from((1, 2, 4, 8)),
)
def test_small_arrays_are_exact(content: str, shape: tuple[int, ...], dtype: str, seed: int, scale: int) -> None:
    array = labels(content, shape, dtype, seed)
    blob = check(array, threads=1)
    assert np.array_equal(reference.decode(blob), array)
    small = array[tuple(slice(None, None, scale) for _ in shape)]
    assert np.array_equal(mmip.decode(blob, scale=scale), small)
    region = tuple(slice(seed % n, seed % n + 1 + seed // n % (n - seed % n)) for n in small.shape)
    assert np.array_equal(mmip.decode(blob, scale=scale, region=region), small[region])
    assert mmip.inspect(blob)["loss"]["minimum"] == int(array.min())
    assert mmip.inspect(blob)["loss"]["maximum"] == int(array.max())


@pytest.mark.parametrize("content", CONTENT)
@pytest.mark.parametrize("dtype", ["u1", "i8"])
@pytest.mark.parametrize(("shape", "axes"), [((600, 530), "yx"), ((40, 150, 140), "zyx"), ((3, 150, 2, 140), "nytx")])
def test_many_tiles_are_exact_for_every_number_of_threads(
    content: str, dtype: str, shape: tuple[int, ...], axes: str
) -> None:
    array = labels(content, shape, dtype, 5)
    blob = check(array, axes=axes, threads=1)
    assert mmip.encode(array, labels=True, axes=axes, threads=3) == blob
    for scale in (1, 2, 4, 8):
        small = array[tuple(slice(None, None, scale if letter in "zyx" else 1) for letter in axes)]
        assert np.array_equal(mmip.decode(blob, scale=scale, threads=2), small)
        region = tuple(slice(n // 3, n // 3 + n // 2) for n in small.shape)
        assert np.array_equal(mmip.decode(blob, scale=scale, region=region), small[region])


def test_a_region_reads_only_its_tiles() -> None:
    array = labels("blobs", (64, 300, 300), "u4", 1)
    blob = check(array)
    part = mmip.inspect(blob, region=(slice(0, 8), slice(0, 50), slice(0, 50)))
    assert part["bytes_needed"] < part["bytes"] - 1000
    assert part["kind"] == "labels"


@pytest.mark.parametrize("order", ["<", ">"])
def test_strides_and_byte_orders_do_not_matter(order: str) -> None:
    array = labels("gaps", (20, 30, 40), "u4", 2)
    assert mmip.encode(array.astype(order + "u4"), labels=True) == mmip.encode(array, labels=True)
    assert np.array_equal(mmip.decode(mmip.encode(array[::2, ::-1, 3:], labels=True)), array[::2, ::-1, 3:])
    assert np.array_equal(mmip.decode(mmip.encode(array.T, labels=True)), array.T)


def test_values_cost_what_their_gaps_take() -> None:
    """Equal shapes: names of 64 bits cost a few bytes each, and nothing in the tiles."""
    array = labels("blobs", (64, 128, 128), "u2", 3)
    names = np.sort(np.random.default_rng(0).integers(0, 2**63, 9, np.uint64))
    small, wide = (len(check(a)) for a in (array, names[array]))
    assert small < wide < small + 9 * 8 + 24
