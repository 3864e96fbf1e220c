"""What is_jpeg_origin says, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from vectors import makers

import mmip_gpu as mmip
from mmip_gpu.bench.images import BenchImage


def jpeg(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return makers.make("jpeg", shape, "uint8", seed)


def test_a_crop_keeps_its_grid() -> None:
    found = mmip.is_jpeg_origin(jpeg((96, 128), 0)[5:, 3:])
    assert found is not None
    assert (found.sampling, found.offset, found.qualities) == ("grey", (5, 3), (55,))


def test_colour_tells_of_a_decoder_where_blocks_do_not_show() -> None:
    image = jpeg((96, 128, 3), 0)
    shuffled = np.random.default_rng(0).permutation(image.reshape(-1, 3)).reshape(image.shape)
    assert mmip.is_jpeg_origin(shuffled) == mmip.JpegOrigin(0.0)


@pytest.mark.parametrize("maker", ["noise", "textured", "edges", "hills", "disc"])
@pytest.mark.parametrize("shape", [(90, 80), (64, 70, 3)])
def test_none_for_other_images(maker: str, shape: tuple[int, ...]) -> None:
    assert mmip.is_jpeg_origin(makers.make(maker, shape, "uint8", 1)) is None


def test_rescaled_images_are_none() -> None:
    image = jpeg((128, 160, 3), 2).astype(np.int64)
    halved = (image[::2, ::2] + image[1::2, ::2] + image[::2, 1::2] + image[1::2, 1::2] + 2) // 4
    assert mmip.is_jpeg_origin(halved.astype(np.uint8)) is None


@pytest.mark.parametrize("shape", [(0, 9), (9, 0, 3), (4, 4), (1, 1, 3), (14, 200)])
def test_small_and_empty_images_are_none(shape: tuple[int, ...]) -> None:
    assert mmip.is_jpeg_origin(np.zeros(shape, np.uint8)) is None


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((9, 9), np.uint16),
        np.zeros((9, 9, 4), np.uint8),
        np.zeros(9, np.uint8),
        np.zeros((2, 9, 9, 3), np.uint8),
    ],
)
def test_other_arrays_are_refused(image: np.ndarray) -> None:
    with pytest.raises(mmip.InvalidArgument, match="image: expected uint8"):
        mmip.is_jpeg_origin(image)


def test_the_benchmark_warns_of_images_whose_past_nobody_stated() -> None:
    image = jpeg((64, 80, 3), 0)
    for array, axes in ((image, "yxc"), (jpeg((3, 64, 80), 2), "zyx"), (np.stack([image, image]), "zyxc")):
        assert BenchImage("a", array, axes, 8, jpeg_origin="unknown").facts["jpeg_origin"] == "yes"
        assert BenchImage("a", array, axes, 8, jpeg_origin="no").facts["jpeg_origin"] == "no"
    other = makers.make("textured", (64, 80), "uint8", 0)
    assert BenchImage("a", other, "yx", 8, jpeg_origin="unknown").facts["jpeg_origin"] == "unknown"
