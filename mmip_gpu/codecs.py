"""The codec of every kind of container: the one place that asks for a kind.

Values: a header in; its codec out. A new kind adds its fields in `container/`, its folder, and one line here.
"""

from __future__ import annotations

from typing import Any

from mmip_gpu.container.codec import Codec, Limits, Wanted
from mmip_gpu.container.header import Header
from mmip_gpu.container.raw_fields import RawFields
from mmip_gpu.container.transform_fields import TransformFields
from mmip_gpu.raw import CODEC as RAW
from mmip_gpu.transform.chunk import CODEC as TRANSFORM

__all__ = ["Codec", "Limits", "Wanted", "codec_of"]

_CODECS: dict[int, Codec] = {
    RawFields.kind: RAW,
    TransformFields.kind: TRANSFORM,
}


def codec_of(header: Header[Any]) -> Codec:
    """The codec of the container with this header."""
    return _CODECS[header.fields.kind]
