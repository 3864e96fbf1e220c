"""Samples on a device as plans are tried on them: quantized, packed and measured where they lie.

Values: arrays of an executor, their classes, and plans in; payloads on the host, sums of errors, and encodings out.
Stands in for trial.HostSamples: the same numbers, so the same plans and bytes. What the kernels do not encode
(`batch.refusal`) is analyzed by the core, for which all samples are copied to the host, once. So are float32 samples
whose errors are asked for in their unit, since those sums depend on the order of the terms. What is held and what
measuring takes: device/encode/quantized.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from numpy.typing import NDArray

from mmip_gpu.container.encoded import Encoded
from mmip_gpu.device.decode.synthesis import Synthesizer
from mmip_gpu.device.encode.batch import Chunk, quantize_batch, refusal
from mmip_gpu.device.encode.quantized import QuantizedBatch
from mmip_gpu.device.lanes import Lane
from mmip_gpu.device.run.executors import Array, Executor
from mmip_gpu.errors import InvalidArgument
from mmip_gpu.raw import encode_raw
from mmip_gpu.transform.analysis import PLAIN_ROUNDING, ROUNDING
from mmip_gpu.transform.assemble import CodedParts, transform_header, unless_raw_is_smaller
from mmip_gpu.transform.loss import loss_record
from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.transform.planning.trial import Analyzed, HostSamples, Trial
from mmip_gpu.volume.axes import PlaneLayout
from mmip_gpu.volume.region import Region

__all__ = ["AnalysisRequest", "DeviceAnalysis", "DeviceSamples", "analyze_requests", "encode_together"]


@dataclass(frozen=True, eq=False)
class DeviceSamples:
    """Samples in the memory of a lane's executor; `threads` are those of the core, where it takes over.

    `ask` is what analyses are had from, where several searches share them (lockstep.py).
    """

    lane: Lane
    array: Array
    classes: Array | None = None
    threads: int = 1
    ask: Callable[[AnalysisRequest], Analyzed] | None = None

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

    def chunk(self, plan: ChunkPlan) -> Chunk:
        """The samples as they are quantized by a plan."""
        return Chunk(self.array, plan, self.classes, lambda: self.on_host.array)

    def analyzed(self, plan: ChunkPlan, *, plain: bool = False) -> Analyzed:
        """The samples quantized by a plan, on the device where its kernels can."""
        question = AnalysisRequest(self, plan, plain)
        return analyze_requests([question])[0] if self.ask is None else self.ask(question)


@dataclass(frozen=True)
class AnalysisRequest:
    """Samples to be quantized by a plan; `plain` as in `analysis.analyze`."""

    samples: DeviceSamples
    plan: ChunkPlan
    plain: bool


@dataclass(frozen=True)
class DeviceAnalysis:
    """What the kernels made of samples, at a place among those that shared launches.

    What is first asked for is found for all of these. The quantized samples live as long as one of the analyses.
    """

    samples: DeviceSamples
    plan: ChunkPlan
    found: QuantizedBatch
    place: int

    def payloads(self) -> Sequence[bytes]:
        """All stages but the corrections."""
        return self.found.payloads[self.place]

    def class_errors(self) -> list[float]:
        """Sum of squared errors in each class after decoding; of float32 samples that of their indices."""
        return self.found.class_errors(self.place)

    def mean_error(self) -> float:
        """Mean squared error after decoding; of float32 samples in steps, their rounding included."""
        squares, step, samples = self.found.reached(self.place)[0], self.plan.config.step, int(self.samples.array.size)
        return squares / samples if step is None else squares / step**2 / samples

    def encoded(self, plan: ChunkPlan, allow_raw: bool) -> Encoded:
        """The encoding by a plan that differs in what an analysis does not depend on.

        Samples that were analyzed without the corrections which the plan asks for are analyzed again. A raw encoding
        copies them to the host.
        """
        samples, settled = self.samples, self.found.settled[self.place]
        if plan.correction not in (None, self.plan.correction):
            return samples.analyzed(plan).encoded(plan, allow_raw)
        payloads, reached = list(self.payloads()), None
        if plan.correction is not None:
            last, reached = self.found.corrected[self.place]
            payloads.append(last)
        elif plan.config.verify:
            reached = self.found.reached(self.place)
        array, image = samples.array, settled.dc_recon
        loss = loss_record(plan, array.size, settled.sample_range, sum(settled.errors), reached)
        points = None if image is None else (image[0], image[1], image[2])
        parts = CodedParts(payloads, settled.offset, settled.recon, points)
        header = transform_header(parts, plan, str(array.dtype), PlaneLayout.of(array.shape, plan.axes), loss)
        coded = Encoded(header, tuple(payloads))
        return unless_raw_is_smaller(coded, lambda: encode_raw(samples.on_host.array, plan)) if allow_raw else coded


def analyze_requests(questions: Sequence[AnalysisRequest]) -> list[Analyzed]:
    """Analyses of samples of one lane; what cannot be analyzed raises the error that it does alone."""
    found: list[Analyzed | None] = [None] * len(questions)
    try:
        for plain in sorted({question.plain for question in questions}):
            places = [i for i, question in enumerate(questions) if question.plain == plain]
            asked = [questions[i] for i in places]
            together = analyze_together([q.samples for q in asked], [q.plan for q in asked], plain=plain)
            for i, one in zip(places, together, strict=True):
                found[i] = one
    except InvalidArgument:
        if len(questions) == 1:
            raise
        return [analyze_requests([question])[0] for question in questions]
    return [one for one in found if one is not None]


def analyze_together(
    samples: Sequence[DeviceSamples], plans: Sequence[ChunkPlan], *, plain: bool = False
) -> list[Analyzed]:
    """Samples of one lane quantized by a plan each: what the kernels take shares launches, the core does the others."""
    found: list[Analyzed | None] = [None] * len(samples)
    refused = [refusal(plan, part.array.dtype) is not None for part, plan in zip(samples, plans, strict=True)]
    taken = [i for i, other in enumerate(refused) if not other]
    if taken:
        lane, rounding = samples[0].lane, PLAIN_ROUNDING if plain else ROUNDING
        chunks = [samples[i].chunk(plans[i]) for i in taken]
        options: dict[str, Any] = {
            "plain": plain,
            "synthesizer": lane.own(Synthesizer.of_lane),
            "threads": samples[0].threads,
        }
        batches = quantize_batch(lane.executor, chunks, rounding, **options)
        for places, quantized in batches:
            for place, i in enumerate(taken[p] for p in places):
                found[i] = DeviceAnalysis(samples[i], plans[i], quantized, place)
    return [
        part.on_host.analyzed(plan, plain=plain) if done is None else done
        for part, plan, done in zip(samples, plans, found, strict=True)
    ]


def encode_together(trials: Sequence[Trial], plans: Sequence[ChunkPlan], allow_raw: bool = True) -> list[Encoded]:
    """Encodings of trials of samples of one lane by a plan each: what is not known yet shares launches."""
    chosen = [
        (trial, trial.samples, plan)
        for trial, plan in zip(trials, plans, strict=True)
        if isinstance(trial.samples, DeviceSamples) and not trial.knows(plan)
    ]
    found = analyze_together([samples for _, samples, _ in chosen], [plan for _, _, plan in chosen])
    for (trial, _, _), analysis in zip(chosen, found, strict=True):
        trial.learn(analysis)
    return [trial.encoded(plan, allow_raw) for trial, plan in zip(trials, plans, strict=True)]


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
