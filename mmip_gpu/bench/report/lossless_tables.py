"""Tables of the comparison without loss, in Markdown: bits, rates, and how far the aims are.

Values: rows of lossless.csv in, text and numbers out. Guarantees that every image weighs the same in a group (geometric
mean), that a codec is compared on the images which both took, and that a star marks a group of which it lacks some.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from mmip_gpu.bench.measure import Row
from mmip_gpu.bench.rates import geometric_mean
from mmip_gpu.bench.report.study_tables import codecs_of, images_of, markdown_table

__all__ = [
    "FAST", "HTJ2K", "JPEGLS", "JPEGXL", "LEAST_BYTES", "RATES", "SMALL", "aims_table", "bits_of", "lossless_report",
    "mean_rate", "ratio_table", "ratios", "slower_images", "speed_table", "timed_rows",
]  # fmt: skip

FAST, SMALL = "mmip fast effort 2", "mmip small"
JPEGLS, HTJ2K = "JPEG-LS (CharLS)", "HTJ2K (OpenJPH)"
QUICKEST, JPEGXL, SMALLEST = "JPEG XL e1", "JPEG XL e7", "JPEG XL e9"
LEAST_BYTES = 1_000_000  # of an image whose rates are compared
RATES = {
    "enc": "encode_mb_s", "dec": "decode_mb_s",
    "2t enc": "encode_threads_mb_s", "2t dec": "decode_threads_mb_s",
}  # fmt: skip


def bits_of(rows: Iterable[Row], codec: str) -> dict[str, float]:
    """Bits a sample by image."""
    return {row["image"]: row["bits_per_sample"] for row in rows if row["codec"] == codec and row["bits_per_sample"]}


def image_sets(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Images by group, then those of 16 and of 8 bits."""
    found: dict[str, list[str]] = {}
    for image, group in images_of(rows).items():
        found.setdefault(group, []).append(image)
    depths = {row["image"]: row["bits"] for row in rows}
    return found | {f"{depth} bit": [image for image, own in depths.items() if own == depth] for depth in (16, 8)}


def ratios(rows: Sequence[Row], codec: str, anchor: str, name: str) -> list[float]:
    """Bits over the anchor's, of each image of a set that both took."""
    own, base = bits_of(rows, codec), bits_of(rows, anchor)
    return [own[image] / base[image] for image in image_sets(rows).get(name, ()) if image in own and image in base]


def _samples(row: Row) -> int:
    return math.prod(map(int, row["shape"].split("x")))


def timed_rows(rows: Iterable[Row], depth: int) -> list[Row]:
    """Rows of images of this depth, 8 or 16, whose rates are compared: those of more than 1 MB."""
    return [row for row in rows if row["bits"] == depth and _samples(row) * depth / 8 > LEAST_BYTES]


def mean_rate(rows: Iterable[Row], codec: str, column: str) -> float | None:
    """Geometric mean of a rate."""
    return geometric_mean(_rates(rows, codec, column).values())


def ratio_table(rows: Sequence[Row], anchor: str) -> str:
    """Percent more (+) or fewer (-) bits than the anchor, by set of images; a star where some are missing."""
    sets = image_sets(rows)
    lines = []
    for codec in codecs_of(rows):
        found = {name: ratios(rows, codec, anchor, name) for name in sets}
        if codec != anchor and any(found.values()):
            lines.append([codec, *(_percent(own, len(own) < len(sets[name])) for name, own in found.items())])
    return markdown_table(["%", *sets], lines)


def _percent(found: Sequence[float], some_missing: bool) -> str:
    mean = geometric_mean(found)
    return "-" if mean is None else f"{100 * (mean - 1):+.1f}{'*' * some_missing}"


def speed_table(rows: Sequence[Row]) -> str:
    """MB/s at 16 and 8 bit, with one thread and with two."""
    lines = []
    for codec in codecs_of(rows):
        means = [mean_rate(timed_rows(rows, depth), codec, column) for column in RATES.values() for depth in (16, 8)]
        lines.append([codec, *("-" if mean is None else f"{mean:.3g}" for mean in means)])
    return markdown_table(["MB/s", *(f"{name} {depth}" for name in RATES for depth in (16, 8))], lines)


