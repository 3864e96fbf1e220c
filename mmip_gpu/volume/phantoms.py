"""Two test images whose every voxel is defined by a formula: ellipses or ellipsoids in noise.

Values in: a size or a shape, and for the volume a region. Values out: C-ordered uint16 arrays in host memory.
Implements no section of FORMAT.md; tests, benchmarks and the sources ``phantom2d`` and ``phantom3d`` use it.
Guarantees that any region equals the same part of the whole, makes no other samples, and gives the same on any machine.

The noise of the image is NumPy's of seed 0: it is that of the system to which results are compared. The noise of the
volume depends on the place of a voxel: Philox 4x32-10 (Salmon et al. 2011), key (0, 0), counter (x // 8, y, z, 0),
gives 8 voxels 16 bits each, lower half of a word first. The upper bit is the sign, the others choose one of 32,768
quantiles of a normal magnitude of sigma 30. The sum of tissue and noise is rounded down and kept from falling below 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from functools import cache
from math import erf, sqrt
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mmip_gpu._core import phantom_samples
from mmip_gpu.errors import InvalidArgument
from mmip_gpu.signatures import public, public_class

__all__ = ["Phantom3D", "phantom2d", "phantom3d", "phantom_roi"]

NOISE_SIGMA: Final = 30.0
ROI_THRESHOLD: Final = 9000
_QUANTILES: Final = 1 << 15

Key = int | slice | tuple[int | slice, ...]


@dataclass(frozen=True)
class _Tissue:
    """One painted ellipsoid: grey value, centre and semi-axes as fractions of the image size per axis."""

    value: float
    centre_x: float
    centre_y: float
    semi_x: float
    semi_y: float
    semi_z: float


# Painted in this order: a later tissue replaces an earlier one.
_TISSUES: Final = (
    _Tissue(3200, 0.0, 0.0, 0.36, 0.46, 0.48),  # soft tissue
    _Tissue(14000, -0.12, 0.0, 0.12, 0.18, 0.40),  # bone
    _Tissue(6500, 0.16, 0.10, 0.18, 0.12, 0.35),  # organ
)


@public()
def phantom2d(size: int = 512) -> npt.NDArray[np.uint16]:
    """Make the 2D phantom: three ellipses in noise.

    Parameters
    ----------
    size : int
        The image has this many rows and columns, at least 1.

    Returns
    -------
    numpy.ndarray
        Shape (size, size), dtype uint16.

    Raises
    ------
    InvalidArgument
        If `size` is less than 1.

    Examples
    --------
    >>> phantom2d(64).shape
    (64, 64)
    """
    if not 1 <= size < 2**31:
        raise InvalidArgument(f"phantom2d needs a size of at least 1 and below 2^31, found {size}")
    place = (np.arange(size) - size / 2) / size
    plane = np.zeros((size, size), np.float32)
    for tissue in _TISSUES:
        across = ((place - tissue.centre_x) / tissue.semi_x) ** 2
        plane[across + (((place - tissue.centre_y) / tissue.semi_y) ** 2)[:, np.newaxis] <= 1] = tissue.value
    plane += np.random.default_rng(0).normal(0, NOISE_SIGMA, plane.shape).astype(np.float32)
    return np.clip(plane, 0, 65535).astype(np.uint16)


@public()
def phantom3d(shape: Sequence[int] = (256, 512, 512)) -> npt.NDArray[np.uint16]:
    """Make the whole 3D phantom, three ellipsoids in noise, in memory.

    Parameters
    ----------
    shape : sequence of int
        Slices, rows and columns (z, y, x), each at least 1.

    Returns
    -------
    numpy.ndarray
        Shape `shape`, dtype uint16.

    Raises
    ------
    InvalidArgument
        If `shape` is not three positive sizes.

    Examples
    --------
    >>> int(phantom3d((4, 32, 32)).max()) > 9000
    True
    """
    return Phantom3D(shape)[:]


@public()
def phantom_roi(array: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Mark the region of interest of a phantom: its bone.

    Parameters
    ----------
    array : array_like
        Grey values of any part of a phantom.

    Returns
    -------
    numpy.ndarray
        The shape is that of `array`, the dtype bool. True stands where the value is 9000 or more.

    Examples
    --------
    >>> bool(phantom_roi(phantom2d(64))[32, 24])
    True

    Raises
    ------
    InvalidArgument
        If these are no numbers.
    """
    values = np.asarray(array)
    if values.dtype.kind not in "buif":
        raise InvalidArgument(f"phantom_roi: expected an array of numbers, found {type(array).__name__}")
    return np.asarray(values >= ROI_THRESHOLD, dtype=np.bool_)


