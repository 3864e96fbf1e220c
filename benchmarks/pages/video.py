"""The section on video codecs: bytes of x265, SVT-AV1 and VVenC over ours at every point of the test images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmip_gpu.bench.measure import Row
from mmip_gpu.bench.pictures import COPY
from mmip_gpu.bench.rates import geometric_mean
from mmip_gpu.bench.report.study_tables import images_of, rate_points
from pages.sections import IMAGES, heading, rows_of
from pages.text import bullets, fewer, paragraph, percent, table

OURS = "mmip effort 3"
ALONG, STILL, INTRA = (f"HEVC (x265 medium){name}" for name in ("", ", no motion", ", intra"))
VIDEO = {ALONG: "x265 along z", STILL: "no motion", INTRA: "intra", "AV1 (SVT-AV1 6)": "AV1", "VVC (VVenC fast)": "VVC"}
LEAST_BITS = 0.08  # a sample, of ours: below it a point counts in no mean
AIM = 1.03
_VOLUMES = ("volumes", COPY)
_PADDED = "ct_ge_head_4mm"  # it and its copy count half each


def without_video(rows: Sequence[Row]) -> list[Row]:
    """Rows of the comparison without video codecs, and without the copy of an image that is in it."""
    return [row for row in rows if row["codec"] not in VIDEO and row["group"] != COPY]


def ratios_by_point(rows: Sequence[Row], image: str) -> dict[float, dict[str, float]]:
    """Bits of each video codec over ours, by PSNR."""
    own = rate_points(rows, image, OURS)
    found = {codec: rate_points(rows, image, codec) for codec in VIDEO}
    return {db: {codec: points[db] / own[db] for codec, points in found.items() if db in points} for db in own}


def over_x265(rows: Sequence[Row], image: str) -> float | None:
    """Our bits over the fewer of x265 along z and intra, in the mean of the points of an image."""
    own = rate_points(rows, image, OURS)
    points = ratios_by_point(rows, image)
    fewest = {db: [r[codec] for codec in (ALONG, INTRA) if codec in r] for db, r in points.items()}
    return geometric_mean(1 / min(values) for db, values in fewest.items() if values and own[db] >= LEAST_BITS)


def mean_over_images(ratios: Mapping[str, float]) -> float:
    """Geometric mean in which the head CT and its copy count half each."""
    weighted = [r for image, r in ratios.items() for _ in range(1 if image.startswith(_PADDED) else 2)]
    mean = geometric_mean(weighted)
    if mean is None:
        raise ValueError("rows of x265 are missing")
    return mean


def _over_x265(rows: Sequence[Row], groups: Sequence[str]) -> dict[str, float]:
    names = [image for image, group in images_of(rows).items() if group in groups]
    found = {image: over_x265(rows, image) for image in names}
    return {image: ratio for image, ratio in found.items() if ratio is not None}


def _points_table(rows: Sequence[Row], groups: Sequence[str]) -> str:
    codecs = [codec for codec in VIDEO if any(row["codec"] == codec and row["group"] in groups for row in rows)]
    lines = []
    for image in (image for image, group in images_of(rows).items() if group in groups):
        own = rate_points(rows, image, OURS)
        for db, ratios in sorted(ratios_by_point(rows, image).items()):
            cells = [f"{ratios[codec]:.2f}" if codec in ratios else "" for codec in codecs]
            lines.append([IMAGES[image], f"{db:g}", f"{own[db]:.3g}", *cells])
    return table(["over ours", "dB", "ours, bits", *(VIDEO[codec] for codec in codecs)], lines)


def _mean_of(rows: Sequence[Row], codec: str, groups: Sequence[str]) -> tuple[float, int] | None:
    """Ours over a codec in the mean of the images that have it, and how many these are."""
    found = {}
    for image in (image for image, group in images_of(rows).items() if group in groups):
        own = rate_points(rows, image, OURS)
        points = ratios_by_point(rows, image).items()
        mean = geometric_mean(1 / r[codec] for db, r in points if codec in r and own[db] >= LEAST_BITS)
        found.update({image: mean} if mean else {})
    return (mean_over_images(found), len(found)) if found else None


def _other_codecs(rows: Sequence[Row]) -> list[str]:
    parts = []
    for codec, name in list(VIDEO.items())[3:]:
        for groups, what in ((_VOLUMES, "volumes"), (("2D",), "single images")):
            found = _mean_of(rows, codec, groups)
            parts += [f"Against {name} on {found[1]} {what}: {fewer(found[0])} bits."] if found else []
    return parts


def video_section() -> str:
    """Ours against video codecs, at each point, and the arrays that stay above the aim."""
    rows = rows_of("video")
    volumes, flat = _over_x265(rows, _VOLUMES), _over_x265(rows, ("2D",))
    above = {image: ratio for image, ratio in volumes.items() if ratio > AIM}
    named = ", ".join(f"{IMAGES[image]} ({percent(ratio)} %)" for image, ratio in above.items()) or "none"
    return "\n".join(
        [
            heading("video"),
            paragraph(
                "Bits of video codecs over those of effort 3 at equal PSNR: below 1 they take fewer. Slices are frames",
                "along z or t, the same without a search for motion, or each is coded alone (intra).",
                "x265 (preset medium, tune psnr) codes grey at 8, 10 or 12 bits. SVT-AV1 (preset 6, 8 or 10 bits) and",
                "VVenC (preset fast, 10 bits, arrays of up to a million samples) get constant chroma. Deeper samples",
                "are scaled to the depth; PSNR is that of the array. Each row says so (`coded_as`), and every stream",
                "was decoded. What was not run is in [rivals.md](../../benchmarks/results/rivals.md) with its reason.",
            ),
            _points_table(rows, _VOLUMES),
            *([_points_table(rows, ("2D",))] if flat else []),
            bullets(
                f"On volumes effort 3 takes {mean_over_images(volumes):.2f} times the bits of x265 (the fewer of along "
                f"z and intra): means over points of at least {LEAST_BITS:g} bits a sample, then over images, "
                "where the head CT and its copy, in which the padding is air, count half each.",
                f"Above {AIM:.2f} times: {named}.",
                *([f"On single images: {mean_over_images(flat):.2f} times the bits of x265 intra."] if flat else []),
                *_other_codecs(rows),
            ),
        ]
    )
