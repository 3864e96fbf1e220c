"""The reference codec agrees with itself: what encode.py writes, decode.py reads.

Its tables are the built-in codes of rules/tokens/builtin_codes.h, and a stand-in of random codes.
"""

import struct
from dataclasses import replace
from itertools import product
from math import ceil

import numpy as np
import pytest
from reference import (
    Coefficients,
    CorruptError,
    Header,
    TruncatedError,
    decode,
    decode_coefficients,
    encode,
    encode_raw,
    load_tables,
    palette,
)
from reference.container import DTYPES, read_header
from reference.geometry import BLOCKS, block_cells
from reference.random_codes import stand_in_text
from reference.random_streams import (
    CASES,
    random_classes,
    random_coefficients,
    random_own,
    random_tiling,
)
from reference.synthesis import analyse, integer_planes, synthesize


@pytest.fixture(scope="module")
def other_tables(tmp_path_factory):
    """Random built-in codes, which use all lengths and leave out other symbols."""
    path = tmp_path_factory.mktemp("tables") / "builtin_codes.h"
    path.write_text(stand_in_text(np.random.default_rng(1)))
    return load_tables((path,))


# --- random streams


@pytest.fixture(params=CASES)
def header(request):
    return CASES[request.param]


def expected_shape(header, scale):
    shrinking = "zyx" if header.cell_depth == 8 else "yx"
    return tuple(ceil(n / scale) if a in shrinking else n for n, a in zip(header.shape, header.axes, strict=True))


@pytest.mark.parametrize("own_codes", [False, True])
def test_random_streams(header, own_codes, tables, other_tables, rng):
    given = random_coefficients(rng, header)
    used = other_tables if own_codes else tables
    blob = encode(header, given, random_own(rng, header) if own_codes else {}, used)
    assert decode_coefficients(blob, tables=used).equals(given)
    first = decode_coefficients(blob, stages=1, tables=used)
    assert first.equals(given.first(1))
    for scale in (1, 2, 4, 8):
        array = synthesize(given.first(2 if scale < 8 else 1), header, scale)
        assert array.shape == expected_shape(header, scale)
        assert array.dtype == DTYPES[header.dtype]
    assert np.array_equal(decode(blob, scale=8, tables=used), array)


def test_random_streams_cover_the_modes(rng):
    seen = set()
    for header in CASES.values():
        for mode, _ in random_tiling(rng, header, random_classes(rng, header)).values():
            seen.add((header.cell_depth, mode))
    assert seen == set(BLOCKS)


def test_own_codes_of_one_symbol_make_streams_without_bits(tables, rng):
    header = Header((64, 64), "yx", tile_log2=(0, 2, 2))
    zeros = np.zeros((1, 1, 8, 8), np.int64)
    blocks = {cell: (0, np.zeros(63, np.int64)) for cell in np.ndindex(zeros.shape)}
    given = Coefficients(zeros, zeros, [blocks])
    own = {(1, "DC", i): [1] + [0] * 32 for i in range(12)}
    own |= {(2, "HEADER", i): [1] + [0] * 256 for i in range(8)}
    blob = encode(header, given, own, tables)
    assert [size - head for (size, _), head in zip(*stage_heads(blob), strict=True)] == [4, 4]
    assert decode_coefficients(blob, tables=tables).equals(given)
    assert not decode(blob, tables=tables).any()


def stage_heads(blob):
    header, position = read_header(blob)
    heads = []
    for size, _ in header.stages:
        heads.append(struct.unpack_from("<I", blob, position)[0])
        position += size
    return header.stages, heads


def test_store_layout(tables, rng):
    header = CASES["2d_merged"]
    given = random_coefficients(rng, header)
    arrays = given.store(1, header.edges)
    assert [a.shape[-1] for a in arrays] == [2, 6, 17, 43]
    cell, (mode, q) = next((c, b) for c, b in given.stages[1].items() if b[0] == 5)
    for j, (z, y, x) in enumerate(block_cells(cell[1:], 1, mode)):
        assert np.array_equal(arrays[2][cell[0], z, y, x, 1:], q[j::16])


def test_store_layout_of_a_dc_image(rng):
    header = CASES["dc_image_slices"]
    given = random_coefficients(rng, header)
    first, second = given.store(1, header.edges)
    assert first.shape == (2, 3, 2, 3, 65)
    assert second.shape == (2, 3, 9, 17, 64)
    assert np.array_equal(first[..., 1], given.image.dc)
    for cell, (mode, q) in given.image.stages[0].items():
        cells = block_cells(cell[1:], 1, mode)
        for j, (z, y, x) in enumerate(cells):
            assert first[cell[0], z, y, x, 0] == mode
            assert np.array_equal(first[cell[0], z, y, x, 2:], q[j :: len(cells)])


