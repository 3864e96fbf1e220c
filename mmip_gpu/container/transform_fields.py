"""The fields of a container of kind 1, read and written side by side (FORMAT.md section 1).

Values: frozen TransformFields on one side, their bytes on the other.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from mmip_gpu._core import (
    CELL_AC,
    MAX_CLASSES,
    MAX_CORRECTION_ERROR,
    MAX_RECON,
    MAX_STAGES,
    MAX_STEP,
    MAX_TILE_SAMPLES,
    MIN_STEP,
    STEP_ONE,
)
from mmip_gpu.container.channel_fields import ChannelFields
from mmip_gpu.container.field_reader import FieldReader, expect
from mmip_gpu.volume.axes import PlaneLayout
from mmip_gpu.volume.floats import sample_range

if TYPE_CHECKING:
    from typing import Self

__all__ = ["PREDICTED_TILE_LOG2", "TransformFields"]

_DC_IMAGE, _PREDICTION, _SLICE_AXIS, _PER_CHANNEL = 1, 2, 4, 8  # bits of `flags`
_IMAGE_TILE_LOG2, PREDICTED_TILE_LOG2 = 3, 4  # on y and x, at least


@dataclass(frozen=True)
class TransformFields:
    """Fields of a container of kind 1 (FORMAT.md section 1); `correction` is None without corrections.

    `stage_bytes` and `stage_crcs` have an entry for each stage, the corrections last. `dc_image` holds the
    reconstruction points of the DC image, None without one; `prediction` says whether blocks may be predicted;
    `slice_axis` along which axis slices follow each other, None for z, which needs no field;
    `channels` what there is of each channel, None where all have the same steps.
    """

    kind: ClassVar[int] = 1
    name: ClassVar[str] = "transform"

    depth: int
    tile_log2: tuple[int, int, int]
    offset: int
    recon: tuple[tuple[int, int, int], ...]
    reversible: tuple[int, ...]
    steps: tuple[tuple[int, ...], ...]
    cuts: tuple[int, ...]
    stage_bytes: tuple[int, ...]
    stage_crcs: tuple[int, ...]
    padding: int | None = None
    correction: int | None = None
    dc_image: tuple[int, int, int] | None = None
    prediction: bool = False
    slice_axis: str | None = None
    channels: ChannelFields | None = None

    @property
    def payload_sizes(self) -> tuple[int, ...]:
        """Bytes of each payload."""
        return self.stage_bytes

    def tile_counts(self, layout: PlaneLayout) -> tuple[int, int, int, int]:
        """Planes, and tiles of each on z, y, x; their product is the number of sub-streams of a stage."""
        cells = zip(layout.volume, (self.depth, 8, 8), self.tile_log2, strict=True)
        z, y, x = (-(-n // (cell << log2)) for n, cell, log2 in cells)
        return layout.planes, z, y, x

    def substreams(self, layout: PlaneLayout) -> int:
        """Sub-streams of each stage."""
        return math.prod(self.tile_counts(layout))

    @property
    def correction_errors(self) -> tuple[int, ...]:
        """Error bound of the corrections in each channel, where they differ; one for all, or none without any."""
        listed = () if self.channels is None else self.channels.errors
        return listed or (() if self.correction is None else (self.correction,))

    def to_bytes(self) -> bytes:
        """The fields as they stand in a header."""
        out = struct.pack("<4BiB", self.depth, *self.tile_log2, self.offset, self.padding is not None)
        out += b"" if self.padding is None else struct.pack("<i", self.padding)
        flags = _DC_IMAGE * (self.dc_image is not None) | _PREDICTION * self.prediction
        flags |= _SLICE_AXIS * (self.slice_axis is not None) | _PER_CHANNEL * (self.channels is not None)
        out += bytes([flags])
        out += b"" if self.dc_image is None else struct.pack("<3b", *self.dc_image)
        out += (self.slice_axis or "").encode("ascii")
        out += struct.pack("<B", len(self.steps))
        for reversible, recon, steps in zip(self.reversible, self.recon, self.steps, strict=True):
            out += struct.pack(f"<B3b{len(steps)}I", reversible, *recon, *steps)
        out += struct.pack(f"<B{len(self.cuts) - 2}H", len(self.cuts), *self.cuts[1:-1])
        out += b"\0" if self.correction is None else struct.pack("<BI", 1, self.correction)
        for size, crc in zip(self.stage_bytes, self.stage_crcs, strict=True):
            out += struct.pack("<QI", size, crc)
        return out + (b"" if self.channels is None else self.channels.to_bytes())

    @classmethod
    def read(cls, reader: FieldReader, dtype: str, layout: PlaneLayout, colour: bool) -> Self:
        """Take the fields off a header of samples of this dtype and layout."""
        expect(layout.samples > 0, "shape of a transformed array", layout.shape)
        depth, tile_log2 = _read_tiles(reader)
        low, high = sample_range(np.dtype(dtype))
        offset, padded = reader.take("iB")
        expect(low <= offset <= high, "offset", offset)
        expect(padded <= (not colour and dtype != "float32"), "padding", padded)
        padding = reader.take("i")[0] if padded else None
        expect(padding is None or low <= padding <= high, "padding_value", padding)
        (flags,) = reader.take("B")
        expect(
            flags & ~_possible_flags(depth, tile_log2, padded, layout.channels > 1 and not colour) == 0, "flags", flags
        )
        dc_image = _read_dc_image(reader) if flags & _DC_IMAGE else None
        slice_axis = _read_slice_axis(reader, layout, depth) if flags & _SLICE_AXIS else None
        per_channel = bool(flags & _PER_CHANNEL)
        reversible, recon, steps = _read_classes(reader, layout.channels if per_channel else 3 if colour else 1)
        expect(dc_image is None or reversible == (0,), "classes with a DC image", reversible)
        cuts, correction = _read_stages(reader, CELL_AC[depth])
        parts = reader.take("QI" * (len(cuts) + (correction is not None)))
        sizes, crcs = parts[::2], parts[1::2]
        channels = ChannelFields.read(reader, dtype, layout.channels, correction) if per_channel else None
        own = sizes, crcs, padding, correction, dc_image, bool(flags & _PREDICTION), slice_axis, channels
        return cls(depth, tile_log2, offset, recon, reversible, steps, cuts, *own)


def _read_tiles(reader: FieldReader) -> tuple[int, tuple[int, int, int]]:
    """Cell depth and log2 of the tiles."""
    depth, tz, ty, tx = reader.take("4B")
    tiles = tz, ty, tx
    expect(depth in CELL_AC, "cell_depth", depth)
    smallest = (1, 1, 1) if depth == 8 else (0, 2, 2)
    expect(all(a >= b for a, b in zip(tiles, smallest, strict=True)), "tile_log2", tiles)
    expect(sum(tiles) <= 12 and depth * 64 << sum(tiles) <= MAX_TILE_SAMPLES, "tile_log2", tiles)
    return depth, tiles


def _possible_flags(depth: int, tile_log2: Sequence[int], padded: int, has_channels: bool) -> int:
    """The flags that may be set with such cells."""
    least = min(tile_log2[1:]) if depth == 1 else 0
    flags = _DC_IMAGE * (least >= _IMAGE_TILE_LOG2 and not padded) | _PREDICTION * (least >= PREDICTED_TILE_LOG2)
    return flags | _SLICE_AXIS | _PER_CHANNEL * has_channels


def _read_dc_image(reader: FieldReader) -> tuple[int, int, int]:
    """Reconstruction points of the DC image."""
    d1, d2, d3 = points = reader.take("3b")
    expect(all(abs(d) <= MAX_RECON for d in points), "dc_image", points)
    return d1, d2, d3


def _read_slice_axis(reader: FieldReader, layout: PlaneLayout, depth: int) -> str:
    """Letter of the axis that slices follow each other along."""
    letter = chr(reader.take("B")[0])
    expect(letter in ("ztn" if depth == 1 else "z") and layout.length(letter) > 1, "slice_axis", letter)
    return letter


def _read_classes(
    reader: FieldReader, components: int
) -> tuple[tuple[int, ...], tuple[tuple[int, int, int], ...], tuple[tuple[int, ...], ...]]:
    """Reversible flags, reconstruction points and steps of all classes."""
    (classes,) = reader.take("B")
    expect(1 <= classes <= MAX_CLASSES, "classes", classes)
    reversible, recon, steps = [], [], []
    for _ in range(classes):
        flag, d1, d2, d3, *row = reader.take(f"B3b{components}I")
        expect(flag <= 1, "class kind", flag)
        bound = 0 if flag else MAX_RECON
        expect(all(abs(d) <= bound for d in (d1, d2, d3)), "reconstruction points", (d1, d2, d3))
        expect(all(MIN_STEP <= s <= MAX_STEP for s in row), "step size", row)
        expect(not flag or all(s == STEP_ONE for s in row), "step size of a reversible class", row)
        reversible.append(flag)
        recon.append((d1, d2, d3))
        steps.append(tuple(row))
    return tuple(reversible), tuple(recon), tuple(steps)


def _read_stages(reader: FieldReader, cell_ac: int) -> tuple[tuple[int, ...], int | None]:
    """Cuts of the stages, and the error bound of the corrections or None."""
    (stages,) = reader.take("B")
    expect(2 <= stages <= MAX_STAGES, "stages", stages)
    cuts = (0, *reader.take(f"{stages - 2}H"), cell_ac)
    expect(all(a < b for a, b in pairwise(cuts)), "cuts", cuts)
    (has_corrections,) = reader.take("B")
    expect(has_corrections <= 1, "corrections", has_corrections)
    correction = reader.take("I")[0] if has_corrections else None
    expect(correction is None or correction <= MAX_CORRECTION_ERROR, "correction_error", correction)
    return cuts, correction
