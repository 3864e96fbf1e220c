"""The axis along which slices follow each other: what was asked for, and what the planner tries.

Values: a configuration or a plan, and a PlanReader, in; the same with an axis out. Encoder decisions only: nothing here
is part of the format. Guarantees choices that depend on the samples alone.
"""

from __future__ import annotations

from dataclasses import replace

from mmip_gpu.config import CodecConfig
from mmip_gpu.errors import InvalidArgument
from mmip_gpu.transform.planning.plan_reader import PlanReader

__all__ = ["with_asked_axis"]


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
    if not reader.may_predict:
        raise InvalidArgument(f"slice_axis={axis!r}: stores are written along z; leave it out")
    return replace(config, cell_depth=1), axis
