"""The section on the roofline: ceilings of this machine, kernels below them, tokens a second, and what bounds each.

Values: rows of roofline.csv, and gpu_kernels.csv and gpu_ceilings.csv where a GPU has run, in; Markdown, and points of
the figure, out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from studies import read_rows

from mmip_gpu.bench.measure import Row
from pages.sections import IMAGES, ROOFLINE
from pages.speed_rows import GPU_COMMAND, gpu_rows
from pages.text import bullets, paragraph, span, table

# Why a kernel stays below both roofs; HOT_LOOPS.md and HOT_LOOPS_ENCODER.md have the counts behind this.
_REASONS = {
    "analyze": "instructions that are no arithmetic of the result: other blocks that are tried, nonzeros collected",
    "pack": "instructions a token: neighbours that choose its code, tables, one place in the bits after the other",
    "check": "tables: eight look-ups for eight bytes, each step after the one before",
    "unpack first": "waiting: a DC needs its neighbours, and a division, before the next one",
    "unpack later": "waiting: where a token begins and which code it has is known once the one before is read",
    "synthesize": "instructions around the transform: nonzeros scattered, lines transposed, samples clipped and packed",
}
_NEAR = 0.5  # of a ceiling


@dataclass(frozen=True)
class Ceilings:
    """Bytes and operations a second that a number of threads reaches at most, in 1e9."""

    memory: float
    arithmetic: float


def ceilings() -> dict[int, Ceilings]:
    """By threads: the better of copy and triad, and the product of matrices."""
    rows = [row for row in read_rows("roofline") if row["part"] == "ceiling"]
    found = {}
    for threads in sorted({int(row["threads"]) for row in rows}):
        own = {row["what"]: row for row in rows if row["threads"] == str(threads)}
        memory = max(giga(own[what], "bytes") for what in ("copy", "triad"))
        found[threads] = Ceilings(memory, giga(own["product"], "operations"))
    return found


def kernels() -> list[Row]:
    """The rows of kernels."""
    return [row for row in read_rows("roofline") if row["part"] == "kernel"]


def giga(row: Row, column: str) -> float:
    """1e9 bytes or operations, or tokens, a second."""
    return float(row[column]) / float(row["seconds"]) / 1e9


def shown_volume(rows: list[Row]) -> str:
    """The volume of the figure: a real one where there is one."""
    return next((row["volume"] for row in rows if row["volume"] != "phantom3d"), "phantom3d")


def roofline_points() -> dict[str, Any]:
    """What the figure draws: ceilings by threads, kernels by operations a byte, all of them by bytes, and a GPU's."""
    rows = kernels()
    volume = shown_volume(rows)
    own = [row for row in rows if row["volume"] == volume]
    return {
        "volume": IMAGES[volume],
        "ceilings": {threads: [c.memory, c.arithmetic] for threads, c in ceilings().items()},
        "points": [
            [row["what"], row["mode"], float(row["operations"]) / float(row["bytes"]), giga(row, "operations"),
             row["counted"]]
            for row in own if row["operations"]
        ],
        "bytes": [[row["what"], row["mode"], giga(row, "bytes")] for row in own],
        "gpu": gpu_points(),
    }  # fmt: skip


def gpu_points() -> dict[str, Any]:
    """The copy rate of a device in GB/s, and its kernels of 16-bit volumes; empty where no GPU has run."""
    copies = [float(row["gb_s"]) for row in gpu_rows("ceilings") if row["what"].startswith("copy on the device")]
    rows = [row for row in gpu_rows("kernels") if row["gb_s"] and (row["data"], row["dtype"]) == ("volume", "uint16")]
    if not copies or not rows:
        return {}
    points = []
    for row in rows:
        samples = float(row["seconds"]) / float(row["per_sample_ns"]) * 1e9
        operations = samples * float(row["operations_sample"])
        intensity = operations / (float(row["mb_moved"]) * 1e6)
        points.append([row["kernel"], row["mode"], intensity, operations / float(row["seconds"]) / 1e9])
    return {"device": rows[0]["device"], "copy": max(copies), "points": points}


