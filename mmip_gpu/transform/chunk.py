"""The main path of kind 1: an array to a coded chunk and back (FORMAT.md sections 1 to 8).

Values: an array and a plan in, Encoded out; a header and payloads in, an array, or a part of it, out; host memory.
Guarantees equal bytes for every thread count. Planning is left to transform/planning.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.container.codec import Codec, Limits, ReadPart, Wanted
from mmip_gpu.container.encoded import Encoded
from mmip_gpu.container.header import TransformHeader
from mmip_gpu.container.payload import check_payload
from mmip_gpu.errors import LimitExceeded
from mmip_gpu.raw import encode_raw
from mmip_gpu.transform.analysis import analyze, empty_chunk, prepare
from mmip_gpu.transform.assemble import assemble
from mmip_gpu.transform.corrections import add_corrections
from mmip_gpu.transform.extent import needed_stages, transform_extent
from mmip_gpu.transform.plan import ChunkPlan, sample_step
from mmip_gpu.transform.tiled_region import TiledRegion
from mmip_gpu.volume.colour import sample_planes
from mmip_gpu.volume.floats import from_indices, sample_dtype

__all__ = ["CODEC", "decode_chunk", "encode_chunk"]


def encode_chunk(
    array: NDArray[Any],
    plan: ChunkPlan,
    classes: NDArray[np.uint8] | None = None,
    threads: int = 1,
    *,
    allow_raw: bool = True,
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
    """
    if array.size == 0:
        return encode_raw(array, plan)
    prepared = prepare(array, plan, threads)
    analysis = analyze(prepared, plan, classes)
    return assemble(analysis, plan, allow_raw=allow_raw)


def decode_chunk(header: TransformHeader, read_part: ReadPart, wanted: Wanted, limits: Limits) -> NDArray[Any]:
    """Decode a chunk, or a part of it; only payloads of the stages that are needed are read."""
    fields, stages = header.fields, needed_stages(header, wanted)
    payloads = _checked_payloads(header, read_part, stages, limits.check_crc)
    part = TiledRegion.of(header, wanted.scale, wanted.region)
    if part.samples == 0:
        return np.empty(part.layout.shape, header.dtype)
    if part.decoded_bytes > limits.max_bytes:
        raise LimitExceeded(f"decoding takes {part.decoded_bytes} bytes, max_bytes={limits.max_bytes}")
    try:
        chunk = empty_chunk(fields, header.layout, part.box)
        count, scale, check_crc, threads = len(fields.cuts), wanted.scale, limits.check_crc, limits.threads

        def decode(offset: int, minimum: int, maximum: int, out: NDArray[Any]) -> None:
            chunk.decode(payloads[:count], check_crc, scale, offset, minimum, maximum, out, threads)

        dtype = sample_dtype(np.dtype(header.dtype))
        planes = sample_planes(chunk, decode, dtype, scale, fields.offset, header.colour)
        if stages > count and fields.correction is not None:
            add_corrections(chunk, payloads[count], planes, fields.correction, check_crc, threads)
        return from_indices(part.crop(planes, chunk.window(scale)[0]), header.step)
    except MemoryError:
        raise LimitExceeded(f"no memory to decode {part.decoded_bytes} bytes; decode a region or a scale") from None


def _checked_payloads(header: TransformHeader, read_part: ReadPart, stages: int, check_crc: bool) -> list[memoryview]:
    """The payloads of the first stages, refused before anything is allocated for what they cannot hold."""
    payloads = []
    for stage in range(1, stages + 1):
        payload = memoryview(read_part(stage, 0, None)).cast("B")
        check_payload(header, stage, len(payload), payload, check_crc)
        payloads.append(payload)
    return payloads


def describe_transform(header: TransformHeader) -> dict[str, Any]:
    """What `inspect` says of a chunk of kind 1: its ``config``, steps in sample units."""
    t = header.fields
    return {
        "config": {
            "cell_depth": t.depth,
            "tile_log2": list(t.tile_log2),
            "cuts": list(t.cuts),
            "qstep": sample_step(t.steps[0], header.colour) * (header.step or 1.0),
            "steps": [[s / 256 for s in row] for row in t.steps],
            "reversible": [bool(r) for r in t.reversible],
            "offset": t.offset,
            "padding": t.padding,
            "dc_image": t.dc_image is not None,
            "correction": t.correction,
            "recon": [[d / 64 for d in row] for row in t.recon],
        }
    }


CODEC = Codec(encode_chunk, decode_chunk, transform_extent, describe_transform, has_kernels=True)
