"""The codec of every kind of container: the one place that asks for a kind.

Values: a header in; its codec out. A new kind adds its fields in `container/`, its folder, and one line here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.config import CodecConfig
from mmip_gpu.container.codec import Codec, Limits, PayloadSpan, ReadHeld, ReadPart, Wanted
from mmip_gpu.container.header import Header
from mmip_gpu.container.jpegorigin_fields import JpegOriginFields
from mmip_gpu.container.label_fields import LabelFields
from mmip_gpu.container.mixed_fields import MixedFields
from mmip_gpu.container.predictive_fields import PredictiveFields
from mmip_gpu.container.raw_fields import RawFields
from mmip_gpu.container.soft_fields import SoftFields
from mmip_gpu.container.transform_fields import TransformFields
from mmip_gpu.errors import InvalidArgument
from mmip_gpu.jpegorigin.codec import CODEC as JPEG_ORIGIN
from mmip_gpu.jpegorigin.codec import jpeg_origin_before
from mmip_gpu.labels.codec import CODEC as LABELS
from mmip_gpu.predictive.fast import CODEC as FAST
from mmip_gpu.predictive.small import CODEC as SMALL
from mmip_gpu.raw import CODEC as RAW
from mmip_gpu.soft.coding import CODEC as SOFT
from mmip_gpu.transform.chunk import CODEC as TRANSFORM
from mmip_gpu.transform.planning.choose_method import encode_smaller
from mmip_gpu.volume.axes import shrinking_axes
from mmip_gpu.volume.region import checked_region

__all__ = ["Codec", "Limits", "Wanted", "codec_for", "codec_of", "whole_labels"]

_CODECS: dict[int, Codec] = {
    RawFields.kind: RAW,
    TransformFields.kind: TRANSFORM,
    SoftFields.kind: SOFT,
    PredictiveFields.kind: FAST,
    MixedFields.kind: SMALL,
    JpegOriginFields.kind: JPEG_ORIGIN,
    LabelFields.kind: LABELS,
}
_SMALL = jpeg_origin_before(SMALL)
_METHODS: dict[str, Codec] = {"transform": TRANSFORM, "fast": FAST, "small": _SMALL, "labels": LABELS}
_METHODS["either"] = replace(FAST, encode=encode_smaller)


def codec_for(config: CodecConfig) -> Codec:
    """The codec that serves a configuration."""
    return _METHODS[config.method]


def codec_of(header: Header[Any]) -> Codec:
    """The codec of the container with this header."""
    codec = _CODECS[header.fields.kind]
    if codec is not TRANSFORM or not header.loss.is_labels:
        return codec

    def decode(header: Header[Any], read_part: ReadPart, wanted: Wanted, limits: Limits) -> NDArray[Any]:
        whole = codec.decode(header, read_part, whole_labels(header, wanted), limits)
        return whole if wanted.scale == 1 else _nearest(whole, header, wanted)

    def extent(header: Header[Any], read_held: ReadHeld, wanted: Wanted) -> tuple[list[PayloadSpan], bool]:
        return codec.extent(header, read_held, whole_labels(header, wanted))

    return replace(codec, decode=decode, extent=extent, has_kernels=False)


def whole_labels(header: Header[Any], wanted: Wanted) -> Wanted:
    """What has to be decoded for what is wanted of labels: all stages at full size. Other samples: what is wanted.

    Raises
    ------
    InvalidArgument
        For stages below the last, which would mix labels.
    """
    if not header.loss.is_labels:
        return wanted
    count = len(header.payload_sizes)
    if wanted.stages is not None and wanted.stages < count:
        raise InvalidArgument(
            f"stages={wanted.stages}: labels are read whole, in {count}; scale= takes nearest samples"
        )
    shape, scale = header.layout.shape, wanted.scale
    factors = _factors(header, scale)
    small = tuple(-(-n // factor) for n, factor in zip(shape, factors, strict=True))
    region = checked_region(wanted.region, small)
    spans = zip(region, factors, shape, strict=True)
    return Wanted(None, 1, tuple(slice(min(part.start * f, n), min(part.stop * f, n)) for part, f, n in spans))


def _nearest(whole: NDArray[Any], header: Header[Any], wanted: Wanted) -> NDArray[Any]:
    """The sample at the first corner of each window."""
    return np.ascontiguousarray(whole[tuple(slice(None, None, factor) for factor in _factors(header, wanted.scale))])


def _factors(header: Header[Any], scale: int) -> list[int]:
    """By how much a scale reduces each axis."""
    letters = shrinking_axes(getattr(header.fields, "depth", 8))
    return [scale if letter in letters else 1 for letter in header.layout.axes]
