"""Container bytes to samples or coefficients.

Values: bytes in; NumPy array or Coefficients out.
FORMAT.md sections 1, 5, 5.1, 6. Anything wrong raises CorruptError; a missing end raises TruncatedError.
"""

from functools import lru_cache

import numpy as np

from .bits import BitReader, CorruptError, TruncatedError
from .codes import CORRECTIONS, load_tables
from .coefficients import Coefficients
from .container import DTYPES, LABELS, read_header
from .corrections import read_corrections, tile_windows
from .crc import crc32c
from .jpeg_origin import decode_jpeg_origin
from .labels import decode_labels
from .mask import read_mask
from .mixed import decode_mixed
from .payload import read_payload
from .predictive import decode_predictive
from .soft import decode_soft
from .stage_1 import read_stage_1
from .substreams import Tile, read_blocks
from .synthesis import class_steps, integer_planes, scale_raw, synthesize, window

SINGLE = {2: decode_predictive, 3: decode_mixed, 4: decode_soft, 5: decode_jpeg_origin, 8: decode_labels}
STAGES_FOR_SCALE = {1: 17, 2: 16, 4: 2, 8: 1}


def decode(blob, stages=None, scale=1, tables=None):
    """The array; `stages` limits the stages used, `scale` is 1, 2, 4 or 8."""
    blob = bytes(blob)
    header, size = read_header(blob)
    if scale > 1 and header.mode == LABELS:
        return nearest_labels(decode(blob, stages, 1, tables), header, scale)
    if header.kind == 0:
        array = decode_raw(blob[size:], header)
        return array if scale == 1 else scale_raw(array, header.axes, scale)
    if header.kind > 1:
        array = decode_single(blob)
        return array.copy() if scale == 1 else scale_raw(array, header.axes, scale)
    most = STAGES_FOR_SCALE[scale] if scale == 1 else min(STAGES_FOR_SCALE[scale], header.transform_stages)
    coefficients = read_stages(blob[size:], header, stages, most, tables or load_tables())
    return synthesize(coefficients, header, scale)


@lru_cache(maxsize=2)
def decode_single(blob):
    """The array of a container of one payload, which is decoded once for all scales."""
    header, size = read_header(blob)
    return SINGLE[header.kind](blob[size:], header)


def nearest_labels(array, header, scale):
    """Labels at a scale: the sample at the first corner of each window (section 5.1)."""
    for axis, letter in enumerate(header.axes):
        if letter in "zyx":
            array = array.take(range(0, array.shape[axis], scale), axis)
    return array


def decode_coefficients(blob, stages=None, tables=None):
    """What the sub-streams of the stages present (at most `stages`) say, as Coefficients."""
    blob = bytes(blob)
    header, size = read_header(blob)
    if header.kind != 1:
        raise CorruptError("this kind of container has no coefficients")
    return read_stages(blob[size:], header, stages, 17, tables or load_tables())


def decode_raw(payload, header):
    if len(payload) < header.payload_bytes:
        raise TruncatedError("the samples are not whole")
    if len(payload) > header.payload_bytes or crc32c(payload) != header.payload_crc:
        raise CorruptError("payload_crc, or bytes after the payload")
    dtype = np.dtype(DTYPES[header.dtype])
    return np.frombuffer(payload, dtype.newbyteorder("<")).astype(dtype).reshape(header.shape)


def usable_stages(payload_sizes, available, stages, most):
    """How many stages to read. Without a limit the bytes must end where a stage does."""
    ends = np.cumsum(payload_sizes).tolist()
    if available > ends[-1]:
        raise CorruptError("bytes after the last stage")
    whole = sum(end <= available for end in ends)
    wanted = min(len(ends), most, len(ends) if stages is None else stages)
    if whole < wanted and stages is None and available in ends:
        wanted = whole
    if whole < wanted:
        raise TruncatedError(f"{whole} whole stages, {wanted} wanted")
    return wanted


