"""Kinds from 2 on: one array has one encoding, for 1 to 4 threads, every kernel copy, alone and in batches."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from helpers.kernel_copies import selected
from vectors import makers

import mmip_gpu as mmip
from mmip_gpu.soft import encode, train_codebook

Array = np.ndarray[Any, Any]

CASES: dict[str, tuple[str, tuple[int, ...], str, dict[str, Any]]] = {  # kind and case: maker, shape, dtype, options
    "predictive-2d": ("textured", (150, 140), "uint16", {"lossless": True}),
    "predictive-3d": ("textured", (34, 40, 36), "int16", {"lossless": True, "effort": 3}),
    "predictive-colour": ("tinted", (60, 70, 3), "uint8", {"lossless": True, "axes": "yxc"}),
    "predictive-float": ("textured", (60, 50), "float32", {"lossless": True, "step": 1e-4}),
    "mixed-2d": ("textured", (3, 90, 270), "uint16", {"lossless": "small", "axes": "nyx"}),
    "mixed-3d": ("textured", (20, 40, 140), "int8", {"lossless": "small"}),
    "mixed-colour": ("textured", (40, 270, 3), "uint8", {"lossless": "small", "axes": "yxc"}),
    "jpeg origin-grey": ("jpeg", (3, 60, 44), "uint8", {"lossless": "small", "axes": "nyx"}),
    "jpeg origin-colour": ("jpeg", (41, 75, 3), "uint8", {"lossless": "small", "axes": "yxc"}),
    "labels-2d": ("objects", (150, 300), "uint16", {"labels": True}),
    "labels-3d": ("objects", (20, 60, 300), "int64", {"labels": True}),
}


@cache
def array_of(name: str) -> Array:
    maker, shape, dtype, _ = CASES[name]
    return makers.make(maker, shape, dtype, 3)


@cache
def alone(name: str) -> bytes:
    return mmip.encode(array_of(name), threads=1, **CASES[name][3])


@pytest.mark.parametrize("name", CASES)
def test_threads_and_kernels(name: str, each_kernel: list[str]) -> None:
    array, options, expected = array_of(name), CASES[name][3], alone(name)
    assert mmip.inspect(expected)["kind"] == name.partition("-")[0]
    samples = {mmip.decode(expected, threads=1).tobytes()}
    kernels = each_kernel if name.startswith("predictive") else each_kernel[:1]  # other kinds have none of their own
    for kernel in selected(kernels):
        for threads in (1, 2, 3, 4):
            assert mmip.encode(array, threads=threads, **options) == expected, (kernel, threads)
            samples.add(mmip.decode(expected, threads=threads).tobytes())
    assert len(samples) == 1


@pytest.mark.parametrize("name", CASES)
def test_batches(name: str) -> None:
    array, options, expected = array_of(name), CASES[name][3], alone(name)
    whole = mmip.decode(expected)
    for size, threads in ((1, 1), (2, 4), (5, 2)):
        assert mmip.encode_batch([array] * size, threads=threads, **options) == [expected] * size
        assert all(np.array_equal(found, whole) for found in mmip.decode_batch([expected] * size, threads=threads))


def soft(dtype: str, axes: str, shape: tuple[int, ...]) -> tuple[Array, Callable[[int], bytes]]:
    array = makers.make("textured", shape, dtype, 3)
    book = train_codebook([array[:30], array[30:]], axes=axes, degree=2)
    return array, lambda threads: encode(array, book, axes=axes, threads=threads)


@pytest.mark.parametrize(
    ("dtype", "axes", "shape"),
    [("uint8", "yxc", (60, 140, 3)), ("int16", "yx", (60, 140)), ("uint16", "nyx", (50, 30, 40))],
)
def test_soft_compression(dtype: str, axes: str, shape: tuple[int, ...]) -> None:
    array, encoded = soft(dtype, axes, shape)
    blobs = {encoded(threads) for threads in (1, 2, 3, 4)}
    blobs.add(soft(dtype, axes, shape)[1](1))  # its training, too
    (blob,) = blobs
    assert mmip.inspect(blob)["kind"] == "soft"
    assert all(np.array_equal(mmip.decode(blob, threads=threads), array) for threads in (1, 2, 3, 4))
