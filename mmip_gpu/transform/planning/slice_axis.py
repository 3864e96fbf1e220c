"""The axis along which slices follow each other: what was asked for, and what the planner tries.

Values: a configuration or a plan, and a PlanReader, in; the same with an axis out. Encoder decisions only: nothing here
is part of the format. Guarantees choices that depend on the samples alone.
"""

from __future__ import annotations

from dataclasses import replace

from mmip_gpu.config import CodecConfig
from mmip_gpu.errors import InvalidArgument
from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.transform.planning.choose_prediction import choose_prediction, saves, tries_prediction
from mmip_gpu.transform.planning.costs import tiled
from mmip_gpu.transform.planning.plan_reader import PlanReader
from mmip_gpu.transform.planning.trial import Trial

__all__ = ["choose_slice_axis", "with_asked_axis"]

_TRIED_AXIS = "t"
_LEAST_SAVING = 0.02  # share of the bits: a time alone then needs the tiles of several


def with_asked_axis(config: CodecConfig, reader: PlanReader) -> tuple[CodecConfig, str]:
    """(the configuration, with 2D cells where slices follow each other along t or n; the axis that was asked for).

    Raises
    ------
    InvalidArgument
        For an axis that the array has not.
    """
    axis = config.slice_axis or "z"
    if axis == "z":
        return config, axis
    if axis not in reader.layout.axes:
        raise InvalidArgument(f"slice_axis={axis!r}: the array has the axes {reader.layout.axes!r}")
    return replace(config, cell_depth=1), axis


def choose_slice_axis(plan: ChunkPlan, probe: Trial, reader: PlanReader) -> tuple[ChunkPlan, Trial]:
    """(the plan, the probe), or ones with slices along t where no axis is asked for, there is no z, and they cost less.

    It is tried where prediction is: planes that are alike say little of each other otherwise.
    """
    layout = reader.layout.sliced_along(_TRIED_AXIS)
    is_open = plan.config.slice_axis is None and not plan.lossless and layout.samples > 0
    has_times = layout.length("z") == 1 < layout.volume[0] and plan.depth == 1
    if not (reader.may_choose_slice_axis and is_open and has_times and tries_prediction(plan.config)):
        return plan, probe
    slices = reader.probe(_TRIED_AXIS)
    along = tiled(replace(plan.without_prediction(), slice_axis=_TRIED_AXIS), slices.quarter(plan.axes))
    along = choose_prediction(along, slices, layout.volume[0])
    return (along, slices) if saves(along, plan, slices, _LEAST_SAVING) else (plan, probe)
