"""Analysis of a chunk: all of encoding but the entropy coder.

Values: an array and a plan in; its planes as integers, then the quantized chunk of the core, out; host memory.
Encoder side of FORMAT.md sections 2 to 5. `prepare` is done once for an array, `analyze` for every plan that is tried.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import SEARCH_NONE, Chunk
from mmip_gpu._core import statistics as sample_statistics
from mmip_gpu.container.transform_fields import TransformFields
from mmip_gpu.transform.loss import measured_error
from mmip_gpu.transform.offset import sample_offset
from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.volume.axes import PlaneLayout
from mmip_gpu.volume.colour import colour_planes, sample_planes
from mmip_gpu.volume.floats import DEEP_LIMIT, INDEX_LIMIT, sample_range, to_indices
from mmip_gpu.volume.roi import cell_classes

__all__ = ["PLAIN_ROUNDING", "ROUNDING", "Analysis", "Prepared", "analyze", "cell_map", "empty_chunk", "prepare"]

ROUNDING = 96  # of AC indices, in 1/256 of a step: a dead zone of 0.66, measured in benchmarks/NOTES.md
PLAIN_ROUNDING = 128  # half up


@dataclass(eq=False)
class Prepared:
    """An array as planes: `original` of its dtype, and `planes` of integers, which of float32 samples are indices."""

    array: NDArray[Any]
    layout: PlaneLayout
    original: NDArray[Any]
    planes: NDArray[Any]
    threads: int

    @cached_property
    def statistics(self) -> tuple[int, int, int]:
        """Sum, least and greatest of the integers."""
        return sample_statistics(self.planes, self.threads)

    @property
    def limits(self) -> tuple[float, float]:
        """Least and greatest sample."""
        if self.planes is self.original:
            return self.statistics[1:]
        # Of -0.0 and 0.0 either may be found: adding 0 leaves the one.
        return self.original.min().item() + 0, self.original.max().item() + 0


@dataclass(eq=False)
class Analysis:
    """A quantized chunk with what it was made of, and what was made of it: each once, when it is first asked for.

    `errors` has the estimated squared error of each class.
    """

    plan: ChunkPlan
    prepared: Prepared
    chunk: Chunk
    offset: int
    errors: list[float]
    _payloads: tuple[bytes, ...] | None = None
    _decoded: NDArray[Any] | None = None
    _measured: list[tuple[int, int]] | None = None

    def payloads(self) -> tuple[bytes, ...]:
        """All stages but the corrections."""
        if self._payloads is None:
            stages = range(1, len(self.plan.cuts) + 1)
            self._payloads = tuple(self.chunk.pack(stage, self.prepared.threads) for stage in stages)
        return self._payloads

    def decoded(self) -> NDArray[Any]:
        """The planes that a decoder makes of these stages."""
        if self._decoded is None:
            plan, stages, threads = self.plan, len(self.plan.cuts), self.prepared.threads

            def synthesize(offset: int, minimum: int, maximum: int, out: NDArray[Any]) -> None:
                self.chunk.synthesize(stages, 1, offset, minimum, maximum, out, threads)

            dtype = self.prepared.planes.dtype
            self._decoded = sample_planes(self.chunk, synthesize, dtype, 1, self.offset, plan.colour)
        return self._decoded

    def requantized(self, plan: ChunkPlan) -> Analysis:
        """The analysis by a plan of the same blocks (`ChunkPlan.choice_steps`); this one is of no use afterwards."""
        errors = self.chunk.requantize(plan.steps, self.prepared.threads)
        return Analysis(plan, self.prepared, self.chunk, self.offset, errors)

    @property
    def is_measured_by_blocks(self) -> bool:
        """Whether `measured` is for this plan: the errors of a block are those of its plane alone."""
        return not (self.plan.colour or self.plan.units or self.plan.predicts)

    def measured(self) -> list[tuple[int, int]]:
        """(sum of squared errors, largest error) of each class after decoding, of integers."""
        if self._measured is None:
            planes, threads = self.prepared.planes, self.prepared.threads
            self._measured = self.chunk.measure(self.offset, *sample_range(planes.dtype), planes, threads)
        return self._measured

    def reached(self) -> tuple[float, float]:
        """(sum of squared errors, largest error) after decoding, in the unit of the samples."""
        prepared, step = self.prepared, self.plan.config.step
        if step is None and self.is_measured_by_blocks:
            found = self.measured()
            return sum(squares for squares, _ in found), max(largest for _, largest in found)
        return measured_error(prepared.original, self.decoded(), step, prepared.threads)

    def take_decoded(self) -> NDArray[Any]:
        """`decoded`, for the caller to change."""
        found, self._decoded = self.decoded(), None
        return found


def prepare(array: NDArray[Any], plan: ChunkPlan, threads: int) -> Prepared:
    """The planes of an array, which depend on nothing of the plan but its axes, its cell depth and the samples' step.

    Raises
    ------
    InvalidArgument
        For a float32 sample that is not finite or has no index.
    """
    layout = plan.layout(array.shape)
    original = layout.to_planes(array)
    planes = to_indices(original, plan.config.step, INDEX_LIMIT if plan.depth == 1 else DEEP_LIMIT)
    return Prepared(array, layout, original, planes, threads)


def analyze(prepared: Prepared, plan: ChunkPlan, classes: NDArray[np.uint8] | None, *, plain: bool = False) -> Analysis:
    """Transform, choose blocks and quantize.

    Samples under the padding mask are replaced before the transform. With `plain`, all blocks have mode 8 and indices
    are rounded half up: the quality rule's own distortion.
    """
    layout, threads, coded = prepared.layout, prepared.threads, prepared.planes
    chunk = empty_chunk(replace(plan, prediction=False) if plain else plan, layout)
    cells = None if classes is None or len(plan.steps) == 1 else cell_map(classes, layout, plan.depth)
    statistics = prepared.statistics
    if plan.padding is not None:
        coded = np.empty_like(prepared.planes)
        chunk.fill(prepared.planes, cells, coded, threads)
        statistics = sample_statistics(coded, threads)
    offset = sample_offset(coded, statistics)
    if plan.colour:
        coded = colour_planes(coded, offset)
    rounding = PLAIN_ROUNDING if plain else ROUNDING
    search, passes = (SEARCH_NONE, 1) if plain else plan.search
    errors = chunk.analyze(coded, cells, 0 if plan.colour else offset, rounding, search, passes, threads)
    return Analysis(plan, prepared, chunk, offset, errors)


def empty_chunk(fields: ChunkPlan | TransformFields, layout: PlaneLayout, box: list[int] | None = None) -> Chunk:
    """Chunk of the core without coefficients: of the whole array, or of a box of its tiles."""
    if isinstance(fields, TransformFields):
        recon, dc_image, prediction = fields.recon, fields.dc_image, fields.prediction
        choice_steps = None
    else:  # the points are what analyzing will find
        recon, dc_image = ((0, 0, 0),) * len(fields.steps), (0, 0, 0) if fields.dc_image else None
        prediction, choice_steps = fields.predicts, fields.choice_steps
    return Chunk(
        planes=layout.planes,
        shape=layout.volume,
        depth=fields.depth,
        tile_log2=fields.tile_log2,
        cuts=fields.cuts,
        steps=fields.steps,
        reversible=fields.reversible,
        recon=recon,
        box=box,
        padding=fields.padding,
        dc_image=dc_image,
        prediction=prediction,
        choice_steps=choice_steps,
    )


def cell_map(classes: NDArray[np.uint8], layout: PlaneLayout, depth: int) -> NDArray[np.uint8]:
    """Class of every cell of every plane; channels share one map."""
    axes = layout.axes.replace("c", "")
    spatial = PlaneLayout(axes, classes.shape, layout.slice_axis)
    cells = cell_classes(spatial.to_planes(classes), (depth, 8, 8))
    return np.ascontiguousarray(np.repeat(cells, layout.channels, axis=0))
