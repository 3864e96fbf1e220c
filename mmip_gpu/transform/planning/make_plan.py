"""Making the plan of an array: one that is at hand, or one that a job reads from a source.

Values: a configuration and a PlanReader in, a ChunkPlan out.
Encoder decisions only: nothing here is part of the format. Every decision is a function of the data alone, so that
bytes do not depend on the machine. The planner makes its choices on a probe, and matches the steps on it. Where the
target holds for the whole array, the reader then matches them on more samples.
"""

from __future__ import annotations

from dataclasses import replace

from mmip_gpu.arguments import given_padding
from mmip_gpu.config import CodecConfig
from mmip_gpu.transform.assemble import raw_is_smallest
from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.transform.planning.channel_plans import RANGED_MODES, with_channels
from mmip_gpu.transform.planning.choices import (
    choose_cells,
    choose_dc_image,
    choose_padding,
    first_plans,
)
from mmip_gpu.transform.planning.choose_prediction import choose_prediction
from mmip_gpu.transform.planning.find_padding import PaddingCandidate, find_padding, may_hold_padding
from mmip_gpu.transform.planning.match_probe import match_bound_and_padding, match_on_probe
from mmip_gpu.transform.planning.plan_reader import PlanReader
from mmip_gpu.transform.planning.probe_regions import DEEP_SLICES, holds_little
from mmip_gpu.transform.planning.slice_axis import choose_slice_axis, with_asked_axis
from mmip_gpu.volume.floats import fits_deep

__all__ = ["make_plan"]


def make_plan(config: CodecConfig, reader: PlanReader, data_range: float | None = None) -> ChunkPlan:
    """Make the plan by which every chunk of an array is coded.

    Parameters
    ----------
    config : CodecConfig
        What was asked for.
    reader : PlanReader
        What reads the array.
    data_range : float, optional
        Range of the samples that a PSNR refers to; by default it is looked for where the target needs it.

    Raises
    ------
    InvalidArgument
        The padding value does not fit the samples, or no step reaches the target.

    Examples
    --------
    >>> import numpy as np
    >>> from mmip_gpu.transform.planning.array_reader import ArrayReader
    >>> from mmip_gpu.transform.planning.trial import Trial
    >>> from mmip_gpu.volume.axes import PlaneLayout
    >>> image = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    >>> reader = ArrayReader(Trial(image), PlaneLayout.of(image.shape))
    >>> make_plan(CodecConfig("qstep", 4.0), reader).background_step
    4.0
    """
    peak = _peak(config, reader, data_range)
    config, axis = with_asked_axis(config, reader)
    layout = reader.layout.sliced_along(axis)
    config = _of_few_samples(_with_cells_that_fit(config, reader), layout.volume)
    padding = _asked_padding(config, reader)
    probe = reader.probe(axis)
    plans = first_plans(config, reader, probe, peak, padding, axis)
    may_stay = reader.may_stay_raw and config.mode != "ratio"
    if may_stay and raw_is_smallest(layout, reader.dtype.itemsize, len(plans[0].cuts)):
        return plans[0]
    if config.per_channel:
        plans = [with_channels(plan, _channel_ranges(config, reader, data_range), peak) for plan in plans]
    plan = choose_prediction(choose_cells(plans, probe, peak), probe, layout.volume[0])
    plan, probe = choose_slice_axis(plan, probe, reader)
    plan, found = _with_found_padding(plan, reader)
    allows_dc_image = reader.cut(plan)
    if found is not None and config.mode == "max_error" and reader.refines_padding:
        return match_bound_and_padding(plan, found.value, probe)
    if allows_dc_image:
        plan = choose_dc_image(plan, probe)
    plan = match_on_probe(plan, probe)
    return reader.match(plan, probe, peak)


def _peak(config: CodecConfig, reader: PlanReader, data_range: float | None) -> float:
    """Data range in whole samples or (of float32) steps; one where the target needs none, or the range is 0."""
    if data_range is None:
        data_range = config.step or 1.0
        if config.mode in reader.ranged_modes:
            limits = reader.channel_limits() if config.per_channel else [reader.limits()]
            data_range = max(high - low for low, high in limits) or data_range
    return data_range / (config.step or 1.0)


def _channel_ranges(config: CodecConfig, reader: PlanReader, data_range: float | None) -> list[float]:
    """Range of each channel; equal ones where the target does not follow them."""
    if data_range is not None or config.mode not in RANGED_MODES:
        return [1.0] * reader.layout.channels
    return [float(high) - float(low) for low, high in reader.channel_limits()]


def _with_cells_that_fit(config: CodecConfig, reader: PlanReader) -> CodecConfig:
    """The same with 2D cells, where the range of float32 samples excludes 3D ones and none are asked for."""
    if config.step is None or config.cell_depth is not None or fits_deep(*reader.limits(), config.step):
        return config
    return replace(config, cell_depth=1)


def _of_few_samples(config: CodecConfig, volume: tuple[int, int, int]) -> CodecConfig:
    """The same with less search, where cells hold little but what repeats the edge of a plane, as of one-wide ones."""
    if not holds_little(volume):
        return config
    return replace(config, effort=1, cell_depth=config.cell_depth or (8 if volume[0] >= DEEP_SLICES else 1))


def _asked_padding(config: CodecConfig, reader: PlanReader) -> int | None:
    """The padding value that was asked for, where a sample may have it."""
    value = given_padding(config, reader.dtype, reader.colour)
    return value if value is not None and reader.may_hold(value) else None


def _with_found_padding(plan: ChunkPlan, reader: PlanReader) -> tuple[ChunkPlan, PaddingCandidate | None]:
    """(the plan, with a padding value that was looked for and pays; the candidate that was tried)."""
    if plan.config.padding != "auto" or not may_hold_padding(reader.dtype, reader.colour):
        return plan, None
    candidate = find_padding(reader.read, reader.layout.sliced_along(plan.slice_axis), reader.known_padding)
    if candidate is None:
        return plan, None
    region = candidate.region
    if plan.units:  # each has its step
        region = tuple(slice(None) if a == "c" else s for a, s in zip(plan.axes, region, strict=True))
    chosen = choose_padding(plan, candidate.value, reader.trial(region))
    return (chosen if reader.refines_padding else replace(plan, padding=chosen.padding)), candidate
