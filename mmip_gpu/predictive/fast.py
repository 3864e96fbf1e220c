"""The fast predictive codec (container kind 2): least squares, contexts of residuals, Huffman codes in lock step.

Values: an array and a plan in, Encoded out; a header and a payload in, an array, or a region of it, out; host memory.
Implements FORMAT.md sections 1, 2.1, 3.1, 5.1 and 6. Guarantees equal bytes for every thread count and kernel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import decode_predictive, encode_predictive
from mmip_gpu.container.codec import Codec, Limits, PayloadSpan, ReadHeld, ReadPart, Wanted
from mmip_gpu.container.encoded import Encoded
from mmip_gpu.container.header import Header
from mmip_gpu.container.payload_fields import PayloadFields
from mmip_gpu.container.predictive_fields import PredictiveFields
from mmip_gpu.container.single_payload import check_stages, open_payload, region_at_full_size, region_extent
from mmip_gpu.errors import LimitExceeded
from mmip_gpu.predictive.plan import PredictivePlan
from mmip_gpu.predictive.quantized import quantized_loss
from mmip_gpu.raw import encode_raw
from mmip_gpu.volume.axes import PlaneLayout
from mmip_gpu.volume.floats import from_indices, sample_dtype, sample_range, to_indices
from mmip_gpu.volume.region import checked_region
from mmip_gpu.volume.tiled_region import TiledRegion
from mmip_gpu.volume.window_means import window_means

__all__ = ["CODEC", "FastHeader", "brick_region", "encode_fast", "predictive_codec", "substreams_of_box"]

FastHeader: TypeAlias = Header[PredictiveFields]


def predictive_codec(kind: type[PredictiveFields], encode: Callable[..., Any], decode: Callable[..., None]) -> Codec:
    """The codec of a kind with these fields, and functions of the core that code its planes."""
    blank = kind(0, (0, 0, 0), (0, 0, 0), 0, 1, 0, PayloadFields(1, 0))
    own_encode, own_decode = partial(encode_fast, kind, encode), partial(decode_fast, decode)
    return Codec(own_encode, own_decode, fast_extent, describe_fast, blank=blank)


def encode_fast(
    kind: type[PredictiveFields],
    encode: Callable[..., Any],
    array: NDArray[Any],
    plan: PredictivePlan,
    classes: NDArray[np.uint8] | None = None,
    threads: int = 1,
) -> Encoded:
    """Code an array of a supported dtype within the error of the plan (float32: and rounding); raw where it grows."""
    if array.size == 0:
        return encode_raw(array, plan)
    config = plan.config
    layout = PlaneLayout.of(array.shape, plan.axes)
    original = layout.to_planes(array)
    planes = to_indices(original, config.step)
    form, payload = encode(planes, layout.planes, layout.volume, plan.colour, plan.near, config.effort, threads)
    colour_form, bits, offset, tile_log2, brick_log2 = form
    fields = kind(
        colour_form, _three(tile_log2), _three(brick_log2), offset, bits, plan.near, PayloadFields.of(payload)
    )
    loss = quantized_loss(config, original, planes, fields, threads)
    encoded = Encoded(Header(array.dtype.name, layout, plan.colour, loss, fields, config.step), (payload,))
    return encode_raw(array, plan) if plan.allow_raw and encoded.size > array.nbytes else encoded


def _three(numbers: Any) -> tuple[int, int, int]:
    z, y, x = numbers
    return z, y, x


def decode_fast(
    decode: Callable[..., None], header: FastHeader, read_part: ReadPart, wanted: Wanted, limits: Limits
) -> NDArray[Any]:
    """Decode a chunk, or a region of it; only the bricks that are needed are decoded."""
    check_stages(wanted)
    fields, layout = header.fields, header.layout
    payload = open_payload(fields, read_part, fields.substreams(layout), limits.check_crc)
    small = layout.scaled(wanted.scale, 8)
    region = checked_region(wanted.region, small.shape)
    tiled = brick_region(header, replace(wanted, region=region)).limited(limits.max_bytes)
    if tiled.samples == 0:
        return np.empty(tuple(part.stop - part.start for part in region), header.dtype)
    dtype = sample_dtype(np.dtype(header.dtype))
    low, high = sample_range(np.dtype(header.dtype))
    try:
        out = np.empty(_box_shape(header, tiled.box), dtype)
        decode(
            np.frombuffer(payload, np.uint8),
            layout.planes,
            layout.volume,
            header.colour,
            fields.near,
            (fields.colour_form, fields.bits, fields.offset, fields.tile_log2, fields.brick_log2),
            tiled.box,
            low,
            high,
            limits.check_crc,
            out,
            limits.threads,
        )
        origin = [tiled.box[2 + 2 * axis] * brick for axis, brick in enumerate(fields.brick)]
        found = from_indices(tiled.crop(out, origin), header.step)
        return found if wanted.scale == 1 else window_means(found, tiled.layout, wanted.scale)
    except MemoryError:
        raise LimitExceeded(f"no memory to decode {tiled.decoded_bytes} bytes; decode a region or a scale") from None


def brick_region(header: FastHeader, wanted: Wanted) -> TiledRegion:
    """What is wanted at full size, as a box of bricks and a crop of it."""
    item_bytes = sample_dtype(np.dtype(header.dtype)).itemsize
    return region_at_full_size(header.layout, wanted, header.fields.brick, header.colour, item_bytes)


def _box_shape(header: FastHeader, box: list[int]) -> list[int]:
    """Planes, and samples on z, y, x of the bricks of a box."""
    pairs = zip(box[2::2], box[3::2], header.fields.brick, header.layout.volume, strict=True)
    return [box[1] - box[0], *(min(last * brick, n) - first * brick for first, last, brick, n in pairs)]


def fast_extent(header: FastHeader, read_held: ReadHeld, wanted: Wanted) -> tuple[list[PayloadSpan], bool]:
    """Byte ranges that a decode reads, and whether these are all."""
    return region_extent(header, read_held, wanted, brick_region, substreams_of_box)


def substreams_of_box(header: FastHeader, box: list[int]) -> Iterator[int]:
    """Numbers of the sub-streams of the bricks of a box: brick after brick, in each the tiles (FORMAT.md 3.1)."""
    fields, volume = header.fields, header.layout.volume
    tile = [1 << log2 for log2 in fields.tile_log2]
    all_tiles = [-(-n // size) for n, size in zip(volume, tile, strict=True)]
    for plane in range(fields.coded_planes(box[0]), fields.coded_planes(box[1])):
        for at in product(*(range(box[2 + 2 * axis], box[3 + 2 * axis]) for axis in range(3))):
            first = [a * brick // size for a, brick, size in zip(at, fields.brick, tile, strict=True)]
            own = [
                min(brick // size, count - start)
                for brick, size, count, start in zip(fields.brick, tile, all_tiles, first, strict=True)
            ]
            start = plane * math.prod(all_tiles) + first[0] * all_tiles[1] * all_tiles[2]
            start += own[0] * (first[1] * all_tiles[2] + own[1] * first[2])
            yield from range(start, start + math.prod(own))


def describe_fast(header: FastHeader) -> dict[str, Any]:
    """What `inspect` says of a chunk of kind 2: its ``config``."""
    f = header.fields
    return {
        "config": {
            "colour_form": f.colour_form,
            "tile_log2": list(f.tile_log2),
            "brick_log2": list(f.brick_log2),
            "offset": f.offset,
            "bits": f.bits,
            "near": f.near,
        }
    }


CODEC = replace(
    predictive_codec(PredictiveFields, encode_predictive, decode_predictive),
    has_kernels=True,
    has_encoding_kernels=True,
)
