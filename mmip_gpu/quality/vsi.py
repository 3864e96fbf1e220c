"""Visual saliency-induced index (VSI) of a plane, also within regions.

Values: two planes (real samples, grey or RGB, host memory) in; scores out. Implements no section of FORMAT.md.
Guarantees the definition of Zhang, Shen and Li (IEEE Transactions on Image Processing 23, 2014) with the saliency SDSP
(Zhang, Gu and Li, ICIP 2013) and their constants for samples of 0 to 255.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.quality.optional import ndimage

__all__ = ["vsi", "vsi_scores"]

_SALIENCY, _GRADIENT, _CHROMA = 1.27, 386.0, 130.0
_GRADIENT_POWER, _CHROMA_POWER = 0.4, 0.02
_SIDE = 256  # of the plane that saliency is found in; longer planes are compared at about this scale
_CENTRE, _BAND_WIDTH, _CENTRE_BIAS, _WARMTH = 0.021, 1.34, 145.0, 0.001
_BAND_SAMPLES = 1 << 19
_LMN = np.array([[0.06, 0.63, 0.27], [0.30, 0.04, -0.35], [0.34, -0.60, 0.17]])
_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE = np.array([0.9642119944211994, 1.0, 0.8251882845188288])  # D50
_LAB = np.array([[0.0, 116.0, 0.0], [500.0, -500.0, 0.0], [0.0, 200.0, -200.0]])
_SCHARR = np.array([[-3.0, 0.0, 3.0], [-10.0, 0.0, 10.0], [-3.0, 0.0, 3.0]]) / 16

Plane = NDArray[Any]
Floats = NDArray[np.float64]
Rows = Callable[[NDArray[np.intp]], Floats]  # samples of the rows of these numbers


def vsi(
    a: Plane, b: Plane, data_range: float, mask: NDArray[np.bool_] | None = None, *, low: float = 0.0
) -> float | None:
    """Return the VSI of a plane or of its samples under a mask: 1 for equal planes.

    Samples are scaled from `low` .. `low` + `data_range` to 0 .. 255; a grey plane counts as RGB of equal channels.
    Saliency, gradient of the lightness and chroma are compared, each place weighted by the larger saliency. Planes
    above 256 samples are compared at means of F x F samples, F = shorter side / 256, rounded. Saliency is found in the
    whole plane; the mean of a mask weights each place by the share of the mask in it. None: nothing salient there.
    Where the plane is resized for the saliency it is interpolated bilinearly, without smoothing, as piq does.

    Parameters
    ----------
    a, b : numpy.ndarray
        Real samples: rows, columns and, for RGB, 3 channels; one shape.
    data_range : float
        Largest minus smallest possible value in sample units, above 0.
    mask : numpy.ndarray, optional
        bool, rows and columns.
    low : float
        The smallest possible value.

    Examples
    --------
    >>> plane = np.add.outer(np.arange(16.0), np.arange(20.0))
    >>> round(vsi(plane, plane, 34.0), 6)
    1.0
    """
    return vsi_scores(a, b, data_range, [mask], low=low)[0]


def vsi_scores(
    a: Plane, b: Plane, data_range: float, masks: Sequence[NDArray[np.bool_] | None], *, low: float = 0.0
) -> list[float | None]:
    """Return the VSI under each mask, None for the whole plane, from one pass over the maps."""
    shape = a.shape[:2]
    if not min(shape):
        return [None] * len(masks)
    factor = max(1, int(min(shape) / _SIDE + 0.5))
    views = [_scaled(image, data_range, low) for image in (a, b)]
    salient, other_salient = (_saliency_means(view, shape, factor) for view in views)
    (x, m, n), (y, other_m, other_n) = (_lightness_and_chroma(view, shape, factor) for view in views)
    chroma = _similarity(m, other_m, _CHROMA) * _similarity(n, other_n, _CHROMA)
    # The real part of the complex power, which a negative product has.
    chroma = np.abs(chroma) ** _CHROMA_POWER * np.where(chroma < 0, np.cos(np.pi * _CHROMA_POWER), 1.0)
    gradient = _similarity(_gradient(x), _gradient(y), _GRADIENT) ** _GRADIENT_POWER
    similarity = _similarity(salient, other_salient, _SALIENCY) * gradient * chroma
    weight = np.maximum(salient, other_salient)
    scores: list[float | None] = []
    for mask in masks:
        share = weight if mask is None else weight * _mask_means(mask, factor)
        total = float(share.sum())
        scores.append(float((similarity * share).sum()) / total if total > 0 else None)
    return scores


def _scaled(image: Plane, data_range: float, low: float) -> Rows:
    """Return what gives rows of channels, of 0 to 255."""

    def rows(numbers: NDArray[np.intp]) -> Floats:
        samples: Floats = (image[numbers].astype(np.float64) - low) * (255 / data_range)
        return samples if samples.ndim == 3 else samples[..., None]

    return rows


def _lightness_and_chroma(view: Rows, shape: tuple[int, ...], factor: int) -> Floats:
    """Return the channels L, M and N, channels first."""
    means = _block_means(view, shape, factor)
    lmn: Floats = np.moveaxis(np.broadcast_to(means, (*means.shape[:2], 3)) @ _LMN.T, -1, 0)
    return lmn


def _similarity(p: Floats, q: Floats, constant: float) -> Floats:
    similarity: Floats = (2 * p * q + constant) / (p * p + q * q + constant)
    return similarity


def _gradient(plane: Floats) -> Floats:
    """Return the Scharr gradient, zeros outside."""
    parts = (ndimage().correlate(plane, kernel, mode="constant") for kernel in (_SCHARR, _SCHARR.T))
    magnitude: Floats = np.hypot(*parts)
    return magnitude


def _block_means(rows: Rows, shape: tuple[int, ...], factor: int) -> Floats:
    """Return the means of blocks of F x F samples around every F-th sample, borders repeated; in bands of rows."""
    starts = [np.arange(0, size, factor) for size in shape]
    around = np.arange(factor) - factor // 2
    numbers, columns = (
        np.clip(start[:, None] + around, 0, size - 1) for start, size in zip(starts, shape, strict=True)
    )
    count = max(_BAND_SAMPLES // (shape[1] * factor), 1)
    bands = []
    for first in range(0, len(numbers), count):
        band = rows(numbers[first : first + count].ravel())[:, columns.ravel()]
        parts = (band[row::factor, column::factor] for row in range(factor) for column in range(factor))
        bands.append(sum(parts) / factor**2)
    return np.concatenate(bands)


def _mask_means(mask: NDArray[np.bool_], factor: int) -> Floats:
    return _block_means(lambda rows: mask[rows].astype(np.float64), mask.shape, factor)


def _saliency_means(view: Rows, shape: tuple[int, ...], factor: int) -> Floats:
    """Return the saliency in blocks, scaled so that the plane's lies between 0 and 1."""
    small = _saliency(view, shape)
    wide = _interpolated(lambda rows: small.T[rows], np.linspace(0, _SIDE - 1, shape[1]), _SIDE).T
    positions = np.linspace(0, _SIDE - 1, shape[0])

    def rows(numbers: NDArray[np.intp]) -> Floats:
        return _interpolated(lambda near: wide[near], positions[numbers], _SIDE)

    count = max(_BAND_SAMPLES // shape[1], 1)
    bands = (rows(np.arange(first, min(first + count, shape[0]))) for first in range(0, shape[0], count))
    lows, highs = zip(*((band.min(), band.max()) for band in bands), strict=True)
    lowest, highest = min(lows), max(highs)
    means = _block_means(rows, shape, factor)
    return (means - lowest) / (highest - lowest) if highest > lowest else np.zeros_like(means)


def _saliency(view: Rows, shape: tuple[int, ...]) -> Floats:
    """Return the saliency (SDSP) of a plane at 256 x 256: frequency, nearness to the centre and warmth of colour."""
    high, wide = (np.clip((np.arange(_SIDE) + 0.5) * size / _SIDE - 0.5, 0, size - 1) for size in shape)
    resized_rows = _interpolated(view, high, shape[0]).swapaxes(0, 1)
    resized = _interpolated(lambda rows: resized_rows[rows], wide, shape[1]).swapaxes(0, 1)
    lab = _lab(np.broadcast_to(resized / 255, (_SIDE, _SIDE, 3)))
    offsets = np.arange(_SIDE) - _SIDE // 2
    radius = np.fft.ifftshift(np.hypot(*np.meshgrid(offsets, offsets)) / _SIDE)
    with np.errstate(divide="ignore"):
        filtered = np.exp(-(np.log(radius / _CENTRE) ** 2) / (2 * _BAND_WIDTH**2)) * (radius <= 0.5)
    spectrum = np.fft.rfft2(lab, axes=(0, 1)) * filtered[:, : _SIDE // 2 + 1, None]
    frequency = np.sqrt((np.fft.irfft2(spectrum, (_SIDE, _SIDE), (0, 1)) ** 2).sum(-1))
    nearness = np.exp(-np.add.outer((offsets + 1.0) ** 2, (offsets + 1.0) ** 2) / _CENTRE_BIAS**2)
    chroma = lab[..., 1:]
    lowest, highest = chroma.min((0, 1)), chroma.max((0, 1))
    share = (chroma - lowest) / (highest - lowest + np.finfo(np.float32).eps)
    saliency: Floats = frequency * nearness * (1 - np.exp(-(share**2).sum(-1) / _WARMTH**2))
    return saliency


def _interpolated(rows: Rows, positions: Floats, size: int) -> Floats:
    """Return what lies at positions between `size` rows, by straight lines."""
    near = positions.astype(np.intp)
    before = rows(near)
    share = (positions - near).reshape(-1, *[1] * (before.ndim - 1))
    return before * (1 - share) + rows(np.minimum(near + 1, size - 1)) * share


def _lab(rgb: Floats) -> Floats:
    """Return CIE L*a*b* (D50) of sRGB samples of 0 to 1."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, (np.maximum(rgb, 0.0) + 0.055) ** 2.4 / 1.055**2.4)
    xyz = linear @ _XYZ.T / _WHITE
    root = np.where(xyz > 0.008856, np.cbrt(xyz), (903.3 * xyz + 16) / 116)
    lab: Floats = root @ _LAB.T - np.array([16.0, 0.0, 0.0])
    return lab
