"""Codecs against an anchor: BD-rates with intervals, bits at equal PSNR, PSNR at equal bits, what a fall of Dice costs.

Values: `Results` in; tables out. Guarantees that nothing is extrapolated, that every mean says over how many images it
is, and that each codec, ours too, is shown with the sign of its difference.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from mmip_gpu.bench.bd_rate import bd_psnr, bd_rate
from mmip_gpu.bench.rates import geometric_mean
from mmip_gpu.bench.report.quality_curves import AGAINST, Curve, Measure, metric, number, score_measure, tasks_of
from mmip_gpu.bench.report.results import Results, interval, mean_curve
from mmip_gpu.bench.report.tables import MISSING, Cell, Table, cell, decibels, interval_cell, percent, text
from mmip_gpu.errors import MmipError

__all__ = ["bd_tables", "equal_bits_tables", "equal_psnr_tables", "fall_tables"]

Difference = Callable[[Sequence[float], Sequence[float], Sequence[float], Sequence[float]], float]
FALL = 0.01  # of a score between 0 and 1: the loss that matters
PSNR = Measure("PSNR", "dB", metric("psnr_range"))
_STEPS = (10.0, 5.0, 2.0, 1.0, 0.5)
_SIGN = "Less than 0 %: fewer bits than the anchor."


def similarity_db(record: dict[str, object]) -> float | None:
    """MS-SSIM as -10 log10(1 - value), which a rate can be compared by."""
    value = metric("ms_ssim")(record)
    return None if value is None or value >= 1 else -10 * math.log10(1 - value)


def bd_tables(results: Results) -> list[Table]:
    """Bjontegaard differences from the anchor by group: bits at equal PSNR and MS-SSIM, PSNR at equal bits."""
    similarity = Measure("MS-SSIM in dB", "dB", similarity_db)
    refused = "An image whose curves have fewer than 4 points or overlap by less than 25 % is in no mean."
    kinds: list[tuple[str, Measure, Difference, tuple[str, str], str]] = [
        ("BD-rate, PSNR", PSNR, bd_rate, ("+.1f", " %"), f"Percent of bits at the same PSNR. {_SIGN}"),
        (
            "BD-rate, MS-SSIM",
            similarity,
            bd_rate,
            ("+.1f", " %"),
            f"Percent of bits at the same MS-SSIM in dB, -10 log10(1 - value). {_SIGN}",
        ),
        ("BD-PSNR", PSNR, bd_psnr, ("+.2f", " dB"), "PSNR at the same bits. More than 0 dB: better than the anchor."),
    ]
    tables = []
    for title, measure, difference, form, what in kinds:
        curves = results.curves(measure)
        rows = _filled(
            [[text(codec), *_bd_cells(results, curves, codec, difference, form)] for codec in results.rivals]
        )
        if rows:
            note = (
                f"Against {results.anchor}. {what} Mean over images, 95 % bootstrap interval over images, n images. "
                f"{refused}"
            )
            tables.append(Table(title, note, ["codec", *results.groups], rows))
    return tables


def _filled(rows: Sequence[list[Cell]]) -> list[list[Cell]]:
    """Rows that have a value behind their name."""
    return [row for row in rows if any(found != MISSING for found in row[1:])]


def _bd_cells(
    results: Results,
    curves: Mapping[str, Mapping[str, Curve]],
    codec: str,
    difference: Difference,
    form: tuple[str, str],
) -> Iterator[Cell]:
    found: dict[str, float] = {}
    for image, by_codec in curves.items():
        if codec in by_codec and results.anchor in by_codec:
            with contextlib.suppress(MmipError):  # refused
                found[image] = difference(*_points(by_codec[results.anchor]), *_points(by_codec[codec]))
    for members in results.groups.values():
        chosen = [found[image] for image in members if image in found]
        yield interval_cell(interval(chosen), *form, len(chosen))


def _points(curve: Curve) -> tuple[list[float], list[float]]:
    return [bits for bits, _ in curve.points], [quality for _, quality in curve.points]


def equal_psnr_tables(results: Results) -> list[Table]:
    """Bits at the same PSNR: means of ratios by group, then every image at every level."""
    curves, ratios, rows = results.curves(PSNR), _Ratios(), []
    names = _names(results, curves)
    for image, by_codec in curves.items():
        for level in _levels([db for _, db in by_codec.get(results.anchor, Curve(())).points]):
            bits = {name: curve.at_quality(level) for name, curve in by_codec.items()}
            base = bits[results.anchor]
            if base is None:
                continue
            fields = []
            for name in names:
                found = bits.get(name)
                ratio = None if found is None else found / base
                ratios.add(image, name, ratio)
                shown = MISSING if found is None else Cell(f"{found:.4f} ({percent(ratio).shown})", found)
                fields.append(shown)
            rows.append([text(image), cell(level, "g"), *fields])
    note = f"Bits per sample, and percent against {results.anchor}, between measured points. {_SIGN}"
    mean = f"Geometric mean over the levels of an image, then over n images, against {results.anchor}. {_SIGN}"
    return [
        Table("Bits at equal PSNR, by group", mean, ["codec", *results.groups], ratios.rows(results)),
        Table("Bits at equal PSNR, by image", note, ["image", "dB", *names], rows, 2),
    ]


class _Ratios:
    """Ratios against the anchor by image and codec."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], list[float]] = {}

    def add(self, image: str, name: str, ratio: float | None) -> None:
        if ratio is not None:
            self._found.setdefault((image, name), []).append(ratio)

    def rows(self, results: Results) -> list[list[Cell]]:
        """Percent by codec and group."""
        groups = results.groups.values()
        return _filled([[text(name), *(self._cell(members, name) for members in groups)] for name in results.rivals])

    def _cell(self, members: Sequence[str], name: str) -> Cell:
        means = [geometric_mean(self._found[image, name]) for image in members if (image, name) in self._found]
        mean = geometric_mean(value for value in means if value)
        found = percent(mean)
        return found if mean is None else Cell(f"{found.shown}, n = {len(means)}", found.key)


