"""The main path of kind 1: an array to a coded chunk and back (FORMAT.md sections 1 to 8).

Values: an array and a plan in, Encoded out; a header and payloads in, an array, or a region of it, out; host memory.
Guarantees equal bytes for every thread count. Planning is left to transform/planning. device/encode/batch.py and
device/decode/batch.py take the same steps for many chunks at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import Chunk
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
from mmip_gpu.transform.tiled_region import region_within
from mmip_gpu.volume.colour import sample_planes
from mmip_gpu.volume.floats import from_indices, sample_dtype, sample_range
from mmip_gpu.volume.tiled_region import TiledRegion

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
    """Decode a chunk, or a region of it; only payloads of the stages that are needed are read."""
    payloads = _check_payloads(header, read_part, wanted, limits)
    region = region_within(header, wanted, limits.max_bytes)
    if region.samples == 0:
        return np.empty(region.layout.shape, header.dtype)
    try:
        chunk = empty_chunk(header.fields, header.layout, region.box)
        found = _decode_in_place(chunk, header, payloads, region, wanted, limits)
        if found is None:
            planes = _decode_planes(chunk, header, payloads, wanted.scale, limits)
            _add_corrections(chunk, header, payloads, planes, limits, region.box[0])
            found = region.crop(planes, chunk.window(wanted.scale)[0])
        return from_indices(found, header.step)
    except MemoryError:
        raise LimitExceeded(f"no memory to decode {region.decoded_bytes} bytes; decode a region or a scale") from None


def _check_payloads(header: TransformHeader, read_part: ReadPart, wanted: Wanted, limits: Limits) -> list[memoryview]:
    """The payloads of the needed stages, refused before anything is allocated for what they cannot hold."""
    payloads = []
    for stage in range(1, needed_stages(header, wanted) + 1):
        payload = memoryview(read_part(stage, 0, None)).cast("B")
        check_payload(header, stage, len(payload), payload, limits.check_crc)
        payloads.append(payload)
    return payloads


def _decode_in_place(
    chunk: Chunk,
    header: TransformHeader,
    payloads: list[memoryview],
    region: TiledRegion,
    wanted: Wanted,
    limits: Limits,
) -> NDArray[Any] | None:
    """Samples (indices of float32 ones) of the region alone, in `wanted.out` if it has their type.

    None where more comes after the transform, or where the axes of the array are not in the order of planes.
    """
    if header.colour or len(payloads) > len(header.fields.cuts):
        return None
    dtype, scale, offset = sample_dtype(np.dtype(header.dtype)), wanted.scale, header.fields.offset
    is_ready = wanted.out is not None and wanted.out.dtype == dtype
    out = wanted.out if is_ready and wanted.out is not None else np.empty(region.layout.shape, dtype)
    planes = region.planes_of(out)
    if planes is None:
        return None
    low, high = sample_range(dtype)
    chunk.decode(payloads, limits.check_crc, scale, offset, low, high, planes, limits.threads, region.origin)
    return out


def _decode_planes(
    chunk: Chunk, header: TransformHeader, payloads: list[memoryview], scale: int, limits: Limits
) -> NDArray[Any]:
    """Planes of samples of a chunk's box, without corrections."""
    coefficients = payloads[: len(header.fields.cuts)]

    def decode(offset: int, minimum: int, maximum: int, out: NDArray[Any]) -> None:
        chunk.decode(coefficients, limits.check_crc, scale, offset, minimum, maximum, out, limits.threads)

    dtype = sample_dtype(np.dtype(header.dtype))
    return sample_planes(chunk, decode, dtype, scale, header.fields.offset, header.colour)


def _add_corrections(
    chunk: Chunk, header: TransformHeader, payloads: list[memoryview], planes: NDArray[Any], limits: Limits, first: int
) -> None:
    """Correct the planes, from the first of the array on that is named, in place, where the stage for it is there."""
    count, errors = len(header.fields.cuts), header.fields.correction_errors
    if len(payloads) > count and errors:
        add_corrections(chunk, payloads[count], planes, errors, limits.check_crc, limits.threads, first)


def describe_transform(header: TransformHeader) -> dict[str, Any]:
    """What `inspect` says of a chunk of kind 1: its ``config``, steps in sample units."""
    t = header.fields
    return {
        "config": {
            "cell_depth": t.depth,
            "tile_log2": list(t.tile_log2),
            "cuts": list(t.cuts),
            "qstep": _asked_steps(header),
            "steps": [[s / 256 for s in row] for row in t.steps],
            "reversible": [bool(r) for r in t.reversible],
            "offset": t.offset,
            "padding": t.padding,
            "dc_image": t.dc_image is not None,
            "prediction": t.prediction,
            "slice_axis": header.layout.slice_axis,
            "correction": t.correction,
            "recon": [[d / 64 for d in row] for row in t.recon],
        }
    }


def _asked_steps(header: TransformHeader) -> float | list[float]:
    """Step of the background in sample units; where channels have others, that of each."""
    row, unit = header.fields.steps[0], header.step or 1.0
    if header.fields.channels is None or len(set(row)) == 1:
        return sample_step(row, header.colour) * unit
    return [sample_step((step,), False) * unit for step in row]


CODEC = Codec(
    encode_chunk, decode_chunk, transform_extent, describe_transform, has_kernels=True, has_encoding_kernels=True
)
