"""Perceptual scores of images and volumes: MS-SSIM, HaarPSI and VSI, plane by plane, also within regions.

Values: two arrays of one shape with axis letters in; means of the scores of their planes out. Implements no section of
FORMAT.md. Guarantees memory for a few planes; the scores themselves are in the modules of their names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.quality.haarpsi import haarpsi_scores
from mmip_gpu.quality.multiscale_similarity import ms_ssim_scores
from mmip_gpu.quality.vsi import vsi_scores

__all__ = ["PERCEPTUAL", "WeightedMean", "perceptual_scores"]

PERCEPTUAL = ("ms_ssim", "haarpsi", "vsi")


@dataclass
class WeightedMean:
    """Running mean of scores, each weighted by the samples that it is of; a score of None does not count."""

    total: float = 0.0
    weight: float = 0.0

    def add(self, score: float | None, weight: float) -> None:
        """Add a score."""
        if score is not None:
            self.total += score * weight
            self.weight += weight

    @property
    def value(self) -> float | None:
        """The mean; None of nothing."""
        return self.total / self.weight if self.weight else None


def perceptual_scores(
    names: Sequence[str],
    pair: tuple[NDArray[Any], NDArray[Any]],
    axes: str,
    limits: tuple[float, float],
    masks: Sequence[NDArray[np.bool_]] = (),
) -> dict[str, list[WeightedMean]]:
    """Return the means over the planes of an image: of the whole image, then under each mask.

    A plane is the axes y and x. Three channels are the RGB of HaarPSI and VSI; MS-SSIM, and all three of another
    number of channels, are means over the channels. A plane counts as many times as it has samples, of the mask under
    a mask; planes without a score do not count.

    Parameters
    ----------
    names : sequence of str
        Of `PERCEPTUAL`.
    pair : tuple of numpy.ndarray
        Original and decoded, real samples.
    axes : str
        Their axis letters.
    limits : tuple of float
        The smallest possible value and the range above it, in sample units.
    masks : sequence of numpy.ndarray
        bool, the shape of the image without channels.

    Examples
    --------
    >>> stack = np.add.outer(np.arange(2), np.add.outer(np.arange(16), np.arange(16)))
    >>> found = perceptual_scores(["haarpsi"], (stack, stack), "zyx", (0, 31), [stack > 16])
    >>> [round(mean.value, 6) for mean in found["haarpsi"]]
    [1.0, 1.0]
    """
    found = {name: [WeightedMean() for _ in range(1 + len(masks))] for name in names}
    if not {"y", "x"} <= set(axes) or not pair[0].size:
        return found
    for planes, regions in _planes(pair, axes, masks):
        counts = [planes[0].shape[0] * planes[0].shape[1], *(int(region.sum()) for region in regions)]
        for name in names:
            for channels in _channels(name, planes):
                for mean, score, count in zip(
                    found[name], _scores(name, channels, limits, regions), counts, strict=True
                ):
                    mean.add(score, count)
    return found


def _planes(
    pair: Sequence[NDArray[Any]], axes: str, masks: Sequence[NDArray[np.bool_]]
) -> Iterator[tuple[list[NDArray[Any]], list[NDArray[np.bool_]]]]:
    """Yield planes of rows, columns and, if there are any, channels, and the masks of each."""
    outer = [letter for letter in axes if letter not in "yxc"]
    spatial = axes.replace("c", "")
    order = [axes.index(letter) for letter in (*outer, "y", "x", *(["c"] if "c" in axes else []))]
    arrays = [array.transpose(order) for array in pair]
    regions = [mask.transpose([spatial.index(letter) for letter in (*outer, "y", "x")]) for mask in masks]
    for index in np.ndindex(arrays[0].shape[: len(outer)]):
        yield [array[index] for array in arrays], [region[index] for region in regions]


def _channels(name: str, planes: Sequence[NDArray[Any]]) -> list[list[NDArray[Any]]]:
    """Return the planes that a score takes at once."""
    shape = planes[0].shape
    if len(shape) == 2 or (shape[2] == 3 and name != "ms_ssim"):
        return [list(planes)]
    return [[plane[..., channel] for plane in planes] for channel in range(shape[2])]


def _scores(
    name: str, planes: Sequence[NDArray[Any]], limits: tuple[float, float], regions: Sequence[NDArray[np.bool_]]
) -> list[float | None]:
    """Return the score of a plane, then those under each mask."""
    low, data_range = limits
    masks = [None, *regions]
    if name == "ms_ssim":
        return ms_ssim_scores(planes[0], planes[1], data_range, masks)
    scores = haarpsi_scores if name == "haarpsi" else vsi_scores
    return scores(planes[0], planes[1], data_range, masks, low=low)
