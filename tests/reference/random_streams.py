"""Random valid streams and codes, for tests.

Values: headers of many shapes, Coefficients with every mode, run and size, lengths of codes.
FORMAT.md sections 3, 7 and 8. Seeded by the generator given.
"""

import numpy as np

from . import palette, prediction
from .channel_cases import CHANNEL_CASES
from .codes import FAMILIES, stage_families
from .coefficients import Coefficients
from .container import Header
from .geometry import BLOCKS, PARTS, block_cells, coding_order
from .random_codes import random_code
from .slice_cases import SLICE_CASES
from .synthesis import integer_planes

CASES = {
    "1d": Header((37,), "x", tile_log2=(0, 2, 2)),
    "2d": Header((75, 61), "yx", tile_log2=(0, 3, 2), cuts=(5,), steps=((300,),), recon=((9, 4, -3),)),
    "2d_merged": Header((130, 140), "yx", tile_log2=(0, 3, 3), cuts=(5, 21), steps=((3000,),)),
    "3d_of_slices": Header((3, 40, 50), "zyx", tile_log2=(1, 2, 2), cuts=(1, 62), dtype=3, offset=-300),
    "3d": Header(
        (35, 41, 33), "zyx", cell_depth=8, tile_log2=(2, 2, 2), cuts=(20,), steps=((77777,),), recon=((32, 0, 1),)
    ),
    "3d_thin": Header((9, 8, 100), "zyx", cell_depth=8, tile_log2=(1, 1, 3), dtype=2, cuts=(1, 2, 510)),
    "2d_deep": Header((20, 20), "yx", cell_depth=8, tile_log2=(1, 1, 1)),
    "classes": Header(
        (70, 90),
        "yx",
        tile_log2=(0, 3, 3),
        reversible=(0, 1, 0, 0, 1, 0, 0, 0),
        steps=((6400,), (256,), (64,), (999,), (256,), (256,), (1 << 20,), (1000,)),
        recon=((3, 2, 1), (0, 0, 0), (-32, 32, -1), (0, 7, 0), (0, 0, 0), (9, 9, 9), (32, 0, 5), (1, 1, 1)),
        cuts=(3, 10, 30),
    ),
    "classes_3d": Header(
        (33, 30, 41),
        "zyx",
        cell_depth=8,
        tile_log2=(1, 2, 2),
        reversible=(0, 1, 0),
        steps=((512,), (256,), (100,)),
        recon=((5, 3, 1), (0, 0, 0), (-7, 30, 2)),
    ),
    "colour": Header(
        (33, 30, 3), "yxc", colour=1, reversible=(0, 1), steps=((512, 700, 900), (256, 256, 256)), offset=128
    ),
    "padding_2d": Header((75, 61), "yx", tile_log2=(0, 3, 2), dtype=2, padding=40000, steps=((300,),)),
    "padding_slices": Header((5, 40, 50), "zyx", tile_log2=(1, 2, 2), dtype=3, padding=-2000, cuts=(9,)),
    "padding_3d": Header(
        (19, 37, 33),
        "zyx",
        cell_depth=8,
        tile_log2=(1, 1, 2),
        dtype=1,
        padding=-128,
        reversible=(0, 1),
        steps=((512,), (256,)),
        recon=((5, 3, 1), (0, 0, 0)),
    ),
    "padding_planes": Header((2, 20, 3, 11), "tycx", tile_log2=(0, 2, 2), dtype=0, padding=7),
    "planes": Header((2, 3, 2, 3, 9, 11), "ctnzyx", cuts=(8,), dtype=1),
    "float": Header((41, 50), "yx", dtype=4, value_step=0.1, offset=-(1 << 18), steps=((900,),), max_error=0.0),
    "corrected_float": Header(
        (9, 20, 17), "zyx", cell_depth=8, tile_log2=(1, 1, 1), dtype=4, correction=2, value_step=2.0**-7, max_error=0.0
    ),
    "corrected": Header((75, 61), "yx", tile_log2=(0, 2, 2), cuts=(5,), steps=((300,),), correction=3, dtype=2),
    "corrected_colour": Header((33, 30, 3), "yxc", colour=1, steps=((512, 700, 900),), correction=0),
    "corrected_padding": Header(
        (9, 30, 37), "zyx", tile_log2=(1, 2, 2), cuts=(5,), steps=((400,),), padding=-7, correction=3, dtype=3
    ),
    "corrected_3d": Header((19, 20, 41), "zyx", cell_depth=8, tile_log2=(1, 1, 2), correction=1 << 18, dtype=3),
    "dc_image": Header(
        (270, 197),
        "yx",
        tile_log2=(0, 5, 5),
        dtype=2,
        cuts=(9,),
        steps=((900,),),
        recon=((9, 4, -3),),
        dc_image=(7, -32, 32),
    ),
    "dc_image_1d": Header((700,), "x", tile_log2=(0, 3, 5), offset=99, dc_image=(0, 0, 0)),
    "dc_image_slices": Header(
        (2, 3, 72, 130), "tzyx", tile_log2=(1, 4, 4), dtype=3, offset=-300, steps=((400,),), dc_image=(20, 9, 1)
    ),
    "dc_image_colour": Header(
        (3, 70, 140),
        "cyx",
        colour=1,
        tile_log2=(0, 3, 4),
        steps=((512, 700, 900),),
        cuts=(3, 20),
        correction=1,
        dc_image=(5, 4, 3),
    ),
    "dc_image_float": Header(
        (66, 80),
        "yx",
        tile_log2=(0, 3, 3),
        dtype=4,
        value_step=0.1,
        steps=((3000,),),
        max_error=0.0,
        dc_image=(-1, -2, -3),
    ),
} | CHANNEL_CASES


