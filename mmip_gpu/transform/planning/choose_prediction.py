"""Whether blocks are predicted, and in tiles of how many slices: by coding samples both ways.

Values: a plan and a Trial of the probe in; a plan out. Encoder decisions only: nothing here is part of the format.
Guarantees choices that depend on the samples alone. Plans are compared at their own effort: closing alone, as effort 2
predicts, judged phantoms and fluorescence wrongly by up to 1 %.
"""

from __future__ import annotations

from dataclasses import replace

from mmip_gpu._core import MAX_TILE_SAMPLES
from mmip_gpu.config import CodecConfig
from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.transform.planning.costs import saving, with_tiles
from mmip_gpu.transform.planning.trial import Trial

__all__ = ["choose_prediction", "saves", "tries_prediction"]

_PREDICTING_EFFORT = 3  # from which on prediction is tried unasked
_LEAST_SAVING = 0.003  # share of the bits, for which decoding takes half as long again
_LEAST_OF_DEEP_TILES = 0.03  # where a slice is restored with twice as many of its neighbours; in proportion elsewhere
_RATE_OF_TILES = {2**14: 1.0, 2**16: 0.2, 2**18: 0.05}  # bits a sample for which `tile_log2` gives them
# Shares that are nearer than this to what decides, on a quarter of the probe, are found on all of it; and of tiles.
_CLEAR, _CLEAR_OF_TILES = 0.1, 0.01


def choose_prediction(plan: ChunkPlan, probe: Trial, slices: int) -> ChunkPlan:
    """The plan, or one of 2D cells whose blocks are predicted: where that is asked for, or the probe costs less.

    `slices` are those of the array.
    """
    config = plan.config
    if not tries_prediction(config) or plan.lossless or probe.array.size == 0:
        return plan
    predicted = replace(plan, depth=1, cuts=config.stage_cuts(1, predicted=True), prediction=True)
    predicted = with_tiles(predicted, probe, _RATE_OF_TILES[plan.tile_samples])
    if not config.prediction and not saves(predicted, plan, probe, _LEAST_SAVING):
        return plan
    return predicted if config.effort < _PREDICTING_EFFORT else _with_deep_tiles(predicted, probe, slices)


def tries_prediction(config: CodecConfig) -> bool:
    """Whether prediction is asked for, or is tried unasked."""
    unasked = config.prediction is None and config.effort >= _PREDICTING_EFFORT and config.cell_depth != 8
    return unasked or bool(config.prediction)


def saves(plan: ChunkPlan, other: ChunkPlan, probe: Trial, least: float, clear: float = _CLEAR) -> bool:
    """Whether a plan saves more than the least share of the bits of another.

    A part of the probe tells, or all of it where the share is not clear of the least one.
    """
    part = probe.quarter(plan.axes)
    found = saving(plan, other, part)
    return (found if part is probe or abs(found - least) > clear else saving(plan, other, probe)) > least


def _with_deep_tiles(plan: ChunkPlan, probe: Trial, slices: int) -> ChunkPlan:
    """The plan with tiles of twice as many slices, where they save enough for what a slice takes with them."""
    z, y, x = plan.tile_log2
    if slices <= 1 << z or 2 * plan.tile_samples > MAX_TILE_SAMPLES:
        return plan
    deep = replace(plan, tile_log2=(z + 1, y, x))
    least = _LEAST_OF_DEEP_TILES * (_slices_with_one(slices, 2 << z) / _slices_with_one(slices, 1 << z) - 1)
    return deep if saves(deep, plan, probe, least, _CLEAR_OF_TILES) else plan


def _slices_with_one(slices: int, of_tile: int) -> float:
    """Mean of how many slices the tile of a slice has, over all slices."""
    tiles, rest = divmod(slices, of_tile)
    return (tiles * of_tile**2 + rest**2) / slices
