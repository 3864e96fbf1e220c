"""The records of one run, sorted for a report: what was measured, what failed, by which names and groups.

Values: records (dict) and the name of an anchor in; `Results` out. Guarantees that no record is dropped: each is among
the measured ones or among the failures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mmip_gpu.bench.intervals import Interval, bootstrap
from mmip_gpu.bench.records import Record
from mmip_gpu.bench.report.quality_curves import Curve, Measure, curves_of, series_name
from mmip_gpu.errors import InvalidArgument

__all__ = ["SEED", "Results", "compared_images", "group_curves", "interval", "mean_curve", "setting_text"]

_ALL = "all images"
SEED = 0
_GRID = 9
_ANCHOR = "JPEG 2000"


@dataclass(frozen=True)
class Results:
    """Records of a run, with the codec that the others are compared with."""

    measured: list[Record]
    failures: list[Record]
    anchor: str

    @classmethod
    def of(cls, records: Sequence[Record], anchor: str | None = None) -> Results:
        """Sort records.

        Raises
        ------
        InvalidArgument
            For an anchor that is no codec of the records.
        """
        measured = [record for record in records if record["status"] == "ok"]
        names = list(dict.fromkeys(map(series_name, measured)))
        if anchor is not None and anchor not in names:
            raise InvalidArgument(
                f"anchor {anchor!r} has no result here; those that have: {', '.join(names) or 'none'}"
            )
        likely = [name for name in names if name.startswith(_ANCHOR)] + names
        return cls(measured, [r for r in records if r["status"] != "ok"], anchor or (likely[0] if likely else ""))

    @cached_property
    def names(self) -> list[str]:
        """Codecs in order of appearance; a failing one, too, keeps its colour."""
        return list(dict.fromkeys(map(series_name, self.measured)))

    @cached_property
    def rivals(self) -> list[str]:
        """All but the anchor."""
        return [name for name in self.names if name != self.anchor]

    @cached_property
    def images(self) -> dict[str, Mapping[str, Any]]:
        """Facts of every image, in order of appearance."""
        return {record["image"]["name"]: record["image"] for record in self.measured + self.failures}

    @cached_property
    def groups(self) -> dict[str, list[str]]:
        """Names of the measured images of every group; the last group is of all of them, where there are several."""
        found: dict[str, list[str]] = {}
        for name in dict.fromkeys(record["image"]["name"] for record in self.measured):
            found.setdefault(self.images[name].get("group") or "other", []).append(name)
        return found | ({_ALL: [name for names in found.values() for name in names]} if len(found) > 1 else {})

    def curves(self, measure: Measure) -> dict[str, dict[str, Curve]]:
        """Curves of a measure by image and codec; made once for each name of a measure."""
        if measure.name not in self._curves:
            self._curves[measure.name] = curves_of(self.measured, measure)
        return self._curves[measure.name]

    @cached_property
    def _curves(self) -> dict[str, dict[str, dict[str, Curve]]]:
        return {}

    def settings(self) -> Iterator[tuple[str, str, str, list[Record]]]:
        """Yield (group, codec, setting, its records, one an image); not twice for the same images."""
        seen: set[tuple[str, ...]] = set()
        for group, members in self.groups.items():
            found: dict[tuple[str, str], list[Record]] = {}
            for record in self.measured:
                if record["image"]["name"] in members:
                    found.setdefault((series_name(record), setting_text(record)), []).append(record)
            for (name, setting), records in found.items():
                key = (name, setting, *(record["key"] for record in records))
                if key not in seen:
                    yield group, name, setting, records
                seen.add(key)


def setting_text(record: Record) -> str:
    """Return what a record was asked for.

    Examples
    --------
    >>> setting_text({"setting": {"target": "psnr", "value": 45.0}}), setting_text({"setting": {"target": "lossless"}})
    ('psnr 45', 'lossless')
    """
    setting = record.get("setting") or {}
    value = setting.get("value")
    return f"{setting.get('target', '')}{'' if value is None else f' {value:g}'}"


def interval(values: Sequence[float]) -> Interval | None:
    """Return the mean over images with its 95 % bootstrap interval; None of no image."""
    return bootstrap(values, SEED) if values else None


def mean_curve(curves: Sequence[Curve]) -> tuple[Curve, list[tuple[float, float, float]]]:
    """Return the mean of several curves where all of them were measured, and its band (bits, low, high).

    Examples
    --------
    >>> low, high = Curve.of([(1, 40.0), (4, 50.0)]), Curve.of([(2, 50.0), (4, 60.0)])
    >>> mean_curve([low, high])[0].at_bits(2)
    47.5
    """
    if len(curves) == 1:
        return curves[0], []
    first, last = max(curve.bits[0] for curve in curves), min(curve.bits[-1] for curve in curves)
    if first > last:
        return Curve(()), []
    grid = [first * (last / first) ** (k / (_GRID - 1)) for k in range(_GRID - 1)] + [last]
    means, band = [], []
    for bits in dict.fromkeys(grid):
        mean, low, high = bootstrap([curve.at_bits(bits) for curve in curves], SEED)
        means.append((bits, mean))
        band.append((bits, mean if low is None else low, mean if high is None else high))
    return Curve.of(means), band


def compared_images(results: Results, measure: Measure, members: Sequence[str]) -> tuple[str, ...]:
    """Return the images of a group on which the anchor has a curve, or any codec where the anchor has none at all."""
    curves = results.curves(measure)
    found = tuple(image for image in members if image in curves)
    return tuple(image for image in found if results.anchor in curves[image]) or found


def group_curves(
    results: Results, measure: Measure, images: Sequence[str]
) -> dict[str, tuple[Curve, list[tuple[float, float, float]]]]:
    """Return the mean curve and its band of every codec that has a curve on all of these images.

    Of one image it is the curve itself, without a band.
    """
    curves = results.curves(measure)
    found = {}
    for name in results.names if images else ():
        own = [curves[image][name] for image in images if name in curves[image]]
        if len(own) == len(images):
            found[name] = mean_curve(own)
    return found
