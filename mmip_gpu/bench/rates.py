"""Rates at equal quality: the two points of a codec around a PSNR, the bits between them, means of ratios.

Values: a `measure` function from a codec's parameter to a Point (dB, bits/sample) in; points, bits and ratios out.
Guarantees that nothing is extrapolated: a target without a point on both sides has no rate. Measuring is left to
measuring.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

_MOST_POINTS = 14  # for one target
_KEEP_OFF = 0.05  # of a bracket's width: how near to an end the next parameter may lie
_LEAST_SLOPE = 0.05  # of the expected dB per unit: plateaus must not throw the search to its limits


@dataclass(frozen=True)
class Point:
    """What one parameter gives."""

    parameter: float
    psnr_db: float
    bits: float  # per sample


@dataclass(frozen=True)
class Dial:
    """A codec's own parameter: a larger one is better.

    Parameters
    ----------
    low, high : float
        What the codec takes.
    start : float
        Where to look first.
    slope : float
        dB for one unit, roughly.
    resolution : float
        Smallest change that matters; 0 for a continuous parameter.
    """

    low: float
    high: float
    start: float
    slope: float
    resolution: float = 0.0

    def nearest(self, parameter: float) -> float:
        """The setting next to this value."""
        if self.resolution:
            parameter = round(parameter / self.resolution) * self.resolution
        return min(max(parameter, self.low), self.high)


def around(points: Iterable[Point], target: float) -> tuple[Point | None, Point | None]:
    """The best point below the target and the worst one at or above it; exact results (infinite PSNR) do not count."""
    finite = [p for p in points if math.isfinite(p.psnr_db)]
    below = max((p for p in finite if p.psnr_db < target), key=lambda p: p.psnr_db, default=None)
    above = min((p for p in finite if p.psnr_db >= target), key=lambda p: p.psnr_db, default=None)
    return below, above


def bracket(
    measure: Callable[[float], Point], dial: Dial, target: float, points: dict[float, Point], tolerance: float = 0.3
) -> tuple[Point, Point] | None:
    """Points on both sides of the target, each within `tolerance` dB where the parameter is fine enough.

    Parameters
    ----------
    points : dict
        Points by parameter; those found are added, so that further targets start from them.

    Returns
    -------
    tuple of Point or None
        None where the codec does not reach both sides of the target.
    """
    for _ in range(_MOST_POINTS):
        below, above = around(points.values(), target)
        if below and above and target - below.psnr_db <= tolerance and above.psnr_db - target <= tolerance:
            break
        parameter = _next_parameter(dial, target, points, tolerance)
        if parameter is None:
            break
        points[parameter] = measure(parameter)
    below, above = around(points.values(), target)
    return (below, above) if below and above else None


def _next_parameter(dial: Dial, target: float, points: Mapping[float, Point], tolerance: float) -> float | None:
    """Where to measure next; None where no setting is left that could help."""
    if not points:
        return dial.nearest(dial.start)
    below, above = around(points.values(), target)
    if below and above:
        aim = target - tolerance / 2 if target - below.psnr_db > above.psnr_db - target else target + tolerance / 2
        share = (aim - below.psnr_db) / (above.psnr_db - below.psnr_db)
        return _inside(dial, below.parameter, above.parameter, share, points)
    exact = [p.parameter for p in points.values() if math.isinf(p.psnr_db)]
    if below and exact:
        return _inside(dial, below.parameter, min(exact), 0.5, points)
    if not below and not above:
        parameter = dial.nearest(min(exact) - 10 / dial.slope)
    else:
        edge = below or above
        assert edge is not None
        aim = target + tolerance / 2 if below else target - tolerance / 2
        slope = max(_slope_at(edge, points, dial), _LEAST_SLOPE * dial.slope)
        parameter = dial.nearest(edge.parameter + (aim - edge.psnr_db) / slope)
        if parameter in points:
            parameter = dial.nearest(edge.parameter + math.copysign(max(dial.resolution, 1 / dial.slope), aim - target))
    return None if parameter in points else parameter


def _inside(dial: Dial, low: float, high: float, share: float, points: Mapping[float, Point]) -> float | None:
    """A setting between two others that is not measured yet."""
    share = min(max(share, _KEEP_OFF), 1 - _KEEP_OFF)
    for tried in (share, 0.5, 0.25, 0.75):
        parameter = dial.nearest(low + (high - low) * tried)
        if parameter not in points and min(low, high) < parameter < max(low, high):
            return parameter
    return None


def _slope_at(edge: Point, points: Mapping[float, Point], dial: Dial) -> float:
    """Slope in dB per unit between the edge and the nearest other point; the expected slope without one."""
    others = [p for p in points.values() if math.isfinite(p.psnr_db) and p.parameter != edge.parameter]
    if not others:
        return dial.slope
    other = min(others, key=lambda p: abs(p.parameter - edge.parameter))
    return (edge.psnr_db - other.psnr_db) / (edge.parameter - other.parameter)


def bits_at(below: Point, above: Point, target: float) -> float:
    """Bits/sample at the target: the logarithm of the bits is a straight line over dB between the two points."""
    share = (target - below.psnr_db) / (above.psnr_db - below.psnr_db)
    return math.exp((1 - share) * math.log(below.bits) + share * math.log(above.bits))


def rate_at(points: Iterable[Point], pair: tuple[Point, Point], target: float) -> float:
    """Bits/sample at the target, between the pair; or those of any better point that takes fewer (curves can turn)."""
    return min([bits_at(*pair, target), *(p.bits for p in points if p.psnr_db >= target)])


def geometric_mean(values: Iterable[float]) -> float | None:
    """The mean of ratios; None of nothing."""
    logs = [math.log(v) for v in values]
    return math.exp(sum(logs) / len(logs)) if logs else None


def mean_ratio(bits: Mapping[float, float], base: Mapping[float, float]) -> float | None:
    """Geometric mean of bits / base over the targets that both reach."""
    return geometric_mean(bits[t] / base[t] for t in bits if t in base)
