"""Labels, container kind 8: names of objects, coded exactly by the runs of their rows.

Values: arrays of integers of any width in, Encoded out, and back, or a part or a scale of it. Implements FORMAT.md
sections 1 (kind 8) and 8.8. Guarantees equal bytes for every thread count, and that no label is made up at any scale.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import decode_labels, encode_labels, label_window
from mmip_gpu.container.codec import Codec, Limits, PayloadSpan, ReadHeld, ReadPart, Wanted
from mmip_gpu.container.encoded import Encoded
from mmip_gpu.container.header import Header
from mmip_gpu.container.label_fields import LabelFields
from mmip_gpu.container.loss_record import LossRecord
from mmip_gpu.container.payload_fields import PayloadFields
from mmip_gpu.container.single_payload import check_stages, open_payload, region_at_full_size, region_extent
from mmip_gpu.errors import LimitExceeded
from mmip_gpu.predictive.plan import PredictivePlan
from mmip_gpu.raw import encode_raw
from mmip_gpu.volume.axes import PlaneLayout
from mmip_gpu.volume.tiled_region import TiledRegion, Tiling, numbers_in_box

__all__ = ["CODEC"]

LabelHeader: TypeAlias = Header[LabelFields]

_FLAT_TILE, _DEEP_TILE = (0, 9, 9), (5, 7, 7)
_SAMPLE = (1, 1, 1)
_WORD = 2**64


def encode(
    array: NDArray[Any], plan: PredictivePlan, classes: NDArray[np.uint8] | None = None, threads: int = 1
) -> Encoded:
    """The labels in a container of kind 8, or of kind 0 where that is smaller; every class is kept exactly."""
    if array.size == 0:
        return encode_raw(array, plan)
    layout = PlaneLayout.of(array.shape, plan.axes)
    tile_log2 = _FLAT_TILE if layout.volume[0] == 1 else _DEEP_TILE
    payload, *words = encode_labels(layout.to_planes(array), tile_log2, threads)
    low, high = (word - _WORD if array.dtype.kind == "i" and word >= _WORD // 2 else word for word in words)
    loss = LossRecord(plan.config.mode, plan.config.value, True, low, high, 0, 0)
    fields = LabelFields(tile_log2, PayloadFields.of(payload))
    encoded = Encoded(Header(array.dtype.name, layout, False, loss, fields), (payload,))
    is_larger = encoded.size > encoded.header.raw_bytes + len(encoded.header.to_bytes())
    return encode_raw(array, plan) if plan.allow_raw and is_larger else encoded


def decode(header: LabelHeader, read_part: ReadPart, wanted: Wanted, limits: Limits) -> NDArray[Any]:
    """Decode labels, or a part of them; only the tiles that it needs."""
    check_stages(wanted)
    fields, layout = header.fields, header.layout
    small = layout.scaled(wanted.scale, 8)
    given = TiledRegion.of(Tiling(small, _SAMPLE, _SAMPLE, small.volume, False, 1), wanted.region)
    tiled = _region_of(header, wanted).limited(limits.max_bytes)
    payload = open_payload(fields, read_part, fields.substreams(layout), limits.check_crc)
    if tiled.samples == 0:
        return np.empty(given.layout.shape, header.dtype)
    shape = (layout.planes, *layout.volume)
    window = label_window(shape, fields.tile_log2, tiled.box, wanted.scale)
    words = int(header.loss.minimum) % _WORD, int(header.loss.maximum) % _WORD
    try:
        lengths = (b - a for a, b in zip(window[::2], window[1::2], strict=True))
        out = np.empty((tiled.box[1] - tiled.box[0], *lengths), header.dtype)
        data = np.frombuffer(payload, np.uint8)
        place = shape, fields.tile_log2, words, tiled.box, wanted.scale
        decode_labels(data, *place, limits.check_crc, out, limits.threads)
        return given.crop(out, window[::2])
    except MemoryError:
        raise LimitExceeded(f"no memory to decode {tiled.decoded_bytes} bytes; decode a region or a scale") from None


def _region_of(header: LabelHeader, wanted: Wanted) -> TiledRegion:
    item_bytes = np.dtype(header.dtype).itemsize
    return region_at_full_size(header.layout, wanted, header.fields.tile, False, item_bytes)


def extent(header: LabelHeader, read_held: ReadHeld, wanted: Wanted) -> tuple[list[PayloadSpan], bool]:
    """Byte ranges that such a decode reads."""
    return region_extent(header, read_held, wanted, _region_of, _substreams)


def _substreams(header: LabelHeader, box: list[int]) -> list[int]:
    numbers: list[int] = numbers_in_box(box, header.fields.tile_counts(header.layout)).tolist()
    return numbers


def describe(header: LabelHeader) -> dict[str, Any]:
    """What `inspect` says of the fields of labels."""
    return {"config": {"tile_log2": list(header.fields.tile_log2)}}


CODEC = Codec(encode, decode, extent, describe, blank=LabelFields((0, 0, 0), PayloadFields(1, 0)))
