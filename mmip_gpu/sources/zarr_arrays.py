"""Sources in Zarr: arrays by object, folder, .zip, URL or store, and the full level of an OME-Zarr image.

Values in: what names a node of Zarr. Values out: a Source. Implements no section of FORMAT.md; the attributes are those
of OME-NGFF 0.4 and 0.5. Guarantees that nothing is opened for writing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from mmip_gpu.errors import InvalidArgument, StoreError
from mmip_gpu.sources.arrays import open_array, require_small_metadata
from mmip_gpu.sources.source import Source, default_axes, finite
from mmip_gpu.sources.units import MM, SECONDS, UNKNOWN, length_unit, time_unit

__all__ = ["is_zarr_node", "open_zarr_path"]

_OWN: Final = "mmip"  # attribute of the stores of write_zarr
_LETTERS: Final = {"index": "n"}


def is_zarr_node(source: Any) -> bool:
    """Whether an object is a group or a store of Zarr; an array of Zarr is an array like others."""
    is_zarr = type(source).__module__.startswith("zarr.") and not hasattr(source, "shape")
    return isinstance(source, dict) or is_zarr


def url_store(url: str, read_only: bool, storage_options: Mapping[str, Any] | None = None) -> Any:
    """Store of Zarr at a URL of fsspec; in a zip, a KeyError of some versions of fsspec says that a key is absent."""
    from zarr.storage import FsspecStore

    absent: tuple[type[Exception], ...] = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
    absent += (KeyError,) if url.startswith("zip:") else ()
    return FsspecStore.from_url(url, dict(storage_options or {}), read_only, absent)


def open_zarr_path(where: Any, storage_options: Mapping[str, Any] | None = None) -> Source:
    """Open a Zarr array of format 2 or 3, or the full level of a multiscale image."""
    import zarr
    from zarr.storage import ZipStore

    place: Any = where
    if isinstance(where, Path) and where.is_dir():
        require_small_metadata(where)
    if isinstance(where, Path) and where.suffix == ".zip" and where.is_file():
        place = ZipStore(where, mode="r")
    options: dict[str, Any] = (
        {"storage_options": dict(storage_options)} if storage_options and isinstance(where, str) else {}
    )
    if isinstance(where, str) and ("://" in where or "::" in where):
        place = url_store(where, True, storage_options)
    mode: Any = "r" if getattr(place, "read_only", True) else "r+"  # a store that may be written to stays so
    node: Any = (
        where
        if isinstance(where, zarr.Group)
        else zarr.open(place, mode=mode, **({} if place is not where else options))
    )
    name = os.fspath(where) if isinstance(where, str | os.PathLike) else str(node.store_path)
    path = Path(name.rstrip("/")) if isinstance(where, str | os.PathLike) else None
    if isinstance(node, zarr.Group):
        return _open_group(node, path)
    opened = open_array(node, "zarr", path)
    if path is not None and path.suffix != ".zip":
        with suppress(Exception):  # an image above is a help: an array needs none
            above = zarr.open_group(name.rstrip("/").rpartition("/")[0], mode="r", **options)
            image = _image(above.attrs)
            level = next(d for d in image["datasets"] if d["path"] == path.name)
            return _placed(opened, image, level, above.attrs)
    return opened


def _open_group(group: Any, path: Path | None) -> Source:
    name = path.name if path else str(group.store_path)
    if _OWN in group.attrs:
        raise InvalidArgument(
            f"{name} is a store of write_zarr: open it with open_zarr (write_zarr takes it as a source), "
            "or write it to a file with mmip extract"
        )
    try:
        image = _image(group.attrs)
        level = image["datasets"][0]
        array = group[level["path"]]
    except (KeyError, TypeError, IndexError):
        inside = ", ".join(sorted([*group.array_keys(), *group.group_keys()])) or "none"
        raise InvalidArgument(
            f"{name} is a Zarr group and no image: give the path of one of its members ({inside})"
        ) from None
    return _placed(open_array(array, "zarr", path), image, level, group.attrs)


def _image(attributes: Any) -> Any:
    """Give the first multiscale image of a group."""
    return (attributes.get("ome", attributes))["multiscales"][0]


def _placed(opened: Source, image: Any, level: Any, attributes: Any) -> Source:
    """Add what the image says of axes, sizes and channels."""
    axes = _axes(image, len(opened.shape)) or opened.axes
    ome = attributes.get("ome", attributes)
    known = dict(opened.metadata) | _sizes(image, level, axes) | _channels(ome.get("omero"), axes, opened)
    return replace(opened, axes=axes, metadata=known, colour=False if "c" in axes[:-1] else opened.colour)


def _axes(image: Any, count: int) -> str | None:
    """Name the axes in our letters; None where they have no place."""
    names = [axis["name"] if isinstance(axis, Mapping) else axis for axis in image.get("axes") or default_axes(5)]
    axes = "".join(_LETTERS.get(name := str(text).lower(), name) for text in names)
    is_ours = len(axes) == count == len(set(axes)) and set(axes) <= set("tnczyx")
    return axes if is_ours and "".join(a for a in axes if a in "zyx") in ("yx", "zyx") else None


def _sizes(image: Any, level: Any, axes: str) -> dict[str, Any]:
    """Join the transformations of a level and of the image: scales, then translations."""
    sizes, starts = [1.0] * len(axes), [0.0] * len(axes)
    for step in [*(level.get("coordinateTransformations") or ()), *(image.get("coordinateTransformations") or ())]:
        kind = step.get("type")
        values = _numbers(step.get(kind), len(axes)) if kind in ("scale", "translation") else None
        if values and kind == "scale":
            sizes, starts = ([v * k for v, k in zip(old, values, strict=True)] for old in (sizes, starts))
        elif values:
            starts = [v + move for v, move in zip(starts, values, strict=True)]
        elif kind != "identity":
            raise StoreError(f"the image is damaged: found the coordinate transformation {step!r}")
    axes_of = image.get("axes") or []
    stated = [axis.get("unit") if isinstance(axis, Mapping) else None for axis in axes_of] or [None] * len(axes)
    at = [i for i, letter in enumerate(axes) if letter in "zyx"]
    units = [length_unit(stated[i]) for i in at]
    found: dict[str, Any] = {}
    if any(units) or any(sizes[i] != 1 or starts[i] for i in at):
        found = {"spacing": [sizes[i] * MM[u or UNKNOWN] for i, u in zip(at, units, strict=True)]}
        found["length_unit"] = next((unit for unit in units if unit), UNKNOWN)
        if any(starts[i] for i in at):
            found["origin"] = [starts[i] * MM[u or UNKNOWN] for i, u in zip(at, units, strict=True)]
    if "t" in axes and (unit := time_unit(stated[axes.index("t")])):
        found |= {"time_step": sizes[axes.index("t")] * SECONDS[unit], "time_unit": unit}
    return found


def _numbers(values: Any, count: int) -> list[float] | None:
    if not isinstance(values, Sequence) or len(values) != count:
        return None
    numbers = [finite(value) for value in values]
    return [n for n in numbers if n is not None] if None not in numbers else None


def _channels(omero: Any, axes: str, opened: Source) -> dict[str, Any]:
    """Read the names and colours of channels."""
    listed = omero.get("channels") if isinstance(omero, Mapping) else None
    count = opened.shape[axes.index("c")] if "c" in axes else 1
    if not isinstance(listed, list) or len(listed) != count or not all(isinstance(c, Mapping) for c in listed):
        return {}
    named = [{"name": str(c["label"])} if c.get("label") not in (None, str(i)) else {} for i, c in enumerate(listed)]
    if count == 1 and not named[0]:
        return {}
    colours = [{"colour": str(c["color"])} if c.get("color") else {} for c in listed]
    return {"channels": [name | colour for name, colour in zip(named, colours, strict=True)]}
