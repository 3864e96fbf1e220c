"""Sources that are arrays already: NumPy, .npy files, Zarr, phantoms and anything that slices like an array.

Values in: an array in memory, an array-like or a path. Values out: a Source whose axes follow the rank.
Implements no section of FORMAT.md.
Guarantees that opening touches a few samples at most; a .npy file is memory-mapped, an array is not copied.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from mmip_gpu._core import crc32c
from mmip_gpu.errors import InvalidArgument, StoreError
from mmip_gpu.sources.coordinates import coordinate_metadata
from mmip_gpu.sources.history import HISTORY, dicom_terms, loss_history
from mmip_gpu.sources.lossy_codecs import codec_history
from mmip_gpu.sources.size_limit import check_size
from mmip_gpu.sources.source import (
    Array,
    Region,
    Source,
    default_axes,
    describe,
    file_stamp,
    identify,
    read_errors,
    supported_dtype,
)
from mmip_gpu.volume.axes import PlaneLayout
from mmip_gpu.volume.phantoms import Phantom3D, phantom2d

SAMPLE_COUNT: Final = 1 << 15  # of a fingerprint: 64 KiB at most, read in milliseconds
PROBE_SIZE: Final = 8  # samples per axis of one probe into a lazy array: touches one chunk, rarely more
_MOST_METADATA_BYTES: Final = 2**26


def open_array(array: Any, kind: str | None = None, path: Path | None = None, content: str | None = None) -> Source:
    """Open a NumPy array or anything with shape, dtype and slicing; `content` is its mark, if known."""
    kind = kind or _kind(array)
    name = path.name if path else kind
    if any(np.isnan(size) for size in array.shape):  # as Dask says where it would have to compute
        raise InvalidArgument(f"{name}: its shape is not known: call its compute_chunk_sizes() first")
    shape = tuple(int(size) for size in array.shape)
    dtype = supported_dtype(array.dtype, name)
    for sizes in (shape, _chunk_sizes(array, shape)):
        check_size(name, sizes, dtype.itemsize)
    axes = _stated_axes(array, shape) or default_axes(len(shape))
    colour = False if "c" in axes[:-1] else None  # channels before the volume are stains, also three of them

    def read(region: Region) -> Array:
        return on_host(array[region])

    if isinstance(array, Phantom3D):
        content = "1"  # the shape defines every voxel; 0: with the noise of earlier versions
    elif content is None:
        with read_errors(name):
            content = _crc(_spread(array) if isinstance(array, np.ndarray) else _probes(array, shape))
    metadata = describe(kind, path) | _stated_history(array)
    if _kind(array) == "xarray":
        metadata |= coordinate_metadata(array, axes)
    return Source(shape, dtype, axes, metadata, name, identify(kind, shape, dtype, content), read, colour)


def _chunk_sizes(array: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Give the lengths of a chunk, which is decoded whole, of an array of Zarr; those of the array for others."""
    return tuple(map(int, array.chunks)) if _kind(array) == "zarr" else shape


def open_npy(path: Path) -> Source:
    """Open a .npy file, memory-mapped."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        if "Python objects" not in str(error):
            raise
        raise InvalidArgument(f"{path.name} holds Python objects: save integers instead") from error
    return open_array(array, "npy", path, file_stamp([path]))


def require_small_metadata(folder: Path) -> None:
    """Raise StoreError for metadata of Zarr that are too large to be any; Zarr reads all of them."""
    for name in ("zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata"):
        file = folder / name
        if file.is_file() and (size := file.stat().st_size) > _MOST_METADATA_BYTES:
            raise StoreError(f"{file}: expected metadata of {_MOST_METADATA_BYTES} bytes at most, found {size}")


def is_phantom_name(name: str) -> bool:
    """Say whether a string names a phantom rather than a path."""
    return name in ("phantom", "phantom2d", "phantom3d") or name.startswith("phantom3d:")


def open_phantom(name: str) -> Source:
    """Open a phantom by name: phantom or phantom2d, phantom3d, phantom3d:ZxYxX."""
    if name in ("phantom", "phantom2d"):
        return open_array(phantom2d(), "phantom2d")
    if name == "phantom3d":
        return open_array(Phantom3D())
    sizes = re.fullmatch(r"phantom3d:(\d{1,9})x(\d{1,9})x(\d{1,9})", name, re.ASCII)
    if not sizes:
        raise InvalidArgument(f"expected phantom3d:ZxYxX such as phantom3d:64x512x512, found {name!r}")
    return open_array(Phantom3D([int(size) for size in sizes.groups()]))


def _kind(array: Any) -> str:
    """Name what holds the samples."""
    if isinstance(array, np.ndarray):
        return "array"
    if isinstance(array, Phantom3D):
        return "phantom3d"
    return type(array).__module__.partition(".")[0]


def _stated_axes(array: Any, shape: tuple[int, ...]) -> str | None:
    """Read the axes from the dimension names of a Zarr 3 or xarray array, if they are ours."""
    labelled = array.dims if _kind(array) == "xarray" else None
    names = getattr(getattr(array, "metadata", None), "dimension_names", labelled)
    attributes = getattr(array, "attrs", None)
    if not names and isinstance(attributes, Mapping):  # as xarray writes them in format 2
        names = attributes.get("_ARRAY_DIMENSIONS")
    axes = "".join(str(name).lower() for name in names) if names else ""
    try:
        return PlaneLayout.of(shape, axes).axes
    except InvalidArgument:
        return None


def dask_array(array: Any) -> Any | None:
    """Return the Dask array that an array is, or that xarray wraps; None for anything else."""
    held = array.data if _kind(array) == "xarray" else array
    return held if hasattr(held, "__dask_graph__") else None


def on_host(part: Any) -> Array:
    """Bring a part of an array to the host: of Dask computed, of CuPy copied, which NumPy does not do unasked."""
    if hasattr(part, "__dask_graph__"):
        part = part.compute()
    return np.asarray(part.get() if hasattr(part, "__cuda_array_interface__") else part)


def _stated_history(array: Any) -> dict[str, Any]:
    """Read what an array that we exported says was lost, and what its codecs lose."""
    attributes = getattr(array, "attrs", None)
    history = loss_history({"history": attributes.get(HISTORY)}) if isinstance(attributes, Mapping) else []
    history += codec_history(array)
    return {"history": history} | dicom_terms(history) if history else {}


def _spread(array: Array) -> list[Array]:
    """Take samples from all over an array in memory."""
    per_axis = max(1, round(SAMPLE_COUNT ** (1 / max(1, array.ndim))))
    return [array[tuple(slice(None, None, max(1, -(-size // per_axis))) for size in array.shape)]]


def _probes(array: Any, shape: tuple[int, ...]) -> list[Array]:
    """Take three small blocks of a lazy array along its diagonal: two corners and the centre."""
    blocks = []
    for quarter in (0, 2, 4):
        starts = [(max(0, size - PROBE_SIZE) * quarter) // 4 for size in shape]
        blocks.append(on_host(array[tuple(slice(start, start + PROBE_SIZE) for start in starts)]))
    return blocks


def _crc(parts: Iterable[Array]) -> str:
    """Checksum samples independently of their byte order in memory."""
    crc = 0
    for part in parts:
        crc = crc32c(np.ascontiguousarray(part, dtype=part.dtype.newbyteorder("<")).tobytes(), crc)
    return f"{crc:08x}"
