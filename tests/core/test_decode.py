"""Decoding tile by tile: equal to stage by stage, and to the reference where a block holds few frequencies."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from helpers.strategies import make, make_roi
from numpy.typing import NDArray
from reference import palette
from reference.geometry import BLOCKS, block_cells, scan
from reference.synthesis import dequantize_ac
from reference.transforms import inverse_block

import mmip_gpu as mmip
from mmip_gpu import _core
from mmip_gpu.container.header import Header
from mmip_gpu.transform.analysis import empty_chunk

CASES: dict[str, tuple[tuple[int, ...], str, dict[str, Any]]] = {
    "2d": ((90, 301), "yx", {"quality": 10, "stages": 4}),
    "3d": ((20, 50, 60), "zyx", {"quality": 3, "cell_depth": 8, "stages": 4}),
    "3d-lossless": ((17, 40, 60), "zyx", {"lossless": True, "cell_depth": 8, "stages": 3}),
}


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16"])
@pytest.mark.parametrize("case", CASES)
def test_tiles_decode_like_stages_followed_by_synthesis(case: str, dtype: str, each_kernel: list[str]) -> None:
    shape, axes, options = CASES[case]
    array = make("half", shape, dtype, 7)
    roi = {} if "lossless" in options else {"roi": make_roi(array, axes, 3, 2), "roi_quality": "lossless"}
    blob = mmip.encode(array, axes=axes, **options, **roi)
    header, at = Header.parse(blob)
    fields = header.fields
    payloads = [blob[a:b] for a, b in pairwise(np.cumsum([at, *header.payload_sizes]).tolist())]
    info = np.iinfo(dtype)
    for name in each_kernel:
        assert _core.select_kernels(name)
        whole = empty_chunk(fields, header.layout)
        for stages, payload in enumerate(payloads, 1):
            whole.unpack(stages, payload, True, False, 1)
            for scale in (1, 2, 4, 8):
                size = (header.layout.planes, *whole.window(scale)[1])
                expected, found = np.zeros(size, dtype), np.ones(size, dtype)
                whole.synthesize(stages, scale, fields.offset, info.min, info.max, expected, 1)
                times = empty_chunk(fields, header.layout).decode(
                    payloads[:stages], True, scale, fields.offset, info.min, info.max, found, 2
                )
                assert np.array_equal(found, expected), (name, stages, scale)
                assert len(times) == 4
                assert min(times) >= 0
    if "lossless" in options:
        assert np.array_equal(mmip.decode(blob), array)


def coefficients_within(reach: tuple[int, ...], depth: int, mode: int, random: np.random.Generator) -> NDArray[Any]:
    """AC indices of a block in scan order: zeros but for some with frequencies below the reach on each axis."""
    size = BLOCKS[depth, mode].size
    layout = np.stack(np.unravel_index(np.array(scan(depth, mode)), size), axis=1)
    allowed = (layout < np.array(reach)).all(axis=1)
    values = random.integers(-4, 5, len(layout)) * random.integers(1, 300, len(layout))
    return np.where(allowed & (random.random(len(layout)) < 0.7), values, 0)


@pytest.mark.parametrize(("depth", "mode"), [block for block in BLOCKS if block[1] != palette.MODE])
def test_zero_frequencies_left_out_change_nothing(depth: int, mode: int, each_kernel: list[str]) -> None:
    """Blocks that reach each power of two on each axis, in a row; the reference transforms them whole."""
    random = np.random.default_rng(depth * 10 + mode)
    block = BLOCKS[depth, mode]
    steps, recon = [[500]], [[12, -7, 3]]
    powers = [[2**k for k in range(n.bit_length())] for n in block.size]
    reaches = [(z, y, x) for z in powers[0] for y in powers[1] for x in powers[2]]
    grid = (block.cells[0], block.cells[1], block.cells[2] * len(reaches))
    cuts = [0, depth * 64 - 1]
    first = np.zeros((1, *grid, 2), np.int32)
    first[..., 1] = random.integers(-3000, 3000, grid)
    second = np.zeros((1, *grid, depth * 64), np.int32)
    expected = np.zeros([n * s for n, s in zip(grid, (depth, 8, 8), strict=True)])
    step = np.float32(500 / 256)
    for number, reach in enumerate(reaches):
        start = (0, 0, number * block.cells[2])
        q = coefficients_within(reach, depth, mode, random)
        for j, cell in enumerate(block_cells(start, depth, mode)):
            second[0, *cell, 0] = mode
            second[0, *cell, 1:] = q[j :: block.cell_count]
        cells = tuple(slice(s, s + n) for s, n in zip(start, block.cells, strict=True))
        values = np.zeros((1, int(np.prod(block.size))), np.float32)
        values[:, scan(depth, mode)] = dequantize_ac(q[None], np.full((1, 1), step), np.array(recon))
        dcs = first[0][cells][..., 1].astype(np.float32)[None] * step
        pixels = inverse_block(values.reshape(1, *block.size), dcs, depth, mode)[0]
        expected[tuple(slice(s * n, s * n + b) for s, n, b in zip(start, (depth, 8, 8), block.size, strict=True))] = (
            pixels
        )
    made = _core.Chunk(1, expected.shape, depth, [2, 3, 3], cuts, steps, [0], recon)
    made.from_columns(1, first)
    made.from_columns(2, second)
    payloads = [made.pack(1, 1), made.pack(2, 1)]
    for name in each_kernel:
        assert _core.select_kernels(name)
        for low, high, dtype in ((-32768, 32767, np.int16), (-(2**28), 2**28, np.int32)):
            found = np.zeros((1, *expected.shape), dtype)
            other = _core.Chunk(1, expected.shape, depth, [2, 3, 3], cuts, steps, [0], recon)
            other.decode(payloads, True, 1, 5, low, high, found, 1)
            assert np.array_equal(found[0], np.clip(np.rint(expected) + 5, low, high)), (name, dtype)


def test_payloads_and_outputs_that_do_not_fit_are_refused() -> None:
    blob = mmip.encode(make("half", (40, 40), "uint8", 1), quality=10)
    header, at = Header.parse(blob)
    chunk = empty_chunk(header.fields, header.layout)
    payload = blob[at : at + header.payload_sizes[0]]
    out = np.zeros((1, 1, 40, 40), np.uint8)
    for payloads in ([], [payload] * 9):
        with pytest.raises(ValueError, match="as many payloads as stages"):
            chunk.decode(payloads, True, 1, 0, 0, 255, out, 1)
    with pytest.raises(ValueError, match="does not fit the box"):
        chunk.decode([payload], True, 1, 0, 0, 255, out[..., :39].copy(), 1)
    for place, origin in ((out, (0, 0, 1)), (out[..., 1:], (0, 0, -1)), (out[:0], (0, 0, 0))):
        with pytest.raises(ValueError, match="does not fit the box"):
            chunk.decode([payload], True, 1, 0, 0, 255, place, 1, origin)
    with pytest.raises(ValueError, match="rows of the output have gaps"):
        chunk.decode([payload], True, 1, 0, 0, 255, out[..., ::2], 1, (0, 0, 3))
    damaged = payload[:-1] + bytes([payload[-1] ^ 1])
    with pytest.raises(mmip.CorruptData, match="stage 1, group 0: crc differs"):
        chunk.decode([damaged], True, 1, 0, 0, 255, out, 1)
