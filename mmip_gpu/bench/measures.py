"""What a decoded image has lost: the errors and similarities of a record, of the whole image and of regions.

Values: original and decoded (integers or floats, one shape) in; a dict with the keys of `METRICS` out, errors in
sample units, PSNR in dB. Implements no section of FORMAT.md. Guarantees float64 arithmetic in bounded pieces or plane
by plane; a value that is not defined is None.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.errors import InvalidArgument
from mmip_gpu.quality.differences import check_pair, decibels, differences
from mmip_gpu.quality.error_sums import ErrorSums, error_sums
from mmip_gpu.quality.plane_scores import PERCEPTUAL
from mmip_gpu.volume.roi import checked_axes

__all__ = ["METRICS", "all_metrics", "constant_psnr", "image_metrics", "region_metrics"]

_SCORES = ("ssim", *PERCEPTUAL)
METRICS = ("mse", "rmse", "mae", "max_error", "psnr_range", "psnr_dtype", "psnr_window", *_SCORES)

Metrics = dict[str, float | None]
Array = NDArray[Any]


def image_metrics(
    original: Array,
    decoded: Array,
    axes: str,
    peak: float,
    *,
    bits: int | None = None,
    window: tuple[float, float] | None = None,
) -> Metrics:
    """Return the metrics of a decoded image.

    MSE, RMSE, MAE, the largest error and PSNR are of all samples at once, channels included. SSIM (scikit-image, 7 x 7)
    and MS-SSIM are means over the planes y, x of every slice and channel; HaarPSI and VSI take three channels as RGB.
    All of them take `peak` as the range of values, above the smallest sample of the original.

    Parameters
    ----------
    original, decoded : numpy.ndarray
        Real samples, one shape.
    axes : str
        Axis letters.
    peak : float
        Range of the data: the peak of ``psnr_range``. At 0 only a decoding without error has a PSNR.
    bits : int, optional
        Bits stored of integers; ``psnr_dtype`` has the peak 2^bits - 1. By default those of the dtype.
    window : tuple of float, optional
        Display window: ``psnr_window`` is of both images clipped to it, with its width as peak; None without one.

    Returns
    -------
    dict
        A number for each key of `METRICS`: inf is a PSNR without error; None is not defined, such as MS-SSIM below 161
        samples a side, all of an empty image, or PSNR by dtype of floats.

    Raises
    ------
    InvalidArgument
        Shapes that differ, samples that are not real numbers, axes, a peak or a window that do not fit.

    Examples
    --------
    >>> plane = np.arange(64, dtype=np.uint8).reshape(8, 8)
    >>> found = image_metrics(plane, plane ^ 1, "yx", 63)
    >>> found["mse"], round(found["psnr_dtype"], 2), found["ms_ssim"]
    (1.0, 48.13, None)
    """
    return all_metrics(original, decoded, axes, peak, {}, bits=bits, window=window)[0]


def region_metrics(
    original: Array,
    decoded: Array,
    axes: str,
    peak: float,
    mask: NDArray[np.bool_],
    *,
    bits: int | None = None,
    window: tuple[float, float] | None = None,
) -> dict[str, Metrics]:
    """Return the metrics inside and outside of a region.

    Parameters
    ----------
    original, decoded, axes, peak, bits, window
        As in `image_metrics`; the peaks are those of the whole image.
    mask : numpy.ndarray
        True inside; the shape of the image without its channels, or of its last axes.

    Returns
    -------
    dict
        ``inside`` and ``outside``: as `image_metrics`. Errors are of the samples there, all channels. The maps of SSIM,
        MS-SSIM, HaarPSI and VSI are those of the whole planes, averaged over the places there.

    Examples
    --------
    >>> plane = np.arange(64, dtype=np.uint8).reshape(8, 8)
    >>> found = region_metrics(plane, np.maximum(plane, 2), "yx", 63, plane < 2)
    >>> found["inside"]["max_error"], found["outside"]["psnr_range"]
    (2.0, inf)
    """
    return all_metrics(original, decoded, axes, peak, {"": mask}, bits=bits, window=window)[1][""]


def all_metrics(
    original: Array,
    decoded: Array,
    axes: str,
    peak: float,
    masks: Mapping[str, NDArray[np.bool_]],
    *,
    bits: int | None = None,
    window: tuple[float, float] | None = None,
    scores: Sequence[str] = _SCORES,
) -> tuple[Metrics, dict[str, dict[str, Metrics]]]:
    """Return the metrics of the whole image and of every named region, from one pass over the planes.

    Of the similarities those in `scores` are computed.

    Examples
    --------
    >>> plane = np.arange(64, dtype=np.uint8).reshape(8, 8)
    >>> whole, regions = all_metrics(plane, plane ^ 1, "yx", 63, {"dark": plane < 8})
    >>> whole["mae"], regions["dark"]["outside"]["mae"]
    (1.0, 1.0)
    """
    check_pair(original, decoded)
    letters = checked_axes(axes, original.ndim)
    peaks = _peaks(original, peak, bits, window)
    spatial = tuple(size for size, letter in zip(original.shape, letters, strict=True) if letter != "c")
    inside = [_fitted(mask, spatial, name) for name, mask in masks.items()]
    regions = [part for mask in inside for part in (mask, ~mask)]
    found = _all(original, decoded, letters, peaks, regions, window, scores)
    named = {
        name: {"inside": found[1 + 2 * number], "outside": found[2 + 2 * number]} for number, name in enumerate(masks)
    }
    return found[0], named


def constant_psnr(original: Array, axes: str, peak: float) -> float:
    """Return the PSNR in dB of an image of one colour, the mean: what a codec reaches that stores nothing.

    Any PSNR of the original with that peak says little before it is compared with this one; inf for a constant image.

    Examples
    --------
    >>> round(constant_psnr(np.array([[0, 2], [0, 2]]), "yx", 2), 4)
    6.0206
    """
    letters = checked_axes(axes, original.ndim)
    others = tuple(number for number, letter in enumerate(letters) if letter != "c")
    colour = original.mean(others, dtype=np.float64, keepdims=True) if original.size else original
    return decibels(differences(original, np.broadcast_to(colour, original.shape))[0].rmse, peak)


def _all(
    original: Array,
    decoded: Array,
    letters: str,
    peaks: Mapping[str, float | None],
    regions: list[NDArray[np.bool_]],
    window: tuple[float, float] | None,
    scores: Sequence[str],
) -> list[Metrics]:
    """Return the metrics of the whole image, then those of each region."""
    limits = (float(original.min()) if original.size else 0.0, peaks["psnr_range"] or 0.0)
    sums = error_sums(original, decoded, letters, limits, regions, scores)
    clipped = error_sums(original, decoded, letters, limits, regions, (), window=window) if window else sums
    return [_metrics(part, in_window, peaks) for part, in_window in zip(sums, clipped, strict=True)]


def _metrics(part: ErrorSums, in_window: ErrorSums, peaks: Mapping[str, float | None]) -> Metrics:
    """Return the metrics of an image or a region."""
    found = part.difference
    values: Metrics = {"mse": found.mse, "rmse": found.rmse, "mae": found.mae, "max_error": found.largest}
    for key, peak in peaks.items():
        error = in_window.difference.rmse if key == "psnr_window" else found.rmse
        values[key] = None if peak is None else decibels(error, peak)
    values |= {name: part.score(name) for name in _SCORES}
    return {key: _defined(value) if found.sample_count else None for key, value in values.items()}


def _peaks(
    original: Array, peak: float, bits: int | None, window: tuple[float, float] | None
) -> dict[str, float | None]:
    """Return the peak of every PSNR; None where there is none."""
    if not 0 <= peak < math.inf:
        raise InvalidArgument(f"peak: expected the data range, 0 or above, found {peak}")
    if window is not None and not -math.inf < window[0] < window[1] < math.inf:
        raise InvalidArgument(f"window: expected its two ends, the lower one first, found {window}")
    stored = (bits or 8 * original.dtype.itemsize) if original.dtype.kind in "ui" else None
    width = None if window is None else window[1] - window[0]
    return {"psnr_range": peak, "psnr_dtype": 2.0**stored - 1 if stored else None, "psnr_window": width}


def _defined(value: float | None) -> float | None:
    """Return None for NaN and for the -inf of an error at a peak of 0."""
    return None if value is None or math.isnan(value) or value == -math.inf else value


def _fitted(mask: NDArray[np.bool_], shape: tuple[int, ...], name: str) -> NDArray[np.bool_]:
    """Return a mask in the shape of the image without channels."""
    try:
        return np.broadcast_to(np.asarray(mask, bool), shape)
    except ValueError:
        text = f"mask {name!r}: expected the shape {shape} of the image without channels, found {np.shape(mask)}"
        raise InvalidArgument(text) from None
