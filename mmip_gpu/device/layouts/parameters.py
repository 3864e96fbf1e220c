"""The Params of every kernel and the structs they point at, field by field, as kernels/*.h lay them out.

Values: aligned structured dtypes; pointers are addresses in the executor's memory. A test compares the sizes with the
compiled ones.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from mmip_gpu._core import MAX_CLASSES, MAX_STAGES, MODE_COUNT
from mmip_gpu.device.layouts.fields import BATCH as _BATCH
from mmip_gpu.device.layouts.fields import Fields as _Fields
from mmip_gpu.device.layouts.fields import longs as _longs
from mmip_gpu.device.layouts.fields import pointers as _pointers
from mmip_gpu.device.layouts.mask_parameters import MASK_KERNELS

__all__ = [
    "BLOCK_ITEM",
    "CELL_CLASS_ITEM",
    "CHUNK_ITEM",
    "COLOUR_ITEM",
    "CRC_GROUP",
    "DECODE_ITEM",
    "DECODE_STATE",
    "DECODE_TILE",
    "DEPTH_TABLES",
    "FINISH_ITEM",
    "PAYLOAD_ITEM",
    "SAMPLE_ITEM",
    "STAGE_CODES",
    "SUBSTREAM_BYTES",
    "TILE_ITEM",
    "TOKEN_BYTES",
    "TOKEN_SPAN_BYTES",
    "layout_of",
]

_POINTER, _LONG, _INT, _BYTE = np.uint64, np.int64, np.int32, np.uint8

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

_HISTOGRAMS = [*_pointers("histograms"), *_longs("copies", "symbols")]
_LISTED = _pointers("modes", "counts", "positions", "values", "tokens", "nonzeros", "headers", "words")
_ANALYZED = _pointers("sources", "modes", "classes", "dcs", "counts", "positions", "values", "sums")
_SEARCHED = [*_BATCH[1:], *_ANALYZED, *_pointers("entries", "tables", "rates", "first_rates", "header_classes")]
_PALETTE_CELLS = _pointers("modes", "counts", "positions", "values")
_DC_SYMBOLS = _pointers("classes", "residuals", "contexts")
_DC_IMAGES = [*_BATCH, *_pointers("items", "dcs", "squares")]
_CORRECTED = [
    *_longs("groups"),
    *_pointers("items", "tiles", "frames", "states", "all_runs", "counts", "words"),
    *_pointers("lane_bits", "sizes", "offsets", "output"),
]
_CODED = [
    *_longs("groups"),
    *_pointers("items", "tiles", "group_tiles", "dc", "classes", "modes", "mask", "counts", "positions", "values"),
]

_ENCODING: dict[str, _Fields] = {
    "sample_statistics": [*_longs("groups"), *_pointers("items", "sums")],
    "sum_differences": [*_longs("groups"), *_pointers("items", "sums")],
    "find_corrections": _CORRECTED,
    "count_corrections": _CORRECTED,
    "count_correction_bits": _CORRECTED,
    "write_corrections": _CORRECTED,
    "dcs_to_image": _DC_IMAGES,
    "image_to_dcs": _DC_IMAGES,
    "synthesize_planes": _CODED,
    "synthesize_volumes": _CODED,
    "float_indices": [*_longs("groups"), *_pointers("items", "found")],
    "colour_planes": [*_longs("groups", "item_count"), *_pointers("items")],
    "cell_classes": [*_longs("groups", "item_count"), *_pointers("items")],
    "analyze_planes": [*_BATCH, *_ANALYZED],
    "analyze_volumes": [*_BATCH, *_ANALYZED],
    "search_planes": [*_longs("groups", "first"), *_SEARCHED],
    "search_volumes": [*_longs("groups", "first"), *_SEARCHED],
    "header_classes": [*_BATCH, *_pointers("densities", "header_classes")],
    "list_tokens": [
        *_BATCH,
        *_pointers("modes", "counts", "positions", "values", "tokens", "nonzeros", "densities"),
        *_HISTOGRAMS,
    ],
    "list_headers": [*_BATCH, *_pointers("modes", "nonzeros", "densities", "headers"), *_HISTOGRAMS],
    "sum_histograms": [*_longs("groups"), *_HISTOGRAMS, *_pointers("sums")],
    "count_token_bits": [*_BATCH, *_LISTED, *_pointers("runs")],
    "write_tokens": [*_BATCH, *_LISTED, *_pointers("runs", "offsets", "output")],
    "count_palettes": [*_BATCH, *_PALETTE_CELLS, *_pointers("palettes")],
    "write_palettes": [*_BATCH, *_PALETTE_CELLS, *_pointers("palettes", "sizes", "offsets", "output")],
    "place_superblocks": [*_BATCH, *_pointers("runs", "palettes", "sizes")],
    "place_streams": [*_BATCH, *_pointers("sizes", "offsets", "totals")],
    "group_crcs": [*_longs("groups", "payload_count"), *_BATCH[1:], *_pointers("sizes", "offsets", "output", "crcs")],
    "dc_residuals": [
        *_BATCH,
        *_pointers("weights", "dcs", "classes", "values", "errors", "residuals", "contexts"),
    ],
    "count_dcs": [*_BATCH, *_DC_SYMBOLS, *_HISTOGRAMS],
    "count_dc_bits": [*_BATCH, *_DC_SYMBOLS, *_pointers("words", "codes", "sizes")],
    "write_dcs": [*_BATCH, *_DC_SYMBOLS, *_pointers("words", "codes", "offsets", "output")],
    "read_columns": [
        *_BATCH,
        *_pointers("items", "modes", "classes", "dcs", "counts", "positions", "values", "mask", "hidden", "refused"),
    ],
}

# --- decoding

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
        ("cuts", _INT, MAX_STAGES),
        ("steps", np.uint32, (MAX_CLASSES, 3)),
        ("recon", _INT, (MAX_CLASSES, 4)),
        ("reversible", _BYTE, MAX_CLASSES),
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
DEPTH_TABLES = np.dtype([("blocks", _TOKEN_BLOCK, MODE_COUNT), ("scan", _POINTER, MODE_COUNT)], align=True)

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
    *_longs("groups", "count", "stage"),
    *_pointers("items", "tiles", "states", "image_states", "substreams", "codes", "orders", "merges", "places"),
    *_pointers("left_offsets", "group_tiles", "dc", "classes", "modes", "mask", "spans", "tokens", "density"),
    *_pointers("magnitudes", "palettes", "values", "errors", "frames"),
]
_FINISH = [("groups", _LONG), ("items", _POINTER), ("group_items", _POINTER)]

_DECODING: dict[str, _Fields] = {
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
    "write_columns": _DECODE,
    "correct_samples": _DECODE,
    "undo_colour": _FINISH,
    "indices_to_floats": _FINISH,
}


@cache
def layout_of(kernel: str) -> np.dtype[np.void]:
    """Layout of a kernel's Params."""
    return np.dtype((_ENCODING | MASK_KERNELS | _DECODING)[kernel], align=True)