CASES |= SLICE_CASES | {
    "predicted": Header(
        (40, 131), "yx", tile_log2=(0, 4, 4), cuts=(9, 30), steps=((900,),), recon=((9, 4, -3),), dtype=2, prediction=1
    ),
    "predicted_slices": Header(
        (3, 64, 72), "zyx", tile_log2=(1, 4, 4), cuts=(1,), steps=((200,),), dtype=3, prediction=1
    ),
    "predicted_classes": Header(
        (3, 40, 44),
        "zyx",
        tile_log2=(1, 4, 5),
        reversible=(0, 1, 0),
        steps=((6400,), (256,), (64,)),
        recon=((3, 2, 1), (0, 0, 0), (-32, 32, -1)),
        cuts=(12,),
        dtype=1,
        padding=-128,
        prediction=1,
    ),
    "predicted_colour": Header(
        (2, 40, 30, 3), "zyxc", colour=1, tile_log2=(1, 4, 4), steps=((512, 700, 900),), correction=1, prediction=1
    ),
    "predicted_image": Header(
        (2, 2, 40, 140),
        "tzyx",
        dtype=4,
        value_step=0.1,
        max_error=0.0,
        tile_log2=(1, 4, 4),
        steps=((3000,),),
        cuts=(20,),
        dc_image=(5, 4, 3),
        prediction=1,
    ),
}


LARGEST = (1 << 26) - 1


def random_classes(rng, header):
    """Boxes of classes over all planes, so that runs and merged blocks exist."""
    classes = np.zeros((header.grid.planes, *header.grid.cells), np.int64)
    for _ in range(6 if len(header.steps) > 1 else 0):
        start = [int(rng.integers(0, n)) for n in classes.shape]
        box = tuple(slice(a, a + int(rng.integers(1, 4))) for a in start)
        classes[box] = rng.integers(0, len(header.steps))
    return classes


def random_levels(rng, length):
    style = rng.integers(0, 5)
    density = (0, 0.01, 0.05, 0.3, 1)[style]
    size = rng.exponential(1.5 if style < 4 else 3, length)
    if rng.random() < 0.1:
        size[rng.integers(0, length)] = rng.uniform(13, 25.9)
    q = np.minimum(np.exp2(size), LARGEST).astype(np.int64) * rng.choice([-1, 1], length)
    return np.where(rng.random(length) < density, q, 0)


def usable_blocks(header, classes, tile, cell, taken):
    """The (mode, cells) of the blocks that may start at a cell of a tile (plane, start, size).

    Without classes: of the covers of a later stage, which only their place and mode bind.
    """
    plane, start, size = tile
    for depth, mode in BLOCKS:
        ends = zip(cell, BLOCKS[depth, mode].cells, size, strict=True)
        if depth != header.cell_depth or any(a % m or a + m > n for a, m, n in ends):
            continue
        inside = block_cells(cell, depth, mode)
        cells = [(plane, *(a + b for a, b in zip(start, c, strict=True))) for c in inside]
        if classes is None:
            allowed = (depth, mode) not in PARTS and mode != palette.MODE
        else:
            kinds = {int(classes[c]) for c in cells}
            allowed = len(kinds) == 1 and not (mode and header.reversible[kinds.pop()])
            allowed = allowed and (mode != palette.MODE or header.edges[1] >= palette.POSITIONS[depth])
        if allowed and not taken.intersection(cells):
            yield mode, cells


def random_tiling(rng, header, classes, taken=()):
    """Blocks of random modes over all cells not taken: first cell (plane, z, y, x) to (mode, cells)."""
    blocks, taken = {}, set(taken)
    for tile in header.grid.tiles():
        plane, start, size = tile
        for cell in coding_order(size, header.cell_depth):
            if (plane, *(a + b for a, b in zip(start, cell, strict=True))) not in taken:
                usable = list(usable_blocks(header, classes, tile, cell, taken))
                mode, cells = usable[rng.integers(0, len(usable))]
                blocks[cells[0]] = mode, cells
                taken.update(cells)
    return blocks


