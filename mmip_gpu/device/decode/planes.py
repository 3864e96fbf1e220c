"""From payloads to the planes of many chunks, by launches that they share.

Values: checked jobs, whose payloads lie in the executor's memory, in; their planes there out. Decoder side of FORMAT.md
sections 3 to 8. The DC images of a wave are decoded before it. Nothing waits for the device.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import DC_IMAGE_UNIT, STEP_ONE, palette_positions
from mmip_gpu.device.decode.checked_jobs import image_box
from mmip_gpu.device.decode.jobs import CheckedJob, DecodedBatch, DecodeSetup
from mmip_gpu.device.decode.payload_heads import PayloadHead
from mmip_gpu.device.decode.substreams import ChunkSubstreams, SubstreamBatch
from mmip_gpu.device.decode.wave import decode_wave
from mmip_gpu.device.layouts.structs import SAMPLE_TYPES, struct_dtype
from mmip_gpu.device.run.contracts import contract
from mmip_gpu.device.run.executors import DeviceArray
from mmip_gpu.device.tables.tiles import (
    COMPONENT_LIMIT,
    Box,
    CodingOrders,
    cells_of,
    cut_into_waves,
    frame_bytes,
    set_quantizer,
    tile_records,
)
from mmip_gpu.volume.floats import sample_range

__all__ = ["decode_planes", "token_room"]


@contract(
    reads="payloads_dev, by their addresses; code tables_dev",
    writes="planes_dev of all chunks; what `decoded` watches",
)
def decode_planes(setup: DecodeSetup, chunks: dict[int, CheckedJob], decoded: DecodedBatch) -> None:
    """Decode the planes of all chunks, wave after wave; `chunks` go by the index of their jobs."""
    main, images = _join_substreams(setup, list(chunks.values()))
    sizes = main.scratch_bytes()
    if images.chunks:
        sizes[main.tiles["image"] >= 0] += images.scratch_bytes()
    numbers = np.array(list(chunks), np.int64)
    for wave in cut_into_waves(sizes, setup.scratch_bytes):
        states_dev, first_image = _decode_images(images, main.tiles["image"][wave])
        states_dev = decode_wave(main, wave, states_dev, first_image)
        decoded.watch(states_dev, numbers[main.tiles["item"][wave]], main.substreams[wave])


def _decode_images(images: SubstreamBatch, image_tiles: NDArray[np.int64]) -> tuple[DeviceArray | None, int]:
    """Decode the tiles of DC images that a wave depends on; returns their states, and the first of the tiles."""
    tiles = image_tiles[image_tiles >= 0]
    if not len(tiles):
        return None, 0
    return decode_wave(images, slice(tiles[0], tiles[-1] + 1), None, 0), int(tiles[0])


def _join_substreams(setup: DecodeSetup, chunks: Sequence[CheckedJob]) -> tuple[SubstreamBatch, SubstreamBatch]:
    """(sub-streams of the chunks, those of their DC images); each tile knows the tile of its image."""
    orders = CodingOrders()
    main = SubstreamBatch(setup.executor, setup.tables, orders, setup.check_crc)
    images = SubstreamBatch(setup.executor, setup.tables, orders, setup.check_crc)
    first_image = 0
    known: dict[tuple[Box, int], tuple[NDArray[Any], NDArray[np.int64]]] = {}
    for chunk in chunks:
        key = chunk.box, chunk.components
        if key not in known:
            known[key] = tile_records(*key, orders)
        tiles, substreams = known[key][0].copy(), known[key][1]
        tiles["item"] = len(main.chunks)
        if chunk.image_dev is not None:
            images.chunks.append(_image_substreams(setup, chunk, len(images.chunks), orders))
            tiles["image"] = first_image + np.arange(len(tiles))
            first_image += len(tiles)
        main.chunks.append(_chunk_substreams(setup, chunk, tiles, substreams))
    main.join()
    if images.chunks:
        images.join()
    return main, images


def _chunk_substreams(
    setup: DecodeSetup, chunk: CheckedJob, tiles: NDArray[Any], substreams: NDArray[np.int64]
) -> ChunkSubstreams:
    fields = chunk.job.header.fields
    padded = fields.padding is not None
    frames = frame_bytes(tiles, np.full(len(tiles), fields.depth, np.int64), corrections=False) * padded
    heads = dict(enumerate(chunk.heads[: chunk.coefficient_stages], 1))
    later = [heads[stage] for stage in range(2, len(heads) + 1)]
    tiles["room"] = token_room(tiles, substreams, fields.depth, fields.cuts, later)
    addresses = dict(enumerate(chunk.addresses, 1))
    return ChunkSubstreams(_record(setup, chunk), tiles, substreams, heads, addresses, frames)


def _record(setup: DecodeSetup, chunk: CheckedJob) -> NDArray[Any]:
    """The DecodeItem of a chunk."""
    header, executor = chunk.job.header, setup.executor
    fields = header.fields
    low, high = sample_range(np.dtype(header.dtype))
    if header.colour:
        low, high = -COMPONENT_LIMIT, COMPONENT_LIMIT
    item = np.zeros(1, struct_dtype("DecodeItem"))
    item["shape"] = chunk.box.shape
    item["origin"], item["size"], item["scaled"] = chunk.box.window(chunk.job.wanted.scale)
    item["samples"], item["type"] = executor.address(chunk.planes_dev), SAMPLE_TYPES[chunk.planes_dev.dtype]
    if chunk.image_dev is not None:
        item["image"] = executor.address(chunk.image_dev)
        item["image_origin"], item["image_size"], _ = image_box(chunk.box).window(1)
    item["tables"] = setup.tables.block_tables(fields.depth, fields.cuts)
    item["scale"], item["stages"] = chunk.job.wanted.scale, chunk.coefficient_stages
    item["offset"], item["minimum"], item["maximum"] = 0 if header.colour else fields.offset, low, high
    item["padded"], item["padding"] = fields.padding is not None, fields.padding or 0
    item["dc_unit"] = DC_IMAGE_UNIT if chunk.image_dev is not None else 1
    item["predicted"] = fields.prediction
    set_quantizer(item[0], fields, fields.recon)
    return item


def _image_substreams(setup: DecodeSetup, chunk: CheckedJob, index: int, orders: CodingOrders) -> ChunkSubstreams:
    """The DC image of a chunk as an item of its own (FORMAT.md section 8.4)."""
    fields = chunk.job.header.fields
    assert fields.dc_image is not None
    box = image_box(chunk.box)
    tiles, substreams = tile_records(box, chunk.components, orders)
    tiles["item"] = index
    item = np.zeros(1, struct_dtype("DecodeItem"))
    item["shape"] = box.shape
    item["origin"], item["size"], item["scaled"] = box.window(1)
    item["samples"], item["type"] = setup.executor.address(chunk.image_dev), SAMPLE_TYPES[np.dtype(np.int32)]
    item["depth"], item["scale"], item["stages"], item["class_count"], item["dc_unit"] = 1, 1, 2, 1, 1
    item["components"] = chunk.components
    item["minimum"], item["maximum"] = -COMPONENT_LIMIT, COMPONENT_LIMIT
    item["continues"] = 1
    item["cuts"][0, 1] = fields.cuts[-1]
    item["tables"] = setup.tables.block_tables(1, (0, fields.cuts[-1]))
    item["steps"][0, 0], item["recon"][0, 0, 1:] = DC_IMAGE_UNIT * STEP_ONE, fields.dc_image
    heads = {1: chunk.heads[0]}
    tiles["room"] = token_room(tiles, substreams, 1, (0, fields.cuts[-1]), [chunk.heads[0]])
    return ChunkSubstreams(item, tiles, substreams, heads, {1: chunk.addresses[0]}, np.zeros(len(tiles), np.int64))


def token_room(
    tiles: NDArray[Any], substreams: NDArray[np.int64], depth: int, cuts: Sequence[int], heads: Sequence[PayloadHead]
) -> NDArray[np.int64]:
    """How many tokens the sub-streams of the stages 2, 3, .. can hold, by their bytes and by their coefficients.

    Palette cells, of stage 2 alone, may take next to no bytes.
    """
    palettes = palette_positions(depth)
    cells, room = cells_of(tiles), np.zeros(len(tiles), np.int64)
    for first, end, head in zip(cuts, cuts[1:], heads, strict=False):
        held = (head.offsets[substreams + 1] - head.offsets[substreams]).astype(np.int64)
        by_bytes = 8 * held // head.codes.least_token_bits
        if first == 0 and end >= palettes:
            by_bytes += cells * palettes
        room += np.minimum(by_bytes, cells * (end - first))
    return room
