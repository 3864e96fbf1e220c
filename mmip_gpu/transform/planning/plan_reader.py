"""What a planner reads of an array: its facts, a probe, a few regions, and the search over more samples.

Values: regions in; samples in host memory, and trials of samples in any memory, out.
Implements no section of FORMAT.md. `make_plan` is the only caller. Arrays that are at hand are read by
transform/planning/array_reader.py, those of a writing job by store/job/job_reader.py.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.transform.planning.trial import Trial
from mmip_gpu.volume.axes import PlaneLayout
from mmip_gpu.volume.region import Region

__all__ = ["PlanReader"]


class PlanReader(Protocol):
    """An array as `make_plan` reads it: as little of it as a target needs, and each fact when it is asked for."""

    @property
    def layout(self) -> PlaneLayout:
        """Axes and shape of the array."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the samples."""
        ...

    @property
    def colour(self) -> bool:
        """Whether three channels are coded together."""
        ...

    @property
    def class_count(self) -> int:
        """Quality classes of the voxels, the background included."""
        ...

    @property
    def known_padding(self) -> int | None:
        """Value that the source of the samples names as padding."""
        ...

    @property
    def ranged_modes(self) -> frozenset[str]:
        """Targets whose search begins with the range of the samples; for others they are not looked through."""
        ...

    @property
    def refines_padding(self) -> bool:
        """Whether a padding value that was found changes the tiles, and is tried again at the step of an error bound.

        The plans of stores never did. Their bytes depend on it.
        """
        ...

    @property
    def may_stay_raw(self) -> bool:
        """Whether samples may be kept as they are; chunks of stores are always coded."""
        ...

    @property
    def may_choose_slice_axis(self) -> bool:
        """Whether another axis of slices than z is tried unasked: chunks of a store would hold several places on it."""
        ...

    def limits(self) -> tuple[float, float]:
        """(minimum, maximum) of all samples; zeros without any."""
        ...

    def channel_limits(self) -> list[tuple[float, float]]:
        """(minimum, maximum) of each channel; zeros without any samples."""
        ...

    def may_hold(self, value: int) -> bool:
        """Whether a sample may have this value."""
        ...

    def probe(self, slice_axis: str = "z") -> Trial:
        """The samples by which choices are made, as `spread_probe` chooses them, with several slices along an axis."""
        ...

    def read(self, region: Region) -> NDArray[Any]:
        """The samples of a region in host memory."""
        ...

    def trial(self, region: Region) -> Trial:
        """The samples of a region with their classes."""
        ...

    def cut(self, plan: ChunkPlan) -> bool:
        """Cut the array into chunks for the cells and tiles of a plan; whether a DC image may be cut there too."""
        ...

    def match(self, plan: ChunkPlan, probe: Trial, peak: float) -> ChunkPlan:
        """The plan with the step that a PSNR or a ratio needs of more samples than the probe; others as they are.

        `peak` is the data range in whole samples or (of float32) steps.
        """
        ...
