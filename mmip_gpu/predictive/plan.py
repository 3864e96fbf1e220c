"""What the predictive codec is asked to do with the chunks of an array.

Values: what was asked for in, a frozen PredictivePlan out. Nothing is searched: what serves a chunk is found in it.
"""

from __future__ import annotations

from dataclasses import dataclass

from mmip_gpu.config import CodecConfig

__all__ = ["PredictivePlan"]


@dataclass(frozen=True)
class PredictivePlan:
    """How every chunk of an array is coded: the target, a letter an axis, and whether channels are one colour.

    With `allow_raw` a chunk that would grow is kept as it is.
    """

    config: CodecConfig
    axes: str
    colour: bool
    allow_raw: bool = True

    @property
    def near(self) -> int:
        """Largest error of a sample, in whole samples or (of float32) steps beside that of rounding to these."""
        return self.config.error_bound or 0
