"""Warnings about what a caller may not have meant: an empty region, a step that leaves nothing, a ratio far above.

Values: what was asked for and what was found in; an MmipWarning, or nothing, out. Implements no section of FORMAT.md.
Guarantees that the bytes do not depend on it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.errors import MmipWarning
from mmip_gpu.volume.roi_rule import RoiRule

__all__ = ["warn", "warn_of_channels", "warn_of_labels", "warn_of_ratio", "warn_of_region", "warn_of_step"]

_FAR = 3.0  # dB
_MOST_LABELS, _FEWEST_PAIRS, _EQUAL_SHARE = 64, 256, 0.6
_GLANCE = 1024  # samples that show most images to have more values
_RATIO_TOLERANCE = 1.03  # what docs promise


def warn(text: str) -> None:
    """Warn of something that was done as asked, and is perhaps not what was meant."""
    warnings.warn(text, MmipWarning, stacklevel=3)


def warn_of_region(roi: Any, lowest: int, highest: int) -> None:
    """Warn of a region of interest that holds no voxel, or all of them: the lowest and the highest class are found."""
    name = f"roi={str(roi)!r}" if isinstance(roi, str | RoiRule) else "roi"
    if highest == 0:
        warn(f"{name}: no sample is in the region (a rule compares stored values, before any rescale)")
    elif lowest > 0:
        warn(f"{name}: all samples are in the region, so that nothing is left outside of it")


def warn_of_step(step: float | None, limits: tuple[float, float], mode: str) -> None:
    """Warn of float32 samples of a range below one step, where the target does not speak of their error."""
    extent = limits[1] - limits[0]
    if step is not None and 0 < extent < step and mode not in ("psnr", "max_error"):
        small = f"step={0.95 * extent / 100:.2g}"
        warn(
            f"step={step:g}: the samples differ by {extent:.3g} at most, of which next to nothing is left; try {small}"
        )


def warn_of_channels(asked: float, reached: Sequence[float | None]) -> None:
    """Warn of channels whose PSNR on their own range is far below that of the whole."""
    far = [f"{index} ({psnr:.1f} dB)" for index, psnr in enumerate(reached) if psnr is not None and psnr < asked - _FAR]
    if far:
        warn(
            f"psnr={asked:g}: holds on the range of all channels; on its own range it is far missed by channel "
            f"{', '.join(far)}: leave out per_channel=False, or choose max_error= or qstep="
        )


def warn_of_labels(samples: NDArray[Any]) -> None:
    """Warn of integers that look like labels: few values, and equal neighbours beside the most frequent one."""
    if samples.dtype.kind not in "ui" or not samples.size or samples.shape[-1] < 2:
        return
    if len(np.unique(samples.flat[:: samples.size // _GLANCE + 1])) > _MOST_LABELS:
        return
    values, counts = _counted(samples)
    if not 2 <= len(values) <= _MOST_LABELS:
        return
    left, right = samples[..., :-1], samples[..., 1:]
    inside = left != values[counts.argmax()]
    pairs = np.count_nonzero(inside)
    if pairs >= _FEWEST_PAIRS and np.count_nonzero(inside & (left == right)) > _EQUAL_SHARE * pairs:
        warn(f"{len(values)} values without noise: if they are labels, labels=True (--labels) keeps them from mixing")


def _counted(samples: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The values of integers, ascending, and how often each occurs."""
    if samples.itemsize > 2:
        return np.unique(samples, return_counts=True)
    low = int(samples.min())
    counts = np.bincount(samples.reshape(-1).astype(np.int64) - low)  # quicker than to sort them
    found = np.flatnonzero(counts)
    return found + low, counts[found]


def warn_of_ratio(asked: float, reached: float) -> None:
    """Warn of lossy coding that is smaller than was asked for."""
    if reached > asked * _RATIO_TOLERANCE:
        warn(f"ratio={asked:g}: {reached:.4g} was reached: the size jumps there; qstep= or psnr= chooses what is lost")
