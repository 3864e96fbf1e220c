"""The codec of every kind of container: the one place that asks for a kind.

Values: a header in; its codec out. A new kind adds its fields in `container/`, its folder, and one line here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mmip_gpu.config import CodecConfig
from mmip_gpu.container.codec import Codec, Limits, Wanted
from mmip_gpu.container.header import Header
from mmip_gpu.container.jpegorigin_fields import JpegOriginFields
from mmip_gpu.container.label_fields import LabelFields
from mmip_gpu.container.mixed_fields import MixedFields
from mmip_gpu.container.predictive_fields import PredictiveFields
from mmip_gpu.container.raw_fields import RawFields
from mmip_gpu.container.soft_fields import SoftFields
from mmip_gpu.container.transform_fields import TransformFields
from mmip_gpu.jpegorigin.codec import CODEC as JPEG_ORIGIN
from mmip_gpu.jpegorigin.codec import jpeg_origin_before
from mmip_gpu.labels.codec import CODEC as LABELS
from mmip_gpu.predictive.fast import CODEC as FAST
from mmip_gpu.predictive.small import CODEC as SMALL
from mmip_gpu.raw import CODEC as RAW
from mmip_gpu.soft.coding import CODEC as SOFT
from mmip_gpu.transform.chunk import CODEC as TRANSFORM
from mmip_gpu.transform.planning.choose_method import encode_smaller

__all__ = ["Codec", "Limits", "Wanted", "codec_for", "codec_of"]

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
_METHODS["either"] = replace(FAST, encode=encode_smaller, has_encoding_kernels=False)


def codec_for(config: CodecConfig) -> Codec:
    """The codec that serves a configuration."""
    return _METHODS[config.method]


def codec_of(header: Header[Any]) -> Codec:
    """The codec of the container with this header."""
    return _CODECS[header.fields.kind]
