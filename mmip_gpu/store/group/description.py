"""What the attributes of a store say about all its chunks: the array, the grid and the plan.

Values: a frozen StoreDescription on one side, its JSON form on the other. Implements the configuration of FORMAT.md
section 10. Guarantees that every parsed field is in range, so that everything else may rely on it.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mmip_gpu._core import CELL_AC, MAX_CORRECTION_ERROR, STEP_ONE
from mmip_gpu.arguments import check_step
from mmip_gpu.config import CodecConfig
from mmip_gpu.container.header import DTYPES, TransformHeader
from mmip_gpu.container.loss_record import LossRecord
from mmip_gpu.container.transform_fields import TransformFields
from mmip_gpu.errors import CorruptData, InvalidArgument
from mmip_gpu.stage_arrays.stage_codec import StageCodec
from mmip_gpu.store.group.chunk_header import ORIGIN_BYTES
from mmip_gpu.store.group.grid import ChunkGrid, Coordinates, chunk_lengths, image_cells
from mmip_gpu.store.group.stage_array import StageArray, stage_name
from mmip_gpu.store.group.zarr_group import CORRECTIONS
from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.volume.axes import PlaneLayout
from mmip_gpu.volume.floats import sample_range
from mmip_gpu.volume.roi import RoiRule

__all__ = ["StoreDescription"]


@dataclass(frozen=True)
class StoreDescription:
    """The array and how all its chunks are coded.

    Parameters
    ----------
    dtype : str
        Of the samples.
    grid : ChunkGrid
        Shape, axes and chunks.
    plan : ChunkPlan
        Steps, cuts, tiles, cell depth.
    peak : float
        Data range that a PSNR refers to; 0 where it is taken from the samples.
    rule : str, optional
        The rule of the region of interest that is applied to every chunk.
    attempt : int
        How often the steps had to be made finer (mode psnr).
    """

    dtype: str
    grid: ChunkGrid
    plan: ChunkPlan
    peak: float = 0.0
    rule: str | None = None
    attempt: int = 0

    @property
    def stage_count(self) -> int:
        """Stages of every chunk, the corrections included."""
        return len(self.plan.cuts) + (self.plan.correction is not None)

    @property
    def record_bytes(self) -> int:
        """Size of a chunk record: all headers of one store are equally long."""
        return len(self.blank_header().to_bytes()) + ORIGIN_BYTES

    @property
    def raw_bytes(self) -> int:
        """Size of the decoded array."""
        return self.grid.layout.samples * np.dtype(self.dtype).itemsize

    @property
    def most_stage_bytes(self) -> int:
        """Bytes that no stage of a chunk exceeds, at 8 a coefficient; what is larger is damage, and is not read."""
        return 8 * math.prod(self.grid.stage_chunks) * (CELL_AC[self.plan.depth] + 1) + 2**16

    def codecs(self) -> list[StageCodec]:
        """Codecs of the stage arrays; the steps are only in that of stage 1."""
        p = self.plan
        first = StageCodec(1, p.depth, p.tile_log2, p.cuts, p.steps, p.padding is not None, p.dc_image)
        later = [StageCodec(s, p.depth, p.tile_log2, p.cuts) for s in range(2, self.stage_count + 1)]
        return [first, *later]

    def blank_header(self) -> TransformHeader:
        """Make a header with the fields that all chunks share."""
        p = self.plan
        none = (0,) * self.stage_count
        points = ((0, 0, 0),) * len(p.steps)
        image = (0, 0, 0) if p.dc_image else None
        fields = TransformFields(
            p.depth, p.tile_log2, 0, points, p.reversible, p.steps, p.cuts, none, none, p.padding, p.correction, image
        )
        loss = LossRecord(p.config.mode, p.config.value, False, 0, 0, 0, 0)
        return TransformHeader(self.dtype, self.grid.layout, p.colour, loss, fields, p.config.step)

    def extent(self, at: Coordinates, stage: int) -> tuple[int, int, int, int]:
        """Planes, and cells or (of corrections) samples on z, y, x, that a chunk has in the array of a stage."""
        if stage == 1 and self.plan.dc_image:
            return image_cells(self.grid.cells(at))
        if stage <= len(self.plan.cuts):
            return self.grid.cells(at)
        layout = self.grid.chunk_layout(at)
        return (layout.planes, *layout.volume)

    def array_name(self, stage: int) -> str:
        """Name of the array of a stage."""
        return CORRECTIONS if stage > len(self.plan.cuts) else stage_name(stage)

    def stage_arrays(self) -> list[StageArray]:
        """Describe the arrays of all stages."""
        grid = self.grid
        whole = PlaneLayout(grid.layout.axes, grid.chunks)
        arrays = []
        for codec in self.codecs():
            cells, chunk_cells = grid.stage_shape, grid.stage_chunks
            if codec.dc_image:
                cells, chunk_cells = image_cells(cells), image_cells(chunk_cells)
            shape: tuple[int, ...] = (*cells, codec.columns)
            chunks: tuple[int, ...] = (*chunk_cells, codec.columns)
            if codec.corrects:
                shape, chunks = (grid.layout.planes, *grid.layout.volume), (whole.planes, *whole.volume)
            arrays.append(StageArray(self.array_name(codec.stage), shape, chunks, codec))
        return arrays

    def check_header(self, header: TransformHeader, at: Coordinates) -> None:
        """Raise CorruptData unless the header can be that of this chunk."""
        fields, shared = header.fields, self.blank_header()
        expected = shared.fields
        both = fields.dc_image is not None and expected.dc_image is not None
        neutral = replace(
            fields,
            offset=expected.offset,
            recon=expected.recon,
            dc_image=expected.dc_image if both else fields.dc_image,
            stage_bytes=expected.stage_bytes,
            stage_crcs=expected.stage_crcs,
        )
        layout = self.grid.chunk_layout(at)
        found = (header.dtype, header.layout, header.colour, header.step, neutral)
        if found != (shared.dtype, layout, shared.colour, shared.step, expected):
            raise CorruptData("record: its header is not one of a chunk of this shape and plan")
        if max(fields.stage_bytes) > self.most_stage_bytes:
            raise CorruptData(f"record: a stage of {max(fields.stage_bytes)} bytes, more than a chunk can have")

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form; `from_dict` undoes it."""
        p = self.plan
        return {
            "shape": list(self.grid.layout.shape),
            "dtype": self.dtype,
            "axes": self.grid.layout.axes,
            "colour": p.colour,
            "chunks": list(self.grid.chunks),
            "cell_depth": p.depth,
            "tile_log2": list(p.tile_log2),
            "cuts": list(p.cuts),
            "steps": [list(row) for row in p.steps],
            "reversible": list(p.reversible),
            "padding": p.padding,
            "correction": p.correction,
            "dc_image": p.dc_image,
            "config": p.config.to_dict(),
            "peak": self.peak,
            "rule": self.rule,
            "attempt": self.attempt,
        }

    @classmethod
    def from_dict(cls, data: Any) -> StoreDescription:
        """Parse the attributes of a store.

        Raises
        ------
        CorruptData
            For anything that `to_dict` does not write.
        """
        try:
            return cls._parse(data)
        except (ArithmeticError, KeyError, TypeError, ValueError) as error:  # the first of infinities
            raise CorruptData(f"store attributes: {error or type(error).__name__}") from error

    @classmethod
    def _parse(cls, data: Mapping[str, Any]) -> StoreDescription:
        layout = PlaneLayout.of(tuple(data["shape"]), data["axes"])
        _check("shape", data["shape"], all(0 <= n < 2**32 for n in layout.shape) and layout.samples < 2**48)
        _check("dtype", data["dtype"], data["dtype"] in DTYPES)
        colour = data["colour"]
        _check(
            "colour",
            colour,
            colour is False or (colour is True and layout.channels == 3 and "c" in layout.axes),
        )
        config = CodecConfig.from_dict(data["config"])
        check_step(np.dtype(data["dtype"]), config.step)
        steps = tuple(tuple(row) for row in data["steps"])
        tile, cuts = tuple(data["tile_log2"]), tuple(data["cuts"])
        image = data["dc_image"]
        StageCodec(1, data["cell_depth"], tile, cuts, steps, data["padding"] is not None, image)
        _check("steps", steps, all(len(row) == (3 if colour else 1) for row in steps))
        reversible = tuple(data["reversible"])
        _check("reversible", reversible, len(reversible) == len(steps) and all(r in (0, 1) for r in reversible))
        whole = all(set(row) == {STEP_ONE} for row, r in zip(steps, reversible, strict=True) if r)
        _check("steps of reversible classes", steps, whole)
        padding, bound, dtype = data["padding"], data["correction"], np.dtype(data["dtype"])
        _check("padding", padding, padding is None or (_is_sample(padding, dtype) and not colour))
        _check("correction", bound, bound is None or 0 <= operator.index(bound) <= MAX_CORRECTION_ERROR)
        _check("cuts, for what was asked", cuts, cuts == config.stage_cuts(data["cell_depth"]))
        exact, most = bool(reversible) and all(reversible), config.error_bound
        _check("reversible, for what was asked", reversible, exact or not config.exact)
        _check("correction, for what was asked", bound, exact or most is None or (bound is not None and bound <= most))
        _check("dc_image of a reversible class", image, not (image and any(reversible)))
        depth = data["cell_depth"]
        plan = ChunkPlan(config, layout.axes, colour, depth, tile, cuts, steps, reversible, padding, bound, image)
        chunks = tuple(data["chunks"])
        _check("chunks", chunks, chunk_lengths(layout, plan.depth, tile, colour, chunks) == chunks)
        grid = ChunkGrid(layout, plan.depth, chunks)
        _check("chunks with a DC image", chunks, grid.holds_image or not image)
        peak, rule = float(data["peak"]), data["rule"]
        _check("peak", peak, 0 <= peak < math.inf)
        _check("rule", rule, rule is None or (isinstance(rule, str) and not RoiRule.parse(rule).needs_whole_array))
        return cls(data["dtype"], grid, plan, peak, rule, operator.index(data["attempt"]))


def _is_sample(value: Any, dtype: np.dtype[Any]) -> bool:
    """Whether a value of the attributes is an integer that samples of an integer dtype can have."""
    low, high = sample_range(dtype)
    return dtype.kind != "f" and isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _check(field: str, found: object, condition: bool) -> None:
    if not condition:
        raise InvalidArgument(f"{field} out of range: {found!r}")
