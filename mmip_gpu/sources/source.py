"""A source: one volume that can be read region by region, whatever holds it.

Values in: shape, dtype, axes, metadata and a reader, all given by the file kinds of this package.
Values out: native-endian, C-ordered uint8, int8, uint16, int16 or float32 arrays in host memory.
Implements no section of FORMAT.md; its axes strings are those of the header.
Guarantees that whatever a third-party reader raises arrives as an error of mmip_gpu; knows no coding.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mmip_gpu._core import crc32c
from mmip_gpu.container.header import DTYPES
from mmip_gpu.errors import InvalidArgument, MissingResource, MmipError, NoMemory, StoreError
from mmip_gpu.sources.size_limit import check_size
from mmip_gpu.volume.axes import MOST_AXES
from mmip_gpu.volume.axes import default_axes as axes_of_rank
from mmip_gpu.volume.samples import WIDE_DTYPES

Region = tuple[slice, ...]
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Source:
    """One volume to read from.

    Parameters
    ----------
    shape : tuple of int
        Samples per axis.
    dtype : numpy.dtype
        uint8, int8, uint16, int16 or float32, native byte order.
    axes : str
        One letter per axis of `shape`: t time, z, y, x space, c colour. An array cannot say that its last
        axis is colour; ``dataclasses.replace(source, axes="yxc")`` does.
    metadata : dict
        JSON-safe. Always `kind`, `file` (name without directories, or None), `spacing` (mm per spatial axis,
        in the order of `axes`, None where unknown), `slope` and `intercept` (to the physical value; never
        applied). From files that say so also `modality`, `padding_value`, `bits_stored`, `photometric`,
        `spacing_uniform`, `affine` (4 x 4, from the voxel index x, y, z to mm right, anterior, superior) with
        `space`, its NIfTI name, `lossy` (true where an earlier lossy compression is known; `lossy_ratios` and
        `lossy_methods` in DICOM's terms), and `slope_per_slice`, `intercept_per_slice` where `slope`,
        `intercept` are None.
    name : str
        What messages and reports call this source.
    fingerprint : str
        Differs, for all practical purposes, when shape, dtype or content differ. Cheap: no checksum of all.
    reader : callable
        Takes one slice per axis with explicit bounds and step 1.
    colour : bool, optional
        Whether the axis c holds red, green and blue; None where the file does not say.
    origin : object, optional
        What opens the same source in another process: a path or a name, or the Dask array that it is made of.

    Examples
    --------
    >>> import numpy as np
    >>> from mmip_gpu.sources import open_source
    >>> source = open_source(np.arange(12, dtype=np.uint16).reshape(3, 4))
    >>> source.axes, source.read((slice(1, 2), slice(0, 3))).tolist()
    ('yx', [[4, 5, 6]])
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    axes: str
    metadata: dict[str, Any]
    name: str
    fingerprint: str
    reader: Callable[[Region], Array] = field(repr=False, compare=False)
    colour: bool | None = None
    origin: Any = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.axes and len(self.axes) != len(self.shape):  # six have to be named
            raise InvalidArgument(f"{self.name}: axes {self.axes!r} for shape {self.shape}: one letter per axis")
        check_size(self.name, self.shape, self.dtype.itemsize)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def read(self, region: Region | None = None) -> Array:
        """Read one region, by default all.

        Parameters
        ----------
        region : tuple of slice, optional
            One slice per axis, step 1; bounds by NumPy's rules.

        Returns
        -------
        numpy.ndarray
            dtype `self.dtype`, native-endian, C-ordered. It may share memory with the array that was opened.

        Raises
        ------
        InvalidArgument
            If `region` is not one slice of step 1 per axis.
        StoreError
            If the file or store cannot give these samples.
        """
        bounds = _explicit((slice(None),) * self.ndim if region is None else region, self.shape)
        expected = tuple(part.stop - part.start for part in bounds)
        with read_errors(self.name):
            samples = np.ascontiguousarray(self.reader(bounds), dtype=self.dtype)
        if samples.shape != expected:
            raise StoreError(f"{self.name}: expected samples of shape {expected}, found {samples.shape}")
        return samples


def default_axes(ndim: int) -> str:
    """Name the axes of an array that does not say what they are.

    Parameters
    ----------
    ndim : int
        1 to 6.

    Returns
    -------
    str
        Those of `volume.axes`, none for 6; channels among them are never colour.

    Raises
    ------
    InvalidArgument
        For any other rank.

    Examples
    --------
    >>> default_axes(3)
    'zyx'
    """
    return "" if ndim == MOST_AXES else axes_of_rank(ndim)


def supported_dtype(dtype: npt.DTypeLike, name: str) -> np.dtype[Any]:
    """Return `dtype` in native byte order, or say why its samples cannot be coded, as they are or in another type."""
    native = np.dtype(dtype).newbyteorder("=")
    if native.name in (*DTYPES, *WIDE_DTYPES):
        return native
    advice = {
        "f": "convert to float32, or to int16 or uint16 with a stated scaling; decide first what NaN becomes",
        "O": "an object array holds no samples; np.stack items of equal shape",
    }.get(native.kind, "convert to one of these first")
    raise InvalidArgument(f"{name}: found samples of type {native}, expected {', '.join(DTYPES)}: {advice}")


def describe(kind: str, path: Path | None, **more: Any) -> dict[str, Any]:
    """Start the metadata of a source: the keys that are always there, then those that are known."""
    base = {
        "kind": kind,
        "file": path.name if path else None,
        "spacing": None,
        "slope": 1.0,
        "intercept": 0.0,
    }
    return base | {key: value for key, value in more.items() if value is not None}


def finite(value: Any) -> float | None:
    """Return a JSON-safe float, None for what is missing, NaN, infinite or not a number."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def file_stamp(paths: Sequence[Path]) -> str:
    """Identify files by name, size and modification time, without reading them."""
    stats = [(path.name, path.stat()) for path in paths]
    marks = ",".join(f"{name}:{stat.st_size}:{stat.st_mtime_ns}" for name, stat in stats)
    return f"{sum(stat.st_size for _, stat in stats)}:{crc32c(marks.encode()):08x}"


def identify(kind: str, shape: Sequence[int], dtype: np.dtype[Any], content: str) -> str:
    """Join what a fingerprint says: kind, shape, dtype, and a short mark of the content."""
    return f"{kind}:{'x'.join(map(str, shape))}:{dtype}:{content}"


def without_alpha(samples: Array, name: str) -> Array:
    """Leave out the last channel, which is opacity, or say that it holds something."""
    limit = np.iinfo(samples.dtype).max
    if not bool(np.all(samples[..., -1] == limit)):
        raise InvalidArgument(f"{name} is transparent in places, which cannot be coded: remove its alpha channel first")
    return samples[..., :-1]


def require(package: str, purpose: str, extra: str = "io") -> Any:
    """Import an optional package, or say how to install it."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        top = package.partition(".")[0]
        raise MissingResource(f"{purpose} needs the package {top}: pip install 'mmip-gpu[{extra}]'") from error


@contextmanager
def read_errors(name: str) -> Iterator[None]:
    """Turn whatever a third-party reader raises on bad files into StoreError."""
    try:
        yield
    except MmipError:
        raise
    except MemoryError:
        raise NoMemory(f"cannot read {name}: not enough memory for the sizes that it states") from None
    except Exception as error:  # readers document no closed list of what damaged files raise
        detail = " ".join(str(error).split()) or "no detail given"
        raise StoreError(f"cannot read {name}: {detail} ({type(error).__name__})") from error


def _explicit(region: Region, shape: tuple[int, ...]) -> Region:
    """Check a region and give every slice its bounds."""
    if not isinstance(region, tuple) or len(region) != len(shape):
        raise InvalidArgument(f"expected one slice for each of the {len(shape)} axes, found {region!r}")
    bounds = []
    for part, size in zip(region, shape, strict=True):
        if not isinstance(part, slice) or part.step not in (None, 1):
            raise InvalidArgument(f"expected slices of step 1, found {part!r}")
        start, stop, _ = part.indices(size)
        bounds.append(slice(start, max(start, stop)))
    return tuple(bounds)
