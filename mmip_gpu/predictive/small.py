"""The smallest lossless codec (container kind 3): online least squares, adaptive bits mixed from several contexts.

Values: as in `fast.py`. Implements FORMAT.md sections 1, 2.1, 2.2, 5.1, 6.2 and 8.9. Guarantees equal bytes for every
thread count.
"""

from __future__ import annotations

from mmip_gpu._core import decode_mixed, encode_mixed
from mmip_gpu.container.mixed_fields import MixedFields
from mmip_gpu.predictive.fast import predictive_codec

__all__ = ["CODEC"]

CODEC = predictive_codec(MixedFields, encode_mixed, decode_mixed)
