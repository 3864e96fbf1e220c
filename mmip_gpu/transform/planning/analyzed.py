"""Samples that were quantized by a plan, and what the planner asks of them: sizes, errors, the encoding.

Values: an Analysis of the core and the classes of its voxels in; payloads, sums of squared errors, an Encoded out.
Encoder side of FORMAT.md sections 2 to 6. Samples in host memory are measured here, those of a device in
device/encode/trial_samples.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import difference, differences
from mmip_gpu.container.encoded import Encoded
from mmip_gpu.transform.analysis import Analysis, cell_map
from mmip_gpu.transform.assemble import assemble
from mmip_gpu.transform.plan import ChunkPlan

__all__ = ["Analyzed", "HostAnalysis"]


class Analyzed(Protocol):
    """Quantized samples, as far as plans are judged by them."""

    @property
    def plan(self) -> ChunkPlan:
        """What they were quantized by."""
        ...

    def payloads(self) -> Sequence[bytes]:
        """All stages but the corrections."""
        ...

    def class_errors(self) -> list[float]:
        """Sum of squared errors in each class after decoding; of float32 samples that of their indices."""
        ...

    def mean_error(self) -> float:
        """Mean squared error after decoding; of float32 samples in steps, their rounding included."""
        ...

    def estimate(self) -> float:
        """`mean_error` as the coefficients show it, without the rounding to samples."""
        ...

    def encoded(self, plan: ChunkPlan, allow_raw: bool) -> Encoded:
        """The encoding by a plan that differs from `plan` in what an analysis does not depend on."""
        ...


@dataclass(frozen=True)
class HostAnalysis:
    """An analysis of the core, and the class of every voxel (shape of the array without its axis ``c``) or None."""

    found: Analysis
    classes: NDArray[np.uint8] | None

    @property
    def plan(self) -> ChunkPlan:
        """What the samples were quantized by."""
        return self.found.plan

    def payloads(self) -> Sequence[bytes]:
        """All stages but the corrections."""
        return self.found.payloads()

    def class_errors(self) -> list[float]:
        """Sum of squared errors in each class after decoding; of float32 samples that of their indices."""
        plan, classes, prepared = self.plan, self.classes, self.found.prepared
        if not plan.colour:
            return [float(squares) for squares, _ in self.found.measured()]
        planes, threads, decoded = prepared.planes, prepared.threads, self.found.decoded()
        if len(plan.steps) == 1 or classes is None:
            return [float(difference(planes, decoded, threads)[0])] + [0.0] * (len(plan.steps) - 1)
        cells = cell_map(classes, prepared.layout, plan.depth)
        return [float(s) for s in differences(planes, decoded, cells, plan.depth, len(plan.steps), threads)]

    def mean_error(self) -> float:
        """Mean squared error after decoding; of float32 samples in steps, their rounding included."""
        step, samples = self.plan.config.step, self.found.prepared.planes.size
        squares = self.found.reached()[0]
        return squares / samples if step is None else squares / step**2 / samples

    def estimate(self) -> float:
        """Mean squared error as the coefficients show it, without the rounding to samples."""
        return sum(self.found.errors) / self.found.prepared.planes.size

    def requantized(self, plan: ChunkPlan) -> HostAnalysis:
        """The same blocks by the steps of a plan; this analysis is of no use afterwards."""
        return HostAnalysis(self.found.requantized(plan), self.classes)

    def encoded(self, plan: ChunkPlan, allow_raw: bool) -> Encoded:
        """The encoding by a plan that differs in what an analysis does not depend on."""
        return assemble(self.found, plan, allow_raw=allow_raw)
