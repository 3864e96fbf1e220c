"""Container kind 5: images that were JPEG files, as the coefficients of the file and what decoding these does not give.

Values: a uint8 array and a plan in, Encoded out where it was JPEG; a header and a payload in, an array, or a region of
it, out. Implements FORMAT.md sections 1 (kind 5) and 8.10. Guarantees equal bytes for every thread count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import JPEG_BAND_UNIT, JPEG_MOST_BAND_ROWS, jpeg_bands, jpeg_decode, jpeg_encode
from mmip_gpu.container.codec import Codec, Limits, PayloadSpan, Plan, ReadHeld, ReadPart, Wanted
from mmip_gpu.container.encoded import Encoded
from mmip_gpu.container.header import Header
from mmip_gpu.container.jpegorigin_fields import JpegOriginFields
from mmip_gpu.container.loss_record import LossRecord
from mmip_gpu.container.payload_fields import PayloadFields
from mmip_gpu.container.single_payload import check_stages, open_payload, region_at_full_size, region_extent
from mmip_gpu.errors import LimitExceeded
from mmip_gpu.raw import encode_raw
from mmip_gpu.volume.axes import PlaneLayout
from mmip_gpu.volume.region import checked_region
from mmip_gpu.volume.tiled_region import TiledRegion
from mmip_gpu.volume.window_means import window_means

__all__ = ["CODEC", "jpeg_origin_before"]

JpegHeader: TypeAlias = Header[JpegOriginFields]

_BAND_SAMPLES = 2**19  # of a component: fewer learn the statistics anew too often, more leave threads idle
_LEAST_RIGHT = 700  # of 1000 pixels, that coefficients have to give back


def found(array: NDArray[Any], plan: Plan, threads: int = 1) -> Encoded | None:
    """The array in a container of kind 5, or None where a probe or a search finds no JPEG file in it."""
    layout = PlaneLayout.of(array.shape, plan.axes)
    if not JpegOriginFields.fits(array.dtype.name, layout):
        return None
    rows = max(_BAND_SAMPLES // layout.volume[2] // JPEG_BAND_UNIT, 1) * JPEG_BAND_UNIT
    rows = min(rows, -(-layout.volume[1] // JPEG_BAND_UNIT) * JPEG_BAND_UNIT, JPEG_MOST_BAND_ROWS)
    planes = layout.to_planes(array)
    payload = jpeg_encode(_images(planes, plan.colour), rows, _LEAST_RIGHT, threads)
    if payload is None:
        return None
    config = plan.config
    loss = LossRecord(config.mode, config.value, True, int(planes.min()), int(planes.max()), 0, 0)
    fields = JpegOriginFields(rows, 3 if plan.colour else 1, PayloadFields.of(payload))
    return Encoded(Header(array.dtype.name, layout, plan.colour, loss, fields), (payload,))


def _images(planes: NDArray[Any], colour: bool) -> NDArray[np.uint8]:
    """Planes (P, Z, Y, X) as images (images, Y, X, components)."""
    size = planes.shape[2:]
    groups = planes.reshape(-1, 3 if colour else 1, *planes.shape[1:])
    return np.ascontiguousarray(np.moveaxis(groups, 1, -1)).reshape(-1, *size, groups.shape[1])


def encode(array: NDArray[Any], plan: Plan, classes: NDArray[np.uint8] | None = None, threads: int = 1) -> Encoded:
    """The array in a container of kind 5, or of kind 0 where it was no JPEG file."""
    return found(array, plan, threads) or encode_raw(array, plan)


def jpeg_origin_before(other: Codec) -> Codec:
    """The codec that gives what is smaller: images as JPEG files, where they were, or what another codec gives."""

    def smaller(array: NDArray[Any], plan: Any, classes: NDArray[np.uint8] | None = None, threads: int = 1) -> Encoded:
        own, theirs = found(array, plan, threads), other.encode(array, plan, classes, threads)
        return theirs if own is None or theirs.size <= own.size else own

    return replace(other, encode=smaller, others=(JpegOriginFields,))


def decode(header: JpegHeader, read_part: ReadPart, wanted: Wanted, limits: Limits) -> NDArray[Any]:
    """Decode images, or a region of them; only the bands that are needed are decoded."""
    check_stages(wanted)
    fields, layout = header.fields, header.layout
    payload = open_payload(fields, read_part, fields.substreams(layout), limits.check_crc)
    tiled = _region_of(header, wanted).limited(limits.max_bytes)
    if tiled.samples == 0:
        region = checked_region(wanted.region, layout.scaled(wanted.scale, 8).shape)
        return np.empty(tuple(part.stop - part.start for part in region), header.dtype)
    first, last, z0, z1, y0, y1, *_ = tiled.box
    try:
        planes = np.empty((last - first, z1 - z0, y1 - y0, layout.volume[2]), np.uint8)
        data = np.frombuffer(payload, np.uint8)
        for plane in range(first, last, fields.components):
            out = np.empty((z1 - z0, y1 - y0, layout.volume[2], fields.components), np.uint8)
            image = plane // fields.components * layout.volume[0] + z0
            place = fields.images(layout), layout.volume[1], fields.band_rows, image, y0
            jpeg_decode(data, *place, limits.check_crc, out, limits.threads)
            planes[plane - first : plane - first + fields.components] = np.moveaxis(out, -1, 0)
        array = tiled.crop(planes, (z0, y0, 0))
        return array if wanted.scale == 1 else window_means(array, tiled.layout, wanted.scale)
    except MemoryError:
        raise LimitExceeded(f"no memory to decode {tiled.decoded_bytes} bytes; decode a region or a scale") from None


def _region_of(header: JpegHeader, wanted: Wanted) -> TiledRegion:
    return region_at_full_size(header.layout, wanted, (1, 1, header.layout.volume[2]), header.colour, 1)  # whole rows


def extent(header: JpegHeader, read_held: ReadHeld, wanted: Wanted) -> tuple[list[PayloadSpan], bool]:
    """Byte ranges that a decode reads, and whether these are all."""
    return region_extent(header, read_held, wanted, _region_of, _substreams)


def _substreams(header: JpegHeader, box: list[int]) -> Iterator[int]:
    """Numbers of the bands of the images and rows of a box."""
    fields, layout = header.fields, header.layout
    first, last, z0, z1, y0, y1, *_ = box
    bands = range(*jpeg_bands(layout.volume[1], fields.band_rows, y0, y1))
    for group in range(first // fields.components, last // fields.components):
        for z in range(z0, z1):
            image = (group * layout.volume[0] + z) * fields.bands(layout)
            yield from (image + band for band in bands)


def describe(header: JpegHeader) -> dict[str, Any]:
    """What `inspect` says of a chunk of kind 5: its ``config``."""
    return {"config": {"band_rows": header.fields.band_rows}}


CODEC = Codec(encode, decode, extent, describe)
