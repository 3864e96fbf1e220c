"""The configuration of `mmip.stage`: what the entropy codec of one stage array needs to know, parsed and checked.

Values: the entry of Zarr metadata on one side, a frozen StageOptions on the other. Implements the codec's
configuration of FORMAT.md section 10 and SPEC.md. Guarantees that what is accepted is in range.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mmip_gpu._core import (
    CELL_AC,
    DC_IMAGE_UNIT,
    MAX_CLASSES,
    MAX_STAGES,
    MAX_STEP,
    MAX_TILE_SAMPLES,
    MIN_STEP,
    STEP_ONE,
)
from mmip_gpu.errors import CorruptData, InvalidArgument
from mmip_gpu.signatures import unknown_option
from mmip_gpu.stage_arrays.prefix import read_prefix

if TYPE_CHECKING:
    from typing import Self

    from typing_extensions import Buffer

__all__ = ["IMAGE_LOG2", "StageOptions", "check_stage_dtype"]

_ABSENT = -1  # no cell has this class or mode
_ABSENT_CORRECTION = -(2**31)
_SMALLEST_TILE = {1: (0, 2, 2), 8: (1, 1, 1)}
_SMALLEST_IMAGE_TILE = (0, 3, 3)
IMAGE_LOG2 = 3  # cells of the grid on y and x that make a cell of the DC image


@dataclass(frozen=True)
class StageOptions:
    """How the array of one stage is coded.

    Parameters
    ----------
    stage : int
        Stage 1 holds classes and DCs, stages 2 .. hold modes and coefficients. Corrections are one more than there are
        cuts.
    cell_depth : {1, 8}
        Cells have 1x8x8 or 8x8x8 samples.
    tile_log2 : tuple of int
        A tile has so many cells on z, y, x, as powers of two.
    cuts : tuple of int
        The stages end before these AC positions: 0 first, all AC of a cell (63 or 511) last.
    steps : tuple of tuple of int
        Each class has a tuple of step sizes in 1/256, one for each component. Only stage 1 needs them.
    padding : bool
        The columns of stage 1 hold a padding mask.
    dc_image : bool
        Stage 1 is that of a DC image: its cells are those of the image.

    Raises
    ------
    InvalidArgument
        A value is out of the ranges of FORMAT.md section 1.

    Examples
    --------
    >>> options = StageOptions(stage=1, cell_depth=1, tile_log2=(0, 4, 4), cuts=(0, 9, 63), steps=((2560,),))
    >>> StageOptions.from_dict(options.to_dict()) == options, options.columns
    (True, 2)
    """

    name: ClassVar[str] = "mmip.stage"

    stage: int
    cell_depth: int
    tile_log2: tuple[int, ...]
    cuts: tuple[int, ...]
    steps: tuple[tuple[int, ...], ...] = ()
    padding: bool = False
    dc_image: bool = False

    def __post_init__(self) -> None:
        deep = self.cell_depth
        _check("cell_depth", deep, _is_integer(deep) and deep in CELL_AC, "1 or 8")
        smallest = _SMALLEST_TILE[deep]
        tile = _integers("tile_log2", self.tile_log2)
        fits = len(tile) == 3 and all(a >= b for a, b in zip(tile, smallest, strict=True)) and sum(tile) <= 12
        fits = fits and deep * 64 << sum(tile) <= MAX_TILE_SAMPLES
        _check("tile_log2", tile, fits, f"at least {smallest}, a tile of at most {MAX_TILE_SAMPLES} samples")
        cuts, last = _integers("cuts", self.cuts), CELL_AC[deep]
        rising = all(a < b for a, b in pairwise(cuts)) and 2 <= len(cuts) <= MAX_STAGES
        _check("cuts", cuts, rising and (cuts[0], cuts[-1]) == (0, last), f"ascending numbers from 0 to {last}")
        _check("stage", self.stage, _is_integer(self.stage) and 1 <= self.stage <= len(cuts) + 1, f"1..{len(cuts) + 1}")
        few = isinstance(self.steps, tuple) and len(self.steps) <= MAX_CLASSES
        _check("steps", self.steps, few, f"a list for each of at most {MAX_CLASSES} classes")
        _check("steps", self.steps, bool(self.steps) or self.stage > 1, "those of all classes in stage 1")
        masked = isinstance(self.padding, bool) and (self.stage == 1 or not self.padding)
        _check("padding", self.padding, masked, "true in stage 1, or false")
        imaged = deep == 1 and all(a >= b for a, b in zip(tile, _SMALLEST_IMAGE_TILE, strict=True))
        imaged = imaged and self.stage == 1 and len(self.steps) == 1 and not self.padding
        imaged = isinstance(self.dc_image, bool) and (imaged or not self.dc_image)
        _check(
            "dc_image", self.dc_image, imaged, "true in stage 1 of flat cells with one class and no padding, or false"
        )
        for row in self.steps:
            values = _integers("steps", row)
            fits = len(values) in ((1,) if self.padding else (1, 3)) and len(values) == len(self.steps[0])
            _check("steps", row, fits, "1 component beside padding" if self.padding else "1 or 3 components")
            within = all(MIN_STEP <= step <= MAX_STEP for step in values)
            _check("steps", row, within, f"{MIN_STEP}..{MAX_STEP}")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Codec from its entry in Zarr metadata.

        Raises
        ------
        InvalidArgument
            For another name, an unknown or missing key, or a value out of range.
        """
        configuration = data.get("configuration") if isinstance(data, Mapping) else None
        if not isinstance(configuration, Mapping) or data.get("name") != cls.name:
            raise InvalidArgument(f"codec: expected {cls.name!r} with a configuration, found {data!r}")
        names = [field.name for field in fields(cls)]
        needed = [field.name for field in fields(cls) if field.default is MISSING]
        unknown, missing = set(configuration) - set(names), set(needed) - set(configuration)
        if unknown:
            raise unknown_option(cls.name, min(unknown), names)
        if missing:
            raise InvalidArgument(f"{cls.name}: missing key {min(missing)!r}: expected {', '.join(names)}")
        return cls(**{key: _frozen(value) for key, value in configuration.items()})

    def to_dict(self) -> dict[str, Any]:
        """Entry in Zarr metadata, JSON-safe."""
        values = {f.name: _thawed(getattr(self, f.name)) for f in fields(self)}
        for flag in ("padding", "dc_image"):
            if not values[flag]:
                del values[flag]
        return {"name": self.name, "configuration": values}

    @property
    def corrects(self) -> bool:
        """Whether the array holds corrections of samples: int32 (planes, Z, Y, X)."""
        return self.stage > len(self.cuts)

    @property
    def fill_value(self) -> int:
        """Value of what is absent: none that a chunk decodes to."""
        return _ABSENT_CORRECTION if self.corrects else _ABSENT

    @property
    def columns(self) -> int:
        """Length of the last axis of the stage array; 1 for corrections, which have no such axis."""
        if self.corrects:
            return 1
        if self.dc_image:
            return 2 + CELL_AC[1]
        if self.stage == 1:
            return 2 + (2 * self.cell_depth if self.padding else 0)
        return 1 + self.cuts[self.stage - 1] - self.cuts[self.stage - 2]

    def check_array(self, shape: Sequence[int], chunks: Sequence[int], dtype: np.dtype[Any]) -> None:
        """Raise InvalidArgument unless the array is int32 of rank 5 (corrections: 4), all columns in every chunk."""
        if self.corrects:
            if len(shape) != 4:
                raise InvalidArgument(f"corrections: expected shape (planes, Z, Y, X), found {tuple(shape)}")
        elif len(shape) != 5 or shape[-1] != self.columns or chunks[-1] != self.columns:
            expected = f"(planes, gz, gy, gx, {self.columns}) with all columns in a chunk"
            found = f"{tuple(shape)}, chunks {tuple(chunks)}"
            raise InvalidArgument(f"stage {self.stage}: expected shape {expected}, found {found}")
        check_stage_dtype(dtype)

    def read_extent(self, data: Buffer, shape: Sequence[int]) -> tuple[tuple[int, ...], int]:
        """(extents, bytes of the prefix) of a chunk of this shape from its first bytes.

        Raises
        ------
        TruncatedData, CorruptData
            For a prefix that no chunk of this stage and shape has.
        """
        extent, at = read_prefix(data, shape[:4])
        if not self.has_components(extent):
            raise CorruptData(f"stage chunk: {extent[0]} planes do not hold {len(self.steps[0])} components each")
        return extent, at

    def has_components(self, extent: Sequence[int]) -> bool:
        """Whether a chunk of this extent has all components of its planes."""
        return not self.steps or extent[0] % len(self.steps[0]) == 0

    @property
    def tile(self) -> tuple[int, int, int]:
        """Length of a tile on z, y, x, in cells of the array; of corrections in samples."""
        z, y, x = self.coded_log2
        return (self.cell_depth << z, 8 << y, 8 << x) if self.corrects else (1 << z, 1 << y, 1 << x)

    # A DC image is coded as an image of its own (FORMAT.md section 8.4), whose cells are those of the array.

    @property
    def coded_log2(self) -> tuple[int, int, int]:
        """log2 of a tile on z, y, x, in cells of what is coded."""
        z, y, x = self.tile_log2
        return (z, y - IMAGE_LOG2, x - IMAGE_LOG2) if self.dc_image else (z, y, x)

    @property
    def coded_cuts(self) -> tuple[int, ...]:
        """Cuts of what is coded."""
        return (0, self.cuts[-1]) if self.dc_image else self.cuts

    @property
    def coded_steps(self) -> tuple[tuple[int, ...], ...]:
        """Steps of what is coded; only stage 1 depends on them."""
        if self.dc_image:
            return ((DC_IMAGE_UNIT * STEP_ONE,) * len(self.steps[0]),)
        return self.steps if self.stage == 1 else ((STEP_ONE,),)

    @property
    def dc_limit(self) -> int:
        """DC indices of smaller magnitude differ by less than 2^31 steps, whatever their classes."""
        ratios = [-(-max(steps) // min(steps)) for steps in zip(*self.coded_steps, strict=True)]
        return int(2**31 // (max(ratios) + 1) - 1)

    def coded_volume(self, extent: Sequence[int]) -> tuple[int, int, int]:
        """Samples on z, y, x of what is coded for a chunk of this extent; as many as fill its cells."""
        _, z, y, x = extent
        return (z, y, x) if self.corrects else (z * self.cell_depth, y * 8, x * 8)


def check_stage_dtype(dtype: np.dtype[Any]) -> None:
    """Raise InvalidArgument unless a dtype is that of stage arrays, in any byte order."""
    if dtype.newbyteorder("=") != np.int32:
        raise InvalidArgument(f"stage array: expected int32, found {dtype}")


def _check(key: str, found: object, condition: bool, expected: str) -> None:
    if not condition:
        raise InvalidArgument(f"mmip.stage: {key}={found!r}: expected {expected}")


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _integers(field: str, values: object) -> tuple[int, ...]:
    if not isinstance(values, tuple) or not all(map(_is_integer, values)):
        raise InvalidArgument(f"mmip.stage: {field}={values!r}: expected a tuple of integers")
    return values


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list | tuple) else value


def _thawed(value: Any) -> Any:
    return [_thawed(item) for item in value] if isinstance(value, tuple) else value
