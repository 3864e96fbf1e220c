"""The decoder of FORMAT.md section 8.10 against libjpeg-turbo, bit for bit: every sampling, odd and tiny sizes."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.jpeg_files import read_jpeg
from reference.jpeg_samples import Form, pixels
from vectors import makers

imagecodecs = pytest.importorskip("imagecodecs")

SAMPLINGS = {"444": 0, "422": 1, "420": 2, "440": 3}


def written(shape: tuple[int, ...], quality: int, subsampling: str | None, seed: int) -> bytes:
    """A JPEG file of an image that was none before."""
    image = makers.make("textured", shape, "uint8", seed)
    return bytes(imagecodecs.jpeg8_encode(image, level=quality, subsampling=subsampling))


def decoded(data: bytes, sampling: int, offset: tuple[int, int] = (0, 0)) -> np.ndarray:
    """What the reference decodes, from a row and a column of the file on."""
    file = read_jpeg(data)
    rows, columns = (n - o for n, o in zip(file.shape, offset, strict=True))
    form = Form((rows, columns, len(file.blocks)), sampling, *offset, file.tables[:2])
    blocks = [b[: form.blocks(c)[0], : form.blocks(c)[1]] for c, b in enumerate(file.blocks)]
    return pixels(blocks, form)


@pytest.mark.parametrize(
    "size", [(16, 16), (48, 64), (1, 1), (7, 3), (2, 4), (3, 5), (33, 47), (50, 6), (17, 18), (31, 49)]
)
@pytest.mark.parametrize("subsampling", ["grey", "444", "422", "420", "440"])
@pytest.mark.parametrize("quality", [8, 60, 97])
def test_equal_to_libjpeg_turbo(size: tuple[int, int], subsampling: str, quality: int) -> None:
    is_grey = subsampling == "grey"
    shape = size if is_grey else (*size, 3)
    data = written(shape, quality, None if is_grey else subsampling, sum(size))
    expected = imagecodecs.jpeg8_decode(data).reshape(*size, -1)
    assert np.array_equal(decoded(data, 0 if is_grey else SAMPLINGS[subsampling]), expected)


@pytest.mark.parametrize("subsampling", ["444", "422", "420", "440"])
def test_crops_are_equal_but_for_chroma_that_was_cut_off(subsampling: str) -> None:
    data = written((40, 56, 3), 70, subsampling, 3)
    expected = imagecodecs.jpeg8_decode(data)
    found = decoded(data, SAMPLINGS[subsampling], (5, 3))
    assert np.array_equal(found, expected[5:, 3:])