def equal_bits_tables(results: Results) -> list[Table]:
    """PSNR at the same rate: mean differences by group, then every image at every rate."""
    curves, rows = results.curves(PSNR), list[list[Cell]]()
    names = _names(results, curves)
    gains: dict[tuple[str, str], list[float]] = {}
    for image, by_codec in curves.items():
        for bits in _rates(by_codec.get(results.anchor, Curve(())).bits):
            found = {name: curve.at_bits(bits) for name, curve in by_codec.items()}
            base, fields = found[results.anchor], []
            for name in names:
                value = found.get(name)
                if value is None or base is None:
                    fields.append(MISSING)
                    continue
                gains.setdefault((image, name), []).append(value - base)
                fields.append(Cell(f"{value:.2f} ({value - base:+.2f})", value))
            rows.append([text(image), cell(bits, "g"), *fields])
    summary = []
    for name in results.rivals:
        means = [[_mean(gains[i, name]) for i in members if (i, name) in gains] for members in results.groups.values()]
        shown = [(decibels(_mean(values)), len(values)) if values else (MISSING, 0) for values in means]
        summary.append([text(name), *(Cell(f"{d.shown}, n = {n}", d.key) if n else d for d, n in shown)])
    note = f"PSNR in dB (peak: range of the image), and difference to {results.anchor}, between measured points."
    mean = f"Mean difference to {results.anchor} over the rates of an image, then over n images. Above 0: better."
    return [
        Table("PSNR at equal bits, by group", mean, ["codec", *results.groups], _filled(summary)),
        Table("PSNR at equal bits, by image", note, ["image", "bits per sample", *names], rows, 2),
    ]


