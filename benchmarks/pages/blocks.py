"""Blocks of measured figures in hand-written pages: README.md, cluster.md, progressive.md, the plug-in's README.

A block stands between `<!-- NAME -->` and `<!-- end -->`. Every line of it that states a figure links to the section of
measured.md which has the rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from mmip_gpu.bench.measure import Row
from mmip_gpu.bench.report.study_tables import ANCHOR, NEAR_ANCHOR, codecs_of, images_of
from pages.bits import BEST, FAST, losses, mean_of, mean_rate, near_lossless_rates, other_machine
from pages.capabilities import ABILITIES, TITLE
from pages.lossless import exact_bits, what_others_do_better
from pages.sections import SECTIONS, link, rows_of
from pages.speed import REAL, RIVAL, slower_call
from pages.stores import dask_figures, depth_share, first_look, first_stages
from pages.text import anchor, bullets, fewer, holds, paragraph, percent, rate, span, table
from pages.video import without_video
from pages.whole import fewer_bits, measured_rows

PAGE = "mmip_gpu/docs/measured.md"
GROUPS = {"fluorescence": "fluorescence", "EM": "EM", "histology": "H&E"}
README_LINKS = {"c": TITLE} | {
    name: SECTIONS[section].title
    for name, section in {
        "b": "bits",
        "r": "rates",
        "l": "lossless",
        "m": "near_lossless",
        "s": "downstream",
        "w": "whole",
    }.items()
}


def results_table() -> str:
    """README's one table: bits, rates and abilities of every codec."""
    rows = without_video(rows_of("bits"))
    lines = []
    for codec in codecs_of(rows):
        if codec not in ABILITIES or codec == "mmip effort 2":
            continue
        bits = ["0"] * 2 if codec == ANCHOR else [percent(mean_of(rows, codec, ANCHOR, group)) for group in REAL]
        rates = [
            " / ".join(rate(mean_rate(rows, codec, f"{name}_mb_s", group)) for group in REAL)
            for name in ("encode", "decode")
        ]
        can = ABILITIES[codec]
        lines.append([codec.split(" (")[0], *bits, *rates, can.refined, can.part, exact_bits(codec) or can.exact])
    head = ["codec", "[bits 2D][b]", "[bits 3D][b]", "[encode][r]", "[decode][r]"]
    head += ["[coarse to fine][c]", "[part alone][c]", "[exact][l]"]
    count = {group: sum(group == own for own in images_of(rows).values()) for group in REAL}
    intro = paragraph(
        f"Percent more (+) or fewer (-) bits than JPEG 2000 at equal PSNR, over {count['2D']} images (2D) and",
        f"{count['volumes']} volumes (3D), and MB/s of one core (2D / 3D): geometric means, measured by",
        f"`{SECTIONS['bits'].command}`. Exact: bits against JPEG-LS, where it was measured.",
        other_machine(rows),
        f"[measured.md]({PAGE}) has effort 2, each image, and all else.",
    )
    return intro + "\n" + table(head, lines)


def where_we_lose() -> str:
    """README's figures of what others do better, then the links of both blocks."""
    rows = without_video(rows_of("bits"))
    joint = [row for row in measured_rows() if not row["codec"].endswith("separate")]
    slower = [ratio for effort in (1, 2, 3) for ratio in slower_call(rows, f"mmip effort {effort}")]
    points = bullets(
        f"Effort 3 takes [more bits][b] than {losses(rows)}.",
        "The rates above are those of coding alone. A whole `encode(psnr=)`, which searches and verifies, takes "
        f"[{span(slower)} times as long][r]; `qstep=` searches nothing.",
        _slower_in_2d(rows),
        what_others_do_better(),
        _bounded(),
        _segmented(),
        f"[Video codecs][w], slow as they are, take fewer bits: {fewer_bits(joint)} (against JPEG 2000).",
    )
    return points + "\n" + "".join(f"[{name}]: {PAGE}#{anchor(title)}\n" for name, title in README_LINKS.items())


def _slower_in_2d(rows: Sequence[Row]) -> str:
    ours, theirs = (
        [mean_rate(rows, codec, f"{name}_mb_s", "2D") for name in ("encode", "decode")] for codec in (FAST, RIVAL)
    )
    return holds(
        f"[In 2D][r] HTJ2K encodes and decodes faster ({_both(theirs)} MB/s) than effort 1 ({_both(ours)}).",
        all(own < other for own, other in zip(ours, theirs, strict=True)),
    )