def roofline_section() -> str:
    """Ceilings, kernels, tokens, and what bounds them."""
    rows = kernels()
    return "\n".join(
        [
            f"## {ROOFLINE.title}\n\n" + paragraph(ROOFLINE.measured()),
            paragraph(
                "A kernel that does so many operations for each byte can run no faster than the lower of two roofs:",
                "bytes at the rate of memory, or operations at the rate of the processor. The script says how both",
                "roofs, bytes and operations are measured or counted. Memory is the better of two ways to stream",
                f"large arrays. Arithmetic is a product of float32 matrices by {_blas()}, which fuses products with",
                "additions on the widest vectors. Our kernels round each product, on vectors of eight, so that all",
                "machines give equal bytes: for them this roof is high.",
            ),
            table(["threads", "memory, GB/s", "arithmetic, Gop/s", "operations a byte where they meet"], _ceilings()),
            "![Kernels below the roofs of this machine](../../benchmarks/results/throughput_roofline.png)\n",
            paragraph(
                "Filled points count every operation that is run. Hollow ones do not: analysis runs more than the",
                "result needs (at least), synthesis leaves out zeros (at most). Shares are those of the roofs of one",
                "thread.",
            ),
            table(_HEAD, [_line(row) for row in rows if row["operations"]]),
            paragraph(
                "Entropy coding and checks have no arithmetic to count. `unpack first` reads DCs, the others read or",
                "write nonzero AC as tokens.",
            ),
            table(
                ["volume", "mode", "kernel", "tokens, M/s", "ns a token", "GB/s moved", "of memory", "spread"],
                [_token_line(row) for row in rows if not row["operations"]],
            ),
            "What bounds each kernel:\n",
            bullets(*(_verdict([row for row in rows if row["what"] == kernel]) for kernel in _REASONS)),
            paragraph(
                "The loops were counted in [HOT_LOOPS.md](../../benchmarks/HOT_LOOPS.md) (decoding) and",
                "[HOT_LOOPS_ENCODER.md](../../benchmarks/HOT_LOOPS_ENCODER.md).",
            ),
            gpu_kernels(),
        ]
    )


def _blas() -> str:
    return next(row["blas"] for row in read_rows("roofline") if row["blas"])


def _ceilings() -> list[list[str]]:
    return [
        [str(threads), f"{c.memory:.1f}", f"{c.arithmetic:.0f}", f"{c.arithmetic / c.memory:.1f}"]
        for threads, c in ceilings().items()
    ]


_HEAD = ["volume", "mode", "kernel", "bytes a sample", "op/byte", "GB/s", "of memory", "Gop/s"]
_HEAD += ["of arithmetic", "counted", "spread"]


def _share(value: float, of: float) -> str:
    return f"{100 * value / of:.2g} %"


def _line(row: Row) -> list[str]:
    roof = ceilings()[1]
    moved, done = giga(row, "bytes"), giga(row, "operations")
    return [
        *(IMAGES[row["volume"]], row["mode"], row["what"], f"{float(row['bytes']) / float(row['samples']):.2f}"),
        *(f"{done / moved:.1f}", f"{moved:.2f}", _share(moved, roof.memory)),
        *(f"{done:.2f}", _share(done, roof.arithmetic), row["counted"], f"{float(row['spread']):.2f}"),
    ]


def _token_line(row: Row) -> list[str]:
    moved = giga(row, "bytes")
    tokens = giga(row, "tokens") if row["tokens"] else None
    rates = [f"{1e3 * tokens:.0f}", f"{1 / tokens:.1f}"] if tokens else ["", ""]
    share = _share(moved, ceilings()[1].memory)
    return [
        IMAGES[row["volume"]],
        row["mode"],
        row["what"],
        *rates,
        f"{moved:.2f}",
        share,
        f"{float(row['spread']):.2f}",
    ]


def _verdict(rows: list[Row]) -> str:
    """What a kernel reaches of both roofs, and what bounds it: a roof from half of it on, else the reason."""
    roof = ceilings()[1]
    shares = {"memory": [100 * giga(row, "bytes") / roof.memory for row in rows]}
    if rows[0]["operations"]:
        shares["arithmetic"] = [100 * giga(row, "operations") / roof.arithmetic for row in rows]
    reached = " and ".join(f"{span(found, '.2g')} % of {name}" for name, found in shares.items())
    roofs = [name for name, found in shares.items() if max(found) >= 100 * _NEAR]
    return f"**{rows[0]['what']}** reaches {reached}. Bound by {' and '.join(roofs) or _REASONS[rows[0]['what']]}."


def gpu_kernels() -> str:
    """Kernels of a GPU by what they had to move, or that there are none."""
    rows = [row for row in gpu_rows("kernels") if row["of_copy"]]
    if not rows:
        return paragraph(f"Kernels of a GPU are not here: no GPU has run them (`{GPU_COMMAND}` measures them).")
    lines = [
        [row["kernel"], row["mode"], f"{float(row['gb_s']):.0f}", f"{100 * float(row['of_copy']):.0f} %"]
        for row in rows if (row["data"], row["dtype"]) == ("volume", "uint16")
    ]  # fmt: skip
    head = f"Kernels of {rows[0]['device']} (commit {rows[0]['commit']}, {rows[0]['date']}), by counted bytes:\n"
    return head + "\n" + table(["kernel", "mode", "GB/s", "of a copy"], lines)
