"""From what was asked (CodecConfig) to what the encoder does to every chunk of an array (ChunkPlan).

Values: a configuration, the data range and probe chunks in; step sizes, cell depth, tiles and stage cuts out.
Encoder side of FORMAT.md sections 1, 3 and 5. A plan holds for all chunks of an array, so that they share one codec.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mmip_gpu._core import MAX_STEP, MIN_STEP, SEARCH_FAST, SEARCH_FULL, SEARCH_ROUGH, STEP_ONE
from mmip_gpu.config import CodecConfig
from mmip_gpu.values import Quality
from mmip_gpu.volume.axes import PlaneLayout

__all__ = [
    "ChunkPlan",
    "class_steps",
    "initial_step",
    "quality_steps",
    "sample_step",
    "tile_log2",
]

_PSNR_ROI_FACTOR = 4  # the quality rule's ratio between background and ROI steps
# What an error of one unit in a component does to the squared error of R, G and B together.
_COMPONENT_SCALES = tuple(1 / math.sqrt(energy) for energy in (3.0, 0.5, 0.75))
_RATIO_LEVELS, _RATIO_POWER = 500, 0.8  # of the data range, and of the ratio, where its search starts
# Of the steps that blocks are chosen by: larger steps keep better blocks.
_LEAST_OF_CHOICE, _MOST_OF_CHOICE = 0.88, 1.25
_LOW_RATE, _LOWEST_RATE = 0.4, 0.13  # bits a sample


# Effort: how block modes and indices are chosen (Search of rules/format.h), and in how many passes.
_EFFORTS = {1: (SEARCH_FAST, 1), 2: (SEARCH_ROUGH, 1), 3: (SEARCH_FULL, 2)}


@dataclass(frozen=True)
class ChunkPlan:
    """How every chunk of an array is coded.

    `steps` holds one list of components a class, in 1/256; `reversible` one flag a class; `cuts` starts with 0 and
    ends with all AC of a cell (FORMAT.md sections 1 and 5). Samples equal to `padding` are coded as a mask;
    `correction` is the error bound of the corrections, None without them; `dc_image` whether stage 1 is one;
    `prediction` whether blocks may be predicted from what stages 1 and 2 restore (FORMAT.md section 4.5);
    `slice_axis` the axis of the slices, where an array has more than one along it.
    `choice_steps` are those by which effort 1 chooses blocks, where these are not `steps`: an encoder that keeps the
    blocks for other steps leaves out most of its work.

    Where each channel has its own steps, `units` are those over the largest, 0 for a constant channel, which has step 1
    at any other; `peaks` are the ranges of the channels over the largest; `errors` bounds of corrections that differ.
    """

    config: CodecConfig
    axes: str
    colour: bool
    depth: int
    tile_log2: tuple[int, int, int]
    cuts: tuple[int, ...]
    steps: tuple[tuple[int, ...], ...]
    reversible: tuple[int, ...]
    padding: int | None = None
    correction: int | None = None
    dc_image: bool = False
    prediction: bool = False
    slice_axis: str = "z"
    units: tuple[float, ...] = ()
    peaks: tuple[float, ...] = ()
    errors: tuple[int, ...] = ()
    choice_steps: tuple[tuple[int, ...], ...] | None = None

    def layout(self, shape: tuple[int, ...]) -> PlaneLayout:
        """How an array of this shape makes planes."""
        return PlaneLayout.of(shape, self.axes).sliced_along(self.slice_axis)

    @property
    def lossless(self) -> bool:
        """Whether every class is bit-exact."""
        return all(self.reversible)

    @property
    def search(self) -> tuple[int, int]:
        """(how the encoder chooses, in how many passes); bit-exact blocks leave nothing to decide."""
        return _EFFORTS[1 if self.lossless else self.config.effort]

    @property
    def predicts(self) -> bool:
        """Whether the encoder predicts blocks: not at effort 1, and not where all of them are bit-exact."""
        return self.prediction and self.config.effort > 1 and not self.lossless

    @property
    def background_step(self) -> float:
        """Step of the background, in sample units (before the scales of colour components); the largest of channels."""
        if not any(self.units):
            return self.class_step(0)
        channel = self.units.index(max(self.units))
        return self.steps[0][channel] / STEP_ONE / self.units[channel]

    @property
    def tile_samples(self) -> int:
        """Samples of a tile that lies in the array as a whole."""
        return self.depth * 64 << sum(self.tile_log2)

    @property
    def part_count(self) -> int:
        """Parts whose errors are told apart: classes, or the channels of each class in turn."""
        return len(self.steps) * max(len(self.units), 1)

    @property
    def correction_errors(self) -> tuple[int, ...]:
        """Error bounds of the corrections: of each channel, or one for all; none without corrections."""
        return () if self.correction is None else self.errors or (self.correction,)

    @property
    def unverified(self) -> ChunkPlan:
        """The same plan, whose results are not decoded to measure their errors."""
        return replace(self, config=replace(self.config, verify=False)) if self.config.verify else self

    def class_step(self, index: int) -> float:
        """Step of one of `part_count` parts, in sample units (before the scales of colour components)."""
        if not self.units:
            return sample_step(self.steps[index], self.colour)
        return self.steps[index // len(self.units)][index % len(self.units)] / STEP_ONE

    def with_step(self, step: float) -> ChunkPlan:
        """The same plan with another background step (modes that search it)."""
        steps, reversible = class_steps(self.config, len(self.steps), self.colour, step, self.units)
        return replace(self, steps=steps, reversible=reversible, choice_steps=None)

    def with_blocks_of(self, other: ChunkPlan) -> ChunkPlan:
        """The same plan with the blocks of another one, where steps are alike; with its own, to be kept, elsewhere."""
        by = other.choice_steps or other.steps
        alike = self.reversible == other.reversible and all(
            _LEAST_OF_CHOICE * a <= b <= a * _MOST_OF_CHOICE
            for row, own in zip(by, self.steps, strict=True)
            for a, b in zip(row, own, strict=True)
        )
        return replace(self, choice_steps=by) if alike else replace(self, choice_steps=self.steps)

    def with_channel_steps(self, steps: Sequence[float]) -> ChunkPlan:
        """The same plan with these background steps of the channels; 0 for a constant one."""
        largest = max(steps) or 1.0
        return replace(self, units=tuple(step / largest for step in steps)).with_step(largest)

    def exact(self) -> ChunkPlan:
        """The same plan with every class bit-exact."""
        steps = tuple((STEP_ONE,) * len(row) for row in self.steps)
        flags = (1,) * len(steps)
        exact = replace(self, steps=steps, reversible=flags, correction=None, errors=(), choice_steps=None)
        return replace(exact, dc_image=False).without_prediction()

    def without_prediction(self) -> ChunkPlan:
        """The same plan without predicted blocks, and with the cuts of one."""
        return replace(self, prediction=False, cuts=self.config.stage_cuts(self.depth)) if self.prediction else self

    def with_factors(self, factors: Sequence[float]) -> ChunkPlan:
        """The same plan with the steps of each part (`part_count`) of lossy classes multiplied (mode quality)."""
        each = max(len(self.units), 1)  # 1 serves all components of a class
        steps = tuple(
            row if exact else tuple(_fixed_step(s * factors[k * each + i % each] / STEP_ONE) for i, s in enumerate(row))
            for k, (row, exact) in enumerate(zip(self.steps, self.reversible, strict=True))
        )
        return replace(self, steps=steps, choice_steps=None)


def sample_step(row: Sequence[int], colour: bool) -> float:
    """Step of a class in sample units, of those of its components in 1/256.

    Examples
    --------
    >>> sample_step((640,), False), round(sample_step((148, 362, 296), True), 2)
    (2.5, 1.0)
    """
    return row[0] / STEP_ONE / (_COMPONENT_SCALES[0] if colour else 1.0)


def quality_steps(quality: float) -> tuple[int, int]:
    """(background step, ROI step) of the seed's rule.

    Examples
    --------
    >>> quality_steps(10)
    (44, 11)
    """
    base = max(1, round(220 / quality))
    return 2 * base, max(1, base // 2)


def initial_step(config: CodecConfig, data_range: float) -> float:
    """Background step: as asked for, of the quality rule, or what plain rounding at high rate needs for the PSNR."""
    if config.mode == "quality":
        return float(quality_steps(config.value)[0])
    if config.mode == "qstep":
        return config.index_step
    if config.mode == "psnr":
        return math.sqrt(12.0) * data_range / 10 ** (config.value / 20)
    return max(data_range / _RATIO_LEVELS * config.value**_RATIO_POWER, 1.0) if config.mode == "ratio" else 1.0


def class_steps(
    config: CodecConfig, classes: int, colour: bool, background: float, units: Sequence[float] = ()
) -> tuple[tuple[tuple[int, ...], ...], tuple[int, ...]]:
    """Steps in 1/256 and reversible flags of all classes, for this background step; `units` as in ChunkPlan."""
    steps, flags = [], []
    for index in range(classes):
        quality = None if index == 0 else config.class_quality(index)
        step = background if index == 0 else _roi_step(config, quality, background)
        exact = config.exact or step is None
        flags.append(int(exact))
        of_channels = units if quality is None else (1.0,) * len(units)  # the step of a quality is that of any channel
        steps.append(_component_steps(None if exact else step, colour, of_channels))
    return tuple(steps), tuple(flags)


def _roi_step(config: CodecConfig, quality: Quality | None, background: float) -> float | None:
    """Step of a ROI class; None means bit-exact."""
    if quality == "lossless":
        return None
    if quality is not None and not isinstance(quality, str):
        return float(quality_steps(quality)[1])
    if config.mode == "quality":
        return float(quality_steps(config.value)[1])
    return background / _PSNR_ROI_FACTOR


def _component_steps(step: float | None, colour: bool, units: Sequence[float] = ()) -> tuple[int, ...]:
    """Steps in 1/256 of a grey plane, of channels, or of Y, Co, Cg, which add equal error to R, G, B."""
    scales = units or (_COMPONENT_SCALES if colour else (1.0,))
    return tuple(STEP_ONE if step is None or not scale else _fixed_step(step * scale) for scale in scales)


def _fixed_step(step: float) -> int:
    """A step in 1/256, within the format's limits."""
    return int(min(max(round(step * STEP_ONE), MIN_STEP), MAX_STEP))


def tile_log2(
    depth: int, volume: Sequence[int], bits_per_sample: float, prediction: bool = False
) -> tuple[int, int, int]:
    """Tiles of 16,384 samples, 65,536 or 262,144 at low rates, so that the index stays under 1 % (design D8).

    With prediction they are larger, since blocks at their borders have fewer neighbours: 4 x 128 x 128 samples at
    least, of one or two slices 256 x 256 (-0.3 to -3 % of images above 0.4 bit/sample).
    """
    size = (bits_per_sample < _LOW_RATE) + (bits_per_sample < _LOWEST_RATE)
    if depth == 8:
        return ((1, 2, 2), (2, 2, 3), (3, 3, 3))[size]
    if prediction:
        size = max(size, 1)
        if volume[0] == 2:
            return (1, 5, 5)
    if volume[0] > 1:
        return ((2, 3, 3), (2, 4, 4), (2, 5, 5))[size]
    return ((0, 4, 4), (0, 5, 5), (0, 6, 6))[size]
