"""Samples on a device as plans are tried on them: analyzed, decoded and measured where they lie.

Values: arrays of an executor, their classes, and plans in; payloads on the host, sums of errors, and encodings out.
Stands in for trial.HostSamples: the same numbers, so the same plans and bytes. What the kernels do not encode
(`encoding.refusal`) is analyzed by the core, for which all samples are copied to the host, once. So are float32 samples
whose errors are asked for, since their sums depend on the order of the terms. Scratch beside that of encoding and
decoding: the decoded samples, and 24 bytes for each of 2^24 samples where errors are summed by class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..axes import PlaneLayout
from ..codec import PLAIN_ROUNDING, ROUNDING
from ..container import Header, LossRecord
from ..floats import INDEX_LIMIT
from ..loss import loss_record, measured_error
from ..planning import ChunkPlan
from ..raw import CodedParts, Encoded, assembled, encode_raw, transform_header
from ..trial import Analyzed, HostSamples, Region, Trial
from .batches import Batch, ChunkShape
from .decoding import DecodeJob
from .encoding import Chunk, CodedChunk, class_of_cells, encode_batch, refusal
from .executors import Array, Executor
from .float_samples import sample_indices
from .overlap import Lane
from .statistics import differences

__all__ = ["DeviceAnalysis", "DeviceSamples", "encoded_together"]

_PIECE = 2**24  # samples whose errors are summed by class at once
_NO_LIMIT = 2**62


@dataclass(frozen=True, eq=False)
class DeviceSamples:
    """Samples in the memory of a lane's executor; `threads` are those of the core, where it takes over."""

    lane: Lane
    array: Array
    classes: Array | None = None
    threads: int = 1

    @cached_property
    def on_host(self) -> HostSamples:
        """A copy of the samples and classes in host memory."""
        download = self.lane.executor.download
        classes = None if self.classes is None else download(self.classes)
        return HostSamples(download(self.array), classes, self.threads)

    def read(self, region: Region) -> NDArray[Any]:
        """A copy of the samples of a region in host memory."""
        executor = self.lane.executor
        return executor.download(executor.contiguous(self.array[region]))

    def joined(self, regions: Sequence[Region], axes: str) -> DeviceSamples:
        """Regions of the samples, joined along x on the device."""
        array = _joined(self.lane.executor, [self.array[region] for region in regions], axes.index("x"))
        if self.classes is None:
            return replace(self, array=array)
        flat = axes.replace("c", "")
        places = [tuple(s for s, a in zip(region, axes, strict=True) if a != "c") for region in regions]
        classes = _joined(self.lane.executor, [self.classes[place] for place in places], flat.index("x"))
        return replace(self, array=array, classes=classes)

    def analyzed(self, plan: ChunkPlan, *, plain: bool = False) -> Analyzed:
        """The samples quantized by a plan, on the device where its kernels can."""
        return analyzed_together([self], [plan], plain=plain)[0]


@dataclass
class DeviceAnalysis:
    """What the kernels made of samples; their error is measured when it is first asked for."""

    samples: DeviceSamples
    plan: ChunkPlan
    coded: CodedChunk
    reached: tuple[float, float] | None = field(default=None, repr=False)

    def payloads(self) -> Sequence[bytes]:
        """All stages but the corrections."""
        return self.coded.payloads[: len(self.plan.cuts)]

    def class_errors(self) -> list[float]:
        """Sum of squared errors in each class after decoding; of float32 samples that of their indices."""
        samples, count = self.samples, len(self.plan.steps)
        executor, step = samples.lane.executor, self.plan.config.step
        one_class = count == 1 or samples.classes is None
        if one_class and step is None:
            return [float(self.error()[0])] + [0.0] * (count - 1)
        pair = [executor.contiguous(samples.array), *_decoded([self])]
        if step is not None:
            pair = _indices(executor, pair, step)
        if one_class:
            return [float(differences(executor, pair[:1], pair[1:])[0][0])] + [0.0] * (count - 1)
        layout = PlaneLayout.of(samples.array.shape, self.plan.axes)
        batch = Batch(executor, [ChunkShape(layout, self.plan)])
        (cells,) = class_of_cells(batch, [samples.classes])
        assert cells is not None
        cells = cells.reshape(layout.planes, *batch.shapes[0].grid)
        for axis, size in enumerate((self.plan.depth, 8, 8), 1):
            cells = cells.repeat(size, axis)
        z, y, x = layout.volume
        originals, found = (layout.plane_view(array).reshape(layout.planes, z, y, x) for array in pair)
        return _squares_by_class(originals, found, cells[:, :z, :y, :x], count)

    def mean_error(self) -> float:
        """Mean squared error after decoding; of float32 samples in steps, their rounding included."""
        squares, step, samples = self.error()[0], self.plan.config.step, int(self.samples.array.size)
        return squares / samples if step is None else squares / step**2 / samples

    def error(self) -> tuple[float, float]:
        """(sum of squared errors, largest error) after decoding, as `loss.measured_error`."""
        if self.reached is None:
            _measure([self])
            assert self.reached is not None
        return self.reached

    def encoded(self, plan: ChunkPlan, allow_raw: bool) -> Encoded:
        """The encoding by a plan that differs in what an analysis does not depend on.

        Corrections are coded with the samples: for others these are analyzed again. A raw encoding copies them to the
        host.
        """
        samples, coded = self.samples, self.coded
        if plan.correction != self.plan.correction:
            return samples.analyzed(plan).encoded(plan, allow_raw)
        reached = self.error() if needs_error(plan) else None
        loss = loss_record(plan, samples.array.size, coded.sample_range, sum(coded.errors), reached)
        header, parts = self._header(plan, loss)
        raw = (lambda: encode_raw(samples.on_host.array, header.layout, plan)) if allow_raw else None
        return assembled(header, parts, raw)

    def decode_job(self) -> DecodeJob:
        """What a decoder makes the samples of."""
        header, parts = self._header(self.plan, loss_record(self.plan, 0, (0, 0), 0.0, (0, 0)))
        return DecodeJob(header, parts.payloads)

    def _header(self, plan: ChunkPlan, loss: LossRecord) -> tuple[Header, CodedParts]:
        array, coded = self.samples.array, self.coded
        image = None if coded.dc_recon is None else (coded.dc_recon[0], coded.dc_recon[1], coded.dc_recon[2])
        parts = CodedParts(coded.payloads, coded.offset, coded.recon, image)
        layout = PlaneLayout.of(array.shape, plan.axes)
        return transform_header(parts, plan, str(array.dtype), layout, loss), parts


