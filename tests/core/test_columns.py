"""The compiled core by itself: columns of a store, and what an encoder finds out."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import reference
from helpers.strategies import encode_imaged, make, make_roi
from numpy.typing import NDArray
from reference import palette
from reference.container import read_header

import mmip_gpu as mmip
from mmip_gpu import _core
from mmip_gpu.container.header import Header
from mmip_gpu.container.transform_fields import TransformFields
from mmip_gpu.transform.analysis import empty_chunk

# --- columns: the arrays of a store, FORMAT.md section 10

CUBE: dict[str, Any] = {"quality": 3, "cell_depth": 8, "stages": 4}
COLUMN_CASES = {
    "2d": ("edges", (90, 101), "yx", {"quality": 10, "stages": 4}, 3),
    "3d": ("slices", (20, 50, 60), "zyx", CUBE, 0),
    "3d-classes": ("half", (17, 40, 60), "zyx", {**CUBE, "roi_quality": "lossless"}, 3),
    "padding": ("half", (20, 40, 60), "zyx", {**CUBE, "padding": 0}, 0),
    "colour": ("edges", (2, 40, 50, 3), "zyxc", {"quality": 10}, 0),
}
IMAGED_CASES = {  # with a DC image
    "image": ("textured", (301, 270), "yx", {"quality": 10, "stages": 4, "tile_log2": (0, 5, 4)}),
    "image-slices": ("slices", (2, 5, 90, 101), "tzyx", {"quality": 3}),
    "image-colour": ("textured", (70, 150, 3), "yxc", {"quality": 10, "tile_log2": (0, 3, 3)}),
}


@pytest.fixture(params=[*COLUMN_CASES, *IMAGED_CASES])
def stored(
    request: pytest.FixtureRequest,
) -> tuple[Header, TransformFields, list[bytes], list[NDArray[np.int32]]]:
    """Header, its transform fields, payloads, and the columns that the reference finds in them."""
    if request.param in IMAGED_CASES:
        kind, shape, axes, options = IMAGED_CASES[request.param]
        blob = encode_imaged(make(kind, shape, "uint16", 5), axes, **options)
    else:
        kind, shape, axes, options, classes = COLUMN_CASES[request.param]
        array = make(kind, shape, "uint16", 5)
        roi = make_roi(array, axes, classes, 6) if classes else None
        blob = mmip.encode(array, axes=axes, roi=roi, **options)
    header, at = Header.parse(blob)
    ends = np.cumsum([at, *header.payload_sizes]).tolist()
    payloads = [blob[a:b] for a, b in pairwise(ends)]
    fields = read_header(blob)[0]
    columns = reference.decode_coefficients(blob).store(fields.cell_depth, fields.edges)
    return header, header.fields, payloads, columns


Stored = tuple[Header, TransformFields, list[bytes], list[NDArray[np.int32]]]


def test_columns_are_those_of_the_format(stored: Stored) -> None:
    header, fields, payloads, columns = stored
    chunk = empty_chunk(fields, header.layout)
    for stage, (payload, expected) in enumerate(zip(payloads, columns, strict=True), 1):
        assert chunk.unpack(stage, payload, True, False, 2) == len(payload)
        found = np.full(expected.shape, 99, np.int32)
        chunk.to_columns(stage, found)
        assert np.array_equal(found, expected)


def test_columns_outside_the_grid_hold_the_fill_value(stored: Stored) -> None:
    header, fields, payloads, columns = stored
    chunk = empty_chunk(fields, header.layout)
    chunk.unpack(1, payloads[0], True, False, 1)
    planes, z, y, x, count = columns[0].shape
    wide = np.full((planes, z + 1, y + 2, x + 3, count), 99, np.int32)
    chunk.to_columns(1, wide)
    assert np.array_equal(wide[:, :z, :y, :x], columns[0])
    wide[:, :z, :y, :x] = -1
    assert (wide == -1).all()


def test_stages_by_themselves_make_the_same_columns_and_bytes(stored: Stored) -> None:
    header, fields, payloads, columns = stored
    for stage, (payload, expected) in enumerate(zip(payloads, columns, strict=True), 1):
        alone = empty_chunk(fields, header.layout)
        alone.unpack(stage, payload, True, True, 1)
        found = np.full(expected.shape, 99, np.int32)
        alone.to_columns(stage, found)
        assert np.array_equal(found, expected)
        again = empty_chunk(fields, header.layout)
        again.from_columns(stage, found)
        other = empty_chunk(fields, header.layout)
        packed = again.pack(stage, 2)
        other.unpack(stage, packed, True, True, 1)
        back = np.full(expected.shape, 99, np.int32)
        other.to_columns(stage, back)
        assert np.array_equal(back, expected)
        if stage <= 2:  # later stages may cover empty cells in other ways
            assert packed == payload


@pytest.mark.parametrize("value", [-2, 8, 3, 1 << 26, -(1 << 31)])
def test_columns_that_no_stage_has_are_corrupt(value: int) -> None:
    """Classes, modes and indices out of range, put where they cannot be."""
    chunk = _core.Chunk(1, [1, 16, 16], 1, [0, 2, 2], [0, 9, 63], [[256]], [0], [[0, 0, 0]])
    first = np.zeros((1, 1, 2, 2, 2), np.int32)
    chunk.from_columns(1, first)
    first[0, 0, 1, 1, 0] = value
    with pytest.raises(mmip.CorruptData):
        chunk.from_columns(1, first)
    second = np.zeros((1, 1, 2, 2, 10), np.int32)
    chunk.from_columns(2, second)
    second[0, 0, 0, 0, 0] = value
    with pytest.raises(mmip.CorruptData):
        chunk.from_columns(2, second)


@pytest.mark.parametrize(
    ("column", "value"), [(0, -1), (0, 3), (0, 4), (0, 8), (1, 1 << 26), (2, -(1 << 26)), (64, -(1 << 31))]
)
def test_columns_that_no_dc_image_has_are_corrupt(column: int, value: int) -> None:
    """Modes and indices out of range, and a merged block in one of its cells alone."""
    chunk = _core.Chunk(1, [1, 128, 128], 1, [0, 4, 4], [0, 63], [[256]], [0], [[0, 0, 0]], dc_image=(0, 0, 0))
    first = np.zeros((1, 1, 2, 2, 65), np.int32)
    chunk.from_columns(1, first)
    first[0, 0, 0, 0, column] = value
    with pytest.raises(mmip.CorruptData):
        chunk.from_columns(1, first)


@pytest.mark.parametrize(
    "change",
    [
        {"depth": 8, "tile_log2": [3, 3, 3], "cuts": [0, 511]},
        {"tile_log2": [0, 2, 3]},
        {"tile_log2": [0, 3, 2]},
        {"steps": [[256], [300]], "reversible": [0, 0], "recon": [[0, 0, 0]] * 2},
        {"reversible": [1]},
        {"padding": 0},
    ],
)
def test_chunks_that_have_no_dc_image_are_refused(change: dict[str, Any]) -> None:
    arguments = {
        "depth": 1,
        "tile_log2": [0, 3, 3],
        "cuts": [0, 63],
        "steps": [[256]],
        "reversible": [0],
        "recon": [[0] * 3],
    }
    _core.Chunk(1, [8, 64, 64], **arguments, dc_image=(0, 0, 0))
    with pytest.raises(ValueError, match="DC image"):
        _core.Chunk(1, [8, 64, 64], **{**arguments, **change}, dc_image=(0, 0, 0))


def test_arrays_of_another_size_are_refused(stored: Stored) -> None:
    header, fields, payloads, columns = stored
    chunk = empty_chunk(fields, header.layout)
    chunk.unpack(1, payloads[0], True, False, 1)
    for shape in (columns[0].shape[:-1], (*columns[0].shape[:-1], 3), tuple(n - 1 for n in columns[0].shape)):
        with pytest.raises(ValueError, match=r"not an array of this stage|smaller than the grid"):
            chunk.to_columns(1, np.zeros(shape, np.int32))
    with pytest.raises(ValueError, match="stages were not decoded"):
        chunk.synthesize(2, 1, 0, 0, 9, np.zeros((header.layout.planes, *header.layout.volume), np.uint8), 1)
    with pytest.raises(ValueError, match="does not fit the box"):
        chunk.synthesize(1, 1, 0, 0, 9, np.zeros(3, np.uint8), 1)
    with pytest.raises(ValueError, match="do not fill the chunk"):
        chunk.analyze(np.zeros(3, np.uint8), None, 0, 128, _core.SEARCH_NONE, 1, 1)


# --- what an encoder finds out


def test_mode_counts_agree_with_the_reference(stored: Stored) -> None:
    header, fields, payloads, columns = stored
    chunk = empty_chunk(fields, header.layout)
    for stage, payload in enumerate(payloads, 1):
        chunk.unpack(stage, payload, True, False, 1)
    assert chunk.mode_counts() == np.bincount(columns[1][..., 0].reshape(-1), minlength=8).tolist()


def test_symbol_counts_are_of_all_sub_streams(stored: Stored) -> None:
    header, fields, payloads, columns = stored
    chunk = empty_chunk(fields, header.layout)
    for stage, payload in enumerate(payloads, 1):
        chunk.unpack(stage, payload, True, False, 1)
        counts = chunk.count_symbols(stage, 2)
        assert counts == chunk.count_symbols(stage, 1)
        tokens = columns[stage - 1][columns[stage - 1][..., 0] != palette.MODE]  # palette cells send none
        imaged = stage == 1 and fields.dc_image is not None
        coefficients = int(np.count_nonzero(tokens[..., 2 if imaged else 1 :]))
        if stage == 1:
            symbols = np.reshape(counts[0], (_core.DC_CLASSES, _core.DC_ALPHABET))
            runs, coded = symbols[-1].sum(), symbols[:-1].sum()  # cells in runs of zeros send nothing
            assert coded <= columns[0][..., 0].size
            assert symbols[0].sum() <= runs <= symbols[0].sum() + header.fields.substreams(header.layout)
            assert symbols[0, 0] == 0
        if stage > 1:
            assert sum(chunk.count_token_contexts(stage, 1)) == coefficients
        if stage > 1 or imaged:
            assert sum(counts[-1]) == coefficients


def test_a_box_holds_its_window() -> None:
    array = make("textured", (64, 300, 310), "uint8", 1)
    blob = mmip.encode(array, quality=40, cell_depth=8)
    header, _ = Header.parse(blob)
    fields = header.fields
    sides = [8 << exponent for exponent in fields.tile_log2]
    chunk = _core.Chunk(
        planes=1,
        shape=header.layout.volume,
        depth=8,
        tile_log2=fields.tile_log2,
        cuts=fields.cuts,
        steps=fields.steps,
        reversible=fields.reversible,
        recon=fields.recon,
        box=[0, 1, 1, 2, 1, 3, 2, 3],
    )
    for scale in (1, 2, 4, 8):
        origin, shape = chunk.window(scale)
        assert origin == [sides[0] // scale, sides[1] // scale, 2 * sides[2] // scale]
        assert shape == [sides[0] // scale, 2 * sides[1] // scale, sides[2] // scale]
