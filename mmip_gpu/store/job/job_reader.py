"""The source of a job, as the planner reads it: a probe, a few regions, and a few chunks.

Values: a Job in; what `PlanReader` names, and the StoreDescription of the job, out.
Implements no section of FORMAT.md. Guarantees that all samples are looked through only where their range is needed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.caution import warn_of_labels, warn_of_step
from mmip_gpu.config import CodecConfig
from mmip_gpu.errors import InvalidArgument
from mmip_gpu.predictive.plan import PredictivePlan
from mmip_gpu.store.group.description import StoreDescription
from mmip_gpu.store.group.grid import ChunkGrid, Region, asked_lengths, chunk_lengths
from mmip_gpu.store.group.single_form import SINGLE_TILE_LOG2
from mmip_gpu.store.job.channel_job import ChannelJob
from mmip_gpu.store.job.channel_plans import plan_channels
from mmip_gpu.store.job.job import Job, slices_apart
from mmip_gpu.store.job.overview import Overview, overview
from mmip_gpu.store.job.ratio_search import ratio_plan
from mmip_gpu.store.job.step_survey import Chunks, Pieces, piece_regions, surveyed_plan
from mmip_gpu.store.job.survey import Survey, surveyed_here
from mmip_gpu.store.job.told import warn_of_chunks
from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.transform.planning.channel_plans import RANGED_MODES
from mmip_gpu.transform.planning.choose_method import chosen_config
from mmip_gpu.transform.planning.make_plan import make_plan
from mmip_gpu.transform.planning.probe_regions import spread_probe
from mmip_gpu.transform.planning.trial import Trial
from mmip_gpu.volume.axes import PlaneLayout

__all__ = ["described_job"]


def described_job(job: Job, threads: int, survey: Survey) -> tuple[Job, StoreDescription]:
    """Return (the job with a rule that holds chunk by chunk, the plan of its chunks).

    Parameters
    ----------
    threads : int
        So many threads analyze the probe.
    survey : callable
        What looks through all samples, here or on a cluster.
    """
    job = job.resolved(survey)
    reader = _JobReader(job, threads, survey)
    if job.config.step is not None:
        warn_of_step(job.config.step, reader.limits(), job.config.mode)
    description = reader.described(_plan(reader))
    warn_of_chunks(job, description.grid)
    return job, description


def _plan(reader: _JobReader) -> ChunkPlan | PredictivePlan:
    """The plan of all chunks: of blocks, or of samples in one payload; of either what takes less on the probe."""
    job = reader.job
    if job.config.method not in ("transform", "either"):
        return reader.single_plan(job.config)
    config = slices_apart(job.config.in_blocks(), job.source)
    if config.per_channel:
        blocks, plan = plan_channels(config, reader.of_channel, reader.ranges(), job.data_range)
        reader.cut(plan)
    else:
        blocks = plan = make_plan(config, reader, job.data_range)
    if job.config.method == "transform":
        return plan
    config = chosen_config(job.config, blocks, reader.probe(), reader.threads)
    return plan if config.method == "transform" else reader.single_plan(config)


@dataclass
class _JobReader:
    """The samples of a job's source; the grid of its chunks once they were `cut`."""

    job: Job
    threads: int
    survey: Survey
    grid: ChunkGrid | None = field(default=None, init=False)
    _channels: dict[int, _JobReader] = field(default_factory=dict, init=False)

    ranged_modes: ClassVar[frozenset[str]] = frozenset({"psnr"})  # a ratio is not worth a look through all samples
    refines_padding: ClassVar[bool] = False
    may_stay_raw: ClassVar[bool] = False
    may_choose_slice_axis: ClassVar[bool] = False

    @property
    def layout(self) -> PlaneLayout:
        """Axes and shape of the array."""
        return self.job.layout

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the samples."""
        return self.job.source.dtype

    @property
    def colour(self) -> bool:
        """Whether three channels are coded together."""
        return self.job.colour

    @property
    def class_count(self) -> int:
        """Quality classes of the voxels, the background included."""
        return self.job.classes.class_count

    @property
    def known_padding(self) -> int | None:
        """Value that the source names as padding."""
        value: int | None = self.job.source.metadata.get("padding_value")
        return value

    @cached_property
    def _overview(self) -> Overview:
        """What one look through all samples finds; for a PSNR also what the planner codes of them."""
        regions = [*self._pieces, *self._probe_regions] if self._looks_at_all else []
        return overview(self.job.source, regions, self.job.config.step, self.survey)

    @property
    def _looks_at_all(self) -> bool:
        """Whether the plan needs a look through all samples, which then gives all that it needs of them."""
        return self.job.config.mode in self.ranged_modes and self.job.data_range is None

    def channel_limits(self) -> list[tuple[float, float]]:
        """(minimum, maximum) of each channel, all looked through once."""
        return [self.of_channel(channel).limits() for channel in range(self.layout.channels)]

    def ranges(self) -> list[float]:
        """Range of each channel in whole samples or (of float32) steps; equal ones where the target has none."""
        if self.job.data_range is not None or self.job.config.mode not in RANGED_MODES:
            return [(self.job.data_range or 1.0) / self.job.step_unit] * self.layout.channels
        return [(high - low) / self.job.step_unit for low, high in self.channel_limits()]

    def of_channel(self, channel: int) -> _JobReader:
        """What reads one channel, here, wherever others are surveyed."""
        if channel not in self._channels:
            self._channels[channel] = _JobReader(ChannelJob.of_job(self.job, channel), self.threads, surveyed_here)
        return self._channels[channel]

    def limits(self) -> tuple[float, float]:
        """(minimum, maximum) of all samples, which are looked through once; zeros without any."""
        return self._overview.limits

    @cached_property
    def _pieces(self) -> list[Region]:
        return piece_regions(self.layout, self.job.colour)

    @cached_property
    def _probe_regions(self) -> list[Region]:
        """Regions of one channel, or of the three of colour."""
        channels = 3 if self.job.colour else 1
        return [
            tuple(
                slice(s.start, min(s.stop, s.start + channels)) if a == "c" else s
                for a, s in zip(self.layout.axes, region, strict=True)
            )
            for region in spread_probe(self.layout.sliced_along(self.layout.slice_axis))
        ]

    def may_hold(self, value: int) -> bool:
        """Whether a sample may have this value: nobody looks for it."""
        return True

    def probe(self, slice_axis: str = "z") -> Trial:
        """The samples by which choices are made, which are read once; along the axis that was asked for."""
        return self._probe

    @cached_property
    def _probe(self) -> Trial:
        regions, job = self._probe_regions, self.job
        if self._looks_at_all:
            parts = zip(regions, self._overview.parts[len(self._pieces) :], strict=True)
            read = [job.with_classes(*part) for part in parts]
        else:
            read = [job.read(region) for region in regions]
        trial = Trial.of_parts(read, self.layout.axes, self.threads)
        if not self.job.config.labels:
            warn_of_labels(trial.array)
        return trial

    def read(self, region: Region) -> NDArray[Any]:
        """The samples of a region."""
        return self.job.source.read(region)

    def trial(self, region: Region) -> Trial:
        """The samples of a region with their classes."""
        return Trial(*self.job.read(region), self.threads)

    def cut(self, plan: ChunkPlan) -> bool:
        """Cut the array into chunks of whole tiles; whether a DC image may be cut there too."""
        lengths = chunk_lengths(self.layout, plan.depth, plan.tile_log2, self.job.colour, self.job.chunks)
        self.grid = ChunkGrid(self.layout, plan.depth, lengths)
        return self.grid.holds_image

    def single_plan(self, config: CodecConfig) -> PredictivePlan:
        """The plan of chunks of one payload, and the chunks: of one slice where values of slices scale differently."""
        self.probe()  # which warns of labels
        depth, asked, layout = 8, self.job.chunks, self.layout
        if self.job.are_slices_apart and not self.job.config.labels:
            wanted = asked_lengths(layout.axes, asked) or {}
            if wanted.get("z", 1) != 1:
                raise InvalidArgument(
                    f"chunks={asked}: slices of {self.job.source.name} have different slopes, which scales would "
                    "average: pass 1 on z"
                )
            depth = 1
        lengths = chunk_lengths(layout, depth, SINGLE_TILE_LOG2, self.job.colour, asked)
        if depth == 1:
            lengths = tuple(1 if a == "z" else n for a, n in zip(layout.axes, lengths, strict=True))
        self.grid = ChunkGrid(layout, depth, lengths)
        return PredictivePlan(config, layout.axes, self.job.colour)

    def match(self, plan: ChunkPlan, probe: Trial, peak: float) -> ChunkPlan:
        """The plan with the step that reaches a PSNR or a ratio on a few chunks; others as they are."""
        described = self.described(plan)
        if plan.config.mode not in ("psnr", "ratio") or not described.grid.chunk_count:
            return plan
        if plan.config.mode == "ratio":
            return ratio_plan(self.job, described, self.threads)
        found = self._overview if self._looks_at_all else None
        if all(s.stop - s.start == n for s, n in zip(self._pieces[0], self.layout.shape, strict=True)):
            whole = self.read(self._pieces[0]) if found is None else found.parts[0]
            regions = map(described.grid.region, described.grid.coordinates())
            chunks = Chunks([self.job.with_classes(region, whole[region]) for region in regions], self.threads)
            return surveyed_plan(plan, peak, chunks)
        if found is None:
            parts = [self.job.read(region) for region in self._pieces]
        else:
            parts = [self.job.with_classes(*part) for part in zip(self._pieces, found.parts, strict=False)]
        cells, chunk_samples = None if found is None else found.cells, math.prod(described.grid.chunks)
        return surveyed_plan(plan, peak, Pieces(parts, self.layout.axes, cells, self.threads, chunk_samples))

    def described(self, plan: ChunkPlan | PredictivePlan) -> StoreDescription:
        """Describe the store whose chunks are coded by a plan."""
        assert self.grid is not None
        rule = self.job.classes.rule
        return StoreDescription(self.dtype.name, self.grid, plan, self._peak(), None if rule is None else str(rule))

    def _peak(self) -> float:
        """Data range that a PSNR refers to, in sample units, a step of constant samples; 0 for other targets."""
        if self.job.data_range is not None:
            return float(self.job.data_range)
        if self.job.config.mode != "psnr" or self.job.config.per_channel:
            return 0.0
        low, high = self.limits()
        return float(high - low) or self.job.step_unit
