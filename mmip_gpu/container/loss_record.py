"""The loss fields of a header: what was asked for and what was reached (FORMAT.md section 1).

Values: a LossRecord on one side, its bytes on the other. Measuring is left to the codecs.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mmip_gpu.config import MODES
from mmip_gpu.container.field_reader import FieldReader, expect

if TYPE_CHECKING:
    from typing import Self

__all__ = ["UNKNOWN_ERROR", "LossRecord", "least_psnr", "reached_bound"]


UNKNOWN_ERROR = 2**32 - 1
_LOSS, _FLOAT_LOSS = struct.Struct("<BdBiiQI"), struct.Struct("<BdBffdf")
_EXACT = ("lossless", "labels")


@dataclass(frozen=True)
class LossRecord:
    """What was asked for and what was reached (FORMAT.md section 1).

    `sse` is the sum of squared errors over all samples, `max_error` the largest absolute error in sample units. Of
    float32 samples `minimum`, `maximum` and `max_error` are binary32, and infinity stands for UNKNOWN_ERROR.
    """

    mode: str
    requested: float
    verified: bool
    minimum: float
    maximum: float
    sse: float
    max_error: float

    @property
    def is_labels(self) -> bool:
        """Whether the samples are labels, which are decoded whole and never mixed."""
        return self.mode == "labels"

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Minimum, maximum, sum of squared errors and largest error."""
        return self.minimum, self.maximum, self.sse, self.max_error

    @property
    def largest(self) -> float | None:
        """Largest absolute error; None where it is not known."""
        return None if self.max_error in (UNKNOWN_ERROR, math.inf) else self.max_error

    def psnr(self, samples: int) -> float:
        """PSNR in dB on the data range; inf without error, -inf or nan where it is not defined."""
        if self.sse == 0:
            return math.inf
        peak = self.maximum - self.minimum
        return 10 * math.log10(peak * peak * samples / self.sse) if peak else -math.inf

    def reached(self, samples: int) -> dict[str, Any]:
        """What was reached, JSON-safe; a PSNR is None where there is no error, or no range."""
        psnr = self.psnr(samples) if samples else math.inf
        return {
            "psnr": psnr if math.isfinite(psnr) else None,
            "max_error": self.largest,
            "lossless": self.verified and self.sse == 0,
            "minimum": self.minimum,
            "maximum": self.maximum,
        }

    def joined(self, other: LossRecord) -> LossRecord:
        """The record of both parts of an array."""
        return replace(
            self,
            verified=self.verified and other.verified,
            minimum=min(self.minimum, other.minimum),
            maximum=max(self.maximum, other.maximum),
            sse=self.sse + other.sse,
            max_error=max(self.max_error, other.max_error),
        )

    def to_bytes(self, dtype: str) -> bytes:
        """The record as it stands in a header of such samples."""
        record = _form(dtype)
        mode, reached = MODES.index(self.mode), (self.minimum, self.maximum, self.sse, self.max_error)
        return record.pack(mode, self.requested, self.verified, *reached)

    @classmethod
    def read(cls, reader: FieldReader, dtype: str) -> Self:
        """Take the record off a header of such samples."""
        record = _form(dtype)
        mode, requested, verified, low, high, sse, max_error = reader.take(record.format.lstrip("<"))
        expect(mode < len(MODES), "mode", mode)
        expect(math.isfinite(requested), "requested", requested)
        expect(requested == 0 or MODES[mode] not in _EXACT, "requested", requested)
        expect(verified <= 1, "verified", verified)
        expect(low <= high and math.isfinite(low) and math.isfinite(high), "minimum and maximum", (low, high))
        expect(sse >= 0 and math.isfinite(sse), "sse", sse)
        expect(max_error >= 0, "max_error", max_error)
        if MODES[mode] == "labels":
            info = np.iinfo(dtype) if dtype != "float32" else None
            expect(info is not None and info.min <= low and high <= info.max, "minimum and maximum", (low, high))
            expect(verified == 1 and sse == max_error == 0, "errors of labels", (sse, max_error))
        return cls(MODES[mode], float(requested), bool(verified), low, high, sse, max_error)


def _form(dtype: str) -> struct.Struct:
    """Types of the fields, by the samples: those of 32 and 64 bits have limits of 64."""
    if dtype == "float32":
        return _FLOAT_LOSS
    info = np.dtype(dtype)
    return _LOSS if info.itemsize < 4 else struct.Struct(f"<BdB2{'q' if info.kind == 'i' else 'Q'}QI")


def least_psnr(channels: Sequence[Mapping[str, Any]]) -> float | None:
    """The least PSNR of channels, as `LossRecord.reached` gives them; None where no channel has one."""
    return min((channel["psnr"] for channel in channels if channel["psnr"] is not None), default=None)


def reached_bound(mode: str, psnr: float | None, max_error: float | None, ratio: float) -> float | None:
    """What was reached of what a mode asks for, in its unit; None where that is not known, or infinite, or no number.

    Examples
    --------
    >>> reached_bound("psnr", 50.2, 7, 12.5), reached_bound("quality", 50.2, 7, 12.5)
    (50.2, None)
    """
    return {"psnr": psnr, "max_error": max_error, "ratio": ratio, "lossless": max_error, "labels": max_error}.get(mode)
