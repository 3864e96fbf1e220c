"""From what was asked (CodecConfig) to what the encoder does to every chunk of an array (ChunkPlan).

Values: a configuration, the data range and probe chunks in; step sizes, cell depth, tiles and stage cuts out.
Encoder side of FORMAT.md sections 1, 3 and 5. A plan holds for all chunks of an array, so that they share one codec.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import MAX_STEP, MIN_STEP, SEARCH_FAST, SEARCH_FULL, SEARCH_ROUGH, STEP_ONE
from mmip_gpu.config import CodecConfig
from mmip_gpu.values import Quality
from mmip_gpu.volume.floats import DEEP_LIMIT

__all__ = [
    "ChunkPlan",
    "class_steps",
    "initial_step",
    "mean_offset",
    "quality_steps",
    "sample_step",
    "tile_log2",
]

_PSNR_ROI_FACTOR = 4  # the quality rule's ratio between background and ROI steps
# What an error of one unit in a component does to the squared error of R, G and B together.
_COMPONENT_SCALES = tuple(1 / math.sqrt(energy) for energy in (3.0, 0.5, 0.75))
_RATIO_LEVELS, _RATIO_POWER = 500, 0.8  # of the data range, and of the ratio, where its search starts
_LEAST_OF_CHOICE, _MOST_OF_CHOICE = 0.88, 1.14  # of the steps that blocks are chosen by: about a decibel
_LOW_RATE, _LOWEST_RATE = 0.4, 0.1  # bits a sample


# Effort: how block modes and indices are chosen (Search of rules/format.h), and in how many passes.
_EFFORTS = {1: (SEARCH_FAST, 1), 2: (SEARCH_ROUGH, 1), 3: (SEARCH_FULL, 2)}


@dataclass(frozen=True)
class ChunkPlan:
    """How every chunk of an array is coded.

    `steps` holds one list of components a class, in 1/256; `reversible` one flag a class; `cuts` starts with 0 and
    ends with all AC of a cell (FORMAT.md sections 1 and 5). Samples equal to `padding` are coded as a mask;
    `correction` is the error bound of the corrections, None without them; `dc_image` whether stage 1 is one.
    `choice_steps` are those by which effort 1 chooses blocks, where these are not `steps`: an encoder that keeps the
    blocks for other steps leaves out most of its work.
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
    choice_steps: tuple[tuple[int, ...], ...] | None = None

    @property
    def lossless(self) -> bool:
        """Whether every class is bit-exact."""
        return all(self.reversible)

    @property
    def search(self) -> tuple[int, int]:
        """(how the encoder chooses, in how many passes); bit-exact blocks leave nothing to decide."""
        return _EFFORTS[1 if self.lossless else self.config.effort]

    @property
    def background_step(self) -> float:
        """Step of the background, in sample units (before the scales of colour components)."""
        return self.class_step(0)

    @property
    def unverified(self) -> ChunkPlan:
        """The same plan, whose results are not decoded to measure their errors."""
        return replace(self, config=replace(self.config, verify=False)) if self.config.verify else self

    def class_step(self, index: int) -> float:
        """Step of a class, in sample units (before the scales of colour components)."""
        return sample_step(self.steps[index], self.colour)

    def with_step(self, step: float) -> ChunkPlan:
        """The same plan with another background step (modes that search it)."""
        steps, reversible = class_steps(self.config, len(self.steps), self.colour, step)
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

    def exact(self) -> ChunkPlan:
        """The same plan with every class bit-exact."""
        steps = tuple((STEP_ONE,) * len(row) for row in self.steps)
        flags = (1,) * len(steps)
        return replace(self, steps=steps, reversible=flags, correction=None, dc_image=False, choice_steps=None)

    def with_factors(self, factors: Sequence[float]) -> ChunkPlan:
        """The same plan with the steps of each lossy class multiplied (mode quality)."""
        steps = tuple(
            row if exact else tuple(_fixed_step(s * factor / STEP_ONE) for s in row)
            for row, exact, factor in zip(self.steps, self.reversible, factors, strict=True)
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
    config: CodecConfig, classes: int, colour: bool, background: float
) -> tuple[tuple[tuple[int, ...], ...], tuple[int, ...]]:
    """Steps in 1/256 and reversible flags of all classes, for this background step."""
    steps, flags = [], []
    for index in range(classes):
        step = background if index == 0 else _roi_step(config, config.class_quality(index), background)
        exact = config.exact or step is None
        flags.append(int(exact))
        steps.append(_component_steps(None if exact else step, colour))
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


def _component_steps(step: float | None, colour: bool) -> tuple[int, ...]:
    """Steps in 1/256 of a grey plane or of Y, Co, Cg, so that all components add equal error to R, G, B."""
    if step is None:
        return (STEP_ONE,) * (3 if colour else 1)
    return tuple(_fixed_step(step * s) for s in (_COMPONENT_SCALES if colour else (1.0,)))


def _fixed_step(step: float) -> int:
    """A step in 1/256, within the format's limits."""
    return int(min(max(round(step * STEP_ONE), MIN_STEP), MAX_STEP))


def tile_log2(depth: int, volume: Sequence[int], bits_per_sample: float) -> tuple[int, int, int]:
    """Tiles of 16,384 samples, 65,536 or 262,144 at low rates, so that the index stays under 1 % (design D8)."""
    size = (bits_per_sample < _LOW_RATE) + (bits_per_sample < _LOWEST_RATE)
    if depth == 8:
        return ((1, 2, 2), (2, 2, 3), (3, 3, 3))[size]
    if volume[0] > 1:
        return ((2, 3, 3), (2, 4, 4), (2, 5, 5))[size]
    return ((0, 4, 4), (0, 5, 5), (0, 6, 6))[size]


def sample_offset(planes: NDArray[Any], statistics: tuple[int, int, int]) -> int:
    """The rounded mean, which every sample has subtracted; `statistics` are the sum and range of the planes.

    Of indices of float32 samples as near to it as keeps the differences of 3D blocks within +-2^17.
    """
    total, low, high = statistics
    mean = mean_offset(total, planes.size)
    if planes.dtype != np.int32 or high - low > 2 * DEEP_LIMIT:
        return mean
    return min(max(mean, high - DEEP_LIMIT), low + DEEP_LIMIT)


def mean_offset(total: int, samples: int) -> int:
    """The mean of integer samples of this sum, rounded half up.

    Examples
    --------
    >>> mean_offset(-5, 2)
    -2
    """
    return (2 * total + samples) // (2 * samples)
