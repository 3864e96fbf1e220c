"""One chunk to bytes and back: the main path, in the order of FORMAT.md.

Values: arrays and plans in; Header and stage payloads out, and the other way. Home: host memory.
`encode_chunk` and `decode_chunk` are what the container (api.py), the store and the command line share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import statistics as sample_statistics
from mmip_gpu.container.encoded import Encoded
from mmip_gpu.container.header import Header
from mmip_gpu.container.payload import StageReader, _whole_payloads
from mmip_gpu.errors import InvalidArgument, LimitExceeded
from mmip_gpu.raw import decode_raw, encode_raw
from mmip_gpu.transform.analysis import Analysis, analyzed_chunk, empty_chunk
from mmip_gpu.transform.assemble import CodedParts, assembled, transform_header
from mmip_gpu.transform.corrections import add_corrections, encode_corrections
from mmip_gpu.transform.loss import loss_record, measured_error
from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.transform.tiled_region import TiledRegion
from mmip_gpu.volume.axes import PlaneLayout
from mmip_gpu.volume.colour import sample_planes
from mmip_gpu.volume.floats import from_indices, sample_dtype

if TYPE_CHECKING:
    pass

__all__ = [
    "Encoded",
    "decode_chunk",
    "encode_chunk",
    "needed_stages",
    "read_extent",
]

SCALES = (1, 2, 4, 8)


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
        return encode_raw(array, layout, plan.config, plan.colour)
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
    return assembled(
        header, parts, (lambda: encode_raw(array, layout, plan.config, plan.colour)) if allow_raw else None
    )


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