def read_stages(payloads, header, stages, most, tables):
    sizes = [size for size, _ in header.stages]
    count = usable_stages(sizes, len(payloads), stages, most)
    result, position = None, 0
    for stage in range(1, count + 1):
        size, head_crc = header.stages[stage - 1]
        payload = payloads[position : position + size]
        key = header.stage_key(stage)
        codes, substreams = read_payload(payload, key, head_crc, header.grid.substreams, tables)
        if key == CORRECTIONS:
            result.corrections = read_correction_stage(header, codes, substreams)
        elif stage == 1:
            read = read_first_stage if header.dc_image is None else read_image_stage
            result = read(header, codes, substreams)
        else:
            result.stages.append(read_later_stage(header, stage, codes, substreams, result))
        position += size
    return result


def read_first_stage(header, codes, substreams):
    grid = header.grid
    classes = np.zeros((grid.planes, *grid.cells), np.int64)
    dc = np.zeros_like(classes)
    side = (header.cell_depth, 8, 8)
    samples = [n * s for n, s in zip(grid.cells, side, strict=True)]
    mask = None if header.padding is None else np.zeros((grid.planes, *samples), bool)
    for (plane, start, size), substream in zip(grid.tiles(), substreams, strict=True):
        reader, place = BitReader(substream), (plane, *window(start, size))
        steps = class_steps(header, plane)[0].tolist()
        if mask is not None:
            first, shape = ([n * s for n, s in zip(cells, side, strict=True)] for cells in (start, size))
            mask[(plane, *window(first, shape))] = read_mask(reader, shape)
        classes[place], dc[place] = read_stage_1(reader, size, steps, codes)
        reader.finish()
    return Coefficients(classes, dc, mask=mask)


def read_image_stage(header, codes, substreams):
    """Stage 1 with a DC image: in each sub-stream the image's two stages, one right after the other."""
    image = header.image
    classes = np.zeros((image.grid.planes, *image.grid.cells), np.int64)
    dc, blocks = np.zeros_like(classes), {}
    for (plane, start, tile), substream in zip(stage_tiles(image, 2, classes, None), substreams, strict=True):
        reader, place = BitReader(substream), (plane, *window(start, tile.size))
        _, dc[place] = read_stage_1(reader, tile.size, class_steps(image, plane)[0].tolist(), codes)
        blocks |= placed_blocks(plane, start, read_blocks(reader, tile, codes))
        reader.finish()
    coded = Coefficients(classes, dc, [blocks])
    samples = integer_planes(coded, image)
    return Coefficients(np.zeros_like(samples), samples, image=coded)


def read_correction_stage(header, codes, substreams):
    k = np.zeros((header.grid.planes, *header.grid.samples), np.int64)
    for place, substream in zip(tile_windows(header), substreams, strict=True):
        reader = BitReader(substream)
        k[place] = read_corrections(reader, k[place].shape, codes)
        reader.finish()
    return k


def stage_tiles(header, stage, classes, modes):
    """Plane, first cell and Tile of every sub-stream of a stage after the first."""
    for plane, start, size in header.grid.tiles():
        place = (plane, *window(start, size))
        tile_modes = None if stage == 2 else modes[place]
        span = header.edges[stage - 2 : stage]
        tile = Tile(size, header.cell_depth, classes[place], header.reversible, tile_modes, span)
        tile.predictions = {} if stage == 2 and header.prediction else None
        yield plane, start, tile


def read_later_stage(header, stage, codes, substreams, known):
    modes = known.modes(header.cell_depth)
    blocks = {}
    tiles = stage_tiles(header, stage, known.classes, modes)
    for (plane, start, tile), substream in zip(tiles, substreams, strict=True):
        reader = BitReader(substream)
        found = read_blocks(reader, tile, codes)
        blocks |= placed_blocks(plane, start, found)
        if tile.predictions:
            predicted = {cell: tile.predictions[cell] for cell in found if tile.predictions.get(cell)}
            known.predictions |= placed_blocks(plane, start, predicted)
        reader.finish()
    return blocks


def placed_blocks(plane, start, blocks):
    """Blocks by their cell of the tile to blocks by (plane, z, y, x) of the grid."""
    return {(plane, *(a + b for a, b in zip(start, cell, strict=True))): block for cell, block in blocks.items()}