def needs_error(plan: ChunkPlan) -> bool:
    """Whether the loss record of an encoding holds what was measured."""
    return plan.config.verify or plan.correction is not None


def analyzed_together(
    samples: Sequence[DeviceSamples], plans: Sequence[ChunkPlan], *, plain: bool = False
) -> list[Analyzed]:
    """Samples of one lane quantized by a plan each: what the kernels take shares launches, the core does the others."""
    found: list[Analyzed | None] = [None] * len(samples)
    refused = [refusal(plan, part.array.dtype) is not None for part, plan in zip(samples, plans, strict=True)]
    taken = [i for i, other in enumerate(refused) if not other]
    if taken:
        executor = samples[0].lane.executor
        chunks = [Chunk(samples[i].array, plans[i], samples[i].classes) for i in taken]
        coded = encode_batch(
            executor, chunks, PLAIN_ROUNDING if plain else ROUNDING, plain=plain, threads=samples[0].threads
        )
        for i, one in zip(taken, coded, strict=True):
            found[i] = DeviceAnalysis(samples[i], plans[i], replace(one, decoded=None))
    return [
        part.on_host.analyzed(plan, plain=plain) if done is None else done
        for part, plan, done in zip(samples, plans, found, strict=True)
    ]


def encoded_together(trials: Sequence[Trial], plans: Sequence[ChunkPlan], allow_raw: bool = True) -> list[Encoded]:
    """Encodings of trials of samples of one lane by a plan each: what is not known yet shares launches."""
    chosen = [
        (trial, trial.samples, plan)
        for trial, plan in zip(trials, plans, strict=True)
        if isinstance(trial.samples, DeviceSamples) and not trial.knows(plan)
    ]
    found = analyzed_together([samples for _, samples, _ in chosen], [plan for _, _, plan in chosen])
    for (trial, _, _), analysis in zip(chosen, found, strict=True):
        trial.learn(analysis)
    _measure([a for a in found if isinstance(a, DeviceAnalysis) and needs_error(a.plan)])
    return [trial.encoded(plan, allow_raw) for trial, plan in zip(trials, plans, strict=True)]


def _measure(analyses: Sequence[DeviceAnalysis]) -> None:
    """Decode analyses of one lane together, and keep what their errors are."""
    if not analyses:
        return
    executor = analyses[0].samples.lane.executor
    decoded = _decoded(analyses)
    exact = [i for i, analysis in enumerate(analyses) if analysis.plan.config.step is None]
    originals = [executor.contiguous(analyses[i].samples.array) for i in exact]
    found = differences(executor, originals, [decoded[i] for i in exact]) if exact else []
    for i, reached in zip(exact, found, strict=True):
        analyses[i].reached = reached
    for analysis, array in zip(analyses, decoded, strict=True):
        plan, step = analysis.plan, analysis.plan.config.step
        if step is not None:
            layout = PlaneLayout.of(array.shape, plan.axes)
            original = layout.to_planes(analysis.samples.on_host.array)
            indices = layout.to_planes(executor.download(_indices(executor, [array], step)[0]))
            analysis.reached = measured_error(original, indices, step)


def _indices(executor: Executor, arrays: Sequence[Array], step: float) -> list[Array]:
    """Indices of float32 samples that have some."""
    many = len(arrays)
    found = sample_indices(executor, arrays, [step] * many, [INDEX_LIMIT] * many, [""] * many)
    return [indices for indices, _, _ in found]


def _decoded(analyses: Sequence[DeviceAnalysis]) -> list[Array]:
    """What a decoder makes of analyses of one lane: arrays like the samples, C-ordered."""
    jobs = [analysis.decode_job() for analysis in analyses]
    return analyses[0].samples.lane.decoder.decode(jobs, max_bytes=_NO_LIMIT, check_crc=False).results()


def _squares_by_class(originals: Array, found: Array, cells: Array, count: int) -> list[float]:
    """Sum of squared differences in each class; `cells` has the class of every sample, all of one shape."""
    rows = max(1, _PIECE // originals[0, 0].size)
    totals = [0] * count
    for plane in range(len(originals)):
        for first in range(0, originals.shape[1], rows):
            part = plane, slice(first, first + rows)
            apart = originals[part].astype(np.int64) - found[part]
            for c in range(count):
                totals[c] += int((apart * apart * (cells[part] == c)).sum())
    return [float(total) for total in totals]


def _joined(executor: Executor, parts: Sequence[Array], axis: int) -> Array:
    """Arrays one after the other along an axis, in a new one."""
    shape = list(parts[0].shape)
    shape[axis] = sum(part.shape[axis] for part in parts)
    joined = executor.empty(tuple(shape), parts[0].dtype)
    end = 0
    for part in parts:
        first, end = end, end + part.shape[axis]
        joined[(slice(None),) * axis + (slice(first, end),)] = part
    return joined