def _rates(rows: Iterable[Row], codec: str, column: str) -> dict[str, float]:
    """A rate by image."""
    return {row["image"]: row[column] for row in rows if row["codec"] == codec and row.get(column)}


def slower_images(rows: Sequence[Row], rival: str) -> dict[str, float]:
    """Images of more than 1 MB that the fast method decodes slower than a rival: its rate over the rival's."""
    large = [row for depth in (16, 8) for row in timed_rows(rows, depth)]
    own, other = (_rates(large, codec, "decode_mb_s") for codec in (FAST, rival))
    return {image: own[image] / other[image] for image in own if image in other and own[image] < other[image]}


@dataclass(frozen=True)
class _Aim:
    """What was aimed at: in what unit, at least or at most how much, the goal beyond it, and what was found."""

    name: str
    unit: str
    asked: float
    goal: float | None
    found: float | None
    at_least: bool = False

    @property
    def line(self) -> list[str]:
        """Its line of the table."""
        if self.found is None:
            return [self.name, self._shown(self.asked), self._shown(self.goal), "not measured", "-"]
        away, further = (self._away(wanted, self.found) for wanted in (self.asked, self.goal))
        said = f"missed by {away}" if away else f"met, the goal missed by {further}" if further else "met"
        return [self.name, *map(self._shown, (self.asked, self.goal, self.found)), said]

    def _away(self, wanted: float | None, found: float) -> str:
        """How far it is; nothing where it is there."""
        gap = 0.0 if wanted is None else wanted - found if self.at_least else found - wanted
        return self._plain(gap) if gap > 0 else ""

    def _shown(self, value: float | None) -> str:
        if value is None:
            return "-"
        return f"{value:+.1f}{self.unit}" if self.unit == " %" else self._plain(value)

    def _plain(self, value: float) -> str:
        return f"{value:.1f} points" if self.unit == " %" else f"{value:.3g}{self.unit}"


def _bits_aims(rows: Sequence[Row]) -> list[_Aim]:
    def percent(codec: str, anchor: str, group: str) -> float | None:
        mean = geometric_mean(ratios(rows, codec, anchor, group))
        return None if mean is None else 100 * (mean - 1)

    asked: list[tuple[str, str, str, float, float | None]] = [
        (FAST, JPEGLS, "2D", -1, -3), (FAST, JPEGLS, "volumes", -5, -8), (FAST, JPEGLS, "colour", 0, None),
        (FAST, JPEGXL, "2D", 3, None),
        (SMALL, JPEGXL, "2D", -1, None), (SMALL, JPEGXL, "volumes", -8, -10), (SMALL, JPEGXL, "colour", 0, None),
    ]  # fmt: skip
    aims = [
        _Aim(f"{codec}, {group}, bits over {_short(anchor)}", " %", least, goal, percent(codec, anchor, group))
        for codec, anchor, group, least, goal in asked
    ]
    far = percent(SMALL, JPEGXL, "volumes")
    aims.append(_Aim(f"{SMALL}, volumes, bits over {JPEGXL}, at 20 MB/s", " %", -20, None, far))
    own, other = bits_of(rows, SMALL), bits_of(rows, SMALLEST)
    for image in ("nema_ct1", "nema_mr1", "nema_mr3"):
        found = 100 * (own[image] / other[image] - 1) if image in own and image in other else None
        aims.append(_Aim(f"{SMALL}, {image}, bits over {SMALLEST}", " %", 0, None, found))
    return aims


