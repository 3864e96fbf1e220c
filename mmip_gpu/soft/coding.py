"""The codec of kind 4: arrays and a codebook to containers, and back.

Values: arrays in, Encoded out, and back. Implements FORMAT.md sections 1 (kind 4), 6 and 8.11. Guarantees equal bytes
for any number of threads, and that a chunk which does not shrink is kept as it is (kind 0).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import soft_decode, soft_encode
from mmip_gpu.arguments import checked_array, thread_count
from mmip_gpu.config import CodecConfig
from mmip_gpu.container.codec import Codec, Limits, PayloadSpan, ReadHeld, ReadPart, Wanted
from mmip_gpu.container.encoded import Encoded
from mmip_gpu.container.header import Header
from mmip_gpu.container.loss_record import LossRecord
from mmip_gpu.container.payload_fields import PayloadFields
from mmip_gpu.container.single_payload import (
    check_stages,
    embedded_resource,
    open_payload,
    region_at_full_size,
    region_extent,
)
from mmip_gpu.container.soft_fields import SoftFields
from mmip_gpu.errors import CorruptData, InvalidArgument
from mmip_gpu.raw import encode_raw
from mmip_gpu.signatures import public
from mmip_gpu.soft.codebook import Codebook
from mmip_gpu.soft.library import find_codebook, register_codebook
from mmip_gpu.volume.axes import PlaneLayout
from mmip_gpu.volume.region import checked_region
from mmip_gpu.volume.tiled_region import TiledRegion, numbers_in_box
from mmip_gpu.volume.window_means import window_means

__all__ = ["CODEC", "TILE_LOG2", "SoftPlan", "check_fit", "encode", "encode_soft"]

SoftHeader = Header[SoftFields]
TILE_LOG2 = (6, 9)  # bands of 64 x 512: 0.3 % more bytes than whole images of 480 x 640, less than 0.1 % on a fundus
_LOSSLESS = CodecConfig("lossless", 0.0)


@dataclass(frozen=True)
class SoftPlan:
    """How an array is coded: its codebook, and whether that is embedded."""

    codebook: Codebook
    axes: str
    embed: bool = False
    config: CodecConfig = _LOSSLESS
    colour: bool = False


@public()
def encode(
    array: Any, codebook: Codebook, *, embed: bool = False, axes: str | None = None, threads: int | None = None
) -> bytes:
    """Compress an array of integers exactly, by a codebook.

    Parameters
    ----------
    array : array_like
        Integers of 8 or 16 bits, 1 to 6 axes. Its channels are as many as the codebook has components, or the codebook
        has one for all.
    codebook : Codebook
        Trained on such images.
    embed : bool
        Whether the codebook is part of the bytes. Otherwise a decoder finds it by its hash (`find_codebook`).
    axes : str, optional
        One letter for each axis, such as ``"yxc"``.
    threads : int, optional
        By default all cores.

    Returns
    -------
    bytes
        A container, which `mmip_gpu.decode` reads.

    Raises
    ------
    InvalidArgument
        For an array that the codebook does not fit.

    Examples
    --------
    >>> import mmip_gpu
    >>> from mmip_gpu.soft import train_codebook
    >>> image = mmip_gpu.phantom2d(64)
    >>> blob = encode(image, train_codebook([image]), embed=True)
    >>> bool((mmip_gpu.decode(blob) == image).all()), mmip_gpu.inspect(blob)["kind"]
    (True, 'soft')
    """
    samples = checked_array(array)
    plan = SoftPlan(codebook, PlaneLayout.of(samples.shape, axes).axes, embed)
    register_codebook(codebook)  # so that this process reads what it wrote
    return encode_soft(samples, plan, None, thread_count(threads)).to_bytes()


def check_fit(codebook: Codebook, dtype: np.dtype[Any], layout: PlaneLayout) -> None:
    """Raise InvalidArgument unless arrays of this dtype and layout can be coded by a codebook."""
    if not isinstance(codebook, Codebook):
        raise InvalidArgument(f"codebook: expected a Codebook, found {type(codebook).__name__}")
    wanted = f"{'' if codebook.is_signed else 'u'}int{8 if codebook.bits == 8 else 16}"
    if dtype.kind not in "iu" or (dtype.kind == "i") != codebook.is_signed or 8 * dtype.itemsize < codebook.bits:
        raise InvalidArgument(f"codebook of {codebook.bits} bits: expected {wanted}, found {dtype}: train another one")
    if codebook.components not in (1, layout.channels):
        raise InvalidArgument(
            f"codebook of {codebook.components} components: found {layout.channels} channels on axes {layout.axes!r}"
        )


def encode_soft(
    array: NDArray[Any], plan: SoftPlan, classes: NDArray[np.uint8] | None = None, threads: int = 1
) -> Encoded:
    """The array in a container of kind 4, or of kind 0 where that is smaller; every class is kept exactly."""
    layout, book = PlaneLayout.of(array.shape, plan.axes), plan.codebook
    check_fit(book, array.dtype, layout)
    raw = encode_raw(array, plan)
    if not array.size:
        return raw
    low, high = (int(array.min()), int(array.max()))
    least = -(1 << (book.bits - 1)) if book.is_signed else 0
    if not least <= low <= high < least + (1 << book.bits):
        expected = f"{least} to {least + (1 << book.bits) - 1}"
        raise InvalidArgument(f"codebook of {book.bits} bits: expected samples of {expected}, found {low} to {high}")
    payload = soft_encode(layout.to_planes(array), book.core, TILE_LOG2, threads)
    stated = PayloadFields.of(payload, book.data, embed=plan.embed)
    fields = SoftFields(stated, TILE_LOG2, book.is_mixed)
    loss = LossRecord(plan.config.mode, plan.config.value, True, low, high, 0, 0)
    embedded = book.data if plan.embed else b""
    coded = Encoded(Header(array.dtype.name, layout, False, loss, fields), (embedded + payload,))
    return coded if coded.size < raw.size else raw


def decode_soft(header: SoftHeader, read_part: ReadPart, wanted: Wanted, limits: Limits) -> NDArray[Any]:
    """Decode a container of kind 4, or a region of it; only the tiles that are needed are decoded."""
    check_stages(wanted)
    fields, layout = header.fields, header.layout
    payload = np.frombuffer(open_payload(fields, read_part, fields.substreams(layout), limits.check_crc), np.uint8)
    region = _region_of(header, wanted).limited(limits.max_bytes)
    if region.samples == 0:
        bounds = checked_region(wanted.region, layout.scaled(wanted.scale, 8).shape)
        return np.empty(tuple(part.stop - part.start for part in bounds), header.dtype)
    book = _codebook_of(header, read_part)
    low, high = region.box[::2], region.box[1::2]
    ends = (min(b * size, n) for b, size, n in zip(high[1:], fields.tile, layout.volume, strict=True))
    origin = [a * size for a, size in zip(low[1:], fields.tile, strict=True)]
    shape = high[0] - low[0], *(end - start for start, end in zip(origin, ends, strict=True))
    out = np.empty(shape, header.dtype)
    array = fields.tile_log2, region.box, limits.check_crc, out, limits.threads
    soft_decode(payload, book.core, layout.planes, layout.volume, *array)
    found = region.crop(out, origin)
    return window_means(found, region.layout, wanted.scale) if wanted.scale > 1 else found


def _region_of(header: SoftHeader, wanted: Wanted) -> TiledRegion:
    fields, item_bytes = header.fields, np.dtype(header.dtype).itemsize
    return region_at_full_size(header.layout, wanted, fields.tile, fields.is_mixed, item_bytes)


def _codebook_of(header: SoftHeader, read_part: ReadPart) -> Codebook:
    """The codebook that a container needs, from its payload or found by its hash."""
    fields, resource = header.fields, header.fields.payload.resource
    if resource is None:
        raise CorruptData("header: a container of soft compression without a codebook")
    is_named = resource.embedded_bytes is None
    book = find_codebook(resource.digest) if is_named else Codebook(embedded_resource(fields, read_part))
    try:
        check_fit(book, np.dtype(header.dtype), header.layout)
    except InvalidArgument as e:
        raise CorruptData(f"header: {e}") from None
    if book.is_mixed != fields.is_mixed:
        raise CorruptData("header: mixed is not what the codebook says")
    return book


def soft_extent(header: SoftHeader, read_held: ReadHeld, wanted: Wanted) -> tuple[list[PayloadSpan], bool]:
    """The codebook, the head, and the groups of the sub-streams that are wanted."""
    return region_extent(header, read_held, wanted, _region_of, _substreams)


def _substreams(header: SoftHeader, box: list[int]) -> list[int]:
    numbers: list[int] = numbers_in_box(box, (header.layout.planes, *header.fields.tiles(header.layout))).tolist()
    return numbers


def describe_soft(header: SoftHeader) -> dict[str, Any]:
    """Codebook and tiles."""
    fields, resource = header.fields, header.fields.payload.resource
    digest = "" if resource is None else f"sha256:{resource.digest.hex()}"
    return {
        "codebook": digest,
        "embedded": resource is not None and resource.embedded_bytes is not None,
        "tile": [1 << log2 for log2 in fields.tile_log2],
        "mixed": fields.is_mixed,
    }


CODEC = Codec(encode_soft, decode_soft, soft_extent, describe_soft)
