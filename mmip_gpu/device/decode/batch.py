"""Chunks of many shapes to arrays in the executor's memory, by launches that they share.

Values: headers and stage payloads (host bytes or arrays of the executor) in, arrays of the executor out. Decoder side
of FORMAT.md sections 2 to 8. Guarantees what `codec.decode_chunk` gives, bit for bit; a damaged chunk has its error and
the others decode. Nothing waits for the device but reading the heads of payloads that lie there, and `Decoded.errors`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import DC_IMAGE_UNIT, STEP_ONE, palette_positions
from mmip_gpu.arguments import thread_count
from mmip_gpu.device.decode.finishing import finish
from mmip_gpu.device.decode.jobs import Chunk, Decoded, DecodeJob
from mmip_gpu.device.decode.payload_heads import CodeStore, StageHead, read_heads
from mmip_gpu.device.decode.substreams import Layer, LayerItem
from mmip_gpu.device.lanes import Lane
from mmip_gpu.device.layouts.structs import SAMPLE_TYPES, struct_dtype
from mmip_gpu.device.run.executors import Array, Executor
from mmip_gpu.device.run.placement import is_on_device
from mmip_gpu.device.tables.tiles import (
    COMPONENT_LIMIT,
    Box,
    CodingOrders,
    cells_of,
    cut_into_waves,
    frame_bytes,
    scratch_bytes,
    set_quantizer,
    tile_records,
)
from mmip_gpu.errors import LimitExceeded, MmipError
from mmip_gpu.transform.extent import needed_stages
from mmip_gpu.transform.tiled_region import TiledRegion
from mmip_gpu.volume.floats import sample_dtype, sample_range

__all__ = ["DecodeJob", "Decoded", "Decoder", "token_room"]

SCRATCH_BYTES = 2**30


class Decoder:
    """Decodes batches in the memory of an executor.

    Parameters
    ----------
    scratch_bytes : int
        What launches may take beside payloads and results; a single sub-stream may take more.
    upload : callable, optional
        Puts bytes of the host into the executor's memory; the executor's own way by default.
    threads : int, optional
        Of the host, which read the heads of payloads; all processors by default.

    Notes
    -----
    Its tables belong to the stream that it is first used on: one decoder for each stream, one thread at a time.

    Examples
    --------
    >>> import mmip_gpu as mmip
    >>> from mmip_gpu.device import HostExecutor
    >>> from mmip_gpu.container.reader import open_container
    >>> header, read = open_container(mmip.encode(mmip.phantom2d(64), quality=10))
    >>> payloads = [read(stage, 0, None) for stage in (1, 2, 3)]
    >>> decoded = Decoder(HostExecutor()).decode([DecodeJob(header, payloads)])
    >>> decoded.results()[0].shape
    (64, 64)
    """

    def __init__(
        self,
        executor: Executor,
        scratch_bytes: int = SCRATCH_BYTES,
        upload: Callable[[Sequence[NDArray[np.uint8]]], list[Array]] | None = None,
        threads: int | None = None,
    ) -> None:
        self._executor = executor
        self._upload = upload or self._upload_together
        self._scratch, self._threads = scratch_bytes, thread_count(threads)
        self._store = CodeStore(executor)

    @classmethod
    def of_lane(cls, lane: Lane) -> Self:
        """A decoder for the batches of one lane."""
        return cls(lane.executor, upload=lane.upload)

    def decode(self, jobs: Sequence[DecodeJob], *, max_bytes: int = 2**34, check_crc: bool = True) -> Decoded:
        """Decode all jobs; `max_bytes` is that of one."""
        self._store.trim()
        decoded = Decoded(self._executor, len(jobs))
        chunks: dict[int, Chunk] = {}
        for index, (job, heads) in enumerate(zip(jobs, self._heads(jobs, decoded, check_crc), strict=True)):
            if heads is None:
                continue
            try:
                found = self._prepared(job, heads, max_bytes)
            except MmipError as error:
                decoded.refuse(index, error)
                continue
            if isinstance(found, Chunk):
                chunks[index] = found
            else:
                decoded.arrays[index] = found
        if chunks:
            held = self._place(list(chunks.values()))
            self._decode_planes(chunks, decoded, check_crc)
            finish(self._executor, self._store, chunks, decoded, self._scratch, check_crc)
            del held
        return decoded

    def _heads(
        self, jobs: Sequence[DecodeJob], decoded: Decoded, check_crc: bool
    ) -> list[list[StageHead | MmipError] | None]:
        """Heads of the payloads that each job needs; None for a job that is refused."""
        counts: list[int | None] = []
        payloads = []
        for index, job in enumerate(jobs):
            try:
                wanted = needed_stages(job.header, job.wanted)
            except MmipError as error:
                decoded.refuse(index, error)
                counts.append(None)
                continue
            payloads += [(job.header, stage, payload) for stage, payload in enumerate(job.payloads[:wanted], 1)]
            counts.append(min(wanted, len(job.payloads)))
        found = iter(read_heads(self._executor, self._store, payloads, check_crc, self._threads))
        return [None if count is None else list(islice(found, count)) for count in counts]

    def _prepared(self, job: DecodeJob, found: Sequence[StageHead | MmipError], max_bytes: int) -> Chunk | Array:
        """The chunk to decode, or its array where nothing is left to do."""
        header, fields, executor, scale = job.header, job.header.fields, self._executor, job.wanted.scale
        heads = []
        for head in found:
            if isinstance(head, MmipError):
                raise head
            heads.append(head)
        part = TiledRegion.of(header, scale, job.wanted.region)
        if part.samples == 0:
            return executor.empty(part.layout.shape, header.dtype)
        if part.decoded_bytes > max_bytes:
            raise LimitExceeded(f"decoding takes {part.decoded_bytes} bytes, max_bytes={max_bytes}")
        box = Box(header.layout.volume, fields.depth, fields.tile_log2, tuple(part.box))
        planes = part.box[1] - part.box[0]
        dtype = np.dtype(np.int32) if header.colour else sample_dtype(np.dtype(header.dtype))
        chunk = Chunk(job, part, heads, [], box, executor.empty((planes, *box.window(scale)[1]), dtype))
        if fields.dc_image is not None:
            chunk.image = executor.empty((planes, *_image_box(box).window(1)[1]), np.int32)
        return chunk

    def _place(self, chunks: list[Chunk]) -> list[Array]:
        """Sends the payloads of the host; sets the addresses of all. Returns what must stay alive."""
        used = [chunk.job.payloads[: len(chunk.heads)] for chunk in chunks]
        given = [np.frombuffer(p, np.uint8) for payloads in used for p in payloads if not is_on_device(p)]
        held = self._upload([*given, np.zeros(16, np.uint8)]) if given else []
        every = iter(held)
        for chunk, payloads in zip(chunks, used, strict=True):
            places = [p if is_on_device(p) else next(every) for p in payloads]
            chunk.addresses = [self._executor.address(place) for place in places]
        return held

    def _upload_together(self, arrays: Sequence[NDArray[np.uint8]]) -> list[Array]:
        """Bytes in one array of the executor."""
        held = self._executor.upload(np.concatenate(arrays))
        ends = np.cumsum([len(array) for array in arrays])
        return [held[end - len(array) : end] for array, end in zip(arrays, ends, strict=True)]

    def _decode_planes(self, chunks: dict[int, Chunk], decoded: Decoded, check_crc: bool) -> None:
        """Synthesized planes of all chunks, wave after wave."""
        orders = CodingOrders()
        main = Layer(self._executor, self._store, orders, check_crc)
        images = Layer(self._executor, self._store, orders, check_crc)
        first_image = 0
        known: dict[tuple[Box, int], tuple[NDArray[Any], NDArray[np.int64]]] = {}
        for chunk in chunks.values():
            key = chunk.box, self._components(chunk)
            if key not in known:
                known[key] = tile_records(*key, orders)
            tiles, substreams = known[key][0].copy(), known[key][1]
            tiles["item"] = len(main.parts)
            if chunk.image is not None:
                part = self._image_part(chunk, len(images.parts), orders)
                images.parts.append(part)
                tiles["image"] = first_image + np.arange(len(tiles))
                first_image += len(tiles)
            self._add(main, chunk, tiles, substreams)
        main.seal()
        sizes = scratch_bytes(main.tiles, main.stages, main.frames)
        if images.parts:
            images.seal()
            with_image = main.tiles["image"] >= 0
            sizes[with_image] += scratch_bytes(images.tiles, images.stages, images.frames)
        numbers = np.array(list(chunks), np.int64)
        for wave in cut_into_waves(sizes, self._scratch):
            of_wave = main.tiles["image"][wave]
            of_wave = of_wave[of_wave >= 0]
            states = images.run(slice(of_wave[0], of_wave[-1] + 1), None, 0) if len(of_wave) else None
            states = main.run(wave, states, int(of_wave[0]) if len(of_wave) else 0)
            decoded.watch(states, numbers[main.tiles["item"][wave]], main.substreams[wave])

    @staticmethod
    def _components(chunk: Chunk) -> int:
        return 3 if chunk.job.header.colour else 1

    def _add(self, layer: Layer, chunk: Chunk, tiles: NDArray[Any], substreams: NDArray[np.int64]) -> None:
        fields = chunk.job.header.fields
        padded = fields.padding is not None
        depth = np.full(len(tiles), fields.depth, np.int64)
        frames = frame_bytes(tiles, depth, corrections=False) * padded
        heads = dict(enumerate(chunk.heads[: chunk.coefficient_stages], 1))
        tiles["room"] = token_room(
            tiles, substreams, fields.depth, fields.cuts, [heads[s] for s in range(2, len(heads) + 1)]
        )
        addresses = dict(enumerate(chunk.addresses, 1))
        layer.parts.append(LayerItem(self._record(chunk), tiles, substreams, heads, addresses, frames))

    def _record(self, chunk: Chunk) -> NDArray[Any]:
        """DecodeItem of a chunk."""
        header, executor = chunk.job.header, self._executor
        fields = header.fields
        low, high = sample_range(np.dtype(header.dtype))
        if header.colour:
            low, high = -COMPONENT_LIMIT, COMPONENT_LIMIT
        item = np.zeros(1, struct_dtype("DecodeItem"))
        item["shape"] = chunk.box.shape
        item["origin"], item["size"], item["scaled"] = chunk.box.window(chunk.job.wanted.scale)
        item["samples"], item["type"] = executor.address(chunk.planes), SAMPLE_TYPES[chunk.planes.dtype]
        if chunk.image is not None:
            item["image"] = executor.address(chunk.image)
            item["image_origin"], item["image_size"], _ = _image_box(chunk.box).window(1)
        item["tables"] = self._store.block_tables(fields.depth, fields.cuts)
        item["scale"], item["stages"] = chunk.job.wanted.scale, chunk.coefficient_stages
        item["offset"], item["minimum"], item["maximum"] = 0 if header.colour else fields.offset, low, high
        item["padded"], item["padding"] = fields.padding is not None, fields.padding or 0
        item["dc_unit"] = DC_IMAGE_UNIT if chunk.image is not None else 1
        set_quantizer(item[0], fields, fields.recon)
        return item

    def _image_part(self, chunk: Chunk, index: int, orders: CodingOrders) -> LayerItem:
        """The DC image of a chunk as an item of its own (FORMAT.md section 8.4)."""
        fields = chunk.job.header.fields
        assert fields.dc_image is not None
        box = _image_box(chunk.box)
        tiles, substreams = tile_records(box, self._components(chunk), orders)
        tiles["item"] = index
        item = np.zeros(1, struct_dtype("DecodeItem"))
        item["shape"] = box.shape
        item["origin"], item["size"], item["scaled"] = box.window(1)
        item["samples"], item["type"] = self._executor.address(chunk.image), SAMPLE_TYPES[np.dtype(np.int32)]
        item["depth"], item["scale"], item["stages"], item["class_count"], item["dc_unit"] = 1, 1, 2, 1, 1
        item["components"] = self._components(chunk)
        item["minimum"], item["maximum"] = -COMPONENT_LIMIT, COMPONENT_LIMIT
        item["continues"] = 1
        item["cuts"][0, 1] = fields.cuts[-1]
        item["tables"] = self._store.block_tables(1, (0, fields.cuts[-1]))
        item["steps"][0, 0], item["recon"][0, 0, 1:] = DC_IMAGE_UNIT * STEP_ONE, fields.dc_image
        heads = {1: chunk.heads[0]}
        tiles["room"] = token_room(tiles, substreams, 1, (0, fields.cuts[-1]), [chunk.heads[0]])
        return LayerItem(item, tiles, substreams, heads, {1: chunk.addresses[0]}, np.zeros(len(tiles), np.int64))


def _image_box(box: Box) -> Box:
    """The DC image's geometry of a box of tiles."""
    z, y, x = box.tile_log2
    return Box(box.grid, 1, (z, y - 3, x - 3), box.bounds)


def token_room(
    tiles: NDArray[Any], substreams: NDArray[np.int64], depth: int, cuts: Sequence[int], heads: Sequence[StageHead]
) -> NDArray[np.int64]:
    """Tokens that the sub-streams of the stages 2, 3, .. can hold: by their bytes, and by their coefficients.

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
