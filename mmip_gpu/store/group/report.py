"""The report of a store: what `write_zarr` returns and `open_zarr(..).report` holds.

Values: the attributes of a store in, JSON-safe dictionaries out. Implements no section of FORMAT.md.
Guarantees the same keys for whole and unfinished stores. A value that is not known yet is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmip_gpu._core import FORMAT_VERSION
from mmip_gpu.errors import CorruptData, UnsupportedVersion
from mmip_gpu.reports import Report
from mmip_gpu.sources import Source
from mmip_gpu.sources.history import METHOD, loss_history
from mmip_gpu.sources.units import MM, SECONDS, UNKNOWN
from mmip_gpu.store.group.description import StoreDescription
from mmip_gpu.store.group.metadata import is_number, kept_metadata, metadata_problem
from mmip_gpu.store.group.records import Totals
from mmip_gpu.version import __version__

__all__ = [
    "CHANNELS",
    "COMPLETE",
    "PREPARING",
    "WRITING",
    "attributes_of",
    "check_report",
    "description_of",
    "held_stages",
    "history_of",
    "report_of",
]

PREPARING, WRITING, COMPLETE = "preparing", "writing", "complete"
_AT_THE_END = (
    "bytes",
    "record_bytes",
    "stages",
    "ratio",
    "bits_per_sample",
    "roi_share",
    "source_checksum",
    "loss",
)
_OF_THE_ARRAY = ("shape", "dtype", "axes", "colour")  # what a job and its plan both tell
_OF_THE_TARGET = ("mode", "value", "step")
CHANNELS = "channels"  # of a loss; stores of versions before it lack it
_OF_A_CHANNEL = ("psnr", "max_error", "minimum", "maximum")
_PERHAPS_UNKNOWN = ("psnr", "max_error", "reached")
_KINDS = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}


def attributes_of(
    state: str,
    identity: Mapping[str, Any],
    description: StoreDescription,
    source: Source,
    summary: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Make the attribute `mmip`: job, description, axes and voxel size as in OME-NGFF, summary at the end."""
    return {
        "format_version": FORMAT_VERSION,
        "software": f"mmip_gpu {__version__}",
        "state": state,
        "job": dict(identity),
        "description": description.to_dict(),
        "axes": _named_axes(source),
        "scale": _scale(source),
        "source": source.metadata.get("kind"),
        "metadata": kept_metadata(source.metadata),
        "report": None if summary is None else dict(summary),
    }


def report_of(attributes: Mapping[str, Any], description: StoreDescription) -> Report:
    """Report of a store."""
    data = description.to_dict()
    summary = attributes.get("report")
    shared = {key: data[key] for key in ("shape", "dtype", "axes", "colour", "chunks")}
    report: dict[str, Any] = {
        "complete": attributes.get("state") == COMPLETE,
        "format_version": attributes.get("format_version"),
        "software": attributes.get("software"),
        **shared,
        "chunk_count": description.grid.chunk_count,
        "stages_held": held_stages(attributes, description),
        "raw_bytes": description.raw_bytes,
        "config": data["config"],
        "plan": {key: data[key] for key in ("cell_depth", "rule", "attempt")} | description.form.described(),
        "source": attributes.get("source"),
    }
    report |= dict.fromkeys(_AT_THE_END) | (dict(summary) if isinstance(summary, Mapping) else {})
    metadata = attributes.get("metadata") or {}
    report |= {"history": loss_history(metadata), "lost": list(metadata.get("lost") or ())}
    is_exact = report["loss"] is not None and bool(report["loss"]["lossless"])
    report["lossy"] = not is_exact or any(entry.get("lossy") for entry in report["history"])
    return Report(report)


def history_of(report: Mapping[str, Any], stages: int, scale: int) -> list[dict[str, Any]]:
    """What was lost before a store was written, and what is lost when it is read so; the oldest first.

    `report` is that of the store, `stages` are those that are read.
    """
    loss, parts = report["loss"], report["stages"] or []
    is_exact = loss is not None and bool(loss["lossless"]) and stages == len(parts) and scale == 1
    entry: dict[str, Any] = {
        "lossy": not is_exact,
        "method": METHOD,
        "ratio": None if loss is None else report["raw_bytes"] / max(parts[stages - 1]["bytes_to_here"], 1),
        "loss": loss,
        "stages": [stages, len(parts)],
        "scale": scale,
        "roi_share": report["roi_share"],
        "source_checksum": report["source_checksum"],
        "software": report["software"],
        "format_version": report["format_version"],
    }
    return [*report["history"], entry]


