"""Inputs of the golden vectors: arrays made by integer arithmetic alone, equal on every machine and NumPy version.

Values: a shape, a dtype name and a seed in; a C-ordered array out. Frozen: a change here is a change of the vectors.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from reference.jpeg_samples import Form, pixels, steps_of

Array = NDArray[Any]


def noise_bits(shape: tuple[int, ...], seed: int) -> NDArray[np.uint64]:
    """32 random bits a sample (splitmix64 of the sample's number and the seed)."""
    count = 1
    for n in shape:
        count *= n
    with np.errstate(over="ignore"):
        z = (np.arange(count, dtype=np.uint64) + np.uint64(1 + 1000003 * seed)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(32)).reshape(shape)


def hills(shape: tuple[int, ...], seed: int) -> NDArray[np.int64]:
    """Parabolas along every axis, 0..1023: smooth, with a ridge where they meet."""
    total = np.zeros(shape, np.int64)
    for axis, n in enumerate(shape):
        period = 23 + 7 * ((seed + axis) % 5)
        place = (np.arange(n, dtype=np.int64) + 5 * seed) % period
        line = 1023 * 4 * place * (period - place) // (period * period)
        total += line.reshape([-1 if a == axis else 1 for a in range(len(shape))])
    return total // max(len(shape), 1)


def noise(shape: tuple[int, ...], seed: int) -> NDArray[np.int64]:
    return (noise_bits(shape, seed) >> np.uint64(22)).astype(np.int64)


def textured(shape: tuple[int, ...], seed: int) -> NDArray[np.int64]:
    return np.clip(hills(shape, seed) + noise(shape, seed) // 16 - 32, 0, 1023)


def edges(shape: tuple[int, ...], seed: int) -> NDArray[np.int64]:
    return np.where(hills(shape, seed) > 600, 900, 100) + noise(shape, seed) // 64


def slices(shape: tuple[int, ...], seed: int) -> NDArray[np.int64]:
    """Planes of their own height, which mode z1 is for."""
    heights = noise(shape[:-2] + (1,) * min(len(shape), 2), seed) // 2
    return (hills(shape, seed) // 4 + heights) % 1024


def half(shape: tuple[int, ...], seed: int) -> NDArray[np.int64]:
    """Noise in the first half of the last axis, nothing beside it."""
    array = noise(shape, seed)
    array[..., shape[-1] // 2 :] = 128
    return array


def gradient(shape: tuple[int, ...], seed: int) -> NDArray[np.int64]:
    return np.indices(shape).sum(axis=0) * 32 + seed


def disc(shape: tuple[int, ...], seed: int) -> NDArray[np.int64]:
    """A textured disc on the last two axes, as a CT's field of view; 0 around it."""
    plane = shape[-2:]
    distance = np.zeros(plane, np.int64)
    for place, n in zip(np.indices(plane, dtype=np.int64), plane, strict=True):
        distance += 4096 * (2 * place - n + 1) ** 2 // (n * n)
    return np.where(distance > 4096, 0, 300 + textured(shape, seed) // 2)


def objects(shape: tuple[int, ...], seed: int) -> NDArray[np.int64]:
    """Boxes of 5 to 7 samples a side, each of one of 13 values, as a segmentation has them."""
    names = noise(shape, seed) % 13
    for axis, n in enumerate(shape):
        side = 5 + (seed + axis) % 3
        names = names.take(np.arange(n) // side * side, axis)
    return names * 78


def sampling_of(seed: int) -> int:
    """What a seed of `jpeg` samples the chroma by (FORMAT.md section 8.10)."""
    return seed % 3 if seed < 9 else 3


def jpeg(shape: tuple[int, ...], seed: int) -> NDArray[np.int64]:
    """What decoding a JPEG file gives, cut out of it: rows, columns and, for colour, channels are the last axes."""
    if len(shape) == 1:
        return jpeg((1, *shape), seed)[0]
    channels = shape[-1] if len(shape) > 2 and shape[-1] == 3 else 1
    rows, columns = shape[-2 - (channels == 3) :][:2]
    form = Form(
        (rows, columns, channels), sampling_of(seed) if channels == 3 else 0, 3 * (seed % 2), 5 * (seed % 2), []
    )
    form.tables += [steps_of(table, 55 + 9 * (seed % 5)) for table in (0, 1)]
    images = []
    for number in range(int(np.prod(shape)) // (rows * columns * channels)):
        blocks = []
        for c in range(channels):
            place = (*form.blocks(c), 8, 8)
            values = noise(place, seed + 31 * (3 * number + c)) - 512
            falling = (2 + np.add.outer(np.arange(8), np.arange(8)) ** 2) << (c > 0)
            values = np.sign(values) * (abs(values) // 2 // (form.steps(c) * falling))
            values[..., 0, 0] = (hills(place[:2], seed + c + number) - 512) // (form.steps(c)[0, 0] << (c > 0))
            blocks.append(values)
        images.append(pixels(blocks, form))
    return np.stack(images).reshape(shape) * 1023 // 255 + 3


def tinted(shape: tuple[int, ...], seed: int) -> NDArray[np.int64]:
    """Grey, but for a shade that grows along the last axis and a little noise."""
    grey = textured((*shape[:-1], 1), seed)
    return np.clip(grey + 30 * np.arange(shape[-1], dtype=np.int64) + noise(shape, seed) // 256, 0, 1023)


MAKERS = {
    "jpeg": jpeg,
    "disc": disc,
    "hills": hills,
    "noise": noise,
    "textured": textured,
    "edges": edges,
    "slices": slices,
    "half": half,
    "gradient": gradient,
    "objects": objects,
    "tinted": tinted,
}


def make(maker: str, shape: tuple[int, ...], dtype: str, seed: int) -> Array:
    """The values 0..1023 of a maker spread over the range of the dtype; as float32 over -4..4."""
    values = MAKERS[maker](shape, seed)
    if dtype == "float32":
        return np.ascontiguousarray(((values - 512) / 128).astype(np.float32))
    info = np.iinfo(dtype)
    if info.bits == 64:
        values = values.astype(object)  # their product with the range takes 74 bits
    return np.ascontiguousarray((values * (int(info.max) - int(info.min)) // 1023 + int(info.min)).astype(dtype))


def make_classes(shape: tuple[int, ...], classes: int, seed: int) -> NDArray[np.uint8]:
    """A class map of boxes: class i in a box of its own."""
    roi = np.zeros(shape, np.uint8)
    for index in range(1, classes):
        draws = noise_bits((2 * len(shape),), seed + index).astype(np.int64).tolist()
        box = []
        for n, start, length in zip(shape, draws[::2], draws[1::2], strict=True):
            first = start % max(n, 1)
            box.append(slice(first, first + 1 + length % (n // 2 + 1)))
        roi[tuple(box)] = index
    return roi
