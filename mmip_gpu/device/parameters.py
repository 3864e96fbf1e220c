"""The Params of every kernel, field by field, as the C++ structs of kernels/*.h lay them out.

Values: aligned structured dtypes; pointers are addresses in the executor's memory. A test compares the sizes with the
compiled ones.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

__all__ = [
    "BLOCK_ITEM",
    "CELL_CLASS_ITEM",
    "CHUNK_ITEM",
    "COLOUR_ITEM",
    "PAYLOAD_ITEM",
    "SAMPLE_ITEM",
    "SUM_ITEM",
    "TILE_ITEM",
    "layout_of",
]

_POINTER, _LONG, _INT = np.uint64, np.int64, np.int32

SUM_ITEM = np.dtype([("samples", _POINTER), ("count", _LONG), ("type", _INT), ("reserved", _INT)], align=True)

# --- what a batch is made of (kernels/items.h)

CHUNK_ITEM = np.dtype(
    [
        ("depth", _INT),
        ("stages", _INT),
        ("classes", _INT),
        ("components", _INT),
        ("cuts", _INT, 16),
        ("steps", np.uint32, (8, 3)),
        ("first_payload", _LONG),
    ],
    align=True,
)
PAYLOAD_ITEM = np.dtype([(name, _LONG) for name in ("first_stream", "streams", "first_symbol", "first_group", "body")])
TILE_ITEM = np.dtype(
    [
        ("first_cell", _LONG),
        ("first_entry", _LONG),
        ("first_span", _LONG),
        ("first_superblock", _LONG),
        ("first_run", _LONG),
        ("cell", _LONG, 3),
        ("stream", _LONG),
        ("plane", _LONG),
        ("chunk", _INT),
        ("component", _INT),
        ("size", _INT, 3),
        ("reserved", _INT),
    ],
    align=True,
)
SAMPLE_ITEM = np.dtype(
    [
        ("samples", _POINTER),
        ("classes", _POINTER),
        ("shape", _LONG, 3),
        ("type", _INT),
        ("offset", _INT),
        ("rounding", _INT),
        ("dc_unit", _INT),
        ("search", _INT),
        ("reversible", _INT),
    ],
    align=True,
)
COLOUR_ITEM = np.dtype(
    [
        ("samples", _POINTER),
        ("components", _POINTER),
        ("plane_samples", _LONG),
        ("count", _LONG),
        ("first_group", _LONG),
        ("type", _INT),
        ("offset", _INT),
    ],
    align=True,
)
CELL_CLASS_ITEM = np.dtype(
    [
        ("voxels", _POINTER),
        ("cells", _POINTER),
        ("shape", _LONG, 3),
        ("count", _LONG),
        ("first_group", _LONG),
        ("depth", _INT),
        ("channels", _INT),
    ],
    align=True,
)
BLOCK_ITEM = np.dtype(
    [
        ("cells", _INT),
        ("count", _INT),
        ("order", _POINTER),
        ("neighbours", _POINTER),
    ],
    align=True,
)

_Fields = list[tuple[str, Any]]


def _longs(*names: str) -> _Fields:
    return [(name, _LONG) for name in names]


def _pointers(*names: str) -> _Fields:
    return [(name, _POINTER) for name in names]


_BATCH = _longs("groups", "tile_count") + _pointers("tiles", "chunks", "payloads", "blocks")
_HISTOGRAMS = [*_pointers("histograms"), *_longs("copies", "symbols")]
_LISTED = _pointers("modes", "counts", "positions", "values", "tokens", "nonzeros", "headers", "words")
_ANALYZED = _pointers("sources", "modes", "classes", "dcs", "counts", "positions", "values", "sums")
_DC_SYMBOLS = _pointers("classes", "residuals", "contexts")

_PARAMETERS: dict[str, _Fields] = {
    "sum_samples": [*_longs("groups"), *_pointers("items", "sums")],
    "colour_planes": [*_longs("groups", "item_count"), *_pointers("items")],
    "cell_classes": [*_longs("groups", "item_count"), *_pointers("items")],
    "analyze_planes": [*_BATCH, *_ANALYZED],
    "analyze_volumes": [*_BATCH, *_ANALYZED],
    "list_tokens": [
        *_BATCH,
        *_pointers("modes", "counts", "positions", "values", "tokens", "nonzeros", "densities"),
        *_HISTOGRAMS,
    ],
    "list_headers": [*_BATCH, *_pointers("modes", "nonzeros", "densities", "headers"), *_HISTOGRAMS],
    "sum_histograms": [*_longs("groups"), *_HISTOGRAMS, *_pointers("sums")],
    "count_token_bits": [*_BATCH, *_LISTED, *_pointers("runs")],
    "write_tokens": [*_BATCH, *_LISTED, *_pointers("runs", "offsets", "output")],
    "place_superblocks": [*_BATCH, *_pointers("runs", "sizes")],
    "place_streams": [*_BATCH, *_pointers("sizes", "offsets", "totals")],
    "group_crcs": [*_longs("groups", "payload_count"), *_BATCH[1:], *_pointers("sizes", "offsets", "output", "crcs")],
    "dc_residuals": [
        *_BATCH,
        *_pointers("weights", "dcs", "classes", "values", "errors", "residuals", "contexts"),
    ],
    "count_dcs": [*_BATCH, *_DC_SYMBOLS, *_HISTOGRAMS],
    "count_dc_bits": [*_BATCH, *_DC_SYMBOLS, *_pointers("words", "sizes")],
    "write_dcs": [*_BATCH, *_DC_SYMBOLS, *_pointers("words", "offsets", "output")],
}


@cache
def layout_of(kernel: str) -> np.dtype[np.void]:
    """Layout of a kernel's Params."""
    return np.dtype(_PARAMETERS[kernel], align=True)
