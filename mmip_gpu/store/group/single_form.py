"""How chunks of one payload lie in a store: as the containers of one Zarr array, which any reader of Zarr opens.

Values: the plan of a codec whose headers are all equally long in; the array of the group, prefixes of its chunks, the
fields that headers share, out. Implements the samples of FORMAT.md section 10.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.codecs import Codec, Wanted, codec_for
from mmip_gpu.config import CodecConfig
from mmip_gpu.container.byte_ranges import Span
from mmip_gpu.container.encoded import Encoded
from mmip_gpu.container.header import Header
from mmip_gpu.container.single_payload import check_stages, payload_groups
from mmip_gpu.predictive.plan import PredictivePlan
from mmip_gpu.store.group.checks import check_field
from mmip_gpu.store.group.grid import ChunkGrid, Coordinates, chunk_lengths
from mmip_gpu.store.group.stage_array import SAMPLES, StageArray
from mmip_gpu.volume.axes import PlaneLayout
from mmip_gpu.volume.region import checked_region

if TYPE_CHECKING:
    from typing import Self

    from typing_extensions import Buffer

__all__ = ["SINGLE_TILE_LOG2", "SingleForm"]

SINGLE_TILE_LOG2 = (0, 0, 0)  # in cells: chunks of any whole cells are chosen
_CODEC = "mmip"  # of numcodecs_plugin, which Zarr finds by its entry point


@dataclass(frozen=True)
class SingleForm:
    """Chunks of one payload, by their plan."""

    plan: PredictivePlan

    @property
    def stage_count(self) -> int:
        """The one payload counts as a stage."""
        return 1

    @property
    def _codec(self) -> Codec:
        return codec_for(self.plan.config)

    def blank_fields(self) -> Any:
        """Fields of a header, as long as those of every chunk, with what all share."""
        blank: Any = self._codec.blank
        return replace(blank, near=self.plan.near) if self.plan.near else blank

    def is_of_plan(self, fields: Any) -> bool:
        """Whether the fields of a header may be those of a chunk."""
        blank, size = self.blank_fields(), len(fields.to_bytes())
        most = len(blank.to_bytes())
        is_alike = size == most if type(fields) is type(blank) else type(fields) in self._codec.others and size <= most
        return is_alike and getattr(fields, "near", 0) == getattr(blank, "near", 0)

    def array_name(self, stage: int) -> str:
        """Name of the array of a stage."""
        return SAMPLES

    def arrays(self, grid: ChunkGrid, dtype: str) -> list[StageArray]:
        """The array of the samples."""
        config = self.plan.config
        options: dict[str, Any] = {"lossless": config.method == "fast" or config.method}
        if config.mode == "max_error":
            options = {"max_error": config.value}
        elif config.labels:
            options = {"labels": True}
        if grid.layout.channels == 3 and not config.labels:
            options["colour"] = self.plan.colour
        options |= {"axes": self.plan.axes} | ({} if config.step is None else {"step": config.step})
        options |= {} if config.effort == CodecConfig.effort else {"effort": config.effort}
        serializer = {"name": _CODEC, "configuration": options}
        return [StageArray(SAMPLES, grid.layout.shape, grid.chunks, dtype, 0, serializer, tuple(self.plan.axes))]

    def prefix(self, grid: ChunkGrid, at: Coordinates, header: Header[Any], stage: int) -> bytes:
        """Bytes before the payload in a chunk: its header, which makes it a container."""
        return header.to_bytes()

    def head_of(self, header: Header[Any], stage: int) -> tuple[int, int]:
        """Bytes of the payload, and the crc of its head."""
        payload = header.fields.payload
        return payload.payload_bytes, payload.head_crc

    def needed_stages(self, header: Header[Any], wanted: Wanted) -> int:
        """The one payload."""
        check_stages(wanted)
        return 1

    def needs_all(self, header: Header[Any], wanted: Wanted) -> bool:
        """Whether a decode needs all sub-streams of a chunk."""
        shape = header.layout.scaled(wanted.scale, 8).shape
        return checked_region(wanted.region, shape) == checked_region(None, shape)

    def groups(self, header: Header[Any], stage: int, payload: Buffer) -> list[tuple[Span, int]]:
        """Span and crc of every group of sub-streams of the payload, which is held against its header."""
        return payload_groups(header.fields, payload, header.fields.substreams(header.layout))

    def encode(self, samples: NDArray[Any], classes: NDArray[np.uint8] | None) -> Encoded:
        """Code a chunk on one thread."""
        return self._codec.encode(samples, replace(self.plan, allow_raw=False), classes, 1)

    def described(self) -> dict[str, Any]:
        """What a report says of the plan."""
        return {"method": self.plan.config.method, "near": self.plan.near}

    def to_dict(self) -> dict[str, Any]:
        """Nothing: the configuration says all."""
        return {}

    @classmethod
    def parse(cls, data: Mapping[str, Any], config: CodecConfig, layout: PlaneLayout) -> tuple[Self, ChunkGrid]:
        """The form and the chunks that attributes tell of; InvalidArgument for what is out of range."""
        depth, chunks, colour = data["cell_depth"], tuple(data["chunks"]), data["colour"]
        check_field("method, for chunks of one form", config.method, config.method != "either")
        check_field("cell_depth", depth, depth in (1, 8) and not isinstance(depth, bool | float))
        check_field("chunks", chunks, chunk_lengths(layout, depth, SINGLE_TILE_LOG2, colour, chunks) == chunks)
        check_field("chunks of slices apart", chunks, depth == 8 or all(n == 1 for n in _slices(layout, chunks)))
        return cls(PredictivePlan(config, layout.axes, colour)), ChunkGrid(layout, depth, chunks)


def _slices(layout: PlaneLayout, chunks: tuple[int, ...]) -> list[int]:
    """Slices of a chunk, where there is an axis of them."""
    return [n for letter, n in zip(layout.axes, chunks, strict=True) if letter == "z"]
