"""The fields of a container of kind 1, read and written side by side (FORMAT.md section 1).

Values: frozen TransformFields on one side, their bytes on the other.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import pairwise

from mmip_gpu._core import (
    CELL_AC,
    MAX_CLASSES,
    MAX_CORRECTION_ERROR,
    MAX_RECON,
    MAX_STAGES,
    MAX_STEP,
    MAX_TILE_SAMPLES,
    MIN_STEP,
    STEP_ONE,
)
from mmip_gpu.container.field_reader import _expect, _Reader

__all__ = ["TransformFields"]


@dataclass(frozen=True)
class TransformFields:
    """Fields of a container of kind 1 (FORMAT.md section 1); `correction` is None without corrections.

    `stage_bytes` and `stage_crcs` have an entry for each stage, the corrections last. `dc_image` holds the
    reconstruction points of the DC image, None without one.
    """

    depth: int
    tile_log2: tuple[int, int, int]
    offset: int
    recon: tuple[tuple[int, int, int], ...]
    reversible: tuple[int, ...]
    steps: tuple[tuple[int, ...], ...]
    cuts: tuple[int, ...]
    stage_bytes: tuple[int, ...]
    stage_crcs: tuple[int, ...]
    padding: int | None = None
    correction: int | None = None
    dc_image: tuple[int, int, int] | None = None


def _pack_fields(t: TransformFields) -> bytes:
    out = struct.pack("<4BiB", t.depth, *t.tile_log2, t.offset, t.padding is not None)
    out += b"" if t.padding is None else struct.pack("<i", t.padding)
    out += b"\0" if t.dc_image is None else struct.pack("<B3b", 1, *t.dc_image)
    out += struct.pack("<B", len(t.steps))
    for reversible, recon, steps in zip(t.reversible, t.recon, t.steps, strict=True):
        out += struct.pack(f"<B3b{len(steps)}I", reversible, *recon, *steps)
    out += struct.pack(f"<B{len(t.cuts) - 2}H", len(t.cuts), *t.cuts[1:-1])
    out += b"\0" if t.correction is None else struct.pack("<BI", 1, t.correction)
    for size, crc in zip(t.stage_bytes, t.stage_crcs, strict=True):
        out += struct.pack("<QI", size, crc)
    return out


def _read_fields(fields: _Reader, components: int) -> TransformFields:
    depth, tz, ty, tx = fields.take("4B")
    _expect(depth in CELL_AC, "cell_depth", depth)
    smallest = (1, 1, 1) if depth == 8 else (0, 2, 2)
    _expect(all(a >= b for a, b in zip((tz, ty, tx), smallest, strict=True)), "tile_log2", (tz, ty, tx))
    _expect(tz + ty + tx <= 12, "tile_log2", (tz, ty, tx))
    _expect(depth * 64 << (tz + ty + tx) <= MAX_TILE_SAMPLES, "tile_log2", (tz, ty, tx))
    offset, padded = fields.take("iB")
    _expect(padded <= 1, "padding", padded)
    padding = fields.take("i")[0] if padded else None
    (has_image,) = fields.take("B")
    _expect(has_image <= 1, "dc_image", has_image)
    fits = depth == 1 and min(ty, tx) >= 3 and not padded
    _expect(fits or not has_image, "dc_image with such cells or padding", (depth, ty, tx, padded))
    dc_image = fields.take("3b") if has_image else None
    _expect(dc_image is None or all(abs(d) <= MAX_RECON for d in dc_image), "dc_image", dc_image)
    (classes,) = fields.take("B")
    _expect(1 <= classes <= MAX_CLASSES, "classes", classes)
    reversible, recon, steps = [], [], []
    for _ in range(classes):
        flag, d1, d2, d3, *row = fields.take(f"B3b{components}I")
        _expect(flag <= 1, "class kind", flag)
        bound = 0 if flag else MAX_RECON
        _expect(all(abs(d) <= bound for d in (d1, d2, d3)), "reconstruction points", (d1, d2, d3))
        _expect(all(MIN_STEP <= s <= MAX_STEP for s in row), "step size", row)
        _expect(not flag or all(s == STEP_ONE for s in row), "step size of a reversible class", row)
        reversible.append(flag)
        recon.append((d1, d2, d3))
        steps.append(tuple(row))
    _expect(dc_image is None or reversible == [0], "classes with a DC image", reversible)
    (stages,) = fields.take("B")
    _expect(2 <= stages <= MAX_STAGES, "stages", stages)
    cuts = (0, *fields.take(f"{stages - 2}H"), CELL_AC[depth])
    _expect(all(a < b for a, b in pairwise(cuts)), "cuts", cuts)
    (has_corrections,) = fields.take("B")
    _expect(has_corrections <= 1, "corrections", has_corrections)
    correction = fields.take("I")[0] if has_corrections else None
    _expect(correction is None or correction <= MAX_CORRECTION_ERROR, "correction_error", correction)
    parts = [fields.take("QI") for _ in range(stages + has_corrections)]
    return TransformFields(
        depth,
        (tz, ty, tx),
        offset,
        tuple(recon),
        tuple(reversible),
        tuple(steps),
        cuts,
        tuple(p[0] for p in parts),
        tuple(p[1] for p in parts),
        padding,
        correction,
        dc_image,
    )
