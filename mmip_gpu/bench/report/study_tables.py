"""Tables of the comparison with rivals, in Markdown: bits against JPEG 2000, ours against SPERR, speeds, a bound.

Values: result rows in, text out. Guarantees that every image weighs the same in a group (geometric mean over its PSNRs
first, over images then), that phantoms are no part of a group of real images, and that what is missing is marked.
"""

from __future__ import annotations

from collections.abc import Sequence

from mmip_gpu.bench.measure import Row
from mmip_gpu.bench.rates import geometric_mean, mean_ratio

ANCHOR = "JPEG 2000 (OpenJPEG)"
NEAREST = "SPERR"
NEAR_ANCHOR = "JPEG-LS (CharLS)"
_LINE = 120
GROUPS = {
    "2D": ("2D",),
    "volumes": ("volumes",),
    "all real": ("2D", "volumes"),
    "colour": ("colour",),
    "phantoms": ("phantoms",),
}


def markdown_table(head: Sequence[str], lines: Sequence[Sequence[str]], keys: int = 1) -> str:
    """A table in Markdown; of wide ones several below each other, all of which begin with the first `keys` columns.

    Examples
    --------
    >>> print(markdown_table(["a", "b" * 60, "c" * 60], [["1", "2", "3"]]).count("| a |"))
    2
    """
    rows, first = [head, ["---"] * len(head), *lines], keys
    parts: list[str] = []
    while not parts or first < len(head):
        last = len(head)
        texts = _texts(rows, keys, first, last)
        while last > first + 1 and max(map(len, texts)) > _LINE:
            last -= 1
            texts = _texts(rows, keys, first, last)
        parts.append("\n".join(texts))
        first = last
    return "\n\n".join(parts) + "\n"


def _texts(rows: Sequence[Sequence[str]], keys: int, first: int, last: int) -> list[str]:
    return [f"| {' | '.join([*row[:keys], *row[first:last]])} |" for row in rows]


def codecs_of(rows: Sequence[Row]) -> list[str]:
    """Names in order of appearance."""
    return list(dict.fromkeys(row["codec"] for row in rows))


def images_of(rows: Sequence[Row]) -> dict[str, str]:
    """Group of every image, in order of appearance."""
    return {row["image"]: row["group"] for row in rows}


def rate_points(rows: Sequence[Row], image: str, codec: str) -> dict[float, float]:
    """Bits/sample by PSNR of one codec on one image."""
    return {
        row["target_db"]: row["bits_per_sample"]
        for row in rows
        if row["image"] == image and row["codec"] == codec and row.get("bits_per_sample")
    }


def image_ratios(rows: Sequence[Row], codec: str, anchor: str) -> dict[str, tuple[float, bool]]:
    """(mean of bits over the anchor's, whether all targets are in it) by image."""
    found = {}
    for image in images_of(rows):
        own, base = rate_points(rows, image, codec), rate_points(rows, image, anchor)
        ratio = mean_ratio(own, base)
        if ratio is not None:
            found[image] = ratio, own.keys() == base.keys()
    return found


def group_ratio(
    ratios: dict[str, tuple[float, bool]], groups: dict[str, str], members: Sequence[str]
) -> tuple[float, bool] | None:
    """Mean over the images of a group, and whether none is missing or incomplete; None of nothing."""
    names = [image for image, group in groups.items() if group in members]
    found = [ratios[image] for image in names if image in ratios]
    mean = geometric_mean(ratio for ratio, _ in found)
    return None if mean is None else (mean, len(found) == len(names) and all(whole for _, whole in found))


def _percent(found: tuple[float, bool] | None) -> str:
    return "-" if found is None else f"{100 * (found[0] - 1):+.1f}{'' if found[1] else '*'}"


def _ratio_table(rows: Sequence[Row], names: Sequence[str], anchor: str) -> str:
    """Percent of bits saved or lost against the anchor: groups, then images."""
    groups = images_of(rows)
    columns = {name: members for name, members in GROUPS.items() if set(members) & set(groups.values())}
    lines = []
    for name in names:
        ratios = image_ratios(rows, name, anchor)
        line = [name, *(_percent(group_ratio(ratios, groups, members)) for members in columns.values())]
        lines.append(line + [_percent(ratios.get(image)) for image in groups])
    return markdown_table(["codec", *columns, *groups], lines)


