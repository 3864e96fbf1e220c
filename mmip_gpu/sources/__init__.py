"""Sources: where volumes come from. One function opens any of them.

Values in: an array, an array-like, a path or the name of a phantom. Values out: a Source.
Implements no section of FORMAT.md. Chooses the reader by what the path is and holds; the readers are one file
per kind: ``arrays`` (NumPy, .npy, phantoms), ``zarr_arrays``, ``nifti``, ``dicom``, ``tiff`` and ``tiff_folder``,
``raw_files`` (NRRD, MetaImage), ``images`` (PNG, JPEG).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmip_gpu.errors import InvalidArgument, StoreError
from mmip_gpu.sources.arrays import dask_array, is_phantom_name, open_array, open_npy, open_phantom
from mmip_gpu.sources.dicom import open_dicom
from mmip_gpu.sources.dicom_series import has_dicom_mark, split_part
from mmip_gpu.sources.images import IMAGE_SUFFIXES, open_image
from mmip_gpu.sources.lost import LOST, warn_lost
from mmip_gpu.sources.nifti import NIFTI_SUFFIXES, open_nifti
from mmip_gpu.sources.place import check_place
from mmip_gpu.sources.raw_files import META_SUFFIXES, NRRD_SUFFIXES, open_meta, open_nrrd
from mmip_gpu.sources.rescale import stored_rule
from mmip_gpu.sources.size_limit import MOST_BYTES, check_size, size_limit
from mmip_gpu.sources.source import Source, default_axes, read_errors
from mmip_gpu.sources.stated import stated_samples, stated_sizes
from mmip_gpu.sources.tiff import TIFF_SUFFIXES, open_tiff, split_series
from mmip_gpu.sources.tiff_folder import holds_tiff, open_tiff_folder
from mmip_gpu.sources.zarr_arrays import is_zarr_node, open_zarr_path
from mmip_gpu.values import without_scheme

__all__ = [
    "MOST_BYTES",
    "Source",
    "check_place",
    "default_axes",
    "open_source",
    "reopen_source",
    "size_limit",
    "stored_rule",
]

_SUPPORTED = (
    ".npy, NIfTI (.nii, .nii.gz, .hdr), DICOM (a file, a folder, FOLDER:series=1,volume=0), TIFF (.tif, .tiff, .btf, "
    ".svs, .ndpi, .qptiff, .lsm, FILE.tif:series=1,level=2, or a folder of slices), .nrrd, .mha, PNG, JPEG, a Zarr "
    "array, "
    "or the names phantom, phantom2d, phantom3d, phantom3d:ZxYxX"
)


def open_source(
    source: Any,
    *,
    dtype: Any = None,
    nan: float | None = None,
    voxel_size: Sequence[float] | float | None = None,
    units: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    max_bytes: int = MOST_BYTES,
    progress: bool | None = None,
    labels: bool = False,
) -> Source:
    """Open anything that holds a volume, without reading its samples.

    Parameters
    ----------
    source : array_like, str, os.PathLike or Source
        A NumPy array; anything with shape, dtype and slicing (Zarr array, Dask array, xarray, `Phantom3D`); the path
        of a .npy, NIfTI, Analyze, DICOM, TIFF, slide, NRRD, MetaImage, PNG or JPEG file, of a folder with one DICOM
        series or with TIFF slices (in the order of the numbers in their names), or of a Zarr array, also
        as a .zip, a URL that fsspec opens, or a store or group of Zarr;
        or ``"phantom"``, ``"phantom2d"``, ``"phantom3d"``, ``"phantom3d:ZxYxX"``. Of a TIFF file with several
        images or a pyramid, ``"FILE.tif:series=1,level=2"`` is another than the first at full size. Of a group that
        is an OME-Zarr image the full level is opened. A Source is returned as it is.
    dtype : dtype, optional
        Type of the samples: uint8, int8, uint16, int16 or float32. By default samples of other types are looked through
        and become the smallest of these that holds all. float64 becomes float32 with rounding only where this says so.
    nan : float, optional
        Stands for samples that are NaN or infinite, which are refused otherwise. No mark of them is kept.
    voxel_size : float or sequence of float, optional
        On z, y, x, in place of what the source says.
    units : str, optional
        Unit of `voxel_size`, by default mm; alone, that of sizes for which the source has none.
    storage_options : mapping, optional
        What fsspec needs to open a URL, such as keys.
    max_bytes : int
        The most bytes that the samples may take, all of them, and a chunk or tile that is decoded at once. What a
        header states is held against it before anything is read or allocated.
    progress : bool, optional
        A bar is shown where samples of another type are looked through for long; by default where stderr is a terminal.
    labels : bool
        Integers of 32 and 64 bits stay as they are, as `encode` takes them with ``labels=True``.

    Returns
    -------
    Source
        Its `read` reads only what a region needs where the container allows it: a .nii.gz is decoded whole
        at the first read and then kept, and so are PNG and JPEG; a compressed DICOM is decoded by frames, a
        compressed TIFF by tiles or strips. Stored integers are given unscaled; a palette becomes RGB (but for
        ImageJ files, whose palette is for display), an opaque alpha channel is left out, a transparent one
        refused. A mark of orientation (EXIF) is not applied.

    Raises
    ------
    InvalidArgument
        For samples, axes or files that cannot be coded, with what was found and what to do.
    MissingResource
        If a package or decoder that the file needs is not installed.
    LimitExceeded
        For more samples than `max_bytes` allows.
    StoreError
        If the path does not exist or cannot be read.

    Warns
    -----
    MetadataWarning
        Once, of what the file states and its Source does not; `metadata["lost"]` lists it.

    Examples
    --------
    >>> source = open_source("phantom3d:16x64x64")
    >>> source.shape, str(source.dtype), source.axes
    ((16, 64, 64), 'uint16', 'zyx')
    """
    with size_limit(max_bytes):
        opened = reopen_source(source, storage_options=storage_options)
        check_size(opened.name, opened.shape, opened.dtype.itemsize)
    opened = stated_sizes(opened, voxel_size, units)
    if opened is not source or dtype is not None or nan is not None:
        opened = stated_samples(opened, dtype, nan, progress, labels)
        warn_lost(opened.name, opened.metadata.get(LOST) or ())
    return opened


def reopen_source(source: Any, *, storage_options: Mapping[str, Any] | None = None) -> Source:
    """Open what `open_source` opens without warning again of what is lost."""
    if isinstance(source, Source):
        return source
    if isinstance(source, str) and is_phantom_name(source):
        return replace(open_phantom(source), origin=source)
    source = without_scheme(source)
    if isinstance(source, str) and ("://" in source or "::" in source):
        with read_errors(source):
            return replace(open_zarr_path(source, storage_options), origin=source)
    if is_zarr_node(source):
        with read_errors(f"a {type(source).__name__}"):
            return open_zarr_path(source)
    if isinstance(source, str | os.PathLike):
        path = Path(source).absolute()
        with read_errors(path.name):
            opened = _open_path(path) if path.exists() else _open_part(str(path))
            return replace(opened, origin=str(path))
    if all(hasattr(source, attribute) for attribute in ("shape", "dtype", "__getitem__")):
        return replace(open_array(source), origin=dask_array(source))
    found = type(source).__name__
    raise InvalidArgument(f"cannot open a {found}: expected an array with shape and dtype, or one of {_SUPPORTED}")


def _open_part(text: str) -> Source:
    """Open what the name of a path and of a part of it say, such as "slide.tif:level=2" or "study:series=1"."""
    of_tiff, level = split_series(text)
    if level:
        return open_tiff(_existing(Path(of_tiff)), **level)
    of_dicom, part = split_part(text)
    return open_dicom(_existing(Path(of_dicom)), **part)


def _existing(path: Path) -> Path:
    if not path.exists():
        raise StoreError(f"{path} does not exist; expected {_SUPPORTED}")
    return path


def _open_path(path: Path) -> Source:
    """Choose the reader of an existing path."""
    lower = path.name.lower()
    if path.is_dir():
        is_zarr = lower.endswith(".zarr") or any((path / name).exists() for name in ("zarr.json", ".zarray", ".zgroup"))
        return open_zarr_path(path) if is_zarr else open_tiff_folder(path) if holds_tiff(path) else open_dicom(path)
    if lower.endswith(".zip"):
        return open_zarr_path(path)
    if lower.endswith(".npy"):
        return open_npy(path)
    if lower.endswith(NRRD_SUFFIXES):
        return open_nrrd(path)
    if lower.endswith(META_SUFFIXES):
        return open_meta(path)
    if lower.endswith(NIFTI_SUFFIXES):
        return open_nifti(path)
    if lower.endswith(TIFF_SUFFIXES):
        return open_tiff(path)
    if lower.endswith(IMAGE_SUFFIXES):
        return open_image(path)
    if lower.endswith((".dcm", ".dicom", ".ima")) or has_dicom_mark(path):
        return open_dicom(path)
    found = f"extension {path.suffix!r}" if path.suffix else "no extension"
    raise InvalidArgument(f"{path.name}: {found} and no DICOM mark in the file; supported are {_SUPPORTED}")
