"""Two seeded test images whose every voxel is defined by a formula: ellipses or ellipsoids in noise.

Values in: a size or a shape, and for the volume a region. Values out: C-ordered uint16 arrays in host memory.
Implements no section of FORMAT.md; tests, benchmarks and the sources ``phantom2d`` and ``phantom3d`` use it.
Guarantees that any region equals the same part of the whole; needs memory for the region and one slice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mmip_gpu.errors import InvalidArgument
from mmip_gpu.signatures import public, public_class

__all__ = ["Phantom3D", "phantom2d", "phantom3d", "phantom3d_region", "phantom_roi"]

NOISE_SIGMA: Final = 30.0
ROI_THRESHOLD: Final = 9000

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
    return _plane(size, size, 0.0, seed=0)


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


def phantom3d_region(shape: Sequence[int], region: tuple[slice, ...]) -> npt.NDArray[np.uint16]:
    """Make one region of the 3D phantom without making the rest.

    Parameters
    ----------
    shape : sequence of int
        Slices, rows and columns (z, y, x) of the whole volume, each at least 1.
    region : tuple of slice
        At most one slice for each axis, by NumPy's rules.

    Returns
    -------
    numpy.ndarray
        Equal to ``phantom3d(shape)[region]``, dtype uint16.

    Raises
    ------
    InvalidArgument
        If `shape` is not three positive sizes or `region` has more than three axes.

    Examples
    --------
    >>> phantom3d_region((1000, 64, 64), (slice(500, 502), slice(0, 8))).shape
    (2, 8, 64)
    """
    return Phantom3D(shape)[region]


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

    Indexing makes the slices that are asked for, and no others. So the volume may be larger than memory.

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
        per_axis = keys + (slice(None),) * (self.ndim - len(keys))
        first, plane_key = per_axis[0], per_axis[1:]
        if not isinstance(first, int | np.integer | slice):
            raise InvalidArgument(f"a 3D phantom is indexed by integers and slices, found {first!r}")
        if not isinstance(first, slice):
            return self._slice(range(self.shape[0])[first])[plane_key]
        chosen = range(*first.indices(self.shape[0]))
        plane_shape = np.broadcast_to(np.uint16(0), self.shape[1:])[plane_key].shape
        volume = np.empty((len(chosen), *plane_shape), np.uint16)
        for row, z in enumerate(chosen):
            volume[row] = self._slice(z)[plane_key]
        return volume

    def _slice(self, z: int) -> npt.NDArray[np.uint16]:
        depth, rows, columns = self.shape
        return _plane(rows, columns, (z - depth / 2) / depth, seed=[0, z])


def _plane(rows: int, columns: int, z: float, *, seed: int | list[int]) -> npt.NDArray[np.uint16]:
    """Paint the tissues at height `z` (fraction of the depth from the centre), add noise, cast to uint16."""
    y = ((np.arange(rows) - rows / 2) / rows)[:, np.newaxis]
    x = ((np.arange(columns) - columns / 2) / columns)[np.newaxis, :]
    plane = np.zeros((rows, columns), np.float32)
    for tissue in _TISSUES:
        in_plane = ((x - tissue.centre_x) / tissue.semi_x) ** 2 + ((y - tissue.centre_y) / tissue.semi_y) ** 2
        plane[in_plane + (z / tissue.semi_z) ** 2 <= 1] = tissue.value
    plane += np.random.default_rng(seed).normal(0, NOISE_SIGMA, plane.shape).astype(np.float32)
    return np.clip(plane, 0, 65535).astype(np.uint16)
