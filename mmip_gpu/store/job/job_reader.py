"""The source of a job, as the planner reads it: a probe, a few regions, and a few chunks.

Values: a Job in; what `PlanReader` names, and the StoreDescription of the job, out.
Implements no section of FORMAT.md. Guarantees that all samples are looked through only where their range is needed.
"""

from __future__ import annotations

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
from mmip_gpu.store.job.job import Job, slices_apart
from mmip_gpu.store.job.step_search import matched_on_chunks
from mmip_gpu.store.job.survey import Survey, value_limits
from mmip_gpu.store.job.told import warn_of_chunks
from mmip_gpu.transform.plan import ChunkPlan
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
    blocks = make_plan(slices_apart(job.config.in_blocks(), job.source), reader, job.data_range)
    if job.config.method == "transform":
        return blocks
    config = chosen_config(job.config, blocks, reader.probe(), reader.threads)
    return blocks if config.method == "transform" else reader.single_plan(config)


@dataclass
class _JobReader:
    """The samples of a job's source; the grid of its chunks once they were `cut`."""

    job: Job
    threads: int
    survey: Survey
    grid: ChunkGrid | None = field(default=None, init=False)

    ranged_modes: ClassVar[frozenset[str]] = frozenset({"psnr"})  # a ratio is not worth a look through all samples
    refines_padding: ClassVar[bool] = False
    may_stay_raw: ClassVar[bool] = False

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
    def _limits(self) -> tuple[float, float]:
        return value_limits(self.job.source, self.survey)

    def limits(self) -> tuple[float, float]:
        """(minimum, maximum) of all samples, which are looked through once; zeros without any."""
        return self._limits

    def may_hold(self, value: int) -> bool:
        """Whether a sample may have this value: nobody looks for it."""
        return True

    def probe(self) -> Trial:
        """The samples by which choices are made, which are read once."""
        return self._probe

    @cached_property
    def _probe(self) -> Trial:
        """Samples of one channel, or of the three of colour."""
        channels = 3 if self.job.colour else 1
        regions = [
            tuple(
                slice(s.start, min(s.stop, s.start + channels)) if a == "c" else s
                for a, s in zip(self.layout.axes, region, strict=True)
            )
            for region in spread_probe(self.layout)
        ]
        trial = Trial.of_parts([self.job.read(region) for region in regions], self.layout.axes, self.threads)
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
        return matched_on_chunks(self.job, described, self.threads)

    def described(self, plan: ChunkPlan | PredictivePlan) -> StoreDescription:
        """Describe the store whose chunks are coded by a plan."""
        assert self.grid is not None
        rule = self.job.classes.rule
        return StoreDescription(self.dtype.name, self.grid, plan, self._peak(), None if rule is None else str(rule))

    def _peak(self) -> float:
        """Data range that a PSNR refers to, in sample units, a step of constant samples; 0 for other targets."""
        if self.job.data_range is not None:
            return float(self.job.data_range)
        if self.job.config.mode != "psnr":
            return 0.0
        low, high = self.limits()
        return float(high - low) or self.job.step_unit
