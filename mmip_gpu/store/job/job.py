"""A write job: what was asked for, and the plan that it makes of it.

Values: the arguments of `write_zarr` in; a Job, which has an identity to compare, and StoreDescriptions out.
Encoder side; implements no section of FORMAT.md. Guarantees that plans depend on data and arguments alone.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import FORMAT_VERSION
from mmip_gpu.arguments import check_step, given_padding, is_colour
from mmip_gpu.config import CodecConfig
from mmip_gpu.container.encoded import Encoded
from mmip_gpu.options import EncodeSettings
from mmip_gpu.sources import Source, open_source
from mmip_gpu.store.group.chunk_header import with_origin
from mmip_gpu.store.group.description import StoreDescription
from mmip_gpu.store.group.grid import ChunkGrid, Coordinates, Region, chunk_lengths
from mmip_gpu.store.group.records import Totals
from mmip_gpu.store.job.ratio_search import probed_ratio, ratio_again
from mmip_gpu.store.job.region_classes import RegionClasses
from mmip_gpu.store.job.survey import Survey, value_limits
from mmip_gpu.transform.chunk import encode_chunk
from mmip_gpu.transform.plan import ChunkPlan, initial_step, spread_probe
from mmip_gpu.transform.planning.find_padding import find_padding, may_hold_padding
from mmip_gpu.transform.planning.make_plan import flattened, imaged_plan, matched_plan, padded_plan, probed_plan
from mmip_gpu.transform.planning.match_distortion import check_reached, search_step
from mmip_gpu.transform.planning.trial import Trial
from mmip_gpu.volume.axes import PlaneLayout

__all__ = ["Job"]

_PROBES = 8
_PROBE_SAMPLES = 2**22  # of all probes together: as much as one chunk
_PROBE_LENGTHS = {"z": 32, "y": 128, "x": 128}
_GOLDEN = (math.sqrt(5) - 1) / 2
_SMALLEST_STEP = 0.25
_MARGIN_DB = 0.03
_ATTEMPTS = 4


@dataclass(frozen=True)
class Job:
    """One call of `write_zarr`, its source opened and its arguments checked."""

    source: Source
    layout: PlaneLayout
    config: CodecConfig
    colour: bool
    chunks: tuple[int, ...] | None
    classes: RegionClasses
    data_range: float | None
    _reading: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @classmethod
    def of(
        cls,
        source: Any,
        settings: EncodeSettings,
        chunks: Sequence[int] | None = None,
    ) -> Job:
        """Job from the arguments of `write_zarr`.

        Raises
        ------
        InvalidArgument
            For options, axes, chunks or a region of interest that do not fit.
        """
        config, colour = settings.config, settings.colour
        opened = open_source(source)
        if settings.axes is not None and settings.axes != opened.axes:
            opened = replace(opened, axes=settings.axes, colour=None)
        check_step(opened.dtype, config.step)
        layout = PlaneLayout.of(opened.shape, opened.axes)
        if colour is None and "c" in opened.axes and opened.dtype.kind != "f":
            colour = opened.colour
        three = is_colour(colour, layout, opened.dtype)
        given_padding(config, opened.dtype, three)
        chunk_lengths(layout, 8, (1, 1, 1), three, chunks)
        asked = None if chunks is None else tuple(chunks)
        return cls(opened, layout, config, three, asked, RegionClasses.of(settings.roi, layout), settings.data_range)

    def identity(self) -> dict[str, Any]:
        """Tell what makes two jobs the same, as it comes back from JSON."""
        data = {
            "format_version": FORMAT_VERSION,
            "source": self.source.fingerprint,
            "shape": self.layout.shape,
            "dtype": self.source.dtype.name,
            "axes": self.layout.axes,
            "colour": self.colour,
            "chunks": self.chunks,
            "roi": self.classes.identity,
            "data_range": self.data_range,
            "config": self.config.to_dict(),
        }
        found: dict[str, Any] = json.loads(json.dumps(data))
        return found

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_reading"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _reading=threading.Lock())

    def surveyed(self, survey: Survey) -> Job:
        """Return the job with its mask looked through, which its identity needs."""
        return replace(self, classes=self.classes.surveyed(survey))

    def described(self, threads: int, survey: Survey) -> tuple[Job, StoreDescription]:
        """Return (the job with a rule that holds chunk by chunk, the plan of its chunks)."""
        job = replace(self, classes=self.classes.resolved(self.source, survey))
        rule = job.classes.rule
        low, high = value_limits(job.source, survey) if job._needs_limits else (0.0, 0.0)
        config = flattened(job.config, low, high)
        peak = job._peak(high - low)
        probe = Trial.of_parts([job.read(region) for region in job._probe_regions()], job.layout.axes, threads)
        count, given = job.classes.class_count, given_padding(config, job.source.dtype, job.colour)
        steps, axes = (peak or 1.0) / job._unit, job.layout.axes
        plan = job._padded(probed_plan(config, probe, axes, count, job.colour, steps, given), threads)
        lengths = chunk_lengths(job.layout, plan.depth, plan.tile_log2, job.colour, job.chunks)
        grid = ChunkGrid(job.layout, plan.depth, lengths)
        if grid.holds_image:
            plan = imaged_plan(plan, probe)
        plan = matched_plan(plan, probe)
        text = None if rule is None else str(rule)
        described = StoreDescription(job.source.dtype.name, grid, plan, peak, text)
        if job.config.mode in ("psnr", "ratio") and grid.chunk_count:
            described = replace(described, plan=job._searched(described, threads))
        return job, described

    def resumed(self, description: StoreDescription) -> Job:
        """Return the job with the rule that an earlier run found."""
        if description.rule is None:
            return self
        rule = RegionClasses.of(description.rule, self.layout)
        return replace(self, classes=replace(self.classes, rule=rule.rule))

    def read(self, region: Region) -> tuple[NDArray[Any], NDArray[np.uint8] | None]:
        """Read samples and classes of a region; one thread at a time, since a source need not allow more."""
        with self._reading:
            samples = self.source.read(region)
            classes = self.classes.read(region, samples, self.source.read)
        return samples, classes

    def code(self, description: StoreDescription, at: Coordinates) -> Encoded:
        """Read and encode a chunk, on this thread."""
        samples, classes = self.read(description.grid.region(at))
        encoded = encode_chunk(samples, description.plan, classes, threads=1, allow_raw=False)
        return with_origin(encoded, samples, classes)

    def again(
        self, description: StoreDescription, totals: Totals, passes: list[tuple[float, float]]
    ) -> StoreDescription | None:
        """Return what to write again with where the array missed its PSNR or ratio; None where it did not.

        `passes` holds (log10 of the step, PSNR in dB or log10 of the ratio over the request) of the passes before;
        this one is added.
        """
        plan, config = description.plan, self.config
        if config.mode == "ratio" and description.grid.chunk_count:
            return ratio_again(description, totals, passes)
        if config.mode != "psnr" or not config.verify or totals.psnr() >= config.value:
            return None
        if plan.lossless:  # of float32: rounding to indices is all that was lost
            samples = description.grid.layout.samples
            check_reached(plan, description.peak / self._unit, totals.sse / self._unit**2 / samples)
            return None
        here = math.log10(plan.background_step), totals.psnr()
        passes.append(here)
        attempt = description.attempt + 1
        # The probes promised more: the same search for as much above as all passes missed, later misses twice.
        missing = sum((config.value - reached) * min(k, 2) + _MARGIN_DB * k for k, (_, reached) in enumerate(passes, 1))
        higher = replace(plan, config=replace(config, value=config.value + missing))
        step = self._searched(replace(description, plan=higher), 1).background_step
        sure = initial_step(config, description.peak / self._unit)  # plain rounding at this step is fine enough
        step = min(step, sure) if attempt == _ATTEMPTS - 1 else max(step, min(sure, 10 ** here[0] / 2))
        exact = attempt >= _ATTEMPTS or step < _SMALLEST_STEP
        return replace(description, plan=plan.exact() if exact else plan.with_step(step), attempt=attempt)

    @property
    def may_write_again(self) -> bool:
        """Whether the whole array may have to be written more than once (`again`)."""
        return self.config.mode == "ratio" or (self.config.mode == "psnr" and self.config.verify)

    @property
    def _needs_limits(self) -> bool:
        return self.config.step is not None or (self.config.mode == "psnr" and self.data_range is None)

    def _peak(self, found: float) -> float:
        if self.data_range is not None:
            return float(self.data_range)
        return max(float(found), self._unit) if self.config.mode == "psnr" else 0.0

    @property
    def _unit(self) -> float:
        """Step of float32 samples; 1 for integers."""
        return self.config.step or 1.0

    def _padded(self, plan: ChunkPlan, threads: int) -> ChunkPlan:
        """Give the plan a padding value, if one is found and it pays where it is."""
        if self.config.padding != "auto" or not may_hold_padding(self.source.dtype, self.colour):
            return plan
        known = self.source.metadata.get("padding_value")
        candidate = find_padding(self.source.read, self.layout, known)
        if candidate is None:
            return plan
        samples = Trial(*self.read(candidate.region), threads)
        return replace(plan, padding=padded_plan(plan, candidate.value, samples).padding)

    def _probe_regions(self) -> list[Region]:
        """Regions of the probe: of one channel, or of the three of colour."""
        channels = 3 if self.colour else 1
        return [
            tuple(
                slice(s.start, min(s.stop, s.start + channels)) if a == "c" else s
                for a, s in zip(self.layout.axes, region, strict=True)
            )
            for region in spread_probe(self.layout)
        ]

    def _searched(self, description: StoreDescription, threads: int) -> ChunkPlan:
        """Find the step that reaches the PSNR or the ratio on evenly spread probes."""
        plan = description.plan
        probes = [Trial(*self.read(region), threads) for region in _probe_regions(description.grid)]
        if self.config.mode == "ratio":
            return probed_ratio(plan, probes, description)
        total = sum(probe.array.size for probe in probes)

        def mean_error(tried: ChunkPlan) -> float:
            return sum(probe.mean_error(tried) * (probe.array.size / total) for probe in probes)

        return search_step(plan, description.peak / self._unit, mean_error)[0]


def _probe_regions(grid: ChunkGrid) -> list[Region]:
    """Up to 8 spread chunks, or the middle of each where they are large."""
    count = min(_PROBES, grid.chunk_count)
    # Multiples of the golden ratio spread over all axes of the grid, where even strides would meet the same columns.
    indices = sorted({int(grid.chunk_count * ((k + 0.5) * _GOLDEN % 1)) for k in range(count)})
    regions = []
    for index in indices:
        at = tuple(int(i) for i in np.unravel_index(index, grid.counts))
        region = grid.region((at[0], at[1], at[2], at[3]))
        samples = math.prod(s.stop - s.start for s in region)
        if samples > _PROBE_SAMPLES // count:
            region = tuple(_middle(s, _PROBE_LENGTHS.get(a)) for a, s in zip(grid.layout.axes, region, strict=True))
        regions.append(region)
    return regions


def _middle(part: slice, length: int | None) -> slice:
    if length is None or part.stop - part.start <= length:
        return part
    start = part.start + (part.stop - part.start - length) // 2 // 32 * 32
    return slice(start, start + length)
