"""The Params of every kernel and the structs they point at, field by field, as kernels/*.h lay them out.

Values: aligned structured dtypes; pointers are addresses in the executor's memory. A test compares the sizes with the
compiled ones.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from .. import _core

__all__ = [
    "CRC_GROUP",
    "DECODE_ITEM",
    "DECODE_STATE",
    "DECODE_TILE",
    "DEPTH_TABLES",
    "FINISH_ITEM",
    "STAGE_CODES",
    "SUBSTREAM_BYTES",
    "SUM_ITEM",
    "TOKEN_BYTES",
    "TOKEN_SPAN_BYTES",
    "layout_of",
]

_POINTER, _LONG, _INT, _BYTE = np.uint64, np.int64, np.int32, np.uint8

SUM_ITEM = np.dtype([("samples", _POINTER), ("count", _LONG), ("type", _INT), ("reserved", _INT)], align=True)

DECODE_ITEM = np.dtype(
    [
        ("shape", _LONG, 3),
        ("origin", _LONG, 3),
        ("size", _LONG, 3),
        ("scaled", _LONG, 3),
        ("image_origin", _LONG, 3),
        ("image_size", _LONG, 3),
        ("samples", _POINTER),
        ("image", _POINTER),
        ("tables", _POINTER),
        ("depth", _INT),
        ("scale", _INT),
        ("stages", _INT),
        ("class_count", _INT),
        ("components", _INT),
        ("type", _INT),
        ("offset", _INT),
        ("minimum", _INT),
        ("maximum", _INT),
        ("padded", _INT),
        ("padding", _INT),
        ("dc_unit", _INT),
        ("corrected", _INT),
        ("error", _INT),
        ("continues", _INT),
        ("cuts", _INT, _core.MAX_STAGES),
        ("steps", np.uint32, (_core.MAX_CLASSES, 3)),
        ("recon", _INT, (_core.MAX_CLASSES, 4)),
        ("reversible", _BYTE, _core.MAX_CLASSES),
    ],
    align=True,
)

DECODE_TILE = np.dtype(
    [
        ("plane", _LONG),
        ("cell", _LONG, 3),
        ("base", _LONG),
        ("spans", _LONG),
        ("tokens", _LONG),
        ("room", _LONG),
        ("frame", _LONG),
        ("first_group", _LONG),
        ("image", _LONG),
        ("item", _INT),
        ("order", _INT),
        ("size", _INT, 3),
        ("component", _INT),
    ],
    align=True,
)

DECODE_STATE = np.dtype([("bit", np.uint64), ("tokens", _LONG), ("status", _INT), ("stage", _INT)], align=True)

SUBSTREAM_BYTES = np.dtype([("data", _POINTER), ("bytes", np.uint64)], align=True)

_CODE_TABLES = np.dtype(
    [("fast", _POINTER), ("longer", _POINTER), ("alphabet", _INT), ("escape_bits", _INT)], align=True
)
STAGE_CODES = np.dtype(
    [("dc", _CODE_TABLES), ("headers", _CODE_TABLES), ("tokens", _CODE_TABLES), ("weights", np.int8, 16)], align=True
)

_TOKEN_BLOCK = np.dtype([("size", _INT, 4), ("positions", _POINTER)], align=True)
DEPTH_TABLES = np.dtype([("blocks", _TOKEN_BLOCK, _core.MODE_COUNT), ("scan", _POINTER, _core.MODE_COUNT)], align=True)

CRC_GROUP = np.dtype(
    [
        ("data", _POINTER),
        ("bytes", np.uint64),
        ("first_tile", _LONG),
        ("stage", _LONG),
        ("tiles", _INT),
        ("crc", np.uint32),
    ],
    align=True,
)

FINISH_ITEM = np.dtype(
    [
        ("from", _POINTER),
        ("to", _POINTER),
        ("count", _LONG),
        ("plane", _LONG),
        ("first_group", _LONG),
        ("step", np.float64),
        ("type", _INT),
        ("offset", _INT),
        ("minimum", _INT),
        ("maximum", _INT),
    ],
    align=True,
)

TOKEN_BYTES, TOKEN_SPAN_BYTES = 8, 16

_DECODE = [
    ("groups", _LONG),
    ("count", _LONG),
    ("stage", _LONG),
    ("items", _POINTER),
    ("tiles", _POINTER),
    ("states", _POINTER),
    ("image_states", _POINTER),
    ("substreams", _POINTER),
    ("codes", _POINTER),
    ("orders", _POINTER),
    ("merges", _POINTER),
    ("places", _POINTER),
    ("left_offsets", _POINTER),
    ("group_tiles", _POINTER),
    ("dc", _POINTER),
    ("classes", _POINTER),
    ("modes", _POINTER),
    ("mask", _POINTER),
    ("spans", _POINTER),
    ("tokens", _POINTER),
    ("density", _POINTER),
    ("magnitudes", _POINTER),
    ("palettes", _POINTER),
    ("values", _POINTER),
    ("errors", _POINTER),
    ("frames", _POINTER),
]
_FINISH = [("groups", _LONG), ("items", _POINTER), ("group_items", _POINTER)]

_PARAMETERS: dict[str, list[tuple[str, Any]]] = {
    "sum_samples": [("groups", _LONG), ("items", _POINTER), ("sums", _POINTER)],
    "check_groups": [
        ("groups", _LONG),
        ("count", _LONG),
        ("items", _POINTER),
        ("states", _POINTER),
    ],
    "unpack_masks": _DECODE,
    "unpack_first": _DECODE,
    "unpack_tokens": _DECODE,
    "unpack_corrections": _DECODE,
    "synthesize_flat": _DECODE,
    "synthesize_deep": _DECODE,
    "reduce_flat": _DECODE,
    "reduce_deep": _DECODE,
    "correct_samples": _DECODE,
    "undo_colour": _FINISH,
    "indices_to_floats": _FINISH,
}


@cache
def layout_of(kernel: str) -> np.dtype[np.void]:
    """Layout of a kernel's Params."""
    return np.dtype(_PARAMETERS[kernel], align=True)
