"""Sample chunks on which the planner tries candidate settings: a whole array, or regions of it joined.

Values: samples, their quality classes and plans in; errors, sizes and the encoding out.
Encoder side of FORMAT.md. Samples of the host are coded by transform/, those of a device by device/.
Guarantees that the last plan tried is not analyzed again when it is asked about again. A search that ends with the plan
that it keeps costs no second analysis and no second decoding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.container.encoded import Encoded
from mmip_gpu.raw import encode_raw
from mmip_gpu.transform.analysis import Prepared, analyze, prepare
from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.transform.planning.analyzed import Analyzed, HostAnalysis
from mmip_gpu.transform.planning.probe_regions import holds_little, probe_region, quarter_parts, quarter_regions
from mmip_gpu.volume.axes import PlaneLayout
from mmip_gpu.volume.region import Region

__all__ = ["HostSamples", "Samples", "Trial"]

_SMALLEST_QUARTER = 2**15
_PART_SHARE = 4  # of the samples one in so many at most shows whether all grow
_NOT_ANALYZED = "config", "correction", "errors"


class Samples(Protocol):
    """Samples and their classes (or None), at least one sample, in some memory; arrays of any library."""

    @property
    def array(self) -> NDArray[Any]:
        """The samples: an array of NumPy, or of a library with its methods and operators."""
        ...

    @property
    def classes(self) -> NDArray[np.uint8] | None:
        """Quality class of every voxel: shape of the array without its axis ``c``; or None."""
        ...

    def read(self, region: Region) -> NDArray[Any]:
        """A few of the samples, in host memory."""
        ...

    def joined(self, regions: Sequence[Region], axes: str) -> Samples:
        """Regions of the samples, joined along x."""
        ...

    def analyzed(self, plan: ChunkPlan, *, plain: bool = False) -> Analyzed:
        """The samples quantized by a plan; `plain` as in `analysis.analyze`."""
        ...


@dataclass(frozen=True, eq=False)
class HostSamples:
    """Samples in host memory, coded by the core."""

    array: NDArray[Any]
    classes: NDArray[np.uint8] | None = None
    threads: int = 1
    _prepared: dict[Any, Prepared] = field(default_factory=dict, repr=False)  # the last, by what it depends on

    def read(self, region: Region) -> NDArray[Any]:
        """The samples of a region."""
        return self.array[region]

    def joined(self, regions: Sequence[Region], axes: str) -> HostSamples:
        """Regions of the samples, joined along x."""
        parts = []
        for region in regions:
            flat = tuple(s for s, a in zip(region, axes, strict=True) if a != "c")
            parts.append((self.array[region], None if self.classes is None else self.classes[flat]))
        return HostSamples.of_parts(parts, axes, self.threads)

    @classmethod
    def of_parts(
        cls, parts: Sequence[tuple[NDArray[Any], NDArray[np.uint8] | None]], axes: str, threads: int
    ) -> HostSamples:
        """Samples and classes of parts, joined along x."""
        if len(parts) == 1:
            return cls(*parts[0], threads)
        found = [classes for _, classes in parts if classes is not None]
        classes = np.concatenate(found, axes.replace("c", "").index("x")) if found else None
        return cls(np.concatenate([samples for samples, _ in parts], axes.index("x")), classes, threads)

    def analyzed(self, plan: ChunkPlan, *, plain: bool = False) -> HostAnalysis:
        """The samples quantized by a plan."""
        if plain:
            plan = replace(plan, choice_steps=None)  # nothing is chosen
        key = plan.axes, plan.slice_axis, plan.config.step, plan.depth
        if key not in self._prepared:
            self._prepared.clear()
            self._prepared[key] = prepare(self.array, plan, self.threads)
        return HostAnalysis(analyze(self._prepared[key], plan, self.classes, plain=plain), self.classes)


class Trial:
    """Samples with their classes, and the last analysis of them.

    Examples
    --------
    >>> from mmip_gpu.config import CodecConfig
    >>> from mmip_gpu.transform.plan import class_steps
    >>> steps, flags = class_steps(CodecConfig("quality", 10.0), 1, False, 44.0)
    >>> plan = ChunkPlan(CodecConfig("quality", 10.0), "yx", False, 1, (0, 4, 4), (0, 12, 63), steps, flags)
    >>> trial = Trial(np.arange(4096, dtype=np.uint16).reshape(64, 64))
    >>> trial.mean_error(plan) < 44**2 / 12
    True
    """

    def __init__(self, array: NDArray[Any], classes: NDArray[np.uint8] | None = None, threads: int = 1) -> None:
        self.samples: Samples = HostSamples(array, classes, threads)
        self._last: Analyzed | None = None
        self._part_count = 1
        self._quarter: Trial | None = None
        self._is_quarter = False  # itself: a reference would be a cycle, which keeps a device's memory
        self._least: tuple[tuple[Any, ...], Encoded] | None = None
        self._plain: tuple[tuple[Any, ...], list[float]] | None = None

    @classmethod
    def of(cls, samples: Samples) -> Trial:
        """Trial of samples in any memory."""
        trial = cls(samples.array, samples.classes)
        trial.samples = samples
        return trial

    @property
    def array(self) -> NDArray[Any]:
        """The samples."""
        return self.samples.array

    @property
    def classes(self) -> NDArray[np.uint8] | None:
        """Their classes, or None."""
        return self.samples.classes

    def errors(self, plan: ChunkPlan) -> list[float]:
        """Sum of squared errors in each class after decoding; of float32 samples that of their indices."""
        return self._analysis(plan).class_errors()

    def plain_errors(self, plan: ChunkPlan) -> list[float]:
        """As `errors`, of plain rounding (`analysis.analyze`); those of the last plan asked about are kept."""
        fast = replace(plan, config=replace(plan.config, effort=1))  # plain at any effort
        key = _analyzed_part(fast)
        if self._plain is None or self._plain[0] != key:
            self._plain = key, self.samples.analyzed(fast, plain=True).class_errors()
        return self._plain[1]

    def estimate(self, plan: ChunkPlan) -> float:
        """`mean_error` as the coefficients show it, without the rounding to samples: nothing is decoded for it."""
        return self._analysis(plan).estimate()

    def mean_error(self, plan: ChunkPlan) -> float:
        """Mean squared error after decoding; of float32 samples in steps, their rounding included."""
        return self._analysis(plan).mean_error()

    def channel_errors(self, plan: ChunkPlan) -> list[float]:
        """Mean squared error of each channel, as `mean_error`."""
        return self._analysis(plan).channel_errors()

    def kept_error(self, plan: ChunkPlan) -> float:
        """`mean_error` by the blocks of the last analysis, where they are near enough (`keeping`)."""
        return self.mean_error(self.keeping(plan))

    def size(self, plan: ChunkPlan, *, allow_raw: bool = False) -> int:
        """Bytes of the encoding, its record included."""
        return self._encoded(plan.unverified, allow_raw).size

    def body_size(self, plan: ChunkPlan) -> int:
        """Bytes of all stages but the corrections, without their heads: what grows with the samples."""
        return sum(len(p) - int.from_bytes(p[:4], "little") for p in self._analysis(plan).payloads())

    def payload_size(self, plan: ChunkPlan) -> int:
        """Bytes of all stages but the corrections."""
        return sum(map(len, self._analysis(plan).payloads()))

    def encoded(self, plan: ChunkPlan, allow_raw: bool = True) -> Encoded:
        """The encoding by a plan."""
        return self._encoded(plan, allow_raw)

    @classmethod
    def of_parts(cls, parts: Sequence[tuple[NDArray[Any], NDArray[np.uint8] | None]], axes: str, threads: int) -> Trial:
        """Trial of parts in host memory, joined along x."""
        trial = cls.of(HostSamples.of_parts(parts, axes, threads))
        trial._part_count = len(parts)
        return trial

    def joined(self, regions: Sequence[Region], axes: str) -> Trial:
        """Regions of the samples, joined along x; this trial itself where one region is all of them."""
        if len(regions) == 1 and self.array[regions[0]].size == self.array.size:
            return self
        trial = Trial.of(self.samples.joined(regions, axes))
        trial._part_count = len(regions)
        return trial

    def quarter(self, axes: str) -> Trial:
        """About a quarter of the samples, spread; all of them where that would be too few to decide by."""
        if self._quarter is None and not self._is_quarter:
            regions = quarter_regions(PlaneLayout.of(self.array.shape, axes))
            parts = quarter_parts(self._part_count)
            if parts is not None:
                width = self.array.shape[axes.index("x")] // self._part_count
                places = [slice(i * width, (i + 1) * width) for i in parts]
                regions = [tuple(place if a == "x" else slice(None) for a in axes) for place in places]
            part = self.joined(regions, axes)
            self._is_quarter = part is self or part.array.size < _SMALLEST_QUARTER
            self._quarter = None if self._is_quarter else part
        return self._quarter or self

    def keeping(self, plan: ChunkPlan) -> ChunkPlan:
        """The plan with the blocks that the last analysis chose, where its steps are alike; or with ones to be kept.

        As it is above effort 1: what code lengths have decided is best by its own steps.
        """
        if plan.lossless or plan.units or plan.config.effort > 1:
            return plan
        if self._last is not None and _chosen_part(replace(plan, choice_steps=None)) == _chosen_part(
            replace(self._last.plan, choice_steps=None)
        ):
            return plan.with_blocks_of(self._last.plan)
        return replace(plan, choice_steps=plan.steps)

    def knows(self, plan: ChunkPlan) -> bool:
        """Whether the last analysis is of this plan."""
        return self._last is not None and _analyzed_part(self._last.plan) == _analyzed_part(plan)

    def learn(self, found: Analyzed) -> None:
        """Take an analysis of these samples that was made elsewhere, with those of others."""
        self._last = found

    def forget(self) -> None:
        """Drop the last analysis, and that of the quarter, for the memory that they take."""
        self._last = self._quarter = None

    def _encoded(self, plan: ChunkPlan, allow_raw: bool) -> Encoded:
        corrected = plan.correction is not None  # these are verified in any case, so that what weighed least is kept
        if corrected and self._least is not None and self._least[0] == _analyzed_part(plan):
            return self._least[1]
        if not self.array.size:
            return encode_raw(self.array, plan)
        if allow_raw and plan.lossless and self._grows_in_part(plan):
            return encode_raw(self.samples.read(tuple(slice(0, n) for n in self.array.shape)), plan)
        found = self._analysis(plan).encoded(plan, allow_raw)
        least = self.array.nbytes if self._least is None else self._least[1].size
        if corrected and found.size < least:
            self._least = _analyzed_part(plan), found
        return found

    def _grows_in_part(self, plan: ChunkPlan) -> bool:
        """Whether a part shows that samples grow whose planes hold little: all take ten times the usual time."""
        layout = plan.layout(self.array.shape)
        if not holds_little(layout.volume):
            return False
        region = probe_region(layout)
        small = _PART_SHARE * math.prod(s.stop - s.start for s in region) <= self.array.size
        return small and (part := self.joined([region], plan.axes)).size(plan) > part.array.nbytes

    def _analysis(self, plan: ChunkPlan) -> Analyzed:
        """The last analysis where it is of this plan; otherwise a new one, made after the last is dropped.

        That of the quarter goes too: its plans come first, and it is a fifth of a small array's memory.
        """
        last = self._last
        if last is not None and self.knows(plan):
            return last
        self._last = None
        if self._quarter is not None:
            self._quarter._last = None
        kept = plan.choice_steps is not None and last is not None and _chosen_part(last.plan) == _chosen_part(plan)
        found = last.requantized(plan) if kept and isinstance(last, HostAnalysis) else None
        del last
        self._last = found or self.samples.analyzed(plan)
        return self._last


def _analyzed_part(plan: ChunkPlan) -> tuple[Any, ...]:
    """What an analysis depends on of a plan."""
    config = {name: value for name, value in vars(plan.config).items() if name != "verify"}
    return *(value for name, value in vars(plan).items() if name not in _NOT_ANALYZED), config


def _chosen_part(plan: ChunkPlan) -> tuple[Any, ...]:
    """What its blocks depend on, and that they are kept."""
    return _analyzed_part(replace(plan, steps=()))