def _names(results: Results, curves: Mapping[str, Mapping[str, Curve]]) -> list[str]:
    """Codecs that have a curve of any image: not those without loss."""
    return [name for name in results.names if any(name in by_codec for by_codec in curves.values())]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _levels(qualities: Sequence[float]) -> list[float]:
    """Round dB inside a range: at least two where the range has a dB."""
    for step in _STEPS if qualities else ():
        first, last = math.ceil(min(qualities) / step), math.floor(max(qualities) / step)
        if last - first >= 2:
            return [step * k for k in range(first, last + 1)]
    return []


def _rates(bits: Sequence[float]) -> list[float]:
    """Powers of two inside a range."""
    if not bits:
        return []
    return [2.0**k for k in range(math.ceil(math.log2(min(bits))), math.floor(math.log2(max(bits))) + 1)]


def fall_tables(results: Results) -> list[Table]:
    """Rates and bytes at which Dice falls by 0.01, by task, by what it is compared with, by group and image."""
    tables = []
    for task in tasks_of(results.measured):
        for against, of_what in AGAINST.items():
            measure = score_measure(task, against, "dice")
            rows = [
                row for place, members in _places(results, measure) for row in _falls(results, measure, place, members)
            ]
            if rows:
                note = (
                    f"Bits per sample, and bytes of all n images, from which on Dice against {of_what} stays "
                    f"within {FALL} of that of the uncompressed images; means over images, between measured points. "
                    "< : every measured size stays within it, this is the smallest; > : the largest does not. Percent "
                    f"against {results.anchor}."
                )
                head = ["images", "codec", "n", "Dice of the original", "bits per sample", "bytes", "against anchor"]
                tables.append(Table(f"Where Dice falls by {FALL}: {task}, {of_what}", note, head, rows, 2))
    return tables


def _places(results: Results, measure: Measure) -> Iterator[tuple[str, list[str]]]:
    """Yield groups and single images, of each those that have the measure with and without loss; none twice."""
    curves, base, seen = results.curves(measure), _scores_without_loss(results, measure), set()
    for place, members in (results.groups | {name: [name] for name in results.images}).items():
        chosen = [image for image in members if image in curves and image in base]
        if chosen and tuple(chosen) not in seen:
            yield place, chosen
        seen.add(tuple(chosen))


def _falls(results: Results, measure: Measure, place: str, chosen: Sequence[str]) -> list[list[Cell]]:
    """A row for each codec that has the score on all of these images."""
    curves, base = results.curves(measure), _scores_without_loss(results, measure)
    found: dict[str, tuple[str, float]] = {}
    for name in results.names:
        own = [curves[image][name] for image in chosen if name in curves[image]]
        fall = mean_curve(own)[0].last_fall(_mean([base[i] for i in chosen]) - FALL) if own else None
        if fall is not None and len(own) == len(chosen):
            found[name] = fall
    samples = sum(math.prod(results.images[image]["shape"]) for image in chosen)
    anchor, rows = found.get(results.anchor), []
    for name, (relation, bits) in found.items():
        ratio = bits / anchor[1] if anchor is not None and relation == anchor[0] == "=" else None
        sign = relation.strip("=")
        size = bits * samples / 8
        shown = [Cell(f"{sign}{bits:.4f}", bits), Cell(f"{sign}{size:.0f}", size), percent(ratio)]
        dice = cell(_mean([base[i] for i in chosen]), ".4f")
        rows.append([text(place), text(name), cell(len(chosen), "d"), dice, *shown])
    return rows


def _scores_without_loss(results: Results, measure: Measure) -> dict[str, float]:
    """The score of every image that an exact codec has a record of; 1 against its own segmentation."""
    found: dict[str, float] = {}
    for record in results.measured:
        value = measure.value(record)
        if value is not None and number(record["metrics"].get("max_error")) == 0:
            found.setdefault(record["image"]["name"], value)
        elif value is not None and measure.name.endswith(AGAINST["original"]):
            found.setdefault(record["image"]["name"], 1.0)
    return found
