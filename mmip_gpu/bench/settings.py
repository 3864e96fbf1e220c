"""What a codec is asked for: so many bits a sample, a PSNR, a bound of the error, its own parameter, or no loss.

Values: texts such as "bits:0.5,1" in, `Setting`s out; for a setting and a codec's dial, the point that meets it. A rate
is met by the best point that takes no more bits, a PSNR by the smallest one that is no worse. The search of one setting
knows nothing of another, so that a run that was killed goes on with the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mmip_gpu.bench.adapters import Codec, Source
from mmip_gpu.bench.rates import Dial, Point, bracket
from mmip_gpu.errors import InvalidArgument

__all__ = ["Setting", "Unreached", "parse_targets", "point_for", "settings_of"]

_BOUND = "max_error"
_TARGETS = ("bits", "psnr", "parameter", _BOUND)
_LEAST = {"bits": math.ulp(0.0), _BOUND: 1.0}  # a bound below 1 of integers is no loss
_LOSSLESS = "lossless"
_USUAL_DB = 45.0  # where a dial starts
_SLOPE = 0.5  # a factor of 2 in bits, 3 levels, is about 6 dB


class Unreached(Exception):
    """A codec cannot be brought to a setting."""


@dataclass(frozen=True)
class Setting:
    """What is asked for.

    "bits" a sample, "psnr" in dB on the data range, "max_error" in sample units, "parameter", or "lossless" (no value).
    """

    target: str
    value: float | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """Its part of a record."""
        return {"target": self.target, "value": self.value}


def parse_targets(texts: Sequence[str]) -> list[Setting]:
    """Return the settings that texts ask for, each once.

    Raises
    ------
    InvalidArgument
        For another text.

    Examples
    --------
    >>> [setting.value for setting in parse_targets(["bits:0.5,1", "lossless"])]
    [0.5, 1.0, None]
    """
    found: dict[Setting, None] = {}
    for text in texts:
        target, _, values = text.partition(":")
        try:
            numbers = [float(value) for value in values.split(",")] if values else []
        except ValueError:
            numbers = []
        is_known = target in _TARGETS and numbers and all(map(math.isfinite, numbers))
        if not (text == _LOSSLESS or is_known) or (numbers and min(numbers) < _LEAST.get(target, -math.inf)):
            raise InvalidArgument(
                f"{text!r}: expected bits:0.5,1 or psnr:40,50 or max_error:1,2 or parameter:7 or lossless"
            )
        found |= {Setting(target, number): None for number in numbers} or {Setting(_LOSSLESS): None}
    return list(found)


def settings_of(codec: Codec, wanted: Sequence[Setting]) -> list[Setting]:
    """Return the settings that are meant for a codec: bounds, without loss, all others, or its only one."""
    if codec.bounded:
        return [setting for setting in wanted if setting.target == _BOUND]
    if not codec.lossless and not codec.has_dial:
        return [Setting("parameter", 0.0)]
    others = [setting for setting in wanted if setting.target != _BOUND]
    return [setting for setting in others if (setting.target == _LOSSLESS) == codec.lossless]


def point_for(
    setting: Setting, measure: Callable[[float], Point], dial: Callable[[Source, float], Dial], source: Source
) -> Point:
    """Return the point that meets a setting.

    Raises
    ------
    Unreached
        With the range that the codec covers.
    """
    if setting.value is None:
        return measure(0.0)
    if setting.target in ("parameter", _BOUND):
        return measure(setting.value)
    by_bits = setting.target == "bits"
    seen: dict[float, Point] = {}

    def scaled(parameter: float) -> Point:
        point = seen[parameter] = measure(parameter)
        return Point(parameter, _levels(point.bits), point.bits) if by_bits else point

    knob = dial(source, _USUAL_DB if by_bits else setting.value)
    if by_bits:
        knob = Dial(knob.low, knob.high, knob.start, knob.slope * _SLOPE, knob.resolution)
    bracket(scaled, knob, _levels(setting.value) if by_bits else setting.value, {})
    return _best(setting, list(seen.values()))


def _levels(bits: float) -> float:
    """Bits on a scale on which a dial's steps are about even, as dB are."""
    return 10 * math.log10(bits)


def _best(setting: Setting, points: Sequence[Point]) -> Point:
    assert setting.value is not None
    if setting.target == "bits":
        within = [point for point in points if point.bits <= setting.value]
        if within:
            return max(within, key=lambda point: (point.psnr_db, -point.bits))
        lowest = min(point.bits for point in points)
        raise Unreached(f"{setting.value:g} bits a sample: its parameter gives {lowest:.3g} bits and more")
    within = [point for point in points if point.psnr_db >= setting.value]
    if within:
        return min(within, key=lambda point: (point.bits, -point.psnr_db))
    raise Unreached(f"{setting.value:g} dB: its parameter gives {max(p.psnr_db for p in points):.2f} dB and less")
