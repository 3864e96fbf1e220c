"""How chunks of the transform lie in a store: a stage array for each of their stages.

Values: a ChunkPlan in; the arrays of the group, prefixes of stage chunks, the fields that all headers share, out.
Implements the stage arrays of FORMAT.md section 10.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import MAX_CORRECTION_ERROR, STEP_ONE
from mmip_gpu.channel_targets import error_bounds
from mmip_gpu.codecs import Wanted
from mmip_gpu.config import CodecConfig
from mmip_gpu.container.byte_ranges import Span
from mmip_gpu.container.encoded import Encoded
from mmip_gpu.container.header import Header, TransformHeader
from mmip_gpu.container.transform_fields import PREDICTED_TILE_LOG2, TransformFields
from mmip_gpu.stage_arrays.prefix import write_prefix
from mmip_gpu.stage_arrays.stage_codec import StageCodec
from mmip_gpu.store.group.checks import check_field
from mmip_gpu.store.group.grid import ChunkGrid, Coordinates, chunk_lengths, image_cells
from mmip_gpu.store.group.stage_array import CORRECTIONS, StageArray, stage_name, staged_dimensions
from mmip_gpu.transform.channel_plan import channel_plan, units_of
from mmip_gpu.transform.chunk import encode_chunk
from mmip_gpu.transform.extent import needed_stages
from mmip_gpu.transform.groups import is_whole_box, read_groups
from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.transform.tiled_region import region_of
from mmip_gpu.volume.axes import PlaneLayout
from mmip_gpu.volume.floats import sample_range

if TYPE_CHECKING:
    from typing import Self

    from typing_extensions import Buffer

__all__ = ["StagedForm"]


@dataclass(frozen=True)
class StagedForm:
    """Chunks in stages, by their plan."""

    plan: ChunkPlan

    @property
    def stage_count(self) -> int:
        """Stages of every chunk, the corrections included."""
        return len(self.plan.cuts) + (self.plan.correction is not None)

    def blank_fields(self) -> TransformFields:
        """Fields of a header that all chunks share."""
        p = self.plan
        none = (0,) * self.stage_count
        points = ((0, 0, 0),) * len(p.steps)
        image = (0, 0, 0) if p.dc_image else None
        return TransformFields(
            p.depth,
            p.tile_log2,
            0,
            points,
            p.reversible,
            p.steps,
            p.cuts,
            none,
            none,
            p.padding,
            p.correction,
            image,
            p.prediction,
            None if p.slice_axis == "z" else p.slice_axis,
        )

    def is_of_plan(self, fields: TransformFields) -> bool:
        """Whether the fields of a header may be those of a chunk."""
        expected = self.blank_fields()
        both = fields.dc_image is not None and expected.dc_image is not None
        return expected == replace(
            fields,
            offset=expected.offset,
            recon=expected.recon,
            dc_image=expected.dc_image if both else fields.dc_image,
            prediction=fields.prediction or expected.prediction,  # a chunk may have found none
            slice_axis=fields.slice_axis or expected.slice_axis,  # that a chunk of one place has none, its layout says
            stage_bytes=expected.stage_bytes,
            stage_crcs=expected.stage_crcs,
        )

    def array_name(self, stage: int) -> str:
        """Name of the array of a stage."""
        return CORRECTIONS if stage > len(self.plan.cuts) else stage_name(stage)

    def arrays(self, grid: ChunkGrid, dtype: str) -> list[StageArray]:
        """The arrays of all stages."""
        whole = replace(grid.layout, shape=grid.chunks)
        found: list[tuple[StageCodec, tuple[int, ...], tuple[int, ...]]] = []
        for codec in self._codecs():
            cells, chunk_cells = grid.stage_shape, grid.stage_chunks
            if codec.dc_image:
                cells, chunk_cells = image_cells(cells), image_cells(chunk_cells)
            shape: tuple[int, ...] = (*cells, codec.columns)
            chunks: tuple[int, ...] = (*chunk_cells, codec.columns)
            if codec.corrects:
                shape, chunks = (grid.layout.planes, *grid.layout.volume), (whole.planes, *whole.volume)
            found.append((codec, shape, chunks))
        last, arrays = found[-1][1], []
        for codec, shape, chunks in found:
            name = self.array_name(codec.stage)
            names = staged_dimensions(name, shape, last)
            arrays.append(StageArray(name, shape, chunks, "int32", codec.fill_value, codec, names))
        return arrays

    def _codecs(self) -> list[StageCodec]:
        """Codecs of the stage arrays; the steps are only in that of stage 1."""
        p = channel_plan(self.plan, 0)  # in a chunk of one channel; of one class DCs do not depend on the step
        first = StageCodec(1, p.depth, p.tile_log2, p.cuts, p.steps, p.padding is not None, p.dc_image)
        later = [StageCodec(s, p.depth, p.tile_log2, p.cuts) for s in range(2, self.stage_count + 1)]
        return [first, *later]

    def prefix(self, grid: ChunkGrid, at: Coordinates, header: Header[Any], stage: int) -> bytes:
        """Bytes before the payload in a stage chunk: planes, and cells or (of corrections) samples on z, y, x."""
        cells = grid.cells(at)
        if stage == 1 and self.plan.dc_image:
            return write_prefix(image_cells(cells))
        if stage <= len(self.plan.cuts):
            return write_prefix(cells)
        layout = grid.chunk_layout(at)
        return write_prefix((layout.planes, *layout.volume))

    def head_of(self, header: TransformHeader, stage: int) -> tuple[int, int]:
        """Bytes of the payload of a stage, and the crc of its head."""
        return header.fields.stage_bytes[stage - 1], header.fields.stage_crcs[stage - 1]

    def needed_stages(self, header: TransformHeader, wanted: Wanted) -> int:
        """Stages that a decode has to read."""
        return needed_stages(header, wanted)

    def needs_all(self, header: TransformHeader, wanted: Wanted) -> bool:
        """Whether a decode needs all sub-streams of a chunk."""
        box = region_of(header, wanted.scale, wanted.region).box
        return is_whole_box(box, header.fields.tile_counts(header.layout))

    def groups(self, header: TransformHeader, stage: int, payload: Buffer) -> list[tuple[Span, int]]:
        """Span and crc of every group of sub-streams of a payload, which is held against its header."""
        groups = read_groups(header, stage, memoryview(payload).nbytes, payload)
        return list(zip(groups.spans, groups.crcs, strict=True))

    def encode(self, samples: NDArray[Any], classes: NDArray[np.uint8] | None) -> Encoded:
        """Code a chunk on one thread."""
        return encode_chunk(samples, self.plan, classes, threads=1, allow_raw=False)

    def described(self) -> dict[str, Any]:
        """What a report says of the plan."""
        p = self.plan
        qstep, steps = p.background_step * (p.config.step or 1.0), [[s / STEP_ONE for s in row] for row in p.steps]
        return {key: value for key, value in self.to_dict().items() if key != "correction"} | {
            "qstep": qstep,
            "steps": steps,
            "prediction": p.prediction,
            "slice_axis": p.slice_axis,
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form of what the plan says beside the array, the chunks and the configuration."""
        p = self.plan
        return {
            "tile_log2": list(p.tile_log2),
            "cuts": list(p.cuts),
            "steps": [list(row) for row in p.steps],
            "reversible": list(p.reversible),
            "padding": p.padding,
            "correction": p.correction,
            "dc_image": p.dc_image,
        } | _where_true(prediction=p.prediction, channel_corrections=list(p.errors))

    @classmethod
    def parse(cls, data: Mapping[str, Any], config: CodecConfig, layout: PlaneLayout) -> tuple[Self, ChunkGrid]:
        """The form and the chunks that attributes tell of; InvalidArgument for what is out of range."""
        dtype, colour, depth = np.dtype(data["dtype"]), data["colour"], data["cell_depth"]
        steps = tuple(tuple(row) for row in data["steps"])
        tile, cuts, image = tuple(data["tile_log2"]), tuple(data["cuts"]), data["dc_image"]
        components = layout.channels if config.per_channel else 3 if colour else 1
        check_field("steps", steps, all(len(row) == components for row in steps))
        each = [tuple((row[i],) for row in steps) for i in range(components)] if config.per_channel else [steps]
        for own in each:
            StageCodec(1, depth, tile, cuts, own, data["padding"] is not None, image)
        check_field("steps of channels with regions", steps, len(steps) == 1 or len(set(each)) == 1)
        reversible = tuple(data["reversible"])
        check_field("reversible", reversible, len(reversible) == len(steps) and all(r in (0, 1) for r in reversible))
        whole = all(set(row) == {STEP_ONE} for row, r in zip(steps, reversible, strict=True) if r)
        check_field("steps of reversible classes", steps, whole)
        padding, bound = data["padding"], data["correction"]
        check_field("padding", padding, padding is None or (_is_sample(padding, dtype) and not colour))
        check_field("correction", bound, bound is None or 0 <= operator.index(bound) <= MAX_CORRECTION_ERROR)
        exact, most = bool(reversible) and all(reversible), config.error_bound
        check_field("reversible, for what was asked", reversible, exact or not config.exact)
        is_bounded = exact or most is None or (bound is not None and bound <= most)
        check_field("correction, for what was asked", bound, is_bounded)
        check_field("dc_image of a reversible class", image, not (image and any(reversible)))
        predicted = data.get("prediction", False)
        fits = predicted is False or (predicted is True and _may_predict(config, depth, tile) and not exact)
        check_field("prediction", predicted, fits)
        check_field("cuts, for what was asked", cuts, cuts == config.stage_cuts(depth, predicted=predicted))
        units, errors = _read_channels(data, config, steps, bound)
        plan = ChunkPlan(config, layout.axes, colour, depth, tile, cuts, steps, reversible, padding, bound, image)
        axis = config.slice_axis or "z"
        check_field("slice_axis", axis, axis == "z" or (axis in layout.axes and depth == 1))
        plan = replace(plan, prediction=predicted, slice_axis=axis, units=units, errors=errors)
        layout = replace(layout, slice_axis=axis)
        chunks = tuple(data["chunks"])
        check_field("chunks", chunks, chunk_lengths(layout, depth, tile, colour, chunks) == chunks)
        grid = ChunkGrid(layout, depth, chunks)
        check_field("chunks with a DC image", chunks, grid.holds_image or not image)
        return cls(plan), grid