def _speed_table(rows: Sequence[Row]) -> str:
    """Geometric means of MB/s over all rows of a group."""

    def mean(codec: str, column: str, members: Sequence[str]) -> str:
        values = [r[column] for r in rows if r["codec"] == codec and r["group"] in members and r.get(column)]
        found = geometric_mean(values)
        return "-" if found is None else f"{found:.3g}"

    columns = {"encode": "encode_mb_s", "decode": "decode_mb_s", "whole call": "whole_call_mb_s"}
    columns = {name: column for name, column in columns.items() if any(row.get(column) for row in rows)}
    groups = list(dict.fromkeys(images_of(rows).values()))
    lines = [
        [
            codec,
            *(mean(codec, column, (group,)) for column in columns.values() for group in groups),
        ]
        for codec in codecs_of(rows)
    ]
    head = [f"{name} {group}" for name in columns for group in groups]
    return markdown_table(["codec, MB/s", *head], lines)


def _bits_table(rows: Sequence[Row]) -> str:
    """Bits/sample of every codec at every target."""
    codecs = codecs_of(rows)
    targets = list(dict.fromkeys((row["image"], row["target_db"]) for row in rows))
    lines = []
    for image, target in targets:
        bits = [rate_points(rows, image, codec).get(target) for codec in codecs]
        lines.append([image, f"{target:g}", *("-" if b is None else f"{b:.4f}" for b in bits)])
    return markdown_table(["image", "dB", *codecs], lines, keys=2)


def _notes(rows: Sequence[Row]) -> str:
    lines = [f"- {r['image']} at {r['target_db']:g} dB, {r['codec']}: {r['note']}" for r in rows if r.get("note")]
    return "\n".join(lines) + "\n" if lines else "None.\n"


def _is_ours(name: str) -> bool:
    return name.startswith("mmip")


def rivals_report(rows: Sequence[Row]) -> str:
    """All tables of rivals.csv."""
    codecs = codecs_of(rows)
    own = [name for name in codecs if _is_ours(name)]
    volumes = [row for row in rows if row["shape"].count("x") > 1 and row["group"] != "colour"]
    return "\n".join(
        [
            "# Bits at equal PSNR\n",
            f"Percent more (+) or fewer (-) bits than {ANCHOR}, which codes slice by slice. Geometric means over the\n"
            "PSNRs of an image, then over images. A star: some PSNR or image is missing in it.\n",
            _ratio_table(rows, [c for c in codecs if c != ANCHOR], ANCHOR),
            f"## Against {NEAREST}\n",
            f"Ours: percent more (+) or fewer (-) bits than {NEAREST} in 3D:\n",
            _ratio_table(volumes, own, NEAREST),
            "## Speed\n",
            "MB/s of processor time, one thread, geometric means. Ours with the plan made, as rivals with their\n"
            "parameter found; whole call: with the step search and the verification.\n",
            _speed_table(rows),
            "## Bits/sample\n",
            _bits_table(rows),
            "## Outside the range of a codec\n",
            _notes(rows),
        ]
    )


def near_lossless_report(rows: Sequence[Row]) -> str:
    """All tables of near_lossless.csv; the bound stands where others have a PSNR."""
    bounded = [row | {"target_db": float(row["bound"])} for row in rows]
    rivals = [codec for codec in codecs_of(rows) if codec != NEAR_ANCHOR]
    parts = [
        "# Under a bound of the largest error\n",
        f"Percent more (+) or fewer (-) bits than {NEAR_ANCHOR}: geometric means over the bounds, then over images.\n",
        _ratio_table(bounded, rivals, NEAR_ANCHOR),
    ]
    for bound in dict.fromkeys(row["target_db"] for row in bounded):
        alone = [row for row in bounded if row["target_db"] == bound]
        parts += [f"Bound {bound:g} alone:\n", _ratio_table(alone, rivals, NEAR_ANCHOR)]
    broken = [f"- {r['image']}, bound {r['bound']}, {r['codec']}: {r['note']}" for r in rows if r["note"]]
    return "\n".join([*parts, _speed_table(rows), "Bounds that were broken:\n", *(broken or ["None."]), ""])
