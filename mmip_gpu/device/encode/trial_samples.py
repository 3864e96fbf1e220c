"""Samples on a device on which plans are tried: they are quantized, packed and measured where they lie.

Values: arrays of an executor, their classes, and plans in; payloads on the host, sums of errors, and encodings out.
They stand in for `HostSamples` and give the same numbers, so the same plans and bytes. What the kernels do not
encode (`chunks.refusal`) is analyzed by the core, for which all samples are copied to the host, once. So are float32
samples whose errors are asked for in their unit, since those sums depend on the order of the terms.
device/encode/quantized.py says what is held and what measuring takes.
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
from mmip_gpu.device.run.executors import DeviceArray, Executor
from mmip_gpu.errors import InvalidArgument
from mmip_gpu.raw import encode_raw
from mmip_gpu.transform.analysis import PLAIN_ROUNDING, ROUNDING
from mmip_gpu.transform.assemble import CodedParts, transform_header, unless_raw_is_smaller
from mmip_gpu.transform.loss import loss_record
from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.transform.planning.analyzed import Analyzed
from mmip_gpu.transform.planning.trial import HostSamples, Trial
from mmip_gpu.volume.region import Region

__all__ = ["AnalysisRequest", "DeviceAnalysis", "DeviceSamples", "analyze_requests", "encode_together"]


@dataclass(frozen=True, eq=False)
class DeviceSamples:
    """Samples in the memory of a lane's executor; `threads` are those of the core, where it takes over.

    `ask` gives an analysis where several searches share launches (lockstep.py).
    """

    lane: Lane
    array: DeviceArray
    classes: DeviceArray | None = None
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
        voxels = [tuple(s for s, a in zip(region, axes, strict=True) if a != "c") for region in regions]
        classes = _joined(self.lane.executor, [self.classes[region] for region in voxels], flat.index("x"))
        return replace(self, array=array, classes=classes)

    def chunk(self, plan: ChunkPlan) -> Chunk:
        """The samples as they are quantized by a plan."""
        return Chunk(self.array, plan, self.classes, lambda: self.on_host.array)

    def analyzed(self, plan: ChunkPlan, *, plain: bool = False) -> Analyzed:
        """The samples quantized by a plan, on the device where its kernels can."""
        request = AnalysisRequest(self, plan, plain)
        return analyze_requests([request])[0] if self.ask is None else self.ask(request)


@dataclass(frozen=True)
class AnalysisRequest:
    """Samples to be quantized by a plan; `plain` as in `transform.analysis.analyze`."""

    samples: DeviceSamples
    plan: ChunkPlan
    plain: bool


@dataclass(frozen=True)
class DeviceAnalysis:
    """What the kernels made of samples: the chunk of this index in a quantized batch.

    What is first asked for is found for all chunks of the batch, which lives as long as one of its analyses.
    """

    samples: DeviceSamples
    plan: ChunkPlan
    quantized: QuantizedBatch
    index: int

    def payloads(self) -> Sequence[bytes]:
        """The payloads of all stages but the corrections."""
        return self.quantized.payloads[self.index]

    def class_errors(self) -> list[float]:
        """Sum of squared errors in each class after decoding; of float32 samples that of their indices."""
        return self.quantized.class_errors(self.index)

    def channel_errors(self) -> list[float]:
        """Mean squared error of each channel, found by the core: kernels refuse channels with steps of their own."""
        return self.samples.on_host.analyzed(self.plan).channel_errors()

    def mean_error(self) -> float:
        """Mean squared error after decoding; of float32 samples in steps, their rounding included."""
        squares, step = self.quantized.reached(self.index)[0], self.plan.config.step
        samples = int(self.samples.array.size)
        return squares / samples if step is None else squares / step**2 / samples

    def estimate(self) -> float:
        """Mean squared error as the coefficients show it, without the rounding to samples."""
        return sum(self.quantized.side_information[self.index].errors) / int(self.samples.array.size)

    def encoded(self, plan: ChunkPlan, allow_raw: bool) -> Encoded:
        """The encoding by a plan that differs in what an analysis does not depend on.

        Samples that were analyzed without the corrections which the plan asks for are analyzed again. A raw encoding
        copies them to the host.
        """
        samples, side = self.samples, self.quantized.side_information[self.index]
        if plan.correction not in (None, self.plan.correction):
            return samples.analyzed(plan).encoded(plan, allow_raw)
        payloads, reached = list(self.payloads()), None
        if plan.correction is not None:
            last, reached = self.quantized.corrected[self.index]
            payloads.append(last)
        elif plan.config.verify:
            reached = self.quantized.reached(self.index)
        array, image = samples.array, side.dc_recon
        loss = loss_record(plan, array.size, side.sample_range, sum(side.errors), reached)
        points = None if image is None else (image[0], image[1], image[2])
        predicted = self.quantized.batch.shapes[self.index].plan.prediction
        parts = CodedParts(payloads, side.offset, side.recon, points, predicted)
        header = transform_header(parts, plan, str(array.dtype), plan.layout(array.shape), loss)
        coded = Encoded(header, tuple(payloads))
        return unless_raw_is_smaller(coded, lambda: encode_raw(samples.on_host.array, plan)) if allow_raw else coded


def analyze_requests(requests: Sequence[AnalysisRequest]) -> list[Analyzed]:
    """Analyze samples of one lane. A request that cannot be met raises the error that it raises alone."""
    analyses: list[Analyzed | None] = [None] * len(requests)
    try:
        for plain in sorted({request.plain for request in requests}):
            chosen = [i for i, request in enumerate(requests) if request.plain == plain]
            samples, plans = [requests[i].samples for i in chosen], [requests[i].plan for i in chosen]
            for i, analysis in zip(chosen, analyze_together(samples, plans, plain=plain), strict=True):
                analyses[i] = analysis
    except InvalidArgument:
        if len(requests) == 1:
            raise
        return [analyze_requests([request])[0] for request in requests]
    return [analysis for analysis in analyses if analysis is not None]


def analyze_together(
    samples: Sequence[DeviceSamples], plans: Sequence[ChunkPlan], *, plain: bool = False
) -> list[Analyzed]:
    """Quantize samples of one lane by a plan each: by launches that they share, or by the core where kernels refuse."""
    analyses: list[Analyzed | None] = [None] * len(samples)
    refused = [refusal(plan, one.array.dtype) is not None for one, plan in zip(samples, plans, strict=True)]
    taken = [i for i, other in enumerate(refused) if not other]
    if taken:
        lane, rounding = samples[0].lane, PLAIN_ROUNDING if plain else ROUNDING
        chosen = [
            replace(plan, choice_steps=None, prediction=False) if plain else plan for plan in plans
        ]  # plain rounding chooses nothing
        chunks = [samples[i].chunk(chosen[i]) for i in taken]
        options: dict[str, Any] = {
            "plain": plain,
            "synthesizer": lane.own(Synthesizer.of_lane),
            "threads": samples[0].threads,
        }
        batches = quantize_batch(lane.executor, chunks, rounding, **options)
        for indices, quantized in batches:
            for index, i in enumerate(taken[k] for k in indices):
                analyses[i] = DeviceAnalysis(samples[i], plans[i], quantized, index)
    return [
        one.on_host.analyzed(plan, plain=plain) if analysis is None else analysis
        for one, plan, analysis in zip(samples, plans, analyses, strict=True)
    ]


def encode_together(trials: Sequence[Trial], plans: Sequence[ChunkPlan], allow_raw: bool = True) -> list[Encoded]:
    """Encode trials of samples of one lane by a plan each. Analyses that are not known yet share launches."""
    chosen = [
        (trial, trial.samples, plan)
        for trial, plan in zip(trials, plans, strict=True)
        if isinstance(trial.samples, DeviceSamples) and not trial.knows(plan)
    ]
    analyses = analyze_together([samples for _, samples, _ in chosen], [plan for _, _, plan in chosen])
    for (trial, _, _), analysis in zip(chosen, analyses, strict=True):
        trial.learn(analysis)
    return [trial.encoded(plan, allow_raw) for trial, plan in zip(trials, plans, strict=True)]


def _joined(executor: Executor, arrays: Sequence[DeviceArray], axis: int) -> DeviceArray:
    """Arrays one after the other along an axis, in a new one."""
    shape = list(arrays[0].shape)
    shape[axis] = sum(array.shape[axis] for array in arrays)
    joined = executor.empty(tuple(shape), arrays[0].dtype)
    end = 0
    for array in arrays:
        first, end = end, end + array.shape[axis]
        joined[(slice(None),) * axis + (slice(first, end),)] = array
    return joined
