"""What the caller asks for: one target and a few options, checked in one place.

Values: keyword options in, a frozen CodecConfig out; to_dict and from_dict are JSON-safe. Sole parser of options.
Guarantees that exactly one target is set and every field is in range; it knows nothing of arrays.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import pairwise
from numbers import Real
from typing import Any

from mmip_gpu._core import CELL_AC, MAX_CORRECTION_ERROR, MAX_STAGES, MAX_STEP, MIN_STEP, STEP_ONE
from mmip_gpu.errors import InvalidArgument
from mmip_gpu.signatures import public, public_class, unknown_option
from mmip_gpu.values import (
    DEFAULT_STAGES,
    Padding,
    Quality,
    channel_numbers,
    check_blocks,
    checked_padding,
    exclude,
    frozen_quality,
    integers,
    lossless_method,
    number,
    only_one,
    stage_count,
)
from mmip_gpu.volume.floats import index_error

__all__ = ["MODES", "CodecConfig"]

MODES = ("quality", "psnr", "max_error", "ratio", "lossless", "qstep", "labels")
_TARGETS = ", ".join(MODES)
_OF_MODE = {"lossless": ("fast", "small"), "max_error": ("fast", "either"), "labels": ("labels",)}  # beside transform
_DEFAULT_CUTS = {
    1: {2: (), 3: (12,), 4: (12, 28), 5: (3, 12, 28)},
    8: {2: (), 3: (64,), 4: (64, 192), 5: (19, 64, 192)},
}
_PREDICTED_CUTS = {2: (), 3: (40,), 4: (40, 52), 5: (28, 40, 52)}  # what stage 2 lacks, nothing is predicted from
_PREDICTIVE_STAGES = 1
_USUAL = {"method": "transform", "prediction": None, "slice_axis": None, "per_channel": False, "channel_values": ()}
_LARGEST_RATIO = 1_000_000
_SMALLEST_STEP, _LARGEST_STEP = 1e-30, 1e30  # 2^18 of them, and their squares, are numbers of all the types in use


@public_class()
@dataclass(frozen=True)
class CodecConfig:
    """What an encoder is asked for: one target, and how to code. `from_options` makes one.

    Parameters
    ----------
    mode : {"quality", "psnr", "max_error", "ratio", "lossless", "qstep", "labels"}
        The kind of the target.
    value : float
        The number that belongs to the mode:

        - ``quality``: above 0, at most 440; a higher one keeps more. ``docs/quality.md`` says what it means.
        - ``psnr``: decibels on the range of the data.
        - ``max_error``: the largest error of a sample, in sample units.
        - ``ratio``: bytes of the samples over bytes of the encoding.
        - ``qstep``: the step of the quantizer, in sample units.
        - ``lossless``: 0.
        - ``labels``: 0. Samples are names of objects, which are kept exactly and never mixed.
    stages : int
        The container has 2 to 5 stages, or as many as `cuts` makes; of a predictive method 1.
    cuts : tuple of int, optional
        Stage 2, 3, .. ends before this many AC positions of each cell (FORMAT.md section 5).
    roi_quality : float, "lossless" or mapping, optional
        The regions get this quality. ``{class: quality}`` gives each class its own.
    cell_depth : {1, 8}, optional
        Cells are 1x8x8 or 8x8x8. None tries both.
    verify : bool
        The result is decoded to measure its error. Otherwise the loss record holds estimates.
    step : float, optional
        float32 samples are rounded to multiples of it, in their unit. Integers have None.
    effort : {1, 2, 3}
        1 is the fastest, 3 gives the fewest bytes. Any decoder reads all of them.
    method : {"transform", "fast", "small", "either", "labels"}
        Blocks in stages; samples predicted in one payload: modes lossless and (not small) max_error without stages,
        cuts and regions; of max_error also either of the first two, whichever is smaller; or runs of labels.
    padding : int, "auto" or None
        Samples of this value carry no image. ``"auto"`` looks for one and takes it where it saves bytes.
    prediction : bool, optional
        Blocks of 2D cells are predicted from those before them. None tries it at effort 3; there is none at effort 1.
    slice_axis : {"z", "t", "n"}, optional
        Slices follow each other along it. None tries t, where prediction is tried and arrays have no z.
    per_channel, channel_values
        Channels that are no colours have steps of their own, and numbers where these differ: `value` is the largest.

    Examples
    --------
    >>> CodecConfig.from_options(quality=10).stages
    3
    """

    mode: str
    value: float
    stages: int = DEFAULT_STAGES
    cuts: tuple[int, ...] | None = None
    roi_quality: Quality | tuple[tuple[int, Quality], ...] | None = None
    cell_depth: int | None = None
    verify: bool = True
    step: float | None = None
    effort: int = 2
    padding: Padding = "auto"
    method: str = "transform"
    prediction: bool | None = None
    slice_axis: str | None = None
    per_channel: bool = False
    channel_values: tuple[float, ...] = ()

    @classmethod
    @public()
    def from_options(
        cls,
        *,
        quality: float | None = None,
        psnr: float | None = None,
        max_error: float | Sequence[float] | None = None,
        ratio: float | None = None,
        lossless: bool | str = False,
        qstep: float | Sequence[float] | None = None,
        stages: int | None = None,
        cuts: Sequence[int] | None = None,
        roi_quality: Quality | Mapping[int, Quality] | None = None,
        cell_depth: int | None = None,
        verify: bool = True,
        step: float | None = None,
        effort: int = 2,
        padding: Padding = "auto",
        labels: bool = False,
        prediction: bool | None = None,
        slice_axis: str | None = None,
        per_channel: bool = True,
        has_roi: bool = False,
    ) -> CodecConfig:
        """Checked configuration from the public keyword options.

        Raises
        ------
        InvalidArgument
            Unless exactly one of quality, psnr, max_error, ratio, lossless, qstep is given and all values are in range.
        """
        targets = {"quality": quality, "psnr": psnr, "max_error": max_error, "ratio": ratio, "qstep": qstep}
        parts = {"stages": stages, "cuts": cuts, "roi": has_roi or None}
        others = {"cell_depth": cell_depth, "roi_quality": roi_quality, "prediction": prediction or None}
        others["slice_axis"] = slice_axis if slice_axis != "z" else None
        if labels:
            exclude(targets | parts | others | {"step": step}, "labels=True: keeps all samples exactly, in one piece")
        exact = {"lossless": None if lossless is False else 0.0, "labels": 0.0 if labels else None}
        mode, (value, listed) = channel_numbers(*only_one(targets | exact, _TARGETS))
        method = "labels" if labels else lossless_method(lossless, parts, others)
        if mode == "max_error" and not listed and all(v is None for v in (*others.values(), *parts.values())):
            method = "either" if padding is None or isinstance(padding, str) else method
        cuts = None if cuts is None else integers("cuts", cuts)
        target = mode, value, stage_count(stages, cuts) if method == "transform" else _PREDICTIVE_STAGES, cuts
        blocks = frozen_quality(roi_quality), cell_depth, bool(verify), None if step is None else number("step", step)
        made = cls(*target, *blocks, effort, checked_padding(padding), method, prediction, slice_axis)
        return replace(made, per_channel=bool(per_channel), channel_values=listed)._checked()

    def _checked(self) -> CodecConfig:
        """The same by the one method that is left of either, checked."""
        self.check()
        is_decided = self.method == "either" and (self.effort == 1 or self.exact)
        return replace(self, method="fast") if is_decided else self

    def check(self) -> None:
        """Raise InvalidArgument unless every field is in range."""
        if self.mode not in MODES:
            raise InvalidArgument(f"mode {self.mode!r}: expected one of {_TARGETS}")
        if self.method != "transform" and not self._is_plain:
            raise InvalidArgument(
                f"method={self.method!r}: expected 'transform', or without stages and regions: 'fast' or 'small' of "
                "lossless, 'fast' or 'either' of max_error, 'labels' of labels"
            )
        if self.mode == "quality" and not 0 < self.value <= 440:
            raise InvalidArgument(f"quality={self.value}: expected a number in (0, 440]")
        if self.mode == "psnr" and not 1 <= self.value <= 140:
            raise InvalidArgument(f"psnr={self.value}: expected 1 to 140 dB")
        if self.step is not None and not _SMALLEST_STEP <= self.step <= _LARGEST_STEP:
            raise InvalidArgument(f"step={self.step}: expected {_SMALLEST_STEP} to {_LARGEST_STEP}")
        if self.error_bound is not None and not 0 <= self.error_bound <= MAX_CORRECTION_ERROR:
            most = MAX_CORRECTION_ERROR * (self.step or 1.0)
            raise InvalidArgument(f"max_error={self.value}: expected 0 to {most:g}")
        if self.mode == "ratio" and not 1 <= self.value <= _LARGEST_RATIO:
            raise InvalidArgument(f"ratio={self.value}: expected 1 to {_LARGEST_RATIO}")
        if self.mode == "qstep" and not MIN_STEP <= self.index_step * STEP_ONE <= MAX_STEP:
            least, most = (bound / STEP_ONE * (self.step or 1.0) for bound in (MIN_STEP, MAX_STEP))
            raise InvalidArgument(f"qstep={self.value}: expected {least:g} to {most:g}")
        check_blocks(self.effort, self.cell_depth, self.prediction, self.slice_axis)
        checked_padding(self.padding)
        self._check_channel_values()
        if self.method != "transform":
            return
        if self.cuts is None and self.stages not in _DEFAULT_CUTS[1]:
            raise InvalidArgument(f"stages={self.stages!r}: expected 2 to 5 (stage 1 is the 1/8 image), or cuts=")
        for depth in (1, 8) if self.cell_depth is None else (self.cell_depth,):
            self.stage_cuts(depth)
        found = self.roi_quality
        for quality in dict(found).values() if isinstance(found, tuple) else () if found is None else (found,):
            if quality != "lossless" and not (isinstance(quality, Real) and 0 < quality <= 440):
                raise InvalidArgument(f"roi_quality={quality!r}: expected a number in (0, 440] or 'lossless'")

    def _check_channel_values(self) -> None:
        """Raise InvalidArgument unless the number of each channel is in range."""
        listed = self.channel_values
        if listed and (not self.per_channel or self.method != "transform" or max(listed) != self.value):
            raise InvalidArgument(f"{self.mode}={list(listed)}: a number for each channel needs per_channel=True")
        for value in set(listed):
            replace(self, value=value, channel_values=(), per_channel=False).check()

    @property
    def _is_plain(self) -> bool:
        """Whether nothing asks for stages or regions."""
        others = self.stages, self.cuts, self.roi_quality, self.cell_depth
        return self.method in _OF_MODE.get(self.mode, ()) and others == (_PREDICTIVE_STAGES, None, None, None)

    def stage_cuts(self, depth: int, *, predicted: bool = False) -> tuple[int, ...]:
        """AC positions per cell at which the stages end, 0 for stage 1: ``(0, c_2, .., all)``."""
        cuts = (_PREDICTED_CUTS if predicted else _DEFAULT_CUTS[depth])[self.stages] if self.cuts is None else self.cuts
        ends = (0, *cuts, CELL_AC[depth])
        if any(a >= b for a, b in pairwise(ends)) or len(ends) > MAX_STAGES:
            raise InvalidArgument(f"cuts={cuts}: expected ascending numbers between 1 and {ends[-1] - 1}")
        return ends

    @property
    def exact(self) -> bool:
        """Whether every sample has to come back as it was."""
        return self.mode in ("lossless", "labels") or self.error_bound == 0

    @property
    def labels(self) -> bool:
        """Whether samples are names of objects."""
        return self.mode == "labels"

    def in_blocks(self, stages: int = DEFAULT_STAGES) -> CodecConfig:
        """The same in so many stages of blocks, unless it has stages."""
        return self if self.method == "transform" else replace(self, method="transform", stages=stages)

    @property
    def index_step(self) -> float:
        """Step that mode qstep asks for, in whole samples or (of float32) steps."""
        return self.value / (self.step or 1.0)

    @property
    def error_bound(self) -> int | None:
        """Largest error that mode max_error allows, in whole samples or (of float32) steps; None in other modes."""
        if self.mode != "max_error":
            return None
        return math.floor(self.value) if self.step is None else index_error(self.value, self.step)

    def class_quality(self, index: int) -> Quality | None:
        """Quality asked for a ROI class (1, 2, ..), None where the target's own rule holds."""
        if isinstance(self.roi_quality, tuple):
            return dict(self.roi_quality).get(index)
        return self.roi_quality

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form; `from_dict` undoes it."""
        data = {name: value for name, value in asdict(self).items() if name not in _USUAL or value != _USUAL[name]}
        data |= {name: list(data[name]) for name in ("cuts", "channel_values") if data.get(name) is not None}
        if isinstance(self.roi_quality, tuple):
            data["roi_quality"] = [list(pair) for pair in self.roi_quality]
        return data

    @classmethod
    @public()
    def from_dict(cls, data: Mapping[str, Any]) -> CodecConfig:
        """Configuration from `to_dict`'s form.

        Raises
        ------
        InvalidArgument
            For an unknown key or a value out of range.
        """
        if not isinstance(data, Mapping):
            raise InvalidArgument(f"configuration: expected the mapping that to_dict gives, found {data!r}")
        names = {f.name for f in fields(cls)}
        if unknown := sorted(set(data) - names):
            raise unknown_option("configuration", unknown[0], names)
        if not {"mode", "value"} <= set(data):
            raise InvalidArgument(f"configuration: expected keys {sorted(names)}, found {sorted(data)}")
        listed = tuple(number("value", v) for v in data.get("channel_values", ()))
        values = dict(data) | {"value": number("value", data["value"]), "channel_values": listed}
        if values.get("step") is not None:
            values["step"] = number("step", values["step"])
        if values.get("cuts") is not None:
            values["cuts"] = tuple(values["cuts"])
        if isinstance(values.get("roi_quality"), list):
            values["roi_quality"] = tuple((int(k), q) for k, q in values["roi_quality"])
        config = cls(**values)
        config.check()
        return config
