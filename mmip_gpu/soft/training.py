"""Training: a codebook out of images of one kind, in the stages of the original (shape finding, codebook).

Values: images in, a Codebook out. The rounds are those of the core (passes/soft/mine.h). Guarantees the same codebook
whatever the order of the images, since all that is counted are sums.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from mmip_gpu._core import SOFT_DEPTHS, SOFT_MAX_COMPONENTS, SoftMiner
from mmip_gpu.errors import InvalidArgument
from mmip_gpu.signatures import public
from mmip_gpu.soft.codebook import Codebook
from mmip_gpu.soft.coding import TILE_LOG2
from mmip_gpu.soft.images import Image, ImageSet

__all__ = ["DEGREE", "find_shapes", "make_codebook", "train_codebook"]

DEGREE = 0.5  # of the original: a shape is kept that is found more often than this an image


@public()
def train_codebook(
    images: Any,
    *,
    axes: str | None = None,
    bits: int | None = None,
    colour: bool | None = None,
    degree: float = DEGREE,
) -> Codebook:
    """Mine a codebook out of images of one kind.

    Parameters
    ----------
    images : iterable, str or Path
        Arrays, paths or sources, of one dtype and one number of channels; or a folder of files. Their order does not
        matter.
    axes : str, optional
        Axes of arrays, such as ``"yxc"``; files say their own.
    bits : int, optional
        Bits of a sample, 8 to 16. By default all of the dtype, so that every array of it can be coded.
    colour : bool, optional
        Whether three channels are red, green and blue, and so coded as Y, U and V (the default for three).
    degree : float
        A shape is kept that is found more often than this an image, on the average.

    Returns
    -------
    Codebook

    Raises
    ------
    InvalidArgument

    Examples
    --------
    >>> import mmip_gpu
    >>> train_codebook([mmip_gpu.phantom2d(64)], bits=16).bits
    16
    """
    found = images if isinstance(images, ImageSet) else ImageSet(images, axes, colour)
    return make_codebook(find_shapes(found, bits, degree), found)


def find_shapes(images: ImageSet, bits: int | None = None, degree: float = DEGREE) -> SoftMiner:
    """Shape finding: the layers of the residuals, the counts of their lower ones, and the shapes that are frequent."""
    depth = 8 * images.dtype.itemsize if bits is None else bits
    low, high = SOFT_DEPTHS
    if not low <= depth <= min(high, 8 * images.dtype.itemsize):
        raise InvalidArgument(
            f"bits={bits}: expected {low} to {8 * images.dtype.itemsize} for samples of {images.dtype}"
        )
    if images.components > SOFT_MAX_COMPONENTS:
        raise InvalidArgument(f"expected at most {SOFT_MAX_COMPONENTS} components, found {images.components}")
    if not 0 <= degree < np.inf:
        raise InvalidArgument(f"degree={degree}: expected a number of at least 0")
    miner = SoftMiner(depth, images.dtype.kind == "i", images.is_mixed, images.components, degree)
    _round(miner.survey, images, depth)
    miner.choose_layers()
    _round(miner.count, images, depth)
    _round(miner.mine, images, depth)
    miner.choose_shapes()
    return miner


def make_codebook(miner: SoftMiner, images: ImageSet) -> Codebook:
    """Codebook: shapes are counted as an encoder places them, and every value gets a codeword."""
    _round(miner.use, images, 16)
    miner.choose_codes()
    return Codebook(miner.to_bytes())


def _round(count: Any, images: Iterable[Image], depth: int) -> None:
    for image in images:
        _check_range(image, depth)
        count(image.planes, TILE_LOG2)


def _check_range(image: Image, depth: int) -> None:
    samples = image.samples
    if depth == 8 * samples.itemsize or depth == 16:
        return
    low, high = int(samples.min()), int(samples.max())
    least = -(1 << (depth - 1)) if samples.dtype.kind == "i" else 0
    if not least <= low <= high < least + (1 << depth):
        raise InvalidArgument(f"{image.name}: samples of {low} to {high} do not fit bits={depth}")
