"""The form of a codec: four functions that every kind of container has, and what they are asked.

Values: what a decode wants and may take, in; codecs.py has the codec of each kind. Implements no section of FORMAT.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.config import CodecConfig
from mmip_gpu.container.encoded import Encoded
from mmip_gpu.container.header import Header, KindFields
from mmip_gpu.errors import InvalidArgument
from mmip_gpu.volume.region import Region

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["SCALES", "Codec", "Limits", "PayloadSpan", "Plan", "ReadHeld", "ReadPart", "Wanted"]

SCALES = (1, 2, 4, 8)
PayloadSpan: TypeAlias = tuple[int, int, int]
"""Stage, its first byte, and the one after its last."""
ReadPart: TypeAlias = "Callable[[int, int, int | None], Buffer]"
"""(stage, first, end) to bytes of its payload; None as the end stands for that of the payload."""
ReadHeld: TypeAlias = "Callable[[int, int, int | None], Buffer | None]"
"""As ReadPart; None where those bytes were not fetched."""


@dataclass(frozen=True)
class Wanted:
    """What a decode wants: the first `stages` (None: all), a `scale`, and a region of the array at this scale.

    `out` has the shape and dtype of the result, in any strides: where a codec can, it decodes there and returns it.

    Raises
    ------
    InvalidArgument
        For a scale that is none of `SCALES`, or stages that are no positive integer.
    """

    stages: int | None = None
    scale: int = 1
    region: Region | None = None
    out: NDArray[Any] | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not _is_integer(self.scale) or self.scale not in SCALES:
            raise InvalidArgument(f"scale={self.scale!r}: expected one of {SCALES}")
        if self.stages is not None and (not _is_integer(self.stages) or self.stages < 1):
            raise InvalidArgument(f"stages={self.stages!r}: expected a positive integer")


@dataclass(frozen=True)
class Limits:
    """What a decode may take: threads, bytes of its result, and whether it checks the crcs of sub-streams."""

    threads: int = 1
    max_bytes: int = 2**34
    check_crc: bool = True


class Plan(Protocol):
    """How an array is coded, as far as all kinds know it."""

    @property
    def config(self) -> CodecConfig:
        """What was asked for."""
        ...

    @property
    def axes(self) -> str:
        """One letter per axis."""
        ...

    @property
    def colour(self) -> bool:
        """Whether three channels are coded as one colour."""
        ...


@dataclass(frozen=True)
class Codec:
    """What codes the containers of one kind.

    Parameters
    ----------
    encode : callable
        (array, plan, classes, threads) to a coded chunk; `classes` has the quality class of every voxel, or is None.
    decode : callable
        (header, read_part, wanted, limits) to an array.
    extent : callable
        (header, read_held, wanted) to the byte ranges of payloads that such a decode reads, and whether these are all:
        where a head was not fetched yet they are those of heads.
    describe : callable
        A header to what `inspect` says of the fields of its kind; JSON-safe.
    has_kernels : bool
        Whether a device decodes it. The CPU does otherwise, with a warning unless `is_copy`.
    has_encoding_kernels : bool
        Whether a device encodes it. The CPU does otherwise, with a warning.
    is_copy : bool
        Whether payloads are the samples as they are, so that there is nothing to decode.
    blank : KindFields, optional
        Fields of a header, as long as those of any array, of a codec with one payload that a store may hold.
    others : tuple of type
        Fields of other kinds that `encode` gives, too; they are not longer than `blank`.
    """

    encode: Callable[[NDArray[Any], Any, NDArray[np.uint8] | None, int], Encoded]
    decode: Callable[[Header[Any], ReadPart, Wanted, Limits], NDArray[Any]]
    extent: Callable[[Header[Any], ReadHeld, Wanted], tuple[list[PayloadSpan], bool]]
    describe: Callable[[Header[Any]], dict[str, Any]]
    has_kernels: bool = False
    has_encoding_kernels: bool = False
    is_copy: bool = False
    blank: KindFields | None = None
    others: tuple[type[KindFields], ...] = ()

    def decode_into(
        self, out: NDArray[Any], header: Header[Any], read_part: ReadPart, wanted: Wanted, limits: Limits
    ) -> None:
        """Decode into an array of the shape and dtype that is wanted, which may be a part of a larger one."""
        found = self.decode(header, read_part, replace(wanted, out=out), limits)
        if found is not out:
            out[...] = found


def _is_integer(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)