def description_of(group: object, attributes: Mapping[str, Any]) -> StoreDescription:
    """Return the description in the attributes of a store; what stands beside it is as `attributes_of` writes it.

    Raises
    ------
    UnsupportedVersion
        Unless the store is of the version that this library reads and writes.
    CorruptData
        For attributes that this library does not write. The report is looked at by `check_report` alone.
    """
    version = attributes.get("format_version")
    if version != FORMAT_VERSION:
        raise UnsupportedVersion(f"{group}: format version: expected {FORMAT_VERSION}, found {version}")
    try:
        description = StoreDescription.from_dict(attributes.get("description"))
    except CorruptData as error:
        raise CorruptData(f"{group}: {error}") from error
    job, mine = attributes.get("job"), description.to_dict()
    config = job.get("config") if isinstance(job, Mapping) else None
    if not (isinstance(job, Mapping) and isinstance(config, Mapping)):
        raise CorruptData(f"{group}: store attributes: job out of range: {job!r}")
    asked = [job.get(key) for key in _OF_THE_ARRAY] + [config.get(key) for key in _OF_THE_TARGET]
    if asked != [mine[key] for key in _OF_THE_ARRAY] + [mine["config"][key] for key in _OF_THE_TARGET]:
        raise CorruptData(f"{group}: store attributes: the description is not that of its job")
    rank = len(description.grid.layout.shape)
    axes, scale = attributes.get("axes"), attributes.get("scale")
    named = isinstance(axes, list) and len(axes) == rank and all(isinstance(axis, Mapping) for axis in axes)
    sized = scale is None or (isinstance(scale, list) and len(scale) == rank and all(map(is_number, scale)))
    wrong = metadata_problem(attributes.get("metadata")) if named and sized else f"axes={axes!r}, scale={scale!r}"
    if wrong:
        raise CorruptData(f"{group}: store attributes: out of range: {wrong}")
    return description


def check_report(group: object, attributes: Mapping[str, Any], description: StoreDescription) -> None:
    """Raise CorruptData unless the report has the form of one; a store whose job did not end has none."""
    found = attributes.get("report")
    expected = Totals(description).report()
    is_due = found is not None or attributes.get("state") == COMPLETE
    if is_due and not (isinstance(found, Mapping) and all(_alike(k, v, found.get(k)) for k, v in expected.items())):
        raise CorruptData(f"{group}: store attributes: the report is damaged; mmip repair makes it anew")


def held_stages(attributes: Mapping[str, Any], description: StoreDescription) -> int:
    """Stages that a store holds: all, but in a copy that was made of the first ones.

    Raises
    ------
    CorruptData
        For a number that cannot be one.
    """
    copy = attributes.get("copy")
    if copy is None:
        return description.stage_count
    held = copy.get("stages") if isinstance(copy, Mapping) else None
    if not isinstance(held, int) or isinstance(held, bool) or not 0 <= held <= description.stage_count:
        raise CorruptData(f"store attributes: copy: expected 0..{description.stage_count} stages, found {copy!r}")
    return held


def _alike(key: str, expected: Any, found: Any) -> bool:
    """Whether a part of a report has the form of another one."""
    if key == CHANNELS:
        return found is None or (
            isinstance(found, list)
            and all(isinstance(one, Mapping) and all(_known(one.get(name)) for name in _OF_A_CHANNEL) for one in found)
        )
    if isinstance(expected, Mapping):
        return isinstance(found, Mapping) and all(_alike(k, v, found.get(k)) for k, v in expected.items())
    if isinstance(expected, list):
        same = isinstance(found, list) and len(found) == len(expected)
        return same and all(_alike(key, a, b) for a, b in zip(expected, found, strict=True))
    if isinstance(expected, bool | str):
        return type(found) is type(expected)
    return is_number(found) or (found is None and key in _PERHAPS_UNKNOWN)


def _known(value: Any) -> bool:
    return value is None or is_number(value)


def _named_axes(source: Source) -> list[dict[str, str]]:
    units = _units(source)
    axes = []
    for letter in source.axes:
        axis = {"name": letter}
        if letter in _KINDS:
            axis["type"] = _KINDS[letter]
        if letter in units:
            axis["unit"] = units[letter]
        axes.append(axis)
    return axes


def _units(source: Source) -> dict[str, str]:
    """Units of the axes whose sizes are known in one."""
    metadata, sizes = kept_metadata(source.metadata), _sizes(source)
    unit, time = metadata.get("length_unit") or "millimeter", metadata.get("time_unit") or "second"
    known = {letter: str(unit) for letter in sizes if letter != "t" and unit != UNKNOWN}
    return known | ({"t": str(time)} if "t" in sizes and time in SECONDS else {})


def _scale(source: Source) -> list[float] | None:
    """Sizes of samples in the units of their axes, 1 where none is known; None unless one is."""
    sizes, units = _sizes(source), _units(source)
    return [sizes.get(a, 1.0) / (MM | SECONDS)[units.get(a, UNKNOWN)] for a in source.axes] if sizes else None


def _sizes(source: Source) -> dict[str, float]:
    """Sizes of samples by axis, as far as they are known, in mm and seconds."""
    metadata = kept_metadata(source.metadata)
    spacing = metadata.get("spacing") or []
    spatial = [letter for letter in source.axes if letter in "zyx"]
    known = dict(zip(spatial, spacing, strict=True)) if len(spacing) == len(spatial) else {}
    known |= {"t": metadata.get("time_step")} if "t" in source.axes else {}
    return {letter: float(size) for letter, size in known.items() if size}
