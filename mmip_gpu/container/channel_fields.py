"""The fields of each channel in a header of kind 1, read and written side by side (FORMAT.md section 1).

Values: frozen ChannelFields on one side, their bytes on the other. Guarantees that what is read agrees with the loss
record of the whole.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mmip_gpu.container.field_reader import FieldReader, expect
from mmip_gpu.container.loss_record import LossRecord
from mmip_gpu.errors import InvalidArgument

if TYPE_CHECKING:
    from typing import Self

__all__ = ["ChannelFields", "ChannelLoss", "check_channel_count"]

_LISTED_MODES = ("max_error", "qstep")
_MOST_HEADER_BYTES = 2**16 - 1
_OTHER_BYTES = 512  # more than all fields take that do not grow with the channels
_STEP_BYTES, _LOSS_BYTES, _LIST_BYTES = 4, 20, 12

ChannelLoss = tuple[float, float, float, float]
"""(minimum, maximum, sum of squared errors, largest error) of a channel, as in a LossRecord."""


@dataclass(frozen=True)
class ChannelFields:
    """What was reached in each channel, and what was asked of each where these differ (else empty).

    `errors` are the bounds of the corrections, beside `requested` where there are corrections.
    """

    losses: tuple[ChannelLoss, ...]
    requested: tuple[float, ...] = ()
    errors: tuple[int, ...] = ()
    is_float: bool = False

    def to_bytes(self) -> bytes:
        """The fields as they stand in a header."""
        out = b"".join(struct.pack(f"<{_form(self.is_float)}", *loss) for loss in self.losses)
        out += struct.pack(f"<B{len(self.requested)}d", bool(self.requested), *self.requested)
        return out + struct.pack(f"<{len(self.errors)}I", *self.errors)

    @classmethod
    def read(cls, reader: FieldReader, dtype: str, count: int, correction: int | None) -> Self:
        """Take the fields of so many channels off a header; `correction` is the bound of all, None without one."""
        is_float = dtype == "float32"
        losses = tuple(reader.take(_form(is_float)) for _ in range(count))
        for low, high, sse, error in losses:
            expect(-math.inf < low <= high < math.inf, "minimum and maximum of a channel", (low, high))
            expect(0 <= sse < math.inf and error >= 0, "errors of a channel", (sse, error))
        (is_listed,) = reader.take("B")
        expect(is_listed <= 1, "listed", is_listed)
        requested = reader.take(f"{count}d") if is_listed else ()
        expect(all(map(math.isfinite, requested)), "requested of a channel", requested)
        errors = reader.take(f"{count}I") if is_listed and correction is not None else ()
        expect(not errors or max(errors) == correction, "correction_error of the channels", errors)
        return cls(losses, requested, errors, is_float)

    def check(self, loss: LossRecord) -> None:
        """Raise CorruptData unless the record of the whole says what the channels add up to."""
        expect(loss.extent == joined_losses(self.losses), "loss of all channels", loss.extent)
        expect(not self.requested or loss.mode in _LISTED_MODES, "requested of channels in mode", loss.mode)
        expect(not self.requested or max(self.requested) == loss.requested, "requested of the channels", self.requested)

    def joined(self, loss: LossRecord) -> LossRecord:
        """The record of the whole, with what the channels add up to."""
        low, high, sse, error = joined_losses(self.losses)
        return replace(loss, minimum=low, maximum=high, sse=sse, max_error=error)

    def records(self, loss: LossRecord) -> list[LossRecord]:
        """The loss record of each channel, from that of the whole."""
        asked = self.requested or (loss.requested,) * len(self.losses)
        return [
            replace(loss, requested=value, minimum=low, maximum=high, sse=sse, max_error=error)
            for value, (low, high, sse, error) in zip(asked, self.losses, strict=True)
        ]


def _form(is_float: bool) -> str:
    return "ffdf" if is_float else "iiQI"


def joined_losses(losses: Sequence[ChannelLoss]) -> ChannelLoss:
    """The loss of all channels; the sum of squared errors is rounded once.

    Examples
    --------
    >>> joined_losses([(0, 9, 5, 2), (-3, 4, 1, 3)])
    (-3, 9, 6, 3)
    """
    lows, highs, sums, errors = zip(*losses, strict=True)
    total = math.fsum(sums) if any(isinstance(s, float) for s in sums) else sum(sums)
    return min(lows), max(highs), total, max(errors)


def check_channel_count(channels: int, classes: int = 1, *, is_listed: bool = False) -> None:
    """Raise InvalidArgument for more channels than a header has room for.

    Examples
    --------
    >>> check_channel_count(1000)
    """
    each = _LOSS_BYTES + classes * _STEP_BYTES + is_listed * _LIST_BYTES
    most = (_MOST_HEADER_BYTES - _OTHER_BYTES) // each
    if channels > most:
        raise InvalidArgument(
            f"{channels} channels: a header holds {most} of them; code them in parts along c "
            "(chunks=, or slices of the array), or with per_channel=False, one step for all"
        )
