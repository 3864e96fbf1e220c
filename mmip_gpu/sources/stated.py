"""What a caller states of a source: another type of samples, a value for NaN, voxel size and unit.

Values in: a Source and the options of `open_source`. Values out: a Source whose samples can be coded. Implements no
section of FORMAT.md. Guarantees memory for a block where samples have to be looked through to find a type.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from mmip_gpu.container.header import LABEL_DTYPES
from mmip_gpu.errors import InvalidArgument
from mmip_gpu.sources.lost import LOST, with_lost
from mmip_gpu.sources.source import Array, Region, Source, finite
from mmip_gpu.sources.units import MM, UNKNOWN, length_unit
from mmip_gpu.volume.samples import WIDE_DTYPES, SampleScan, finite_samples, narrowed, target_dtype

__all__ = ["stated_again", "stated_samples", "stated_sizes"]

_BLOCK_BYTES: Final = 1 << 26
_BAR_AFTER: Final = 1.0  # seconds
_ROUNDED: Final = "digits of float64 beyond float32"


@dataclass(frozen=True)
class _Converted:
    """Reads samples in another type, and without NaN."""

    source: Source
    dtype: np.dtype[Any]
    nan: float | None

    def __call__(self, region: Region) -> Array:
        start = [part.start for part in region]
        samples = finite_samples(self.source.read(region), self.nan, start)
        return samples if samples.dtype == self.dtype else narrowed(samples, self.dtype, start)


def stated_samples(
    source: Source, dtype: Any = None, nan: float | None = None, progress: bool | None = None, labels: bool = False
) -> Source:
    """Give the source with samples that can be coded.

    Parameters
    ----------
    dtype : dtype, optional
        Type of the samples. By default others than uint8, int8, uint16, int16 and float32 are looked through, and
        become the smallest of uint8, uint16, int16 and float32 that holds all of them.
    nan : float, optional
        Stands for samples that are NaN or infinite, which are refused otherwise. It is what they decode to.
    progress : bool, optional
        Whether a bar is shown where samples are looked through for long; by default where stderr is a terminal.
    labels : bool
        Integers of 32 and 64 bits stay as they are.

    Examples
    --------
    >>> from mmip_gpu.sources import open_source
    >>> open_source(np.array([[0, 300]], np.int64)).dtype
    dtype('uint16')
    """
    if nan is not None and finite(nan) is None:
        raise InvalidArgument(f"nan={nan!r}: expected a finite number")
    if dtype is not None:
        target = target_dtype(dtype)
    elif source.dtype.name in WIDE_DTYPES and not (labels and source.dtype.name in LABEL_DTYPES):
        target = _scanned(source, progress)
    else:
        target = source.dtype
    if target == source.dtype and target.kind != "f":
        return source
    metadata = dict(source.metadata) | ({"nan": float(nan)} if nan is not None and source.dtype.kind == "f" else {})
    if source.dtype == np.float64 and target == np.float32 and dtype is not None:
        metadata = with_lost(metadata, _ROUNDED)
    marks = "" if target == source.dtype and nan is None else f":{target}:{nan}"
    return replace(
        source,
        dtype=target,
        metadata=metadata,
        fingerprint=source.fingerprint + marks,
        reader=_Converted(source, target, nan),
        origin=_lazy(source.origin, target, nan),
    )


def stated_again(attributes: Any) -> dict[str, Any]:
    """Give what was stated of the samples of a store, by its attributes, for more samples of the same kind.

    Examples
    --------
    >>> stated_again({"metadata": {"nan": -1.0}, "job": {"config": {"mode": "labels"}}})
    {'nan': -1.0, 'labels': True}
    """
    metadata, config = _mapping(attributes, "metadata"), _mapping(_mapping(attributes, "job"), "config")
    dtype = {"dtype": "float32"} if _ROUNDED in (metadata.get(LOST) or ()) else {}
    nan = {"nan": metadata["nan"]} if "nan" in metadata else {}
    return dtype | nan | ({"labels": True} if config.get("mode") == "labels" else {})


def _mapping(attributes: Any, key: str) -> Mapping[str, Any]:
    found = attributes.get(key) if isinstance(attributes, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _lazy(origin: Any, dtype: np.dtype[Any], nan: float | None) -> Any:
    """Give a Dask array that workers compute, in the type that all its samples were found to fit, and without NaN."""
    if not hasattr(origin, "__dask_graph__"):
        return None
    finite_origin = origin if nan is None else origin.map_blocks(finite_samples, nan, dtype=origin.dtype)
    return finite_origin.astype(dtype)


def _scanned(source: Source, progress: bool | None) -> np.dtype[Any]:
    from tqdm import tqdm

    scan = SampleScan(source.dtype)
    if source.dtype.name not in ("bool", "float16"):
        blocks, hidden = list(_blocks(source)), None if progress is None else not progress
        for region in tqdm(blocks, desc=f"look through {source.dtype}", disable=hidden, leave=False, delay=_BAR_AFTER):
            scan.add(source.read(region))
    elif source.dtype.kind == "b":
        scan.high = 1
    return scan.target(source.name)


def _blocks(source: Source) -> Iterator[Region]:
    """Cut a source along its first axis."""
    rest = math.prod(source.shape[1:]) * source.dtype.itemsize
    step = max(1, _BLOCK_BYTES // max(rest, 1))
    for start in range(0, source.shape[0], step):
        yield (slice(start, start + step), *(slice(0, size) for size in source.shape[1:]))


def stated_sizes(source: Source, voxel_size: Sequence[float] | float | None, units: str | None) -> Source:
    """Give the source with a voxel size that the caller knows, which takes the place of what the file says.

    Parameters
    ----------
    voxel_size : float or sequence of float, optional
        On z, y, x, as far as there are such axes; one number for all of them.
    units : str, optional
        Unit of `voxel_size`, by default mm; alone, the unit of sizes that the source states without one.

    Examples
    --------
    >>> from mmip_gpu.sources import open_source
    >>> source = open_source(np.zeros((4, 5, 6), np.uint8), voxel_size=(2, 0.5, 0.5), units="µm")
    >>> source.metadata["spacing"], source.metadata["length_unit"]
    ([0.002, 0.0005, 0.0005], 'micrometer')
    """
    if voxel_size is None and units is None:
        return source
    unit = "millimeter" if units is None else length_unit(units)
    if unit is None:
        raise InvalidArgument(f"units={units!r}: expected a unit of length such as mm, um, nm or m")
    count = sum(letter in "zyx" for letter in source.axes)
    metadata = dict(source.metadata)
    if voxel_size is None:
        sizes = metadata.get("spacing")
        if sizes is None or metadata.get("length_unit") != UNKNOWN:
            raise InvalidArgument(f"units={units!r}: {source.name} has no sizes without a unit: pass voxel_size= too")
        origin = {"origin": [place * MM[unit] for place in metadata["origin"]]} if "origin" in metadata else {}
        spacing = [None if size is None else size * MM[unit] for size in sizes]
        return replace(source, metadata=metadata | origin | {"spacing": spacing, "length_unit": unit})
    given: Any = voxel_size
    is_list = isinstance(given, Sequence | np.ndarray) and not isinstance(given, str)
    sizes = list(given) if is_list else [given] * count
    numbers = [finite(size) for size in sizes]
    if len(numbers) != count or not all(number is not None and number > 0 for number in numbers):
        raise InvalidArgument(f"voxel_size={voxel_size!r}: expected {count} lengths above 0, those of {source.axes}")
    gone = [key for key in ("affine", "space", "forms", "origin") if metadata.pop(key, None)]
    metadata["nifti"] = {key: value for key, value in (metadata.get("nifti") or {}).items() if key != "xyzt_units"}
    spacing = [number * MM[unit] for number in numbers if number is not None]
    known = metadata | {"spacing": spacing, "length_unit": unit}
    return replace(source, metadata=with_lost(known, *(["affine, since voxel_size= is another"] if gone else [])))
