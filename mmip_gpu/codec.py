"""One chunk to bytes and back: the main path, in the order of FORMAT.md.

Values: arrays and plans in; Header and stage payloads out, and the other way. Home: host memory.
`encode_chunk` and `decode_chunk` are what the container (api.py), the store and the command line share.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import SEARCH_NONE, Chunk
from mmip_gpu._core import statistics as sample_statistics
from mmip_gpu.axes import PlaneLayout
from mmip_gpu.components import colour_planes, sample_planes
from mmip_gpu.container.header import Header, TransformFields
from mmip_gpu.corrections import add_corrections, encode_corrections
from mmip_gpu.errors import CorruptData, InvalidArgument, LimitExceeded, TruncatedData
from mmip_gpu.floats import DEEP_LIMIT, INDEX_LIMIT, from_indices, sample_dtype, to_indices
from mmip_gpu.loss import loss_record, measured_error
from mmip_gpu.planning import ChunkPlan, sample_offset
from mmip_gpu.raw import CodedParts, Encoded, assembled, decode_raw, encode_raw, head_crc, transform_header
from mmip_gpu.region import TiledRegion
from mmip_gpu.roi import cell_classes

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = [
    "PLAIN_ROUNDING",
    "ROUNDING",
    "Analysis",
    "Encoded",
    "analyzed_chunk",
    "cell_map",
    "decode_chunk",
    "encode_chunk",
    "needed_stages",
    "read_extent",
]

ROUNDING = 96  # of AC indices, in 1/256 of a step: a dead zone of 0.66, measured in benchmarks/NOTES.md
PLAIN_ROUNDING = 128  # half up
SCALES = (1, 2, 4, 8)

StageReader = Callable[[int], "Buffer"]


@dataclass(eq=False)
class Analysis:
    """A quantized chunk with what it was made of, and what was made of it: each once, when it is first asked for.

    `planes` are those of the array, as integers (of float32 samples, their indices); `errors` the estimated squared
    error of each class.
    """

    plan: ChunkPlan
    chunk: Chunk
    planes: NDArray[Any]
    offset: int
    errors: list[float]
    threads: int
    _payloads: tuple[bytes, ...] | None = None
    _decoded: NDArray[Any] | None = None

    def payloads(self) -> tuple[bytes, ...]:
        """All stages but the corrections."""
        if self._payloads is None:
            stages = range(1, len(self.plan.cuts) + 1)
            self._payloads = tuple(self.chunk.pack(stage, self.threads) for stage in stages)
        return self._payloads

    def decoded(self) -> NDArray[Any]:
        """The planes that a decoder makes of these stages."""
        if self._decoded is None:
            plan, stages = self.plan, len(self.plan.cuts)

            def synthesize(offset: int, minimum: int, maximum: int, out: NDArray[Any]) -> None:
                self.chunk.synthesize(stages, 1, offset, minimum, maximum, out, self.threads)

            self._decoded = sample_planes(self.chunk, synthesize, self.planes.dtype, 1, self.offset, plan.colour)
        return self._decoded

    def take_decoded(self) -> NDArray[Any]:
        """`decoded`, for the caller to change."""
        found, self._decoded = self.decoded(), None
        return found


def encode_chunk(
    array: NDArray[Any],
    plan: ChunkPlan,
    classes: NDArray[np.uint8] | None = None,
    *,
    threads: int = 1,
    allow_raw: bool = True,
    analysis: Analysis | None = None,
) -> Encoded:
    """Code an array of a supported dtype by a plan.

    Parameters
    ----------
    array : ndarray
        Samples, axes as in the plan.
    classes : ndarray of uint8, optional
        Quality class of every voxel: shape of `array` without its axis ``c``.
    allow_raw : bool
        Whether a chunk that would grow may be kept as it is.
    analysis : Analysis, optional
        Of this array and plan, where a search has made it.
    """
    layout = PlaneLayout.of(array.shape, plan.axes)
    if array.size == 0:
        return encode_raw(array, layout, plan)
    original = layout.to_planes(array)
    statistics = None if plan.config.step is not None else sample_statistics(original, threads)
    if analysis is None:
        analysis = analyzed_chunk(array, plan, classes, threads, statistics=statistics)
    chunk, payloads = analysis.chunk, list(analysis.payloads())
    decoded = None
    if plan.correction is not None:
        decoded = analysis.take_decoded()
        payloads.append(encode_corrections(chunk, analysis.planes, decoded, plan.correction, threads))
    elif plan.config.verify:
        decoded = analysis.decoded()
    reached = None if decoded is None else measured_error(original, decoded, plan.config.step, threads)
    # Of -0.0 and 0.0 either may be found: adding 0 leaves the one.
    limits = (original.min().item() + 0, original.max().item() + 0) if statistics is None else statistics[1:]
    loss = loss_record(plan, array.size, limits, sum(analysis.errors), reached)
    parts = CodedParts(payloads, analysis.offset, chunk.recon, chunk.dc_recon if plan.dc_image else None)
    header = transform_header(parts, plan, array.dtype.name, layout, loss)
    return assembled(header, parts, (lambda: encode_raw(array, layout, plan)) if allow_raw else None)


def analyzed_chunk(
    array: NDArray[Any],
    plan: ChunkPlan,
    classes: NDArray[np.uint8] | None,
    threads: int,
    *,
    plain: bool = False,
    statistics: tuple[int, int, int] | None = None,
) -> Analysis:
    """All of encoding but the entropy coder.

    Samples under the padding mask are replaced before the transform. With `plain`, all blocks have mode 8 and indices
    are rounded half up: the quality rule's own distortion. `statistics` are those of the array, where they are known.
    """
    layout = PlaneLayout.of(array.shape, plan.axes)
    planes = to_indices(layout.to_planes(array), plan.config.step, INDEX_LIMIT if plan.depth == 1 else DEEP_LIMIT)
    chunk = empty_chunk(plan, layout)
    cells = None if classes is None or len(plan.steps) == 1 else cell_map(classes, layout, plan.depth)
    coded = planes
    if plan.padding is not None:
        coded = np.empty_like(planes)
        chunk.fill(planes, cells, coded, threads)
    if statistics is None or coded is not planes:
        statistics = sample_statistics(coded, threads)
    offset = sample_offset(coded, statistics)
    if plan.colour:
        coded = colour_planes(planes, offset)
    rounding = PLAIN_ROUNDING if plain else ROUNDING
    search, passes = (SEARCH_NONE, 1) if plain else plan.search
    errors = chunk.analyze(coded, cells, 0 if plan.colour else offset, rounding, search, passes, threads)
    return Analysis(plan, chunk, planes, offset, errors, threads)


def decode_chunk(
    header: Header,
    read_stage: StageReader,
    *,
    stages: int | None = None,
    scale: int = 1,
    region: tuple[slice, ...] | None = None,
    threads: int = 1,
    max_bytes: int = 2**34,
    check_crc: bool = True,
) -> NDArray[Any]:
    """Decode a chunk, or a part of it.

    Parameters
    ----------
    read_stage : callable
        Gives the payload of stage 1, 2, ..; called only for the stages that are needed.
    stages, scale, region
        As in `mmip_gpu.decode`; `region` counts in the scaled array.
    """
    if header.transform is None:
        needed_stages(header, stages, scale)
        return decode_raw(header, read_stage(1), scale, region, max_bytes)
    fields = header.transform
    wanted = needed_stages(header, stages, scale)
    payloads = _whole_payloads(header, read_stage, wanted, check_crc)
    part = TiledRegion.of(header, scale, region)
    if part.samples == 0:
        return np.empty(part.layout.shape, header.dtype)
    if part.decoded_bytes > max_bytes:
        raise LimitExceeded(f"decoding takes {part.decoded_bytes} bytes, max_bytes={max_bytes}")
    try:
        chunk = empty_chunk(fields, header.layout, part.box)
        count = len(fields.cuts)

        def decode(offset: int, minimum: int, maximum: int, out: NDArray[Any]) -> None:
            chunk.decode(payloads[:count], check_crc, scale, offset, minimum, maximum, out, threads)

        dtype = sample_dtype(np.dtype(header.dtype))
        planes = sample_planes(chunk, decode, dtype, scale, fields.offset, header.colour)
        if wanted > count and fields.correction is not None:
            add_corrections(chunk, payloads[count], planes, fields.correction, check_crc, threads)
        return from_indices(part.crop(planes, chunk.window(scale)[0]), header.step)
    except MemoryError:
        raise LimitExceeded(f"no memory to decode {part.decoded_bytes} bytes; decode a region or a scale") from None


def needed_stages(header: Header, stages: int | None, scale: int) -> int:
    """Stages that a decode has to read."""
    if isinstance(scale, bool) or not isinstance(scale, (int, np.integer)) or scale not in SCALES:
        raise InvalidArgument(f"scale={scale!r}: expected one of {SCALES}")
    count = len(header.payload_sizes)
    if stages is not None and (isinstance(stages, bool) or not isinstance(stages, (int, np.integer)) or stages < 1):
        raise InvalidArgument(f"stages={stages!r}: expected a positive integer")
    if header.transform is None:
        return 1
    if stages is not None and stages > count:
        raise InvalidArgument(f"stages={stages}: expected at most {count}, the stages of this data")
    limit = {8: 1, 4: 2, 2: len(header.transform.cuts)}.get(scale, count)
    return min(count if stages is None else int(stages), limit)


def read_extent(
    header: Header, read_stage: StageReader, stages: int | None, scale: int, region: tuple[slice, ...] | None
) -> int:
    """Payload bytes that `decode_chunk` touches with these arguments."""
    wanted = needed_stages(header, stages, scale)
    if header.transform is None:
        return header.raw_bytes
    payloads = _whole_payloads(header, read_stage, wanted, True)
    part = TiledRegion.of(header, scale, region)
    if part.samples == 0:
        return 0
    chunk = empty_chunk(header.transform, header.layout, part.box)
    return sum(chunk.extent(stage, payload) for stage, payload in enumerate(payloads, 1))


def _whole_payloads(header: Header, read_stage: StageReader, wanted: int, check_crc: bool) -> list[memoryview]:
    """The payloads of the first stages, refused before anything is allocated for what they cannot hold."""
    payloads = []
    for stage in range(1, wanted + 1):
        payload = memoryview(read_stage(stage)).cast("B")
        check_payload(header, stage, len(payload), payload, check_crc)
        payloads.append(payload)
    return payloads


def check_payload(header: Header, stage: int, size: int, head: Buffer, check_crc: bool) -> None:
    """A payload of `size` bytes that starts with `head` (at least its whole head) is the one that the header names.

    Raises
    ------
    TruncatedData, CorruptData
    """
    fields = header.transform
    assert fields is not None
    expected, crc = fields.stage_bytes[stage - 1], fields.stage_crcs[stage - 1]
    if size != expected:
        kind = TruncatedData if size < expected else CorruptData
        raise kind(f"stage {stage}: expected {expected} bytes, found {size}")
    if check_crc and (not 10 <= int.from_bytes(memoryview(head)[:4], "little") <= expected or head_crc(head) != crc):
        raise CorruptData(f"stage {stage}: its head is not the one that the header names")
    if size < header.substreams:
        raise CorruptData(f"stage {stage}: {size} bytes cannot hold {header.substreams} sub-streams")


def empty_chunk(fields: ChunkPlan | TransformFields, layout: PlaneLayout, box: list[int] | None = None) -> Chunk:
    """Chunk of the core without coefficients: of the whole array, or of a box of its tiles."""
    if isinstance(fields, TransformFields):
        recon, dc_image = fields.recon, fields.dc_image
    else:  # the points are what analyzing will find
        recon, dc_image = ((0, 0, 0),) * len(fields.steps), (0, 0, 0) if fields.dc_image else None
    return Chunk(
        planes=layout.planes,
        shape=layout.volume,
        depth=fields.depth,
        tile_log2=fields.tile_log2,
        cuts=fields.cuts,
        steps=fields.steps,
        reversible=fields.reversible,
        recon=recon,
        box=box,
        padding=fields.padding,
        dc_image=dc_image,
    )


def cell_map(classes: NDArray[np.uint8], layout: PlaneLayout, depth: int) -> NDArray[np.uint8]:
    """Class of every cell of every plane; channels share one map."""
    axes = layout.axes.replace("c", "")
    spatial = PlaneLayout.of(classes.shape, axes)
    cells = cell_classes(spatial.to_planes(classes), (depth, 8, 8))
    return np.ascontiguousarray(np.repeat(cells, layout.channels, axis=0))
