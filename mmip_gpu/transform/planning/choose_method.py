"""An error bound, either way: samples predicted in steps of 2e + 1, or blocks with corrections; what is smaller.

Values: an array and a plan in, Encoded out; of stores, a probe and what it takes in blocks in, a configuration out.
Encoder decisions only: nothing here is part of the format. Guarantees results that depend on the samples alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.config import CodecConfig
from mmip_gpu.container.encoded import Encoded
from mmip_gpu.predictive.fast import CODEC as FAST
from mmip_gpu.predictive.plan import PredictivePlan
from mmip_gpu.transform.assemble import raw_is_smallest
from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.transform.planning.array_reader import ArrayReader
from mmip_gpu.transform.planning.costs import at_choice
from mmip_gpu.transform.planning.make_plan import make_plan
from mmip_gpu.transform.planning.trial import Trial
from mmip_gpu.volume.axes import PlaneLayout

__all__ = ["chosen_config", "encode_smaller"]

_FEWEST_STAGES = 2
_CLEAR = 1.06  # what takes so much less on a probe is smaller on all samples; else these tell


def encode_smaller(
    array: NDArray[Any], plan: PredictivePlan, classes: NDArray[np.uint8] | None = None, threads: int = 1
) -> Encoded:
    """Code an array by the method that takes fewer bytes, in one payload or in the fewest stages of blocks."""
    predicted = replace(plan, config=replace(plan.config, method="fast"))
    layout = PlaneLayout.of(array.shape, plan.axes)
    if raw_is_smallest(layout, array.itemsize, _FEWEST_STAGES):
        return FAST.encode(array, predicted, None, threads)
    whole = Trial(array, None, threads)
    reader = ArrayReader(whole, layout, plan.colour)
    blocks = make_plan(plan.config.in_blocks(_FEWEST_STAGES), reader)
    probe, found = reader.probe(), FAST.encode(array, predicted, None, threads)
    if probe is not whole:
        in_blocks = probe.size(at_choice(blocks))
        if _predicted_size(probe, predicted, threads) * _CLEAR < in_blocks:
            return found
    other = whole.encoded(blocks, plan.allow_raw)
    return other if other.size < found.size else found


def chosen_config(config: CodecConfig, blocks: ChunkPlan, probe: Trial, threads: int) -> CodecConfig:
    """The configuration with one method for all chunks of a store: by a probe, and the plan of its blocks."""
    predicted = PredictivePlan(replace(config, method="fast"), blocks.axes, blocks.colour)
    size = _predicted_size(probe, predicted, threads)
    return blocks.config if probe.array.size and probe.size(at_choice(blocks)) < size else predicted.config


def _predicted_size(probe: Trial, plan: PredictivePlan, threads: int) -> int:
    return FAST.encode(probe.array, replace(plan, allow_raw=False), None, threads).size