def _both(rates: Sequence[float]) -> str:
    return " and ".join(map(rate, rates))


def _bounded() -> str:
    near = [row | {"target_db": float(row["bound"])} for row in rows_of("near_lossless")]
    fast, best = (mean_of(near, codec, NEAR_ANCHOR, "all real") for codec in (FAST, BEST))
    quick, ours, theirs = (near_lossless_rates(near, codec) for codec in (FAST, BEST, NEAR_ANCHOR))
    return holds(
        f"[`max_error=`][m] takes {fewer(best)} bits than JPEG-LS at effort 3, but encodes at {span(ours, '.0f')} MB/s "
        f"(JPEG-LS: {span(theirs, '.0f')}); at effort 1 {fewer(fast)} at {span(quick, '.0f')} MB/s.",
        best < 1 and max(ours) < min(theirs),
    )


def _segmented() -> str:
    rows = [row for row in rows_of("downstream") if row["codec"] == "mmip effort 3"]
    found = {group: [float(r["truth_ratio"]) for r in rows if r["group"] == group] for group in GROUPS}
    ratios = ", ".join(f"{span(found[group], '.2f')} ({name})" for group, name in GROUPS.items())
    return holds(
        f"[Segmentation][s] gains less than PSNR: its Dice falls by 0.01 at {ratios} times the bytes of JPEG 2000.",
        all(0.7 < ratio < 1 for own in found.values() for ratio in own),
    )


def cluster_costs() -> str:
    """cluster.md: what a cluster costs."""
    section = link("dask_jobs", "Measured", "measured.md")
    scaling = link("scaling", "for each of its threads", "measured.md")
    return (
        paragraph(f"{section} at quality 10 and effort 1, on one machine with two cores and files in memory:")
        + "\n"
        + dask_figures()
        + "\n"
        + paragraph(f"A worker needs memory for a chunk and its coding {scaling}.")
    )


def first_stage_share() -> str:
    """progressive.md: how much of a store a preview reads."""
    stores = link("volumes", "the volumes that were measured", "measured.md")
    return paragraph(
        "A store (see [Compress a volume into Zarr](compress.md)) holds its stages apart. Whoever needs a preview",
        f"reads the first stage, which takes {span(first_stages(), '.0f')} % of the bytes of {stores}. Whoever needs",
        "the full quality goes on from there. A test runs the commands of this page, in their order.",
    )


def first_look_rate() -> str:
    """progressive.md: how long the first look at the last level takes."""
    return paragraph(
        "The last level rests on stage 1 of the whole store, so the first look at it takes time where a volume is",
        "large. It happens once: what is made on the way is kept. A core gets through",
        f"{link('viewers', first_look(), 'measured.md')} of a phantom; images with more in them take several times as",
        "long.",
    )


def depth_cost() -> str:
    """The plug-in's README: what `cell_depth` saves."""
    share = link("zarr_codecs", f"{depth_share():.0f} % of the time", f"../{PAGE}")
    return bullets(
        "`cell_depth=8` for volumes, 1 for slices: otherwise the encoder tries both on every chunk, which takes "
        f"{share} at `effort=1`.",
    )


BLOCKS: dict[str, dict[str, Callable[[], str]]] = {
    "README.md": {"results table": results_table, "where we lose": where_we_lose},
    "mmip_gpu/docs/cluster.md": {"cluster costs": cluster_costs},
    "mmip_gpu/docs/progressive.md": {"first stage": first_stage_share, "first look": first_look_rate},
    "numcodecs_plugin/README.md": {"depth cost": depth_cost},
}


def filled(text: str, blocks: dict[str, Callable[[], str]]) -> str:
    """A page with its blocks written anew; a block that the page lacks is an error."""
    for name, make in blocks.items():
        pattern = rf"(<!-- {re.escape(name)} -->\n).*?(?=<!-- end -->)"
        text, count = re.subn(pattern, lambda found, make=make: found[1] + make(), text, flags=re.S)
        if count != 1:
            raise ValueError(f"expected one block {name!r}, found {count}")
    return text