def _rate_aims(rows: Sequence[Row]) -> list[_Aim]:
    deep, bytes_ = timed_rows(rows, 16), timed_rows(rows, 8)
    aims = [
        _Aim(f"{FAST}, decode, 16 bit", " MB/s", 500, None, mean_rate(deep, FAST, "decode_mb_s"), True),
        _Aim(f"{FAST}, decode, 8 bit", " MB/s", 250, None, mean_rate(bytes_, FAST, "decode_mb_s"), True),
        _Aim(f"{FAST}, encode, 16 bit", " MB/s", 300, 650, mean_rate(deep, FAST, "encode_mb_s"), True),
    ]
    for name, own in (("16 bit", deep), ("8 bit", bytes_)):
        for rival in (HTJ2K, QUICKEST):
            found = _over(_rates(own, FAST, "decode_mb_s"), _rates(own, rival, "decode_mb_s"))
            aims.append(_Aim(f"{FAST}, decode, {name}, over {_short(rival)}", " times", 1, None, found, True))
    for way in ("encode", "decode"):
        one, two = (_rates([*deep, *bytes_], FAST, f"{way}_{kind}_mb_s") for kind in ("wall", "threads"))
        aims.append(_Aim(f"{FAST}, {way}, two threads over one", " times", 1.8, None, _over(two, one), True))
    for way in ("encode", "decode"):
        aims.append(_Aim(f"{SMALL}, {way}", " MB/s", 10, 20, mean_rate([*deep, *bytes_], SMALL, f"{way}_mb_s"), True))
    return aims


def _short(codec: str) -> str:
    return codec.split(" (", maxsplit=1)[0]


def _over(own: Mapping[str, float], other: Mapping[str, float]) -> float | None:
    """Geometric mean of a rate over another one of the same image."""
    return geometric_mean(own[image] / other[image] for image in own if image in other)


def aims_table(rows: Sequence[Row]) -> str:
    """Every aim, what was found, and how far that is away."""
    aims = [*_bits_aims(rows), *_rate_aims(rows)]
    return markdown_table(["aim", "asked", "goal", "found", "distance"], [aim.line for aim in aims])


def _bits_table(rows: Sequence[Row]) -> str:
    codecs = codecs_of(rows)
    bits = {codec: bits_of(rows, codec) for codec in codecs}
    lines = [
        [image, *(f"{bits[codec][image]:.3f}" if image in bits[codec] else "-" for codec in codecs)]
        for image in images_of(rows)
    ]
    return markdown_table(["image", *codecs], lines)


def _slower(rows: Sequence[Row]) -> str:
    lines = []
    for rival in (HTJ2K, QUICKEST):
        found = slower_images(rows, rival)
        listed = ", ".join(f"{image} ({100 * (ratio - 1):+.0f} %)" for image, ratio in found.items())
        lines.append(f"- {FAST} decodes slower than {rival} on: {listed or 'none'}.")
    return "\n".join(lines) + "\n"


def _nothing(rows: Sequence[Row]) -> str:
    lines = [
        f"- {row['image']}, {row['codec']}: {row['status']}, {row['reason']}" for row in rows if row["status"] != "ok"
    ]
    return "\n".join(lines or ["None."]) + "\n"


def _spread(rows: Sequence[Row]) -> str:
    spreads = [
        row[f"{way}_spread"] for way in ("encode", "decode") for row in rows if (row.get(f"{way}_runs") or 0) > 1
    ]
    return f"{100 * median(spreads):.0f} %" if spreads else "unknown"


def lossless_report(rows: Sequence[Row]) -> str:
    """All tables of lossless.csv."""
    return "\n".join(
        [
            "# Lossless\n",
            f"Every result was decoded and compared. Percent more (+) or fewer (-) bits than {JPEGLS} at\n"
            "the true depth of the samples: geometric means over the images of a set. A star: the codec did not take\n"
            "some of them.\n",
            ratio_table(rows, JPEGLS),
            f"The same against {JPEGXL}:\n",
            ratio_table(rows, JPEGXL),
            "## Rates\n",
            "MB/s (1e6 bytes of the array) over the images of more than 1 MB, geometric means of medians: processor\n"
            f"time with one thread, wall time with two. Half of the spreads of runs, (max - min) / median, are below\n"
            f"{_spread(rows)}.\n",
            speed_table(rows),
            _slower(rows),
            "## Aims\n",
            aims_table(rows),
            "## Bits a sample\n",
            _bits_table(rows),
            "## What came to nothing\n",
            _nothing(rows),
        ]
    )
