"""Coefficients to samples, and the way back that tests need.

Values: Coefficients and float32 blocks; arrays in the caller's axes.
FORMAT.md sections 2, 4.3, 4.5, 5 and 8.4. No bytes are seen here.
"""

import numpy as np

from . import palette, prediction
from .coefficients import Coefficients
from .container import DTYPES, FLOAT
from .geometry import BLOCKS, coding_order, scan
from .mask import scaled_mask
from .slices import AXES, slice_order
from .transforms import F32, forward_block, inverse_block, scaled_block


def class_steps(header, plane):
    """Integer step (1/256) and step size (float32) of every class in a plane."""
    integers = np.array([steps[header.component(plane)] for steps in header.steps])
    return integers, integers.astype(F32) / F32(256)


def dc_steps(header, plane):
    """What a DC is multiplied by, of every class."""
    steps = class_steps(header, plane)[1]
    return steps if header.dc_image is None else steps / F32(16)


def dequantize_ac(q, steps, recon):
    """Lossy AC indices (blocks, positions) to values; steps (blocks, 1), recon (blocks, 3) of the classes."""
    points = 64 * np.abs(q)
    for j in (1, 2, 3):
        points = points - np.where(np.minimum(np.abs(q), 3) == j, recon[:, j - 1 : j], 0)
    values = points.astype(F32) * (steps / F32(64))
    return np.where(q == 0, F32(0), np.where(q < 0, -values, values)).astype(F32)


def group_blocks(coefficients, plane, header):
    """(mode, reversible) to the first cells of the blocks of a plane."""
    if coefficients.stages:
        blocks = {tuple(c): mode for (p, *c), (mode, _) in coefficients.stages[0].items() if p == plane}
    else:
        blocks = dict.fromkeys(np.ndindex(coefficients.dc.shape[1:]), 0)
    groups = {}
    for cell, mode in blocks.items():
        kind = bool(coefficients.stages) and header.reversible[coefficients.classes[(plane, *cell)]]
        groups.setdefault((mode, kind), []).append(cell)
    return groups


def gather(coefficients, plane, cells, header, mode):
    """DC indices (blocks, mz, my, mx) and AC indices (blocks, K) of blocks of one mode."""
    shape = BLOCKS[header.cell_depth, mode]
    dc = np.stack([coefficients.dc[plane][window(cell, shape.cells)] for cell in cells])
    ac = np.zeros((len(cells), shape.ac_count), np.int64)
    for index, stage in enumerate(coefficients.stages):
        first, end = (shape.cell_count * c for c in header.edges[index : index + 2])
        for row, cell in enumerate(cells):
            coded_mode, q = stage.get((plane, *cell), (mode, None))
            if coded_mode == mode and q is not None:
                ac[row, first:end] = q
    return dc, ac


def dcs_of(dc, steps):
    """Dequantized DCs of cells that are blocks."""
    return dc[:, 0, 0, 0].astype(F32) * steps


def expected_low(coefficients, plane, cells, header):
    """Stage 1 alone: the two lowest AC of each axis of every cell, from the DCs around it in its tile."""
    dcs = coefficients.dc[plane].astype(F32) * dc_steps(header, plane)[coefficients.classes[plane]]
    size = BLOCKS[header.cell_depth, 0].size
    blocks = np.zeros((len(cells), *size), F32)
    of_cells = tuple(np.array(cells).T)
    for axis in (a for a in range(3) if size[a] > 1):
        places, tile = np.arange(dcs.shape[axis]), header.grid.tile[axis]
        first, last = places % tile == 0, (places % tile == tile - 1) | (places == len(places) - 1)
        before, after = dcs.take(places - ~first, axis), dcs.take(places + ~last, axis)
        at = [[slice(None), 0, 0, 0] for _ in range(2)]
        at[0][1 + axis], at[1][1 + axis] = 1, 2
        blocks[tuple(at[0])] = ((before - after) * F32(0.171875))[of_cells]
        blocks[tuple(at[1])] = (((before + after) - (dcs + dcs)) * F32(0.046875))[of_cells]
    return blocks


def window(cell, size):
    return tuple(slice(a, a + b) for a, b in zip(cell, size, strict=True))