def random_stages(rng, header, classes):
    """Stages over one tiling; later ones cover what has no coefficients with other empty blocks."""
    tiling, stages = random_tiling(rng, header, classes), []
    for first, end in zip(header.edges, header.edges[1:], strict=False):
        stage = {}
        for cell, (mode, cells) in tiling.items():
            q = random_levels(rng, len(cells) * (end - first))
            if mode == palette.MODE:
                q = random_palette(rng, header.cell_depth, end - first) if not stages else np.zeros_like(q)
            if not stages or q.any():
                stage[cell] = mode, q
        taken = [c for cell in stage for c in tiling[cell][1]]
        for cell, (mode, cells) in random_tiling(rng, header, None, taken).items():
            stage[cell] = mode, np.zeros(len(cells) * (end - first), np.int64)
        stages.append(stage)
    return stages


def random_palette(rng, depth, length):
    """Gaps of every size and a map of patches, all noise where they are small."""
    q, n = np.zeros(length, np.int64), int(rng.integers(1, 4))
    q[:n] = np.exp2(rng.uniform(0, 24.9, n)).astype(np.int64)
    side = int(rng.choice([1, 2, 4]))
    patches = rng.integers(0, n + 1, (8, 8 // side, 8 // side))[:depth]
    colours = np.kron(patches, np.ones((1, side, side), np.int64)).reshape(-1)
    words = np.zeros(palette.WORD * (palette.POSITIONS[depth] - palette.GAPS), np.int64)
    words[: colours.size] = colours
    q[palette.GAPS : palette.POSITIONS[depth]] = words.reshape(-1, palette.WORD) @ (4 ** np.arange(palette.WORD))
    return q


def random_mask(rng, header):
    """Boxes and some noise over all planes, or all, or nothing; also past the ends of the planes."""
    shape = [n * s for n, s in zip(header.grid.cells, (header.cell_depth, 8, 8), strict=True)]
    mask = np.full((header.grid.planes, *shape), rng.random() < 0.5)
    for _ in range(int(rng.integers(0, 5))):
        start = [int(rng.integers(0, n)) for n in mask.shape]
        box = tuple(slice(a, a + 1 + int(rng.exponential(20))) for a in start)
        mask[box] ^= rng.random(mask[box].shape) < rng.choice([0.5, 0.9, 1, 1])
    return mask


def random_coefficients(rng, header, largest=3000):
    classes = random_classes(rng, header)
    image = None if header.dc_image is None else random_coefficients(rng, header.image, largest)
    dc = rng.normal(0, 1, classes.shape).cumsum(axis=-1) * rng.choice([0, 1, 30, largest])
    mask = None if header.padding is None else random_mask(rng, header)
    corrections = None if header.correction is None else random_corrections(rng, header)
    dc = dc.astype(np.int64) if image is None else integer_planes(image, header.image)
    stages = random_stages(rng, header, classes)
    predictions = random_predictions(rng, header, classes, stages[0]) if header.prediction else {}
    return Coefficients(classes, dc, stages, mask, corrections, image, predictions)


def random_predictions(rng, header, classes, blocks):
    """One of all that are allowed, often that of a block beside it."""
    predictions, tiles = {}, [n - 1 for n in header.grid.tile]
    last = prediction.NONE
    for (plane, *cell), (mode, _) in sorted(blocks.items()):
        if mode == palette.MODE or header.reversible[classes[(plane, *cell)]]:
            continue
        allowed = prediction.allowed([c & n for c, n in zip(cell, tiles, strict=True)], mode)
        if last not in allowed or rng.random() < 0.6:
            last = int(rng.choice(sorted(allowed)))
        if last != prediction.NONE:
            predictions[(plane, *cell)] = last
    return predictions


def random_corrections(rng, header):
    """Smooth and rough parts, zeros, and a few of every size."""
    shape = (header.grid.planes, *header.grid.samples)
    k = rng.normal(0, 1, shape) * np.exp2(rng.normal(0, 2, shape).cumsum(axis=-1) / 4).clip(0.05, 300)
    k = k.astype(np.int64)
    k[..., : shape[-1] // 3] = 0
    spots = rng.random(shape) < 0.01
    k[spots] = (np.exp2(rng.uniform(0, 25.99, spots.sum())) * rng.choice([-1, 1], spots.sum())).astype(np.int64)
    return k


def random_own(rng, header):
    own = {} if rng.random() < 0.5 else {"WEIGHTS": rng.integers(-128, 128, 11).tolist()}
    for number in range(1, header.stage_count + 1):
        stage = header.stage_key(number)
        for family in stage_families(stage):
            count, alphabet, _ = FAMILIES[family]
            for index in range(count):
                if rng.random() < 0.4:
                    own[stage, family, index] = random_code(rng, alphabet)
    return own