@pytest.mark.parametrize("name", [name for name, header in CASES.items() if header.dc_image is not None])
def test_a_dc_image_has_the_tiles_of_its_container(name):
    header = CASES[name]
    tiles, own = list(header.grid.tiles()), list(header.image.grid.tiles())
    assert header.image.grid.samples == header.grid.cells
    for (plane, start, size), (own_plane, own_start, own_size) in zip(tiles, own, strict=True):
        assert own_plane == plane
        assert own_start == (start[0], start[1] // 8, start[2] // 8)
        assert own_size == (size[0], -(-size[1] // 8), -(-size[2] // 8))


# --- pixels


def smooth_volume(rng, shape, low, high):
    axes = np.meshgrid(*(np.linspace(0, 3, n) for n in shape), indexing="ij")
    wave = sum(np.sin(a * rng.uniform(0.5, 2) + i) for i, a in enumerate(axes))
    wave = wave + rng.normal(0, 0.02, shape)
    scaled = (wave - wave.min()) / max(float(np.ptp(wave)), 1e-9)
    return np.rint(low + scaled * (high - low)).astype(np.int64)


@pytest.mark.parametrize("name", ["1d", "2d", "3d", "colour", "planes", "3d_thin"])
@pytest.mark.parametrize("noise", [False, True])
def test_reversible_classes_are_lossless(name, noise, tables, rng):
    case = CASES[name]
    count = 3 if case.colour else 1
    header = replace(case, reversible=(1,), recon=(), steps=((256,) * count,))
    info = np.iinfo(DTYPES[header.dtype])
    array = smooth_volume(rng, header.shape, info.min, info.max).astype(info.dtype)
    if noise:
        array = rng.choice([info.min, info.max], header.shape).astype(info.dtype)
    classes = np.zeros((header.grid.planes, *header.grid.cells), np.int64)
    given = analyse(array, header, classes, dict.fromkeys(np.ndindex(classes.shape), 0))
    assert np.array_equal(decode(encode(header, given, tables=tables), tables=tables), array)


@pytest.mark.parametrize(("depth", "mode"), [block for block in BLOCKS if block[1] != palette.MODE])
def test_small_steps_give_small_errors_and_scales_average(depth, mode, tables, rng):
    shape = (16, 32, 32) if depth == 8 else (2, 128, 64)
    header = Header(
        shape,
        "zyx",
        dtype=2,
        cell_depth=depth,
        tile_log2=(depth // 4, 3, 3),
        offset=9000,
        cuts=(20,),
        steps=((128,),),
    )
    array = smooth_volume(rng, shape, 1000, 60000).astype(np.uint16)
    classes = np.zeros((1, *header.grid.cells), np.int64)
    m = BLOCKS[depth, mode].cells
    starts = product(*(range(0, n, step) for n, step in zip(header.grid.cells, m, strict=True)))
    given = analyse(array, header, classes, {(0, *cell): mode for cell in starts})
    blob = encode(header, given, tables=tables)
    assert np.abs(decode(blob, tables=tables).astype(int) - array).max() <= 4
    for scale in (2, 4, 8):
        small = decode(blob, scale=scale, tables=tables).astype(float)
        windows = array.astype(float).reshape(
            -1, scale if depth == 8 else 1, shape[1] // scale, scale, shape[2] // scale, scale
        )
        error = np.abs(small - windows.mean(axis=(1, 3, 5)))
        assert error.mean() < 900
        assert scale < 8 or max(m) > 1 or error.max() < 2


def test_a_dc_image_shows_the_array(tables, rng):
    """An image whose own DCs and AC are sent as they are shows the means of the cells."""
    header = Header((200, 270), "yx", dtype=2, tile_log2=(0, 4, 4), offset=9000, steps=((256,),), dc_image=(0, 0, 0))
    array = smooth_volume(rng, header.shape, 1000, 60000).astype(np.uint16)
    plain = np.zeros((1, *header.grid.cells), np.int64)
    given = analyse(array, header, plain, dict.fromkeys(np.ndindex(plain.shape), 0))
    own = np.zeros((1, *header.image.grid.cells), np.int64)
    image = analyse(16 * given.dc, header.image, own, dict.fromkeys(np.ndindex(own.shape), 0))
    samples = integer_planes(image, header.image)
    assert 0 < np.abs(samples - 16 * given.dc).max() < 32
    blob = encode(header, replace(given, dc=samples, image=image), tables=tables)
    assert np.abs(decode(blob, tables=tables).astype(int) - array).max() <= 4
    means = np.pad(array, ((0, 0), (0, 2)), mode="edge").reshape(25, 8, 34, 8).mean(axis=(1, 3))
    assert np.abs(decode(blob, scale=8, tables=tables) - means).max() <= 1


def test_raw_containers(rng):
    array = rng.integers(0, 256, (3, 5, 7)).astype(np.uint8)
    blob = encode_raw(Header(array.shape, "cyx"), array)
    assert np.array_equal(decode(blob), array)
    assert decode(blob, scale=2)[0, 2, 3] == np.rint(array[0, 4, 6])
    assert decode(encode_raw(Header((0, 4), "yx"), np.zeros((0, 4), np.uint8))).shape == (0, 4)
    with pytest.raises(TruncatedError):
        decode(blob[:-1])
    with pytest.raises(CorruptError):
        decode(blob + b"\0")
