"""What the attributes of a store say about all its chunks: the array, the grid and the plan.

Values: a frozen StoreDescription on one side, its JSON form on the other. Implements the configuration of FORMAT.md
section 10. Guarantees that every parsed field is in range, so that everything else may rely on it.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from mmip_gpu._core import CELL_AC
from mmip_gpu.arguments import check_labels, check_step
from mmip_gpu.config import CodecConfig
from mmip_gpu.container.header import DTYPES, LABEL_DTYPES, Header
from mmip_gpu.container.loss_record import LossRecord
from mmip_gpu.errors import CorruptData
from mmip_gpu.store.group.checks import check_field
from mmip_gpu.store.group.chunk_header import ORIGIN_BYTES
from mmip_gpu.store.group.finer import FinerPart
from mmip_gpu.store.group.grid import ChunkGrid, Coordinates
from mmip_gpu.store.group.single_form import SingleForm
from mmip_gpu.store.group.stage_array import StageArray
from mmip_gpu.store.group.staged_form import StagedForm
from mmip_gpu.transform.channel_plan import channel_plan
from mmip_gpu.volume.axes import PlaneLayout
from mmip_gpu.volume.roi import RoiRule

__all__ = ["StoreDescription"]

ChunkForm: TypeAlias = StagedForm | SingleForm
"""How the coded chunks lie in the arrays of a group."""

_FORMS: dict[str, type[Any]] = {"transform": StagedForm}  # by method; the others have one payload


@dataclass(frozen=True)
class StoreDescription:
    """The array and how all its chunks are coded.

    Parameters
    ----------
    dtype : str
        Of the samples.
    grid : ChunkGrid
        Shape, axes and chunks.
    plan : ChunkPlan or PredictivePlan
        Of the codec that serves the configuration.
    peak : float
        Data range that a PSNR refers to; 0 where it is taken from the samples.
    rule : str, optional
        The rule of the region of interest that is applied to every chunk.
    attempt : int
        How often the steps had to be made finer (mode psnr).
    finer : FinerPart, optional
        The part whose chunks have finer steps than the others.
    """

    dtype: str
    grid: ChunkGrid
    plan: Any
    peak: float = 0.0
    rule: str | None = None
    attempt: int = 0
    finer: FinerPart | None = None

    def of_chunk(self, at: Coordinates) -> StoreDescription:
        """The description of the chunks that are coded as this one is: those of its channel, or of its part."""
        if self._of_channels:
            return self._of_channels[at[0] % len(self._of_channels)]  # c is the innermost axis of planes
        return self._finer if self.finer is not None and self.finer.holds(at) else self

    @cached_property
    def _of_channels(self) -> list[StoreDescription]:
        """Where channels have steps of their own, the description of the chunks of each."""
        channels = range(len(getattr(self.plan, "units", ())))
        return [replace(self, plan=channel_plan(self.plan, channel)) for channel in channels]

    @cached_property
    def _finer(self) -> StoreDescription:
        assert self.finer is not None
        return replace(self, plan=replace(self.plan, steps=self.finer.steps), finer=None)

    @cached_property
    def form(self) -> ChunkForm:
        """How the coded chunks lie in the arrays of the group."""
        form: ChunkForm = _FORMS.get(self.plan.config.method, SingleForm)(self.plan)
        return form

    @property
    def stage_count(self) -> int:
        """Stages of every chunk, the corrections included."""
        return self.form.stage_count

    @cached_property
    def record_bytes(self) -> int:
        """Size of a chunk record: all headers of one store are equally long."""
        return len(self.blank_header().to_bytes()) + ORIGIN_BYTES

    @property
    def raw_bytes(self) -> int:
        """Size of the decoded array."""
        return self.grid.layout.samples * np.dtype(self.dtype).itemsize

    @cached_property
    def most_stage_bytes(self) -> int:
        """Bytes that no stage of a chunk exceeds, at 8 a coefficient; what is larger is damage, and is not read.

        Labels of 64 bits take 16 at most.
        """
        each = max(8, 2 * np.dtype(self.dtype).itemsize)
        return each * math.prod(self.grid.stage_chunks) * (CELL_AC[self.grid.depth] + 1) + 2**16

    def blank_header(self) -> Header[Any]:
        """Make a header with the fields that all chunks share."""
        config = self.plan.config
        loss = LossRecord(config.mode, config.value, False, 0, 0, 0, 0)
        fields = (self._of_channels or [self])[0].form.blank_fields()
        return Header(self.dtype, self.grid.layout, self.plan.colour, loss, fields, config.step)

    def prefix(self, at: Coordinates, header: Header[Any], stage: int) -> bytes:
        """Bytes before the payload in the chunk of a stage."""
        return self.form.prefix(self.grid, at, header, stage)

    def array_name(self, stage: int) -> str:
        """Name of the array of a stage."""
        return self.form.array_name(stage)

    def stage_arrays(self) -> list[StageArray]:
        """Describe the arrays of all stages."""
        return self.form.arrays(self.grid, self.dtype)

    def check_header(self, header: Header[Any], at: Coordinates) -> None:
        """Raise CorruptData unless the header can be that of this chunk."""
        shared, layout = self.blank_header(), self.grid.chunk_layout(at)
        found = (header.dtype, header.layout, header.colour, header.step)
        form = self.of_chunk(at).form
        if found != (shared.dtype, layout, shared.colour, shared.step) or not form.is_of_plan(header.fields):
            raise CorruptData("record: its header is not one of a chunk of this shape and plan")
        most = max(header.payload_sizes)
        if most > self.most_stage_bytes:
            raise CorruptData(f"record: a stage of {most} bytes, more than a chunk can have")

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form; `from_dict` undoes it."""
        return {
            "shape": list(self.grid.layout.shape),
            "dtype": self.dtype,
            "axes": self.grid.layout.axes,
            "colour": self.plan.colour,
            "chunks": list(self.grid.chunks),
            "cell_depth": self.grid.depth,
            **self.form.to_dict(),
            "config": self.plan.config.to_dict(),
            "peak": self.peak,
            "rule": self.rule,
            "attempt": self.attempt,
        } | ({} if self.finer is None else {"finer": self.finer.to_dict()})

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
        is_small = all(0 <= n < 2**32 for n in layout.shape) and layout.samples < 2**48
        check_field("shape", data["shape"], is_small)
        colour = data["colour"]
        is_colour = colour is True and layout.channels == 3 and "c" in layout.axes
        check_field("colour", colour, colour is False or is_colour)
        config = CodecConfig.from_dict(data["config"])
        check_field("dtype", data["dtype"], data["dtype"] in (DTYPES + LABEL_DTYPES if config.labels else DTYPES))
        check_labels(np.dtype(data["dtype"]), config)
        check_step(np.dtype(data["dtype"]), config.step)
        form, grid = _FORMS.get(config.method, SingleForm).parse(data, config, layout)
        peak, rule = float(data["peak"]), data["rule"]
        check_field("peak", peak, 0 <= peak < math.inf)
        is_rule = isinstance(rule, str) and not RoiRule.parse(rule).needs_whole_array
        check_field("rule", rule, rule is None or is_rule)
        finer = data.get("finer")
        check_field("finer", finer, finer is None or (config.mode == "psnr" and not config.per_channel))
        part = None if finer is None else FinerPart.parse(finer, form.plan.steps)
        return cls(data["dtype"], grid, form.plan, peak, rule, operator.index(data["attempt"]), part)
