"""Training: the shapes are those of a plain search, whatever the order of the images; every value has a code."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from reference.soft import read_codebook

import mmip_gpu as mmip
from mmip_gpu.soft import Codebook, encode, train_codebook

Patch = tuple[tuple[int, ...], ...]


def residual_layer(image: np.ndarray, shift: int) -> np.ndarray:
    """Upper layer of the folded residuals of one tile of unsigned samples."""
    plane = image.astype(int)
    predicted = np.zeros_like(plane)
    for y, x in np.ndindex(plane.shape):
        if y and x:
            west, north = plane[y, x - 1], plane[y - 1, x]
            predicted[y, x] = sorted((west, north, west + north - plane[y - 1, x - 1]))[1]
        elif y or x:
            predicted[y, x] = plane[y, x - 1] if x else plane[y - 1, x]
    e = (plane - predicted + 128) % 256 - 128
    return np.where(e > 0, 2 * e, np.where(e < 0, -2 * e - 1, 0)) >> shift


def mined(layers: list[np.ndarray], degree: float, values: int) -> set[Patch]:
    """Shapes by the rules of the original, a patch at a time."""
    counts: Counter[Patch] = Counter()
    for layer in layers:
        for y, x in np.argwhere(layer):
            for h in range(1, 5):
                for w in range(1, 5):
                    patch = layer[y : y + h, x : x + w]
                    zero = patch == 0
                    if patch.shape == (h, w) and (2 * zero.sum(0) <= h).all() and (2 * zero.sum(1) <= w).all():
                        counts[tuple(map(tuple, patch.tolist()))] += 1
    counts = Counter({patch: n for patch, n in counts.items() if n > degree * len(layers)})
    for value in range(1, values):
        counts.setdefault(((value,),), 1)
    kept = set(counts)
    for whole, n in counts.items():
        array = np.array(whole)
        for y, x in np.ndindex(array.shape):
            for h in range(1, array.shape[0] - y + 1):
                for w in range(1, array.shape[1] - x + 1):
                    part = tuple(map(tuple, array[y : y + h, x : x + w].tolist()))
                    if h * w > 1 and part != whole and counts.get(part) == n:
                        kept.discard(part)
    return kept


def shapes_of(book: Codebook) -> list[Patch]:
    return [tuple(map(tuple, shape.tolist())) for shape in read_codebook(book.data)[3][0].shapes]


@pytest.mark.parametrize("degree", [0.5, 2])
def test_shapes_are_those_of_a_plain_search(degree: float) -> None:
    rng = np.random.default_rng(0)
    images = []
    for _ in range(3):
        lines = np.where(rng.random((20, 20)) < 0.1, 30, 0).repeat(2, 0).repeat(2, 1)
        images.append((lines.cumsum(0).cumsum(1) % 180 + (rng.random(lines.shape) < 0.1)).astype(np.uint8))
    book = train_codebook(images, degree=degree)
    _, raw, _ = book.core.components[0]
    found = shapes_of(book)
    assert set(found) == mined([residual_layer(image, 4 + raw) for image in images], degree, 1 << (4 - raw))
    assert len(found) == len(set(found))
    nonzeros = [np.count_nonzero(shape) for shape in found]
    assert nonzeros == sorted(nonzeros, reverse=True)
    assert max(nonzeros) > 3


def test_the_order_of_the_images_does_not_matter(images: list[np.ndarray]) -> None:
    books = {train_codebook(order, axes="yxc") for order in (images, images[::-1], images[2:] + images[:2])}
    assert len(books) == 1


def test_values_that_training_never_saw_come_back(images: list[np.ndarray], colour_book: Codebook) -> None:
    """The original loses rare strong residuals of chroma."""
    image = images[3].copy()
    image[10:12, 20:22] = [[[255, 0, 255], [0, 255, 0]], [[0, 255, 0], [255, 0, 255]]]
    image[30, ::7] = 255 - image[30, ::7]
    assert np.array_equal(mmip.decode(encode(image, colour_book, axes="yxc")), image)


def test_trained_images_code_smaller_than_by_another_codebook(images: list[np.ndarray], colour_book: Codebook) -> None:
    other = train_codebook([np.random.default_rng(0).integers(0, 255, (60, 60, 3)).astype(np.uint8)], axes="yxc")
    own = len(encode(images[3], colour_book, axes="yxc"))
    assert own < 0.8 * len(encode(images[3], other, axes="yxc"))
    assert own < 0.5 * images[3].nbytes


def test_raw_bits_follow_the_noise() -> None:
    rng = np.random.default_rng(0)
    raw = []
    for noise in (1, 60, 900):
        image = (30000 + rng.normal(0, noise, (80, 80))).astype(np.uint16)
        book = train_codebook([image])
        raw.append(book.core.components[0][1])
        assert np.array_equal(mmip.decode(encode(image, book)), image)
    assert raw == sorted(raw)
    assert raw[0] == 0
    assert raw[-1] >= 4


def test_folders_and_files(tmp_path: Path, images: list[np.ndarray]) -> None:
    for number, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    expected = train_codebook(images, axes="yxc")
    assert train_codebook(tmp_path) == expected
    assert train_codebook(sorted(tmp_path.iterdir(), reverse=True)) == expected


@pytest.mark.parametrize(
    ("images", "options", "said"),
    [
        ([], {}, "at least one"),
        ([np.zeros((9, 9), np.uint8), np.zeros((9, 9), np.uint16)], {}, "as in the first image, found uint16"),
        ([np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9, 4), np.uint8)], {"axes": "yxc"}, "found uint8 in 4"),
        ([np.zeros((9, 9), np.float32)], {}, "expected integers of 8 or 16 bits, found float32"),
        ([np.zeros((9, 9), np.uint8)], {"bits": 12}, "bits=12: expected 8 to 8"),
        ([np.zeros((9, 9), np.uint16)], {"bits": 7}, "bits=7: expected 8 to 16"),
        ([np.full((9, 9), 5000, np.uint16)], {"bits": 12}, "5000 to 5000 do not fit bits=12"),
        ([np.zeros((9, 9), np.uint8)], {"degree": -1.0}, "degree=-1"),
        ([np.zeros((9, 9, 2), np.uint8)], {"axes": "yxc", "colour": True}, "colour"),
        ([np.zeros((1, 1, 300), np.uint8)], {"axes": "yxc"}, "at most 255 components, found 300"),
        ([np.zeros((9, 0), np.uint8)], {}, "shape"),
    ],
)
def test_what_cannot_be_trained_with(images: list[Any], options: dict[str, Any], said: str) -> None:
    with pytest.raises(mmip.InvalidArgument, match=said):
        train_codebook(images, **options)


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(mmip.StoreError, match="expected a folder"):
        train_codebook(tmp_path / "none")
    with pytest.raises(mmip.InvalidArgument, match="found no file"):
        train_codebook(tmp_path)
