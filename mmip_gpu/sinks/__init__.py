"""Sinks: where decoded volumes go. One function writes any of them, chosen by the name of the file.

Values in: a Source, or anything that `open_source` opens. Values out: a file or a DICOM folder.
Implements no section of FORMAT.md. The writers are one file per kind: ``arrays`` (.npy), ``nifti``, ``tiff``,
``raw_files`` (.nrrd, .mha), ``dicom``. Guarantees memory for a block of the volume, and that what appears under the
name is whole.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmip_gpu.errors import InvalidArgument
from mmip_gpu.sinks.arrays import write_npy
from mmip_gpu.sinks.dicom import write_dicom
from mmip_gpu.sinks.geometry import PER_SLICE, region_metadata
from mmip_gpu.sinks.nifti import write_nifti
from mmip_gpu.sinks.raw_files import write_meta, write_nrrd
from mmip_gpu.sinks.sink import Output, Region, replacing
from mmip_gpu.sinks.tiff import write_tiff
from mmip_gpu.sources import Source, open_source, reopen_source
from mmip_gpu.sources.dicom_series import split_part
from mmip_gpu.sources.lost import warn_lost
from mmip_gpu.values import SUPPORTED_SINKS

__all__ = ["region_metadata", "replacing", "sink_of", "write_image"]

_PLACES = ("spacing_per_slice", "slice_positions", "directions", "slope_per_slice", "intercept_per_slice")
_TAKEN_OVER = (
    "spacing", "length_unit", "time_step", "time_unit", "slope", "intercept", "modality", "padding_value",
    "bits_stored", "photometric", "affine", "space", "forms", "nifti", "channels", "origin", *_PLACES,
)  # fmt: skip


def sink_of(path: str | os.PathLike[str]) -> Callable[..., None]:
    """Choose the writer of a file by its name.

    Raises
    ------
    InvalidArgument
        For a suffix that has none.

    Examples
    --------
    >>> sink_of("brain.nii.gz").__name__, sink_of("series").__name__
    ('write_nifti', 'write_dicom')
    """
    name = Path(path).name.lower()
    if name.endswith(".npy"):
        return write_npy
    if name.endswith((".nii", ".nii.gz")):
        return write_nifti
    if name.endswith(".nrrd"):
        return write_nrrd
    if name.endswith(".mha"):
        return write_meta
    if name.endswith((".tif", ".tiff")):
        return write_tiff
    if name.endswith(".dcm") or not Path(name).suffix:
        return write_dicom
    raise InvalidArgument(f"cannot write {Path(path).name!r}: expected {SUPPORTED_SINKS}")


def write_image(
    source: Any,
    path: str | os.PathLike[str],
    *,
    template: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    chunks: Mapping[str, int] | None = None,
    track: Callable[[Sequence[Region]], Any] | None = None,
) -> None:
    """Write a volume to a file, or a folder of DICOM slices, by the suffix of the name.

    Parameters
    ----------
    source : Source or what `mmip_gpu.sources.open_source` opens
        Its metadata give voxel size, affine, rescaling and history of the new file.
    path : str or path
        .npy, .nii, .nii.gz, .nrrd, .mha, .tif, .tiff, .ome.tif, .dcm; a name without a suffix is a folder of .dcm
        files.
    template : str or path, optional
        The original, from which the new file takes what the source does not say: the voxel size and the affine;
        for NIfTI from NIfTI the header; for DICOM from DICOM patient, study and all other attributes.
    overwrite : bool
        Replace what is there. A folder is replaced only if it holds nothing but .dcm files.
    chunks : mapping of str to int, optional
        Samples per axis letter that are best read together.
    track : callable, optional
        Is given the list of blocks and yields them, such as a progress bar.

    Raises
    ------
    InvalidArgument
        Where the format cannot hold the volume, or the template is of another.
    StoreError
        Where something is there already, or writing fails; nothing is left of what was begun.
    MissingResource
        Where a package is not installed.

    Examples
    --------
    >>> import tempfile
    >>> from mmip_gpu.sources import open_source
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_image("phantom3d:4x32x32", f"{folder}/p.ome.tif")
    ...     open_source(f"{folder}/p.ome.tif").axes
    'zyx'
    """
    write, opened = sink_of(path), open_source(source)
    if write is not write_npy and not math.prod(opened.shape):
        raise InvalidArgument(f"{opened.name} is empty ({opened.shape}): only .npy can hold that")
    template_path = None
    if template is not None:
        template_path = Path(template)
        _check_apart(Path(path), template_path)
        opened = _with_template(opened, reopen_source(template_path))
    _check_slices(opened, write, Path(path).name)
    everything: Callable[[Sequence[Region]], Any] = iter if track is None else track
    write(Output(opened, chunks or {}, everything, template_path), Path(path), overwrite=overwrite)


def _check_apart(path: Path, template: Path) -> None:
    """Refuse to replace what the template is made of."""
    new, old = path.resolve(), Path(split_part(str(template))[0]).resolve()
    if new == old or new in old.parents or (old in new.parents and new.exists()):
        raise InvalidArgument(f"{path} is, or holds, the template: write to another place, the original is kept")


def _check_slices(source: Source, write: Callable[..., None], name: str) -> None:
    """Refuse, or warn of, what differs by slice and the format holds once."""
    differing = [key for key in PER_SLICE if source.metadata.get(key)]
    if not differing or write in (write_dicom, write_npy):
        return
    slopes = source.metadata.get("slope_per_slice")
    if write is write_nifti and differing[0] in ("slope_per_slice", "intercept_per_slice"):
        found = f" ({min(slopes):g} to {max(slopes):g})" if slopes else ""
        raise InvalidArgument(
            f"{name}: NIfTI holds one slope and one intercept, found others for every slice{found}: write a DICOM "
            "folder, or .npy with the lists of open_zarr(..).metadata"
        )
    warn_lost(name, [PER_SLICE[key] for key in differing])


def _with_template(source: Source, template: Source) -> Source:
    """Take from the original what the source does not say."""
    own, other = source.metadata.get("series"), template.metadata.get("series")
    if own and other and own != other:
        raise InvalidArgument(
            f"the template {template.name} is another series than the one that was coded: give the original"
        )
    if other and not own:
        warn_lost(source.name, ["which series it was: that the template is its original cannot be checked"])
    grid = source.metadata.get("grid")
    whole = [size for letter, size in zip(template.axes, template.shape, strict=True) if letter in "zyx"]
    here = [size for letter, size in zip(source.axes, source.shape, strict=True) if letter in "zyx"]
    expected = grid["shape"] if grid else here
    if whole != list(expected):
        raise InvalidArgument(
            f"the template {template.name} has {whole} voxels, expected {expected}: it is another image"
        )
    found = {key: template.metadata[key] for key in _TAKEN_OVER if template.metadata.get(key) is not None}
    if grid:
        letters = "".join(letter for letter in "zyx" if letter in source.axes)
        outer = {a: size for a, size in zip(template.axes, template.shape, strict=True) if a in "tn"}
        whole, start, step = [*outer.values(), *grid["shape"]], [0] * len(outer), [1] * len(outer)
        found = region_metadata(found, "".join(outer) + letters, whole, start + grid["start"], step + grid["step"])
    known = {key: value for key, value in source.metadata.items() if value is not None}
    defaults = {"slope": 1.0, "intercept": 0.0}
    known = {key: value for key, value in known.items() if defaults.get(key) != value}
    return replace(source, metadata=dict(source.metadata) | found | known)