def synthesize_plane(coefficients, plane, header, scale):
    """Samples of the cells of a plane, float32, not yet rounded."""
    depth = header.cell_depth
    side = (1 if depth == 1 else depth // scale, 8 // scale, 8 // scale)
    samples = np.zeros([n * s for n, s in zip(header.grid.cells, side, strict=True)], F32)
    added = {}
    if header.prediction and coefficients.stages and scale < 8:
        added = spectra(coefficients, plane, header)
    for kind, cells in group_blocks(coefficients, plane, header).items():
        of_cells = np.stack([added[cell] for cell in cells]) if added else None
        for cell, block in zip(
            cells, block_samples(coefficients, plane, cells, header, kind, scale, of_cells), strict=True
        ):
            start = [c * s for c, s in zip(cell, side, strict=True)]
            samples[window(start, block.shape)] = within(block) if added and scale == 1 else block
    return samples


def block_samples(coefficients, plane, cells, header, kind, scale, added=None):
    """Samples of blocks of one kind (mode, reversible); `added` to their coefficients."""
    mode, is_reversible = kind
    depth, steps = header.cell_depth, class_steps(header, plane)[1]
    dc, ac = gather(coefficients, plane, cells, header, mode)
    shape = BLOCKS[depth, mode]
    classes = [coefficients.classes[(plane, *cell)] for cell in cells]
    if mode == palette.MODE:
        dcs = dcs_of(dc, dc_steps(header, plane)[classes])
        given = zip(ac, dcs, steps[classes], strict=True)
        return [palette.samples(q, own, unit, depth, scale) for q, own, unit in given]
    step, recon = steps[classes], np.array(header.recon)[classes]
    dcs = dc.astype(F32) * dc_steps(header, plane)[classes][:, None, None, None]
    values = ac.astype(F32) * step[:, None] if is_reversible else dequantize_ac(ac, step[:, None], recon)
    blocks = np.zeros((len(cells), int(np.prod(shape.size))), F32)
    blocks[:, scan(depth, mode)] = values
    blocks = blocks.reshape(-1, *shape.size)
    if not coefficients.stages:
        blocks += expected_low(coefficients, plane, cells, header)
    if added is not None:
        blocks = added + blocks
    if scale == 1:
        return inverse_block(blocks, dcs, depth, mode, bool(is_reversible))
    return scaled_block(blocks, dcs, depth, mode, scale)


def spectra(coefficients, plane, header):
    """What prediction adds to the coefficients of each block of a plane (section 4.5), by their first cells."""
    if plane in coefficients.spectra:
        return coefficients.spectra[plane]
    kinds = {cell: kind for kind, cells in group_blocks(coefficients, plane, header).items() for cell in cells}
    first_two, found = coefficients.first(2), {}
    for number, start, size in header.grid.tiles():
        decoded = np.zeros((size[0], 8 * size[1], 8 * size[2]), np.int64)
        for inside in coding_order(size, 1) if number == plane else ():
            cell = tuple(a + b for a, b in zip(start, inside, strict=True))
            if cell not in kinds:
                continue
            which, mode = coefficients.predictions.get((plane, *cell), prediction.NONE), kinds[cell][0]
            found[cell] = np.zeros(BLOCKS[1, mode].size, F32)
            if which != prediction.NONE:
                found[cell] = prediction.spectrum(decoded, size, inside, mode, which)
            block = block_samples(first_two, plane, [cell], header, kinds[cell], 1, found[cell][None])[0]
            place = [c * s for c, s in zip(inside, (1, 8, 8), strict=True)]
            decoded[window(place, block.shape)] = within(block)
    coefficients.spectra[plane] = found
    return found


def within(block):
    return np.clip(np.rint(block), -prediction.LIMIT, prediction.LIMIT)


def scaled_lengths(lengths, scale, z_shrinks):
    spatial = [-(-n // scale) for n in lengths[3:]]
    return (*lengths[:3], spatial[0] if z_shrinks else lengths[3], *spatial[1:])


def from_planes(planes, lengths, header, mask=None, corrections=None):
    """Sections 2 and 1: integer planes to the array in its own axes."""
    array = planes.reshape(lengths)
    if header.colour:
        Y, Co, Cg = array[:, :, 0], array[:, :, 1], array[:, :, 2]
        t = Y - (Cg >> 1)
        G = Cg + t
        B = t - (Co >> 1)
        array = np.stack([B + Co, G, B], axis=2)
    array = np.clip(array + header.offset, *header.limits)
    if mask is not None:
        array = np.where(mask, header.padding, array)
    if corrections is not None:
        e = np.array([header.correction_of(plane) for plane in range(len(planes))]).reshape(*lengths[:3], 1, 1, 1)
        array = np.clip(array + corrections.reshape(lengths) * (2 * e + 1), *header.limits)
    if header.dtype == FLOAT:
        array = array.astype(np.float64) * header.value_step
    return in_own_axes(array.astype(DTYPES[header.dtype]), header.axes, slice_order(header.slice_axis))


def in_own_axes(array, axes, order=AXES):
    """From all axes, by default t, n, c, z, y, x, to those of the container."""
    present = [a for a in order if a in axes]
    array = array.reshape([n for a, n in zip(order, array.shape, strict=True) if a in axes])
    return np.ascontiguousarray(array.transpose([present.index(a) for a in axes]))


def in_all_axes(array, axes, order=AXES):
    present = [a for a in order if a in axes]
    array = array.transpose([axes.index(a) for a in present])
    lengths = iter(array.shape)
    return array.reshape([next(lengths) if a in axes else 1 for a in order])


def integer_planes(coefficients, header, scale=1):
    """Samples (P, Z, Y, X) before section 2: those of a DC image are the D."""
    lengths = scaled_lengths(header.lengths, scale, header.cell_depth == 8)
    planes = []
    for plane in range(header.grid.planes):
        samples = np.rint(synthesize_plane(coefficients, plane, header, scale)).astype(np.int64)
        samples = np.clip(samples, -(1 << 28), 1 << 28)
        planes.append(samples[tuple(map(slice, lengths[3:]))])
    return np.stack(planes)


def synthesize(coefficients, header, scale=1):
    lengths = scaled_lengths(header.lengths, scale, header.cell_depth == 8)
    planes = integer_planes(coefficients, header, scale)
    mask = None if coefficients.mask is None else shown_mask(coefficients.mask, header, scale).reshape(lengths)
    # Corrections are there only where all stages are; they belong to the clipped samples.
    corrections = coefficients.corrections if scale == 1 else None
    return from_planes(planes, lengths, header, mask, corrections)


def shown_mask(mask, header, scale):
    """The mask of the samples inside the planes, at a scale."""
    own = mask[(slice(None), *map(slice, header.lengths[3:]))]
    return np.stack([scaled_mask(plane, scale, header.cell_depth == 8) for plane in own])


def scale_raw(array, axes, scale):
    """The mean over windows of existing samples, then rint; z shrinks where it is longer than 1."""
    samples = in_all_axes(array, axes)
    is_float = array.dtype == np.float32
    total, count = samples.astype(np.float64 if is_float else np.int64), np.ones(samples.shape, np.int64)
    for axis in (3, 4, 5):
        total, count = (
            np.add.reduceat(a, range(0, a.shape[axis], scale), axis=axis) if a.shape[axis] else a
            for a in (total, count)
        )
    mean = total / count
    return in_own_axes((mean if is_float else np.rint(mean)).astype(array.dtype), axes)


# --- the forward direction


def to_planes(array, header):
    """Integer planes (P, Z, Y, X), with the last samples repeated to whole cells."""
    array = in_all_axes(array, header.axes, slice_order(header.slice_axis)).astype(np.int64) - header.offset
    if header.colour:
        R, G, B = array[:, :, 0], array[:, :, 1], array[:, :, 2]
        Co = R - B
        t = B + (Co >> 1)
        Cg = G - t
        array = np.stack([t + (Cg >> 1), Co, Cg], axis=2)
    planes = array.reshape(-1, *array.shape[3:])
    side = (header.cell_depth, 8, 8)
    missing = [n * s - have for n, s, have in zip(header.grid.cells, side, planes.shape[1:], strict=True)]
    return np.pad(planes, [(0, 0)] + [(0, n) for n in missing], mode="edge")


def quantize(values, steps):
    """Nearest index, ties away from 0, by way of f = rint(|c| * (256 / st))."""
    f = np.rint(np.abs(values) * (F32(256) / steps)).astype(np.int64)
    return np.where(values < 0, -1, 1) * ((f + 128) >> 8)


def analyse(array, header, classes, blocks):
    """Coefficients of an array, given classes (P, gz, gy, gx) and blocks {(plane, z, y, x): mode}."""
    planes, depth = to_planes(array, header), header.cell_depth
    dc, stages = np.zeros(classes.shape, np.int64), [{} for _ in header.edges[1:]]
    for (plane, *cell), mode in blocks.items():
        shape, kind = BLOCKS[depth, mode], classes[(plane, *cell)]
        start = [c * s for c, s in zip(cell, (depth, 8, 8), strict=True)]
        step = class_steps(header, plane)[1][kind]
        samples = planes[plane][window(start, shape.size)][None]
        layout, dcs = forward_block(samples, depth, mode, bool(header.reversible[kind]))
        dc[plane][window(cell, shape.cells)] = quantize(dcs[0], step)
        q = quantize(layout.reshape(-1)[scan(depth, mode)], step)
        for index, stage in enumerate(stages):
            first, end = (shape.cell_count * c for c in header.edges[index : index + 2])
            stage[(plane, *cell)] = mode, q[first:end]
    return Coefficients(classes, dc, stages)
