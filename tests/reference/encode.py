"""Given coefficients to container bytes; no search, no choice.

Values: Header and Coefficients in, bytes out.
FORMAT.md sections 1, 6 and 8. Values outside the format's ranges are the caller's fault and raise.
"""

from dataclasses import replace

import numpy as np

from .bits import BitWriter
from .codes import CORRECTIONS, load_tables
from .container import DTYPES, check_sizes, write_header
from .corrections import tile_windows, write_corrections
from .crc import crc32c
from .decode import stage_tiles
from .mask import write_mask
from .payload import write_payload
from .stage_1 import write_stage_1
from .substreams import write_blocks
from .synthesis import class_steps, window


def encode(header, coefficients, own=None, tables=None):
    """A transform container. own is {(stage, family, class): lengths}; stage as in Header.stage_key."""
    tables, own = tables or load_tables(), own or {}
    modes = coefficients.modes(header.cell_depth)
    payloads = []
    for stage in range(1, header.stage_count + 1):

        def substreams(codes, stage=stage):
            if header.stage_key(stage) == CORRECTIONS:
                return write_correction_stage(header, coefficients, codes)
            if stage == 1:
                write = write_first_stage if header.dc_image is None else write_image_stage
                return write(header, coefficients, codes)
            return write_later_stage(header, stage, coefficients, modes, codes)

        payloads.append(write_payload(header.stage_key(stage), tables, own, substreams))
    filled = replace(header, kind=1, stages=tuple((len(payload), crc) for payload, crc in payloads))
    check_sizes(filled)
    return write_header(filled) + b"".join(payload for payload, _ in payloads)


def encode_raw(header, array):
    payload = array.astype(np.dtype(DTYPES[header.dtype]).newbyteorder("<")).tobytes()
    filled = replace(header, kind=0, payload_bytes=len(payload), payload_crc=crc32c(payload))
    return write_header(filled) + payload


def write_first_stage(header, coefficients, codes):
    substreams = []
    for plane, start, size in header.grid.tiles():
        writer, place = BitWriter(), (plane, *window(start, size))
        steps = class_steps(header, plane)[0].tolist()
        classes, dc = coefficients.classes[place], coefficients.dc[place]
        if header.padding is not None:
            side = (header.cell_depth, 8, 8)
            first, shape = ([n * s for n, s in zip(cells, side, strict=True)] for cells in (start, size))
            write_mask(writer, coefficients.mask[(plane, *window(first, shape))])
        write_stage_1(writer, classes, dc, steps, codes)
        substreams.append(writer.to_bytes(at_least=1))
    return substreams


def write_image_stage(header, coefficients, codes):
    """The image's two stages one right after the other; its samples are left to the caller."""
    image, coded, substreams = header.image, coefficients.image, []
    for plane, start, tile in stage_tiles(image, 2, coded.classes, None):
        writer, place = BitWriter(), (plane, *window(start, tile.size))
        steps = class_steps(image, plane)[0].tolist()
        write_stage_1(writer, coded.classes[place], coded.dc[place], steps, codes)
        write_blocks(writer, tile, tile_blocks(plane, start, tile, coded.stages[0]), codes)
        substreams.append(writer.to_bytes(at_least=1))
    return substreams


def write_correction_stage(header, coefficients, codes):
    """Every second tile by runs alone."""
    substreams = []
    for number, place in enumerate(tile_windows(header)):
        writer = BitWriter()
        write_corrections(writer, coefficients.corrections[place], codes, number % 2)
        substreams.append(writer.to_bytes(at_least=1))
    return substreams


def write_later_stage(header, stage, coefficients, modes, codes):
    substreams, blocks = [], coefficients.stages[stage - 2]
    for plane, start, tile in stage_tiles(header, stage, coefficients.classes, modes):
        writer = BitWriter()
        predictions = None
        if tile.predictions is not None:
            predictions = tile_blocks(plane, start, tile, coefficients.predictions)
        write_blocks(writer, tile, tile_blocks(plane, start, tile, blocks), codes, predictions)
        substreams.append(writer.to_bytes(at_least=1))
    return substreams


def tile_blocks(plane, start, tile, blocks):
    """The blocks that start in a tile, by their cell of the tile."""
    inside = {}
    for cell in np.ndindex(*tile.size):
        key = (plane, *(a + b for a, b in zip(start, cell, strict=True)))
        if key in blocks:
            inside[cell] = blocks[key]
    return inside