@public_class()
class Phantom3D:
    """The 3D phantom as a lazy, read-only array.

    Indexing makes the voxels that are asked for, and no others. So the volume may be larger than memory. The noise of a
    voxel depends on its place alone.

    Parameters
    ----------
    shape : sequence of int
        Slices, rows and columns (z, y, x), each at least 1.

    Raises
    ------
    InvalidArgument
        If `shape` is not three positive sizes.

    Examples
    --------
    >>> volume = Phantom3D((100_000, 64, 64))
    >>> volume[99_999, 10:20, ::2].shape
    (10, 32)
    """

    ndim: Final = 3
    dtype: Final = np.dtype(np.uint16)

    def __init__(self, shape: Sequence[int] = (256, 512, 512)) -> None:
        sizes = tuple(int(size) for size in shape)
        if len(sizes) != 3 or not all(1 <= size < 2**31 for size in sizes):
            raise InvalidArgument(
                f"a 3D phantom needs three sizes (z, y, x) of at least 1 and below 2^31, found {sizes}"
            )
        self.shape: Final[tuple[int, int, int]] = (sizes[0], sizes[1], sizes[2])

    def __repr__(self) -> str:
        return f"Phantom3D({self.shape})"

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        if copy is False:
            raise ValueError("a Phantom3D holds no samples, so an array of it is always a copy")
        return self[:].astype(dtype or self.dtype, copy=False)

    def __getitem__(self, key: Key) -> npt.NDArray[np.uint16]:
        keys = key if isinstance(key, tuple) else (key,)
        if len(keys) > self.ndim:
            raise InvalidArgument(f"a 3D phantom takes at most 3 indices, found {len(keys)}")
        ranges: list[range] = []
        index: list[int | slice] = []
        for length, chosen in zip(self.shape, keys + (slice(None),) * (self.ndim - len(keys)), strict=True):
            if isinstance(chosen, slice):
                places = range(length)[chosen]
                ranges.append(places if places.step > 0 else places[::-1])
                index.append(slice(None, None, 1 if places.step > 0 else -1))
            elif isinstance(chosen, int | np.integer):
                ranges.append(range(range(length)[chosen], length)[:1])
                index.append(0)
            else:
                raise InvalidArgument(f"a 3D phantom is indexed by integers and slices, found {chosen!r}")
        part = self._box(ranges)[tuple(index)]
        return part.copy() if slice(None, None, -1) in index else part

    def _box(self, ranges: Sequence[range]) -> npt.NDArray[np.uint16]:
        """Make the voxels at these places of z, y and x; steps are positive."""
        axes = [
            (length, places.start if places else 0, min(places.step, length))
            for length, places in zip(self.shape, ranges, strict=True)
        ]
        samples = np.empty([len(places) for places in ranges], np.uint16)
        tissues = np.array([astuple(tissue) for tissue in _TISSUES])
        phantom_samples(np.array(axes, np.int64), tissues, _noise_magnitudes(), samples)
        return samples


@cache
def _noise_magnitudes() -> npt.NDArray[np.uint8]:
    """Quantiles of the magnitude of the noise, rounded down.

    A magnitude is below v with the probability erf(v / (sigma sqrt(2))), here rounded to one of 2^15. None of these is
    nearer to a tie than 0.01 of a step, so that no inaccuracy of `erf` changes a sample.
    """
    below = [round(_QUANTILES * erf(value / (NOISE_SIGMA * sqrt(2)))) for value in range(1, 256)]
    return np.searchsorted(below, np.arange(_QUANTILES), side="right").astype(np.uint8)