def _read_channels(
    data: Mapping[str, Any], config: CodecConfig, steps: tuple[tuple[int, ...], ...], bound: int | None
) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """Steps of the channels over the largest, and error bounds of their corrections where these differ."""
    errors = tuple(map(operator.index, data.get("channel_corrections", ())))
    most = error_bounds(config) if bound is not None else ()
    fits = len(errors) == len(most) and all(0 <= e <= m for e, m in zip(errors, most, strict=True))
    check_field("channel_corrections", errors, fits and max(errors, default=bound) == bound)
    return units_of(steps[0]) if config.per_channel else (), errors


def _may_predict(config: CodecConfig, depth: int, tile_log2: Sequence[int]) -> bool:
    """Whether blocks of such tiles may be predicted, by what was asked for."""
    asked = config.prediction is not False and config.effort > 1
    return asked and depth == 1 and min(tile_log2[1:]) >= PREDICTED_TILE_LOG2


def _where_true(**fields: Any) -> dict[str, Any]:
    """Fields that older stores do not have, where they say anything."""
    return {name: value for name, value in fields.items() if value}


def _is_sample(value: Any, dtype: np.dtype[Any]) -> bool:
    """Whether a value of the attributes is an integer that samples of an integer dtype can have."""
    low, high = sample_range(dtype)
    return dtype.kind != "f" and isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
