"""An array at hand, as the planner reads it: all samples may be looked at, and coded as often as it takes.

Values: a Trial of all samples in; what `PlanReader` names out.
Implements no section of FORMAT.md. Guarantees that the whole array reaches a PSNR or a ratio, or is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.transform.planning.choices import CAREFUL_EFFORT
from mmip_gpu.transform.planning.costs import STEP_EFFORT, Ratios, carried_ratio
from mmip_gpu.transform.planning.match_channels import match_channels
from mmip_gpu.transform.planning.match_distortion import (
    NEAR_DB,
    SLOPE,
    carried_step,
    check_reached,
    decoding_shift,
    near_step,
    search_step,
    settle_step,
)
from mmip_gpu.transform.planning.match_size import RATIO_SLOPE, search_ratio, unreachable_ratio
from mmip_gpu.transform.planning.probe_regions import spread_probe, tile_probe
from mmip_gpu.transform.planning.trial import Trial
from mmip_gpu.volume.axes import PlaneLayout
from mmip_gpu.volume.region import Region
from mmip_gpu.volume.samples import finite_limits

__all__ = ["ArrayReader"]

_NEAR_ENOUGH_DB = 1.0  # at effort 1, where the step is corrected on all samples by their coefficients
_NEAR_SHARE = 4  # probes of more than this part of all samples tell little for their time


@dataclass(frozen=True)
class ArrayReader:
    """The samples of an array, all of them at hand, in any memory.

    Parameters
    ----------
    whole : Trial
        All samples, with their classes.
    layout : PlaneLayout
        Axes and shape of the array.
    colour : bool
        Whether three channels are coded together.
    """

    whole: Trial
    layout: PlaneLayout
    colour: bool = False

    known_padding: ClassVar[int | None] = None
    ranged_modes: ClassVar[frozenset[str]] = frozenset({"psnr", "ratio"})
    refines_padding: ClassVar[bool] = True
    may_stay_raw: ClassVar[bool] = True
    may_choose_slice_axis: ClassVar[bool] = True

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the samples."""
        return np.dtype(self.whole.array.dtype)

    @property
    def class_count(self) -> int:
        """Quality classes of the voxels, the background included."""
        classes = self.whole.classes
        return 1 if classes is None or classes.size == 0 else int(classes.max()) + 1

    def limits(self) -> tuple[float, float]:
        """(minimum, maximum) of all samples; zeros without any."""
        array = self.whole.array
        return finite_limits(array.min().item(), array.max().item()) if array.size else (0, 0)

    def channel_limits(self) -> list[tuple[float, float]]:
        """(minimum, maximum) of each channel; zeros without any samples."""
        array, at = self.whole.array, self.layout.axes.index("c")
        if not array.size:
            return [(0, 0)] * self.layout.channels
        parts = (array[(slice(None),) * at + (i,)] for i in range(self.layout.channels))
        return [finite_limits(part.min().item(), part.max().item()) for part in parts]

    def may_hold(self, value: int) -> bool:
        """Whether a sample has this value."""
        return bool((self.whole.array == value).any())

    def probe(self, slice_axis: str = "z") -> Trial:
        """The samples by which choices are made."""
        return self.whole.joined(spread_probe(self.layout.sliced_along(slice_axis)), self.layout.axes)

    def read(self, region: Region) -> NDArray[Any]:
        """The samples of a region in host memory."""
        return self.whole.samples.read(region)

    def trial(self, region: Region) -> Trial:
        """The samples of a region with their classes."""
        return self.whole.joined([region], self.layout.axes)

    def cut(self, plan: ChunkPlan) -> bool:
        """Leave the array whole, where a DC image may always be."""
        return True

    def match(self, plan: ChunkPlan, probe: Trial, peak: float) -> ChunkPlan:
        """The plan with the step that all samples need for a PSNR or a ratio; others as they are."""
        if self.whole.array.size == 0 or plan.config.mode not in ("psnr", "ratio"):
            return plan
        if plan.units:
            return match_channels(plan, probe, self.whole, peak)
        if plan.config.mode == "psnr":
            return _psnr_plan(plan, probe, self._larger(probe, plan), self.whole, peak)
        return _ratio_plan(plan, self._larger(probe, plan), self.whole)

    def _larger(self, probe: Trial, plan: ChunkPlan) -> Trial | None:
        """What tells more than a quarter of the probe, where the array is large: parts that are coded as in it."""
        few = self.whole.array.size // _NEAR_SHARE
        if probe.array.size > few:
            return None
        parts = self.whole.joined(tile_probe(self.layout, plan.depth), self.layout.axes)
        return parts if parts.array.size <= few else probe


def _psnr_plan(plan: ChunkPlan, probe: Trial, larger: Trial | None, whole: Trial, peak: float) -> ChunkPlan:
    """The plan with the step that all samples need; a quarter of the probe and what is larger tell where to begin."""
    rough, part = plan.config.effort == STEP_EFFORT, probe.quarter(plan.axes)
    slope, near = SLOPE, None
    if part is not whole and (larger is None or CAREFUL_EFFORT > plan.config.effort > STEP_EFFORT):
        near = near_step(plan, peak, part.kept_error)
    if larger is not None:
        if near is not None:
            plan, slope = carried_step(near, peak, part, larger)[0], near.slope
        near = near_step(plan, peak, larger.kept_error, slope, _NEAR_ENOUGH_DB if rough else NEAR_DB)
        part = larger
    if near is not None:
        plan, slope = near.plan, near.slope
    if rough and not plan.lossless:
        plan = settle_step(plan, peak, whole, slope, decoding_shift(part.keeping(plan), peak, part))
    else:
        if near is not None and not plan.lossless:
            plan, slope = carried_step(near, peak, part, whole)
        plan, _ = search_step(plan, peak, whole.mean_error, slope)
    if plan.lossless and plan.config.step is not None:
        check_reached(plan, peak, whole.mean_error(plan))
    return plan


def _ratio_plan(plan: ChunkPlan, part: Trial | None, whole: Trial) -> ChunkPlan:
    """The plan with the step that all samples need; a part of a large array tells where to begin."""
    ratios, slope = Ratios(whole), RATIO_SLOPE
    if part is not None:
        few = Ratios(part)
        plan, reached = search_ratio(plan, few)
        slope = few.slope
        if plan.config.effort > STEP_EFFORT and not plan.lossless:
            plan, slope = carried_ratio(plan, reached, part, whole)
    plan, reached = search_ratio(plan, ratios, slope)
    if reached < plan.config.value:
        raise unreachable_ratio(plan.config.value, reached)
    return ratios.coded(plan)
