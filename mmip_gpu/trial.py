"""Samples that plans are tried on: a whole array, or parts of it joined.

Values: an array with its quality classes and plans in; errors, sizes and the encoding out. Home: host memory.
Encoder side of FORMAT.md; the work is codec.py's. Guarantees that a plan which is asked about again, the last one
tried, is not analyzed again: a search that ends with what it keeps costs no second analysis and no second decoding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _core
from .axes import PlaneLayout
from .codec import Analysis, Encoded, analyzed_chunk, cell_map, encode_chunk
from .floats import squared_error
from .planning import QUARTER, ChunkPlan, quarter_regions

__all__ = ["Trial"]

_SMALLEST_QUARTER = 2**15
_PARTS = 16  # of a probe that is spread over a large array

Region = tuple[slice, ...]


class Trial:
    """Samples with their classes, and the last analysis of them.

    Examples
    --------
    >>> from mmip_gpu.config import CodecConfig
    >>> from mmip_gpu.planning import class_steps
    >>> steps, flags = class_steps(CodecConfig("quality", 10.0), 1, False, 44.0)
    >>> plan = ChunkPlan(CodecConfig("quality", 10.0), "yx", False, 1, (0, 4, 4), (0, 12, 63), steps, flags)
    >>> trial = Trial(np.arange(4096, dtype=np.uint16).reshape(64, 64))
    >>> trial.mean_error(plan) < 44**2 / 12
    True
    """

    def __init__(self, array: NDArray[Any], classes: NDArray[np.uint8] | None = None, threads: int = 1) -> None:
        self.array, self.classes, self.threads = array, classes, threads
        self._last: Analysis | None = None
        self._part_count = 1
        self._quarter: Trial | None = None
        self._least: tuple[ChunkPlan, Encoded] | None = None
        self._plain: tuple[ChunkPlan, list[float]] | None = None

    def errors(self, plan: ChunkPlan) -> list[float]:
        """Sum of squared errors in each class after decoding; of float32 samples that of their indices."""
        return self._errors(plan, self._analysis(plan))

    def plain_errors(self, plan: ChunkPlan) -> list[float]:
        """As `errors`, of plain rounding (`analyzed_chunk`); those of the last plan asked about are kept."""
        key = _analyzed_part(replace(plan, config=replace(plan.config, effort=1)))  # plain at any effort
        if self._plain is None or self._plain[0] != key:
            found = analyzed_chunk(self.array, plan, self.classes, self.threads, plain=True)
            self._plain = key, self._errors(plan, found)
        return self._plain[1]

    def _errors(self, plan: ChunkPlan, found: Analysis) -> list[float]:
        planes, decoded = found.planes, found.decoded()
        if len(plan.steps) == 1 or self.classes is None:
            return [float(_core.difference(planes, decoded)[0])] + [0.0] * (len(plan.steps) - 1)
        cells = cell_map(self.classes, PlaneLayout.of(self.array.shape, plan.axes), plan.depth)
        for axis, size in enumerate((plan.depth, 8, 8), 1):
            cells = np.repeat(cells, size, axis).take(np.arange(planes.shape[axis]), axis)
        squares = (planes.astype(np.int64) - decoded) ** 2
        return [float(squares[cells == c].sum()) for c in range(len(plan.steps))]

    def mean_error(self, plan: ChunkPlan) -> float:
        """Mean squared error after decoding; of float32 samples in steps, their rounding included."""
        found = self._analysis(plan)
        step = plan.config.step
        if step is None:
            return _core.difference(found.planes, found.decoded())[0] / self.array.size
        original = PlaneLayout.of(self.array.shape, plan.axes).to_planes(self.array)
        return squared_error(original, found.decoded(), step)[0] / step**2 / self.array.size

    def size(self, plan: ChunkPlan, *, allow_raw: bool = False) -> int:
        """Bytes of the encoding, its record included."""
        unverified = replace(plan, config=replace(plan.config, verify=False))
        return self._encoded(unverified, allow_raw).size

    def body_size(self, plan: ChunkPlan) -> int:
        """Bytes of all stages but the corrections, without their heads: what grows with the samples."""
        return sum(len(p) - int.from_bytes(p[:4], "little") for p in self._analysis(plan).payloads())

    def payload_size(self, plan: ChunkPlan) -> int:
        """Bytes of all stages but the corrections."""
        return sum(map(len, self._analysis(plan).payloads()))

    def encoded(self, plan: ChunkPlan) -> Encoded:
        """The encoding by a plan."""
        return self._encoded(plan, True)

    @classmethod
    def of_parts(cls, parts: Sequence[tuple[NDArray[Any], NDArray[np.uint8] | None]], axes: str, threads: int) -> Trial:
        """Samples and classes of parts, joined along x."""
        if len(parts) == 1:
            return cls(*parts[0], threads)
        found = [classes for _, classes in parts if classes is not None]
        classes = np.concatenate(found, axes.replace("c", "").index("x")) if found else None
        joined = cls(np.concatenate([samples for samples, _ in parts], axes.index("x")), classes, threads)
        joined._part_count = len(parts)
        return joined

    def joined(self, regions: Sequence[Region], axes: str) -> Trial:
        """Regions of the samples, joined along x; this trial itself where one region is all of them."""
        if len(regions) == 1 and self.array[regions[0]].size == self.array.size:
            return self
        parts = []
        for region in regions:
            flat = tuple(s for s, a in zip(region, axes, strict=True) if a != "c")
            parts.append((self.array[region], None if self.classes is None else self.classes[flat]))
        return Trial.of_parts(parts, axes, self.threads)

    def quarter(self, axes: str) -> Trial:
        """About a quarter of the samples, spread; all of them where that would be too few to decide by."""
        if self._quarter is None:
            regions = quarter_regions(PlaneLayout.of(self.array.shape, axes))
            if self._part_count == _PARTS:
                width = self.array.shape[axes.index("x")] // _PARTS
                places = [slice(i * width, (i + 1) * width) for i in QUARTER]
                regions = [tuple(place if a == "x" else slice(None) for a in axes) for place in places]
            part = self.joined(regions, axes)
            self._quarter = part if part.array.size >= _SMALLEST_QUARTER else self
        return self._quarter

    def _encoded(self, plan: ChunkPlan, allow_raw: bool) -> Encoded:
        corrected = plan.correction is not None  # these are verified in any case, so that what weighed least is kept
        if corrected and self._least is not None and self._least[0] == _analyzed_part(plan):
            return self._least[1]
        analysis = self._analysis(plan) if self.array.size else None
        found = encode_chunk(
            self.array, plan, self.classes, threads=self.threads, allow_raw=allow_raw, analysis=analysis
        )
        least = self.array.nbytes if self._least is None else self._least[1].size
        if corrected and found.size < least:
            self._least = _analyzed_part(plan), found
        return found

    def _analysis(self, plan: ChunkPlan) -> Analysis:
        """The last analysis where it is of this plan; otherwise a new one, made after the last is dropped.

        That of the quarter goes too: its plans come first, and it is a fifth of a small array's memory.
        """
        if self._last is None or _analyzed_part(self._last.plan) != _analyzed_part(plan):
            self._last = None
            if self._quarter is not None:
                self._quarter._last = None
            self._last = analyzed_chunk(self.array, plan, self.classes, self.threads)
        return self._last


def _analyzed_part(plan: ChunkPlan) -> ChunkPlan:
    """The plan without what an analysis does not depend on."""
    return replace(plan, config=replace(plan.config, verify=False), correction=None)
