"""Curves of quality over rate, one for each image and codec, read from records and never extended.

Values: records (dict) in; `Curve` objects, which give a quality at a rate or a rate at a quality, out. Guarantees that
a rate or a quality outside what was measured is None.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from mmip_gpu.bench.records import Record

__all__ = [
    "AGAINST",
    "SCORES",
    "Curve",
    "Measure",
    "curves_of",
    "measures_of",
    "metric",
    "number",
    "score_measure",
    "series_name",
    "tasks_of",
]

SCORES = {
    "dice": "Dice",
    "iou": "IoU",
    "ap50": "AP@0.5",
    "pq": "PQ",
    "boundary_f1": "boundary F1",
    "contour_distance": "contour distance",
    "hausdorff95": "Hausdorff 95 %",
}
AGAINST = {"truth": "the ground truth", "original": "the segmented original"}


@dataclass(frozen=True)
class Measure:
    """One number of a record that says how good a decoded image is.

    Parameters
    ----------
    name : str
        What it is.
    axis : str
        What stands at an axis: the number with its unit.
    value : callable
        Record -> number, or None.
    """

    name: str
    axis: str
    value: Callable[[Record], float | None]


@dataclass(frozen=True)
class Curve:
    """Points of one codec on one image, by rising bits per sample; of equal rates the better point.

    Examples
    --------
    >>> curve = Curve.of([(1.0, 40.0), (4.0, 52.0)])
    >>> curve.at_bits(2.0), curve.at_bits(8.0)
    (46.0, None)
    >>> round(curve.at_quality(46.0), 6), curve.at_quality(30.0)
    (2.0, None)
    """

    points: tuple[tuple[float, float], ...]

    @classmethod
    def of(cls, points: Iterable[tuple[float, float]]) -> Curve:
        """Make a curve of (bits per sample, quality), in any order; what is not finite has no place on it."""
        best: dict[float, float] = {}
        for bits, quality in points:
            if bits > 0 and math.isfinite(quality):
                best[bits] = max(quality, best.get(bits, -math.inf))
        return cls(tuple(sorted(best.items())))

    @property
    def bits(self) -> list[float]:
        """Rates, rising."""
        return [bits for bits, _ in self.points]

    def at_bits(self, bits: float) -> float | None:
        """Return the quality at a rate: a straight line over the logarithm of the bits between two points."""
        rates = self.bits
        if not rates or not rates[0] <= bits <= rates[-1]:
            return None
        after = bisect_left(rates, bits)
        if rates[after] == bits:
            return self.points[after][1]
        (low, worse), (high, better) = self.points[after - 1], self.points[after]
        share = math.log(bits / low) / math.log(high / low)
        return worse + share * (better - worse)

    def at_quality(self, quality: float) -> float | None:
        """Return the fewest bits that reach a quality, between a point below it and the next one that reaches it."""
        if self.points and self.points[0][1] == quality:
            return self.points[0][0]
        for (low, worse), (high, better) in zip(self.points, self.points[1:], strict=False):
            if worse < quality <= better:
                share = (quality - worse) / (better - worse)
                return float(low * (high / low) ** share)
        return None

    def last_fall(self, quality: float) -> tuple[str, float] | None:
        """Return the bits from which on no measured point falls below a quality.

        Returns
        -------
        tuple of str and float, or None
            ("=", bits) between two points; ("<", bits) where every point reaches it, the smallest one; (">", bits)
            where the largest one does not.
        """
        if not self.points:
            return None
        below = [place for place, (_, found) in enumerate(self.points) if found < quality]
        if not below:
            return "<", self.points[0][0]
        if below[-1] == len(self.points) - 1:
            return ">", self.points[-1][0]
        (low, worse), (high, better) = self.points[below[-1]], self.points[below[-1] + 1]
        return "=", low * (high / low) ** ((quality - worse) / (better - worse))


def number(value: object) -> float | None:
    """Return a number of a record as a float: "inf" is infinity, None and texts are None.

    Examples
    --------
    >>> number("inf"), number(3), number(None)
    (inf, 3.0, None)
    """
    if value in ("inf", "-inf"):
        return float(str(value))
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def series_name(record: Record) -> str:
    """Return the codec of a record, with its handling of colour where that is no matter of course.

    Examples
    --------
    >>> series_name({"codec": {"name": "WebP"}, "colour": "luma"})
    'WebP, luma'
    """
    colour = record.get("colour")
    return str(record["codec"]["name"]) + (f", {colour}" if colour in ("separate", "luma") else "")


def curves_of(records: Sequence[Record], measure: Measure) -> dict[str, dict[str, Curve]]:
    """Return the curves that have a point, by image and codec."""
    points: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for record in records:
        value = measure.value(record)
        if value is not None:
            of_image = points.setdefault(record["image"]["name"], {})
            of_image.setdefault(series_name(record), []).append((record["bits_per_sample"], value))
    curves = {
        image: {name: curve for name, found in by_codec.items() if (curve := Curve.of(found)).points}
        for image, by_codec in points.items()
    }
    return {image: by_codec for image, by_codec in curves.items() if by_codec}


def measures_of(records: Sequence[Record]) -> list[Measure]:
    """Return what curves are drawn of: PSNR, MS-SSIM, and the scores of every task in the records."""
    found = [
        Measure("PSNR", "PSNR in dB (peak: range of the image)", metric("psnr_range")),
        Measure("MS-SSIM", "MS-SSIM", metric("ms_ssim")),
    ]
    for task in tasks_of(records):
        for against in AGAINST:
            found += [score_measure(task, against, score) for score in ("dice", "ap50")]
    return [measure for measure in found if any(measure.value(record) is not None for record in records)]


def score_measure(task: str, against: str, score: str) -> Measure:
    """Return the measure that is a score of a task, against the ground truth or the segmentation of the original."""

    def value(record: Record) -> float | None:
        scores: Mapping[str, object] = ((record.get("tasks") or {}).get(task) or {}).get(against) or {}
        return number(scores.get(score))

    return Measure(f"{SCORES[score]} of {task} against {AGAINST[against]}", SCORES[score], value)


def tasks_of(records: Sequence[Record]) -> list[str]:
    """Return the tasks of records, in order of appearance."""
    return list(dict.fromkeys(task for record in records for task in record.get("tasks") or {}))


def metric(name: str) -> Callable[[Record], float | None]:
    """Return what reads a metric of a record."""
    return lambda record: number((record.get("metrics") or {}).get(name))
