"""What each kernel has to move and to compute, and the time that an H200 should take for it: predictions, not results.

Values: Work (what a chunk comes to) in; bytes of device memory, bytes of shared memory, operations and seconds out. The
table of GPU_NOTES.md is made here: python benchmarks/gpu.py --predict. All numbers are counted from kernels/*.h.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

# NVIDIA's data sheet of the H200 SXM, and the CUDA programming guide for compute capability 9.0.
MEMORY_BYTES_S = 4.8e12
MULTIPROCESSORS, CLOCK_HZ = 132, 1.98e9
SHARED_BYTES_S = MULTIPROCESSORS * 128 * CLOCK_HZ
OPERATIONS_S = MULTIPROCESSORS * 128 * CLOCK_HZ  # one each lane and clock: nothing is fused
RESIDENT_LANES = MULTIPROCESSORS * 512  # that __launch_bounds__ promises, see phases.h
TABLE_CYCLES = 30  # load from L1 or shared memory, then the next step depends on it
MEMORY_CYCLES = 500  # load from device memory
# A line of 8 (FORMAT.md section 4): 28 additions and 22 products; without loss 14 rotations of 3 shears, each a
# product, the two additions of its rounding and one more. Changes of sign are not counted.
LINE_OPERATIONS = {False: 28 + 22, True: 14 * 3 * 4}


@dataclass(frozen=True)
class Work:
    """A chunk (or a batch of equal ones) as the kernels see it.

    `nonzeros` and `bits` are per sample, `ac_stages` those after the first, `tile` the cells of a sub-stream.
    """

    samples: int
    itemsize: int
    depth: int
    nonzeros: float
    bits: float
    ac_stages: int = 2
    tile: int = 32
    components: int = 1

    @property
    def cell(self) -> int:
        """Samples of a cell."""
        return 64 * self.depth

    @property
    def cells(self) -> float:
        """Cells."""
        return self.samples / self.cell

    @property
    def streams(self) -> float:
        """Sub-streams of a stage."""
        return self.cells / self.tile


# Bytes of device memory a sample; `c` cells, `e` entries (nonzero AC indices), `p` payload bytes, all a sample.
_ENTRIES = 2 + 4  # position and value
_TOKEN, _SPAN = 8, 16


def _read_lists(w: Work, e: float, c: float) -> float:
    """What the kernels read that turn listed symbols into bits."""
    return c * (1 + 2) + e * (_ENTRIES + 2) + c * w.ac_stages * (2 + 2)


Traffic = Callable[[Work, float, float, float], float]
BYTES: dict[str, Traffic] = {
    "sample_statistics": lambda w, e, c, p: w.itemsize,
    "colour_planes": lambda w, e, c, p: w.itemsize + 4,
    "cell_classes": lambda w, e, c, p: 1 + c,
    "analyze_planes": lambda w, e, c, p: w.itemsize + c * (1 + 1 + 4 + 2) + e * _ENTRIES,
    "analyze_volumes": lambda w, e, c, p: w.itemsize + c * (1 + 1 + 4 + 2) + e * _ENTRIES,
    "search_planes": lambda w, e, c, p: w.itemsize + c * (1 + 1 + 4 + 2) + e * _ENTRIES,
    "search_volumes": lambda w, e, c, p: w.itemsize + c * (1 + 1 + 4 + 2) + e * _ENTRIES,
    "float_indices": lambda w, e, c, p: 4 + 4,
    "dc_residuals": lambda w, e, c, p: c * (4 + 1 + 2 * 8 + 4 + 4 + 1),
    "count_dcs": lambda w, e, c, p: c * (1 + 4 + 1),
    "list_tokens": lambda w, e, c, p: c * (1 + 2) + e * (_ENTRIES + 2) + c * w.ac_stages * (2 + 4),
    "list_headers": lambda w, e, c, p: c + c * w.ac_stages * (2 + 4 + 2),
    "count_dc_bits": lambda w, e, c, p: c * (1 + 4 + 1),
    "count_token_bits": lambda w, e, c, p: _read_lists(w, e, c),
    "write_dcs": lambda w, e, c, p: c * (1 + 4 + 1) + c / 2,
    "write_tokens": lambda w, e, c, p: _read_lists(w, e, c) + p,
    "group_crcs": lambda w, e, c, p: p,
    "check_groups": lambda w, e, c, p: p,
    "unpack_first": lambda w, e, c, p: c * (4 + 1 + 2 * 8 + 4) + c / 2,
    "unpack_tokens": lambda w, e, c, p: p + e * _TOKEN + c * w.ac_stages * _SPAN + c * (1 + 4),
    "synthesize_flat": lambda w, e, c, p: e * _TOKEN + c * w.ac_stages * _SPAN + c * 6 + w.itemsize,
    "synthesize_deep": lambda w, e, c, p: e * _TOKEN + c * w.ac_stages * _SPAN + c * 6 + w.itemsize,
    "undo_colour": lambda w, e, c, p: 4 + w.itemsize,
    "indices_to_floats": lambda w, e, c, p: 4 + 4,
}


def moved(kernel: str, work: Work) -> float | None:
    """Bytes of device memory that a kernel must read and write for this work; None of kernels not counted here."""
    if kernel not in BYTES:
        return None
    return work.samples * BYTES[kernel](work, work.nonzeros, 1 / work.cell, work.bits / 8)


def transform_operations(depth: int, lossless: bool) -> float:
    """Additions and products a sample of the transform of a cell of this depth."""
    return (3 if depth == 8 else 2) * LINE_OPERATIONS[lossless] / 8


@dataclass(frozen=True)
class Cost:
    """What else a kernel takes: shared memory and operations of a sample; its longest chain of waiting, in cycles."""

    shared: float = 0.0
    operations: float = 0.0
    cycles: float = 0.0


def cost_of(kernel: str, w: Work, lossless: bool) -> Cost:
    """Shared memory, operations and chains of a kernel.

    Each axis of a transform reads and writes a float a sample. Effort 1 transforms its candidates (modes 8, 4, 16 at
    depth 8; at depth 1 five, of which an image offers about three) and the winners once more; the bit-exact analysis
    once.
    """
    axes = 3 if w.depth == 8 else 2
    transforms = 1 if lossless else 4
    per_transform = transform_operations(w.depth, lossless)
    tokens = w.nonzeros * w.cell * w.tile  # of a sub-stream, all stages
    waves = max(1.0, w.streams / RESIDENT_LANES)
    if kernel.startswith("analyze"):
        shared = transforms * (axes * 8 + 8) + 4
        return Cost(shared, transforms * (per_transform + 12) + 20)
    if kernel.startswith("synthesize"):
        return Cost(axes * 8 + 8, per_transform + 8)
    if kernel in ("list_tokens", "count_token_bits", "write_tokens"):
        return Cost(w.nonzeros * 40, w.nonzeros * 60 + 64 / w.cell * 40)
    if kernel == "unpack_tokens":  # a table, the neighbours' magnitudes and their table for each token; loads each 6th
        each = 3 * TABLE_CYCLES + 40 + MEMORY_CYCLES / 6
        return Cost(0, w.nonzeros * 80, waves * tokens * each)
    if kernel in ("unpack_first", "write_dcs", "count_dc_bits", "count_dcs", "dc_residuals"):
        return Cost(0, 100 / w.cell, waves * w.tile * 4 * TABLE_CYCLES * (1 if kernel != "unpack_first" else 2))
    if kernel in ("group_crcs", "check_groups"):  # 64 and 8 pieces of a group of 8 sub-streams, 8 bytes a step
        pieces = 64 if kernel == "group_crcs" else 8
        bytes_each = 8 * w.bits / 8 * w.cell * w.tile / w.ac_stages / pieces
        return Cost(0, w.bits / 8 * 4, bytes_each / 8 * 8 * TABLE_CYCLES * w.ac_stages)
    return Cost(0, 4)


ENCODE = (
    *("sample_statistics", "analyze_volumes", "dc_residuals", "count_dcs", "list_tokens", "list_headers"),
    *("count_dc_bits", "count_token_bits", "write_dcs", "write_tokens", "group_crcs"),
)
DECODE = ("check_groups", "unpack_first", "unpack_tokens", "synthesize_deep")


def predicted_seconds(kernel: str, w: Work, lossless: bool) -> tuple[float, str]:
    """(seconds on an H200, which of the four bounds it is)."""
    cost = cost_of(kernel, w, lossless)
    bounds = {
        "memory": (moved(kernel, w) or 0.0) / MEMORY_BYTES_S,
        "shared memory": w.samples * cost.shared / SHARED_BYTES_S,
        "operations": w.samples * cost.operations / OPERATIONS_S,
        "waiting": cost.cycles / CLOCK_HZ,
    }
    name = max(bounds, key=lambda b: bounds[b])
    return bounds[name], name


# 512 MB of 16 bit as a volume: shares and bits of mr_uih_t1_brain at 40.3 dB, and of it without loss.
VOLUMES = {
    "effort 1, 0.5 bit/sample": (Work(2**28, 2, 8, nonzeros=0.094, bits=0.5), False),
    "lossless": (Work(2**28, 2, 8, nonzeros=0.92, bits=5.24), True),
}


def prediction_tables() -> str:
    """The tables of GPU_NOTES.md."""
    parts = []
    for title, (work, lossless) in VOLUMES.items():
        lines = [
            f"### {title}: {work.nonzeros:g} nonzero indices and {work.bits:g} bits a sample\n",
            "| kernel | bytes a sample | operations a sample | predicted, ms | bound by | measured |",
            "|---|---|---|---|---|---|",
        ]
        for kernels, name in ((ENCODE, "encode"), (DECODE, "decode")):
            total = 0.0
            for kernel in kernels:
                seconds, bound = predicted_seconds(kernel, work, lossless)
                total += seconds
                each, operations = (moved(kernel, work) or 0) / work.samples, cost_of(kernel, work, lossless).operations
                lines.append(
                    f"| {kernel} | {each:.3g} | {operations:.3g} | {1e3 * seconds:.3g} | {bound} "
                    "| not measured: no GPU was at hand |"
                )
            rate = work.samples * work.itemsize / total / 1e9
            lines.append(f"| **{name}, all** | | | {1e3 * total:.3g} ({rate:.0f} GB/s) | | not measured |")
        ranked = sorted((*ENCODE, *DECODE), key=lambda k: -predicted_seconds(k, work, lossless)[0])
        lines.append(f"\nPredicted most expensive: {', '.join(ranked[:3])}.\n")
        parts.append("\n".join(lines))
    return "\n".join(parts)
