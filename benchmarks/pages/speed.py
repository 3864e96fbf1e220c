"""Sections on time and memory of one chunk: against rivals, by pass, by size, and on images made to be slow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from hurting import MOST

from mmip_gpu.bench.measure import Row
from mmip_gpu.bench.report.study_tables import ANCHOR, codecs_of
from pages.bits import BEST, FAST, mean_rate, other_machine, rate_groups, rates_table
from pages.sections import IMAGES, heading, rows_of
from pages.text import bullets, paragraph, span, table
from pages.video import without_video

REAL = ("2D", "volumes")
RIVAL = "HTJ2K (OpenJPH)"
_ENCODE, _DECODE = ("analyze", "pack", "checks"), ("unpack", "synthesize")
_CLOCKS = ("ns_voxel", "cpu_ns_voxel")


def slower_call(rows: Sequence[Row], codec: str) -> list[float]:
    """How many times as long a whole call takes as coding with the plan known, by group of real images."""
    return [
        mean_rate(rows, codec, "encode_mb_s", group) / mean_rate(rows, codec, "whole_call_mb_s", group)
        for group in REAL
    ]


def rates_section() -> str:
    """MB/s beside the bits of the comparison."""
    rows = without_video(rows_of("bits"))
    own = [codec for codec in codecs_of(rows) if codec.startswith("mmip effort") and "," not in codec]
    groups = rate_groups(rows)
    whole = [[codec, *(f"{mean_rate(rows, codec, 'whole_call_mb_s', group):.3g}" for group in groups)] for codec in own]
    slower = "; ".join(f"{span(slower_call(rows, codec))} times at {codec.removeprefix('mmip ')}" for codec in own)
    anchor = [mean_rate(rows, BEST, "encode_mb_s", g) / mean_rate(rows, ANCHOR, "encode_mb_s", g) for g in REAL]
    return "\n".join(
        [
            heading("rates"),
            paragraph(
                "MB/s of processor time on one thread, geometric means over images and PSNRs. Ours with the plan",
                "known, as the rivals run with their parameter known.",
                other_machine(rows),
            ),
            rates_table(rows),
            "A whole `encode(psnr=)`, which searches for its step and verifies the result:\n",
            table(["MB/s", *groups], whole),
            bullets(
                f"On real images the whole call takes longer than coding alone: {slower}. `qstep=` searches nothing.",
                f"Effort 3 encodes {span(anchor)} times as fast as JPEG 2000.",
            ),
        ]
    )


def _label(row: Row) -> str:
    return IMAGES[row["image"]] if row["image"] in IMAGES else row["image"]


def cases(rows: Sequence[Row]) -> dict[tuple[str, int], dict[str, Row]]:
    """Rows of one image at one PSNR, by codec."""
    found: dict[tuple[str, int], dict[str, Row]] = defaultdict(dict)
    for row in rows:
        if row["psnr_db"] < 1000:  # lossless rows have no PSNR to compare at
            found[row["image"], round(row["psnr_db"])][row["codec"].replace(" (avx2)", "")] = row
    return found


def _speed_lines(rows: Sequence[Row]) -> list[list[str]]:
    lines = []
    for row in rows:
        exact = row["psnr_db"] > 1000
        both = [row["encode_2_threads_mb_s"], row["decode_2_threads_mb_s"]]
        lines.append(
            [
                _label(row),
                row["codec"].replace(" (avx2)", ""),
                f"{row['bits_per_sample']:.3f}",
                "exact" if exact else f"{row['psnr_db']:.1f}",
                f"{row['encode_mb_s']:.0f}",
                f"{row['decode_mb_s']:.0f}",
                " / ".join(f"{value:.0f}" for value in both) if all(both) else "",
            ]
        )
    return lines


def speed_section() -> str:
    """One core and two, a chunk whose plan is known."""
    rows = rows_of("speed")
    names = {"encode": "encode_mb_s", "decode": "decode_mb_s"}
    lines = []
    for (image, db), found in cases(rows).items():
        shares = [f"{found[FAST][column] / found[RIVAL][column]:.1f}" for column in names.values()]
        lines.append([IMAGES[image], str(db), *shares])
    gains = {
        name: [row[f"{name}_2_threads_mb_s"] / row[column] for row in rows if row[f"{name}_2_threads_mb_s"]]
        for name, column in names.items()
    }
    return "\n".join(
        [
            heading("speed"),
            paragraph(
                "MB/s of wall time: a chunk whose plan is known, which is what a store codes, without verification.",
                "Medians of five runs, one thread. The last column has two threads, encode / decode. JPEG 2000 and",
                "HTJ2K code the slices at the PSNR of our effort 2.",
            ),
            table(["volume", "codec", "bits/sample", "dB", "encode", "decode", "two threads"], _speed_lines(rows)),
            "Effort 1 against HTJ2K, how many times as fast:\n",
            table(["volume", "dB", "encode", "decode"], lines),
            bullets(
                f"A second thread codes {span(gains['encode'])} times as fast, and decodes {span(gains['decode'])} "
                "times as fast.",
            ),
        ]
    )


def profile_section() -> str:
    """Shares of the passes."""
    spent: dict[tuple[str, str], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for row in rows_of("profile"):
        spent[row["image"], row["target"]][row["pass"].split(maxsplit=1)[0]] += float(row["seconds"])
    lines = []
    for (image, target), passes in spent.items():
        shares = []
        for names in (_ENCODE, _DECODE):
            total = sum(passes[name] for name in names)
            shares += [f"{100 * passes[name] / total:.0f}" for name in names]
        lines.append([IMAGES[image], target.replace(".0 dB", " dB"), *shares])
    return "\n".join(
        [
            heading("profile"),
            paragraph(
                "Percent of the time of encoding (analyze: transform, decisions, quantization; pack: entropy coding;",
                "checks: CRCs) and of decoding (unpack: entropy decoding; synthesize: dequantization, inverse",
                "transform), one thread. What was tried on the hot loops is in",
                "[HOT_LOOPS.md](../../benchmarks/HOT_LOOPS.md) and",
                "[HOT_LOOPS_ENCODER.md](../../benchmarks/HOT_LOOPS_ENCODER.md).",
            ),
            table(["volume", "target", *_ENCODE, *_DECODE], lines),
        ]
    )


def scaling_section() -> str:
    """Time a voxel and memory over the size of a chunk."""
    rows = rows_of("scaling")
    head = ["volume", "target", "dtype", "MB", "threads", "enc. ns", "cpu", "dec. ns", "cpu"]
    head += ["enc. peak", "dec. peak", "limit", "within"]
    return "\n".join(
        [
            heading("scaling"),
            paragraph(
                "One chunk of a phantom, or of the brain MR side by side, in one `encode`, search and verification",
                "included, and one `decode`. Nanoseconds a voxel, of the clock and of the processor. Peaks of memory",
                "are in chunks: the bytes of the whole call, input and result included, over the bytes of the array.",
                "Within: whether the peaks stay inside the limit of the design.",
            ),
            table(head, [_scaling_line(row) for row in rows]),
            scaling_sentences([row for row in rows if row["source"] == "phantom3d" and row["target"] == "quality 10"]),
            bullets(*map(_small_chunk, (row for row in rows if "psnr" in row["target"] and row["threads"] == "1"))),
        ]
    )


def _scaling_line(row: Row) -> list[str]:
    """A chunk, its times and its peaks."""
    return [
        IMAGES[row["source"]],
        row["target"],
        row["dtype"],
        f"{float(row['mb']):.0f}",
        row["threads"],
        *(f"{float(row[f'{name}_{clock}']):.1f}" for name in ("encode", "decode") for clock in _CLOCKS),
        *(f"{float(row[f'{name}_peak_chunks']):.1f}" for name in ("encode", "decode")),
        row["limit_chunks"],
        row["within"],
    ]


def scaling_sentences(rows: Sequence[Row]) -> str:
    """What the table says of 16-bit chunks on one thread, and of memory."""
    wide = [row for row in rows if row["dtype"] == "uint16" and row["threads"] == "1"]
    large, small = [row for row in wide if float(row["mb"]) > 10], [row for row in wide if float(row["mb"]) < 10]
    few = ", ".join(f"{float(row['encode_cpu_ns_voxel']):.0f} ns at {float(row['mb']):.0f} MB" for row in small)
    sizes = span((float(row["mb"]) for row in large), ".0f")
    peaks = {
        dtype: [float(row["encode_peak_chunks"]) for row in rows if row["dtype"] == dtype and float(row["mb"]) > 2]
        for dtype in ("uint16", "uint8")
    }
    smallest = min(float(row["mb"]) for row in rows)
    fixed = [float(row["encode_peak_chunks"]) for row in rows if float(row["mb"]) == smallest]
    return bullets(
        f"From {sizes} MB of 16-bit samples, encoding takes {span(_spent(large, 'encode'), '.0f')} ns of processor "
        f"time a voxel on one thread. Smaller chunks take longer, because the search is a larger part: {few}.",
        f"Decoding takes {span(_spent(wide, 'decode'), '.0f')} ns.",
        f"Encoding needs {span(peaks['uint16'])} times a 16-bit chunk and {span(peaks['uint8'])} times an 8-bit one. "
        f"A chunk of {smallest:.0f} MB needs {span(fixed)} times, where fixed tables count; this varies from run to "
        "run.",
    )


def _small_chunk(row: Row) -> str:
    """What a small chunk by a PSNR takes."""
    return (
        f"A chunk of {float(row['mb']):.0f} MB of the {IMAGES[row['source']]} with `{row['target']}` takes "
        f"{float(row['encode_cpu_ns_voxel']):.0f} ns a voxel and "
        f"{float(row['encode_peak_chunks']):.1f} times its memory."
    )


def _spent(rows: Sequence[Row], name: str) -> list[float]:
    return [float(row[f"{name}_cpu_ns_voxel"]) for row in rows]


def hurting_section() -> str:
    """The slowest case of every pattern."""
    rows = rows_of("hurting")
    lines = []
    for pattern in patterns(rows):
        own = [row for row in rows if row["image"] == pattern]
        line = [pattern]
        for name in ("encode", "decode"):
            slowest = max(own, key=lambda row: float(row[f"{name}_ratio"]))
            line += [f"{float(slowest[f'{name}_ratio']):.1f}", f"{slowest['dtype']}, {slowest['target']}"]
        lines.append(line)
    slow = sum(max(float(row["encode_ratio"]), float(row["decode_ratio"])) > MOST for row in rows)
    worst = [max(float(row[f"{name}_ratio"]) for row in rows) for name in ("encode", "decode")]
    return "\n".join(
        [
            heading("hurting"),
            paragraph(
                "Processor time a sample over that of a normal image of the same shape, dtype and target, whole",
                "calls on one thread: the slowest of all shapes, dtypes and targets for each pattern. Planes that are",
                "one sample wide, or of a few samples, are the normal image against as many samples in a square.",
                f"The slowest of {len(rows)} cases takes {worst[0]:.1f} times the normal time to encode and",
                f"{worst[1]:.1f} times to decode. The study calls more than {MOST:.0f} times a fault: {slow} cases.",
            ),
            table(["pattern", "encode", "where", "decode", "where"], lines),
        ]
    )


def patterns(rows: Sequence[Row]) -> list[str]:
    """Patterns in order of appearance, without the normal image."""
    return [name for name in dict.fromkeys(row["image"] for row in rows) if name != "normal"]
