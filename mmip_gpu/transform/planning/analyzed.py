"""Samples that were quantized by a plan, and what the planner asks of them: sizes, errors, the encoding.

Values: an Analysis of the core and the classes of its voxels in; payloads, sums of squared errors, an Encoded out.
Encoder side of FORMAT.md sections 2 to 6. Samples in host memory are measured here, those of a device in
device/encode/trial_samples.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import difference, differences
from mmip_gpu.container.encoded import Encoded
from mmip_gpu.transform.analysis import Analysis, cell_map
from mmip_gpu.transform.assemble import assemble
from mmip_gpu.transform.loss import measured_error, planes_of_channel
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
        """Sum of squared errors in each class, or channel of it; of float32 samples that of their indices."""
        ...

    def channel_errors(self) -> list[float]:
        """Mean squared error of each channel after decoding; of float32 samples in steps, their rounding included."""
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
        """Sum of squared errors in each class, or channel of it; of float32 samples that of their indices."""
        if self.found.is_measured_by_blocks:
            return [float(squares) for squares, _ in self.found.measured()]
        plan, prepared, decoded = self.plan, self.found.prepared, self.found.decoded()
        planes, cells = prepared.planes, None
        if len(plan.steps) > 1 and self.classes is not None:
            cells = cell_map(self.classes, prepared.layout, plan.depth)
        parts = planes_of_channel(len(planes), len(plan.units)) if plan.units else [slice(None)]
        found = []
        for part in parts:
            errors = [0.0] * len(plan.steps)
            for own in [part] if len(parts) == 1 else [slice(i, i + 1) for i in range(len(planes))[part]]:
                of_classes = self._errors(planes[own], decoded[own], None if cells is None else cells[own])
                errors = [a + b for a, b in zip(errors, of_classes, strict=True)]
            found.append(errors)
        return [errors[k] for k in range(len(plan.steps)) for errors in found]

    def _errors(self, planes: NDArray[Any], decoded: NDArray[Any], cells: NDArray[np.uint8] | None) -> list[float]:
        """Sum of squared errors of some planes in each class."""
        classes, threads = len(self.plan.steps), self.found.prepared.threads
        if cells is None:
            return [float(difference(planes, decoded, threads)[0])] + [0.0] * (classes - 1)
        return [float(s) for s in differences(planes, decoded, cells, self.plan.depth, classes, threads)]

    def channel_errors(self) -> list[float]:
        """Mean squared error of each channel after decoding; of float32 samples in steps, their rounding included."""
        prepared, decoded, step = self.found.prepared, self.found.decoded(), self.plan.config.step
        sums = [measured_error(a, b, step)[0] for a, b in zip(prepared.original, decoded, strict=True)]
        samples, unit = decoded.size // len(self.plan.units), step or 1.0
        parts = planes_of_channel(len(decoded), len(self.plan.units))
        return [math.fsum(sums[part]) / unit**2 / samples for part in parts]

    def mean_error(self) -> float:
        """Mean squared error after decoding; of float32 samples in steps, their rounding included.

        Of channels, each on its own range, as a share of the largest.
        """
        if any(self.plan.peaks):
            pairs = [pair for pair in zip(self.channel_errors(), self.plan.peaks, strict=True) if pair[1]]
            return math.fsum(error / peak**2 for error, peak in pairs) / len(pairs)
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
