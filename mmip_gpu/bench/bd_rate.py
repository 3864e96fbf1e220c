"""Bjontegaard differences of two rate-distortion curves: mean bits at equal PSNR, mean PSNR at equal bits.

Values: points (bits a sample or bytes, PSNR in dB) in; percent or dB out. Implements no section of FORMAT.md.
Guarantees piecewise cubic Hermite interpolation (PCHIP) of the logarithm of the bits, as in the spreadsheets of JCT-VC
and JVET (JCTVC-L1100, JVET-T2010); nothing is extrapolated, and curves that share too little are refused.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.errors import InvalidArgument
from mmip_gpu.quality.optional import optional_module

__all__ = ["LEAST_OVERLAP", "LEAST_POINTS", "bd_psnr", "bd_rate"]

LEAST_POINTS = 4
LEAST_OVERLAP = 0.25  # of either curve's own interval

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]  # log10 of the bits, PSNR; both rise


def bd_rate(
    bits_a: Sequence[float], psnr_a: Sequence[float], bits_b: Sequence[float], psnr_b: Sequence[float]
) -> float:
    """Return how many percent more bits B takes than A at equal PSNR, on average; below 0 where B is better.

    Points without a finite PSNR do not count, nor those that another one beats: as good a PSNR for fewer bits.

    Parameters
    ----------
    bits_a, bits_b : sequence of float
        Size of what is stored, in any unit that both share.
    psnr_a, psnr_b : sequence of float
        In dB, or another measure that rises with quality.

    Raises
    ------
    InvalidArgument
        Fewer than 4 points of a curve count, or the PSNR that both reach is under 25 % of a curve's interval.
    MissingResource
        scipy is not installed.

    Examples
    --------
    >>> bits, psnr = [1.0, 2.0, 4.0, 8.0], [30.0, 35.0, 40.0, 45.0]
    >>> round(bd_rate(bits, psnr, [0.9 * value for value in bits], psnr), 6)
    -10.0
    """
    (rates_a, decibels_a), (rates_b, decibels_b) = _curve("A", bits_a, psnr_a), _curve("B", bits_b, psnr_b)
    return 100 * (10 ** _mean_difference((decibels_a, rates_a), (decibels_b, rates_b), "PSNR in dB") - 1)


def bd_psnr(
    bits_a: Sequence[float], psnr_a: Sequence[float], bits_b: Sequence[float], psnr_b: Sequence[float]
) -> float:
    """Return how many dB more B has than A at equal bits, on average; above 0 where B is better.

    Parameters
    ----------
    bits_a, psnr_a, bits_b, psnr_b
        As in `bd_rate`; the overlap is that of the logarithms of the bits.

    Examples
    --------
    >>> bits, psnr = [1.0, 2.0, 4.0, 8.0], [30.0, 35.0, 40.0, 45.0]
    >>> round(bd_psnr(bits, psnr, bits, [value + 0.5 for value in psnr]), 6)
    0.5
    """
    return _mean_difference(_curve("A", bits_a, psnr_a), _curve("B", bits_b, psnr_b), "log10 of the bits")


def _curve(name: str, bits: Sequence[float], psnr: Sequence[float]) -> Curve:
    """Return the points that count, from the fewest bits up."""
    if len(bits) != len(psnr):
        raise InvalidArgument(f"curve {name}: expected a PSNR for every rate, found {len(bits)} and {len(psnr)} values")
    if not all(0 < value < math.inf for value in bits):
        raise InvalidArgument(f"curve {name}: expected positive rates, found {list(bits)}")
    best: list[tuple[float, float]] = []
    for value, decibels in sorted(zip(bits, psnr, strict=True), key=lambda point: (point[0], -point[1])):
        if math.isfinite(decibels) and (not best or decibels > best[-1][1]):
            best.append((math.log10(value), decibels))
    if len(best) < LEAST_POINTS:
        text = (
            f"curve {name}: expected {LEAST_POINTS} points or more that rise in PSNR with the bits, found {len(best)}"
        )
        raise InvalidArgument(f"{text} of {len(bits)}; measure more settings")
    rates, values = np.array(best).T
    return rates, values


def _mean_difference(a: Curve, b: Curve, unit: str) -> float:
    """Return the mean of curve B minus curve A over the interval of x that both have."""
    low, high = max(a[0][0], b[0][0]), min(a[0][-1], b[0][-1])
    share = max(high - low, 0.0) / max(a[0][-1] - a[0][0], b[0][-1] - b[0][0])
    if share < LEAST_OVERLAP:
        ends = " and ".join(f"{x[0]:.3f} .. {x[-1]:.3f}" for x, _ in (a, b))
        text = (
            f"expected curves that share {LEAST_OVERLAP:.0%} of their intervals of {unit}, found {ends} ({share:.0%})"
        )
        raise InvalidArgument(f"{text}; measure settings of equal quality")
    pchip = optional_module("scipy.interpolate", "scipy", "BD-rate").PchipInterpolator
    first, second = (float(pchip(x, y).integrate(low, high)) for x, y in (a, b))
    return (second - first) / float(high - low)
