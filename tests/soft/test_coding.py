"""Arrays to containers of soft compression and back: exact on everything, by parts, threads, scales; refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st

import mmip_gpu as mmip
from mmip_gpu.soft import Codebook, encode, train_codebook

CONTENTS = ("noise", "ramp", "spikes", "two values", "constant", "like the training")
DTYPES = ("uint8", "int8", "uint16", "int16")


def content(kind: str, shape: tuple[int, ...], dtype: str, seed: int, bits: int) -> np.ndarray:
    info, rng = np.iinfo(dtype), np.random.default_rng(seed)
    low = -(1 << (bits - 1)) if info.min else 0
    high = low + (1 << bits) - 1
    flat = np.arange(int(np.prod(shape))).reshape(shape)
    if kind == "noise":
        found: Any = rng.integers(low, high, shape, endpoint=True)
    elif kind == "ramp":
        found = low + flat * 37 % (1 << bits)
    elif kind == "spikes":
        found = np.where(rng.random(shape) < 0.02, high, low)
    elif kind == "two values":
        found = np.where(rng.random(shape) < 0.5, high, low)
    elif kind == "constant":
        found = np.full(shape, high)
    else:
        found = (low + high) // 2 + (20 * np.sin(flat / 9)).astype(int) + rng.integers(-3, 4, shape)
    return np.asarray(found).clip(low, high).astype(dtype)


_BOOKS: dict[tuple[Any, ...], Codebook] = {}


def book_of(dtype: str, bits: int, components: int, colour: bool) -> Codebook:
    key = dtype, bits, components, colour
    if key not in _BOOKS:
        shape = (40, 50, components)
        samples = [content("like the training", shape, dtype, seed, bits) for seed in range(2)]
        _BOOKS[key] = train_codebook(samples, axes="yxc", bits=bits, colour=colour)
    return _BOOKS[key]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_every_array_comes_back(data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from(DTYPES))
    width = 8 * np.dtype(dtype).itemsize
    bits = data.draw(st.sampled_from([width, 12, 9]) if width == 16 else st.just(8))
    components = data.draw(st.sampled_from([1, 2, 3, 5]))
    book = book_of(dtype, bits, components, colour=components == 3 and data.draw(st.booleans()))
    axes = data.draw(st.sampled_from(["yxc", "cyx", "zyxc", "ycx", "tcnzyx"]))
    lengths = {a: data.draw(st.integers(1, 3 if a in "tnz" else 40)) for a in axes} | {"c": components}
    shape = tuple(lengths[a] for a in axes)
    array = content(data.draw(st.sampled_from(CONTENTS)), shape, dtype, data.draw(st.integers(0, 9)), bits)
    blob = encode(array, book, axes=axes, embed=data.draw(st.booleans()))
    found = mmip.decode(blob)
    assert found.dtype == array.dtype
    assert np.array_equal(found, array)
    assert len(blob) <= mmip.max_encoded_size(shape, dtype)
    region = tuple(slice(*sorted((data.draw(st.integers(0, n)), data.draw(st.integers(0, n))))) for n in shape)
    assert np.array_equal(mmip.decode(blob, region=region), array[region])


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 1), (63, 511), (64, 512), (65, 513), (129, 1100)])
def test_edges_of_tiles(shape: tuple[int, int]) -> None:
    array = content("like the training", shape, "uint8", 3, 8)
    blob = encode(array, book_of("uint8", 8, 1, False), embed=True)
    assert np.array_equal(mmip.decode(blob), array)
    if array.size < 40_000:
        assert np.array_equal(reference.decode(blob), array)


def test_strides_byte_orders_and_lists(colour_book: Codebook, images: list[np.ndarray]) -> None:
    image = images[3]
    expected = encode(image, colour_book, axes="yxc")
    assert encode(np.asfortranarray(image), colour_book, axes="yxc") == expected
    assert encode(np.repeat(image, 2, 1)[:, ::2], colour_book, axes="yxc") == expected
    assert encode(image[::-1][::-1], colour_book, axes="yxc", threads=1) == expected
    sixteen = content("like the training", (40, 50), "uint16", 1, 12)
    book = book_of("uint16", 12, 1, False)
    assert encode(sixteen.astype(">u2"), book) == encode(sixteen, book)


def test_threads_make_equal_bytes() -> None:
    array = content("like the training", (3, 300, 700), "uint16", 0, 12)
    book = book_of("uint16", 12, 1, False)
    blobs = {encode(array, book, threads=threads) for threads in (1, 2, 7)}
    assert len(blobs) == 1
    (blob,) = blobs
    for threads in (1, 5):
        assert np.array_equal(mmip.decode(blob, threads=threads), array)


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_scales_are_means_over_windows(scale: int, colour_book: Codebook, images: list[np.ndarray]) -> None:
    image = images[3]
    raw = mmip.encode(image, axes="yxc", lossless=True, stages=2, colour=False)
    blob = encode(image, colour_book, axes="yxc")
    whole = mmip.decode(blob, scale=scale)
    sums = np.add.reduceat(np.add.reduceat(image.astype(float), range(0, 70, scale), 0), range(0, 90, scale), 1)
    counts = np.add.reduceat(np.add.reduceat(np.ones((70, 90, 1)), range(0, 70, scale), 0), range(0, 90, scale), 1)
    assert np.array_equal(whole, np.rint(sums / counts))
    assert whole.shape == mmip.decode(raw, scale=scale).shape
    region = (slice(1, 5), slice(2, whole.shape[1]), slice(1, 2))
    assert np.array_equal(mmip.decode(blob, scale=scale, region=region), whole[region])


def test_one_stage(colour_book: Codebook, images: list[np.ndarray]) -> None:
    blob = encode(images[0], colour_book, axes="yxc")
    assert np.array_equal(mmip.decode(blob, stages=1), images[0])
    for call in (mmip.decode, mmip.inspect):
        with pytest.raises(mmip.InvalidArgument, match="at most 1"):
            call(blob, stages=2)


def test_a_region_needs_fewer_bytes() -> None:
    array = content("like the training", (4, 1000, 1000), "uint8", 0, 8)
    blob = encode(array, book_of("uint8", 8, 1, False))
    part = mmip.inspect(blob, region=(slice(1, 2), slice(0, 64), slice(0, 64)))
    assert part["bytes_needed"] < len(blob) / 10
    assert part["kind"] == "soft"
    with pytest.raises(mmip.LimitExceeded, match="max_bytes"):
        mmip.decode(blob, max_bytes=array.nbytes - 1)
    region = (slice(1, 2), slice(0, 64), slice(0, 64))
    assert mmip.decode(blob, region=region, max_bytes=64 * 512).shape == (1, 64, 64)


def test_what_does_not_shrink_is_kept_as_it_is() -> None:
    array = content("noise", (50, 60), "uint16", 0, 16)
    blob = encode(array, book_of("uint16", 16, 1, False))
    assert mmip.inspect(blob)["kind"] == "raw"
    assert np.array_equal(mmip.decode(blob), array)
    assert mmip.inspect(encode(array[:0], book_of("uint16", 16, 1, False)))["kind"] == "raw"


@pytest.mark.parametrize(
    ("array", "axes", "said"),
    [
        (np.zeros((9, 9, 2), np.uint8), "yxc", "3 components: found 2 channels"),
        (np.zeros((9, 9, 4), np.uint8), "yxc", "3 components: found 4 channels"),
        (np.zeros((9, 9), np.uint8), None, "3 components: found 1 channels"),
        (np.zeros((9, 9, 3), np.int8), "yxc", "expected uint8, found int8"),
        (np.zeros((9, 9, 3), np.float32), "yxc", "expected uint8, found float32"),
        (np.full((9, 9, 3), 256, np.uint16), "yxc", "samples of 0 to 255, found 256 to 256"),
    ],
)
def test_what_a_codebook_does_not_fit(array: np.ndarray, axes: str | None, said: str, colour_book: Codebook) -> None:
    with pytest.raises(mmip.InvalidArgument, match=said):
        encode(array, colour_book, axes=axes)


def test_a_codebook_of_fewer_bits_takes_what_fits() -> None:
    book = book_of("uint16", 12, 1, False)
    with pytest.raises(mmip.InvalidArgument, match="12 bits: expected samples of 0 to 4095, found 4096 to 4096"):
        encode(np.full((9, 9), 4096, np.uint16), book)
    with pytest.raises(mmip.InvalidArgument, match="12 bits: expected uint16, found uint8"):
        encode(np.zeros((9, 9), np.uint8), book)
    with pytest.raises(mmip.InvalidArgument, match="expected a Codebook, found bytes"):
        encode(np.zeros((9, 9), np.uint16), book.to_bytes())
