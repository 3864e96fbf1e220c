"""From the planes that the synthesis leaves to the array that was asked for: colour, corrections, floats, the crop.

Values: chunks of device/decode/jobs.py, arrays of the executor. Implements the last steps of FORMAT.md section 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import FINISH_SAMPLES
from mmip_gpu.device.decode.jobs import Chunk, Decoded
from mmip_gpu.device.decode.payload_heads import CodeStore
from mmip_gpu.device.decode.substreams import Layer, LayerItem, groups_of_samples
from mmip_gpu.device.layouts.structs import SAMPLE_TYPES, struct_dtype
from mmip_gpu.device.run.executors import Array, Executor
from mmip_gpu.device.tables.tiles import CodingOrders, cut_into_waves, frame_bytes, scratch_bytes, tile_records
from mmip_gpu.volume.floats import sample_range

__all__ = ["finish", "undo_colour"]


def finish(
    executor: Executor, store: CodeStore, chunks: dict[int, Chunk], decoded: Decoded, scratch: int, check_crc: bool
) -> None:
    """Set the arrays of `decoded`; `chunks` by the index of their jobs, changed in place."""
    coloured = [c for c in chunks.values() if c.job.header.colour]
    dtypes = [np.dtype(c.job.header.dtype) for c in coloured]
    offsets = [c.job.header.fields.offset for c in coloured]
    _replace_planes(coloured, undo_colour(executor, [c.planes for c in coloured], dtypes, offsets))
    corrected = {index: c for index, c in chunks.items() if len(c.heads) > c.coefficient_stages}
    if corrected:
        _correct(executor, store, corrected, decoded, scratch, check_crc)
    _floats_of(executor, [c for c in chunks.values() if c.job.header.step is not None])
    for index, chunk in chunks.items():
        origin = chunk.box.window(chunk.job.wanted.scale)[0]
        decoded.arrays[index] = chunk.part.crop(chunk.planes, origin, executor.contiguous)


def undo_colour(
    executor: Executor, components: Sequence[Array], dtypes: Sequence[np.dtype[Any]], offsets: Sequence[int]
) -> list[Array]:
    """Planes of samples from those of components."""
    items = np.zeros(len(components), struct_dtype("FinishItem"))
    found = []
    for item, array, dtype, offset in zip(items, components, dtypes, offsets, strict=True):
        found.append(executor.empty(array.shape, dtype))
        item["count"], item["plane"] = array.size // 3, array[0].size
        item["type"], item["offset"] = SAMPLE_TYPES[dtype], offset
        item["minimum"], item["maximum"] = sample_range(dtype)
    _launch(executor, "undo_colour", items, components, found)
    return found


def _floats_of(executor: Executor, chunks: list[Chunk]) -> None:
    items = np.zeros(len(chunks), struct_dtype("FinishItem"))
    found = []
    for item, chunk in zip(items, chunks, strict=True):
        found.append(executor.empty(chunk.planes.shape, np.float32))
        assert chunk.job.header.step is not None
        item["count"], item["step"] = chunk.planes.size, chunk.job.header.step
    _launch(executor, "indices_to_floats", items, [chunk.planes for chunk in chunks], found)
    _replace_planes(chunks, found)


def _replace_planes(chunks: Sequence[Chunk], planes: Sequence[Array]) -> None:
    for chunk, array in zip(chunks, planes, strict=True):
        chunk.planes = array


def _launch(
    executor: Executor, kernel: str, items: NDArray[Any], given: Sequence[Array], found: Sequence[Array]
) -> None:
    """A kernel from some arrays to others."""
    if not given:
        return
    for item, source, target in zip(items, given, found, strict=True):
        item["from"], item["to"] = executor.address(source), executor.address(target)
    items["first_group"], group_items = groups_of_samples(items["count"], FINISH_SAMPLES)
    held, groups = executor.upload(items), executor.upload(group_items)
    executor.launch(kernel, groups=len(group_items), items=executor.address(held), group_items=executor.address(groups))


def _correct(
    executor: Executor, store: CodeStore, chunks: dict[int, Chunk], decoded: Decoded, scratch: int, check_crc: bool
) -> None:
    layer = Layer(executor, store, CodingOrders(), check_crc)
    for chunk in chunks.values():
        header, index = chunk.job.header, len(layer.parts)
        fields = header.fields
        assert fields.correction is not None
        tiles, substreams = tile_records(chunk.box, 1, layer.orders)
        tiles["item"] = index
        item = np.zeros(1, struct_dtype("DecodeItem"))
        item["shape"] = chunk.box.shape
        item["origin"], item["size"], item["scaled"] = chunk.box.window(1)
        item["samples"], item["type"] = executor.address(chunk.planes), SAMPLE_TYPES[chunk.planes.dtype]
        item["depth"], item["scale"], item["stages"] = fields.depth, 1, chunk.coefficient_stages
        item["minimum"], item["maximum"] = sample_range(np.dtype(header.dtype))
        item["corrected"], item["error"] = 1, fields.correction
        frames = frame_bytes(tiles, np.full(len(tiles), fields.depth, np.int64), corrections=True)
        heads, addresses = {0: chunk.heads[-1]}, {0: chunk.addresses[-1]}
        layer.parts.append(LayerItem(item, tiles, substreams, heads, addresses, frames))
    layer.seal()
    numbers = np.array(list(chunks), np.int64)
    for wave in cut_into_waves(scratch_bytes(layer.tiles, layer.stages, layer.frames), scratch):
        states = layer.run_corrections(wave)
        decoded.watch(states, numbers[layer.tiles["item"][wave]], layer.substreams[wave])
