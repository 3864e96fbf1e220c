"""Sums of errors and similarities over the pieces of an image, of the whole image and of regions.

Values: original and decoded (real samples, one shape) with axis letters in; sums that can be merged out. Implements no
section of FORMAT.md. Guarantees one definition of what planes, channels and regions are for every report.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.errors import InvalidArgument
from mmip_gpu.quality.differences import Difference, check_pair, decibels, differences
from mmip_gpu.quality.plane_scores import PERCEPTUAL, WeightedMean, perceptual_scores
from mmip_gpu.quality.structural_similarity import mean_similarity

__all__ = ["EXTRA_METRICS", "ErrorSums", "checked_metrics", "error_sums"]

EXTRA_METRICS = ("mse", "mae", *PERCEPTUAL)
PEAK_16_BIT = 65535


@dataclass
class ErrorSums:
    """Differences, and means of the scores by name; pieces of an image are merged."""

    difference: Difference = field(default_factory=Difference)
    scores: dict[str, WeightedMean] = field(default_factory=dict)

    def merge(self, other: ErrorSums) -> None:
        """Add another piece."""
        self.difference.merge(other.difference)
        for name, mean in other.scores.items():
            self.scores.setdefault(name, WeightedMean()).add(mean.value, mean.weight)

    def score(self, name: str) -> float | None:
        """Return a mean; None of nothing."""
        return self.scores[name].value if name in self.scores else None

    def report(self, peak: float, metrics: Sequence[str] = ()) -> dict[str, Any]:
        """Return the entries of a report of the image or of a region; None for each where there is no sample."""
        names = ("rmse", "psnr_16bit", "psnr_range", "max_error", "ssim", *metrics)
        found = self.difference
        if not found.sample_count:
            return dict.fromkeys(names)
        values: dict[str, Any] = {"mse": found.mse, "rmse": found.rmse, "mae": found.mae, "max_error": found.largest}
        values["psnr_16bit"] = decibels(found.rmse, PEAK_16_BIT)
        values["psnr_range"] = decibels(found.rmse, peak)
        return {name: values[name] if name in values else self.score(name) for name in names}


def error_sums(
    original: NDArray[Any],
    decoded: NDArray[Any],
    axes: str,
    limits: tuple[float, float],
    masks: Sequence[NDArray[np.bool_]] = (),
    scores: Sequence[str] = ("ssim",),
    *,
    window: tuple[float, float] | None = None,
) -> list[ErrorSums]:
    """Return the sums of the whole piece, then those under each mask.

    Parameters
    ----------
    original, decoded : numpy.ndarray
        Real samples, one shape.
    axes : str
        Axis letters; without y and x there is no score but SSIM, whose plane is the last two axes.
    limits : tuple of float
        The smallest sample of the whole original and its data range; a range of 0 has no scores.
    masks : sequence of numpy.ndarray
        bool, the shape without channels.
    scores : sequence of str
        "ssim" and names of `PERCEPTUAL`.
    window : tuple of float, optional
        Differences are those of samples clipped to it.

    Raises
    ------
    InvalidArgument
        Shapes that differ or samples that are not real numbers.
    MissingResource
        A package that a score needs is not installed.

    Examples
    --------
    >>> plane = np.arange(64).reshape(8, 8)
    >>> whole, dark = error_sums(plane, plane ^ 1, "yx", (0, 63), [plane < 8], scores=())
    >>> whole.difference.mse, dark.difference.sample_count
    (1.0, 8)
    """
    check_pair(original, decoded)
    pair = (original, decoded)
    if "c" in axes:  # channels first: the plane comes last and masks broadcast
        pair = (np.moveaxis(original, axes.index("c"), 0), np.moveaxis(decoded, axes.index("c"), 0))
    wide = [np.broadcast_to(mask, pair[0].shape) for mask in masks]
    sums = [ErrorSums(difference) for difference in differences(*pair, wide, window=window)]
    if not 0 < limits[1] < math.inf:
        return sums
    if "ssim" in scores:
        for part, similarity in zip(sums, mean_similarity(*pair, limits[1], *wide), strict=True):
            part.scores["ssim"] = WeightedMean()
            part.scores["ssim"].add(similarity, part.difference.sample_count)
    perceptual = [name for name in scores if name in PERCEPTUAL]
    for name, means in perceptual_scores(perceptual, (original, decoded), axes, limits, masks).items():
        for part, mean in zip(sums, means, strict=True):
            part.scores[name] = mean
    return sums


def checked_metrics(metrics: Sequence[str]) -> tuple[str, ...]:
    """Return names of `EXTRA_METRICS`, each once.

    Raises
    ------
    InvalidArgument
        Another name.

    Examples
    --------
    >>> checked_metrics(["vsi", "mae", "vsi"])
    ('vsi', 'mae')
    """
    unknown = [name for name in metrics if name not in EXTRA_METRICS]
    if isinstance(metrics, str) or unknown:
        raise InvalidArgument(f"metrics: expected a list of names of {', '.join(EXTRA_METRICS)}, found {metrics!r}")
    return tuple(dict.fromkeys(metrics))
