"""The errors of every stage of a decoded image, measured in pieces of bounded memory.

Values: a Source, a Decoded and a ROI in; a report (dict) out, with the entries of ``metrics.evaluate``.
Implements no section of FORMAT.md. Guarantees memory for a piece of whole planes of each array; an image of
one plane is one piece.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.errors import InvalidArgument
from mmip_gpu.quality.decoded import Decoded
from mmip_gpu.quality.differences import Difference, check_pair, differences
from mmip_gpu.quality.metrics import error_report
from mmip_gpu.quality.plane_blocks import progress, row_blocks
from mmip_gpu.quality.structural_similarity import mean_similarity
from mmip_gpu.sources import Source, stored_rule
from mmip_gpu.volume.roi import Roi, RoiRule, roi_classes

__all__ = ["RoiReader", "evaluate_stages", "plane_blocks"]

_OUTER_AXES = "ntz"


class RoiReader:
    """The class of every voxel in any region of a source; a rule is applied region by region where it can be.

    Parameters
    ----------
    roi : str or numpy.ndarray, optional
        A rule's text or a mask.
    source : Source
        The image it belongs to.
    axes : str
        Axis letters of the source.
    """

    def __init__(self, roi: Roi | None, source: Source, axes: str) -> None:
        self.axes = axes
        roi = stored_rule(roi, source)
        self.rule = RoiRule.parse(roi) if isinstance(roi, str) else None
        self.name = None if roi is None else str(self.rule or "mask")
        self._classes: NDArray[np.uint8] | None = None
        if self.rule is not None and self.rule.needs_whole_array:
            self._classes, self.rule = roi_classes(self.rule, source.read(), axes), None
        elif isinstance(roi, np.ndarray):  # of the image, a mask needs the shape only
            self._classes = roi_classes(roi, np.broadcast_to(source.dtype.type(0), source.shape), axes)

    def classes(self, samples: NDArray[Any], region: tuple[slice, ...]) -> NDArray[np.uint8] | None:
        """Return the classes of a region whose samples are given; without the channel axis."""
        if self._classes is None:
            return roi_classes(self.rule, samples, self.axes)
        return self._classes[tuple(part for part, letter in zip(region, self.axes, strict=True) if letter != "c")]


def evaluate_stages(
    source: Source,
    decoded: Decoded,
    roi: Roi | None = None,
    *,
    axes: str | None = None,
    structural: bool = True,
) -> dict[str, Any]:
    """Return the errors of every stage of a decoded image.

    Parameters
    ----------
    source : Source
        The original.
    decoded : Decoded
        What `open_decoded` gives.
    roi : str or numpy.ndarray, optional
        A rule's text or a mask.
    axes : str, optional
        Axis letters, by default those of the decoded file, then of the source.
    structural : bool
        Whether to compute SSIM.

    Returns
    -------
    dict
        ``original``, ``decoded``, ``shape``, ``dtype``, ``axes``, ``raw_bytes``, ``data_range``, ``roi`` (a
        name or None) and ``stages``: for each ``stage``, ``bytes``, ``bits_per_sample``, ``ratio`` and the
        entries of `mmip_gpu.metrics.evaluate`.

    Raises
    ------
    InvalidArgument
        Shapes that differ, or a ROI or axes that do not fit.
    """
    letters = axes or decoded.axes or source.axes
    regions = plane_blocks(source, letters, decoded.chunk_rows)
    reader = RoiReader(roi, source, letters)
    peak = _data_range(source, regions)
    raw_bytes, samples = math.prod(source.shape) * source.dtype.itemsize, math.prod(source.shape)
    rows = []
    for stage, size in enumerate(decoded.bytes_to_here, start=1):
        image = decoded.open_stage(stage)
        if tuple(image.shape) != source.shape:
            found = f"{source.name} {source.shape}, {decoded.name} {tuple(image.shape)}"
            raise InvalidArgument(f"expected two images of one shape, found {found}")
        row: dict[str, Any] = {"stage": stage, "bytes": size, "bits_per_sample": None, "ratio": None}
        if size and samples:
            row |= {"bits_per_sample": 8 * size / samples, "ratio": raw_bytes / size}
        shown = progress(regions, f"stage {stage}")
        rows.append(row | _stage_errors(source, image, reader, shown, peak=peak, structural=structural))
    return {
        "original": source.name,
        "decoded": decoded.name,
        "shape": list(source.shape),
        "dtype": source.dtype.name,
        "axes": letters,
        "raw_bytes": raw_bytes,
        "data_range": peak,
        "roi": reader.name,
        "stages": rows,
    }


def plane_blocks(source: Source, axes: str, step: int = 1) -> list[tuple[slice, ...]]:
    """Return the regions, each of whole planes, that make up a source."""
    if len(axes) != source.ndim:
        raise InvalidArgument(f"axes {axes!r}: expected {source.ndim} letters for shape {source.shape}")
    if axes[0] in _OUTER_AXES and source.ndim > 2:
        return row_blocks(source.shape, source.dtype.itemsize, step)
    return [tuple(slice(0, size) for size in source.shape)]


def _data_range(source: Source, regions: list[tuple[slice, ...]]) -> float:
    """Return the largest minus the smallest sample."""
    parts = [part for part in map(source.read, regions) if part.size]
    return float(max(part.max() for part in parts)) - float(min(part.min() for part in parts)) if parts else 0.0


@dataclass
class _ErrorSums:
    """Running sums over pieces: differences, and SSIM with its weights."""

    difference: Difference = field(default_factory=Difference)
    similarity: list[tuple[float, int]] = field(default_factory=list)

    def add(self, difference: Difference, similarity: float | None, weight: int) -> None:
        self.difference.merge(difference)
        if similarity is not None:
            self.similarity.append((similarity, weight))

    def report(self, peak: float) -> dict[str, Any]:
        weights = sum(weight for _, weight in self.similarity)
        similarity = sum(value * weight for value, weight in self.similarity) / weights if weights else None
        return error_report(self.difference, peak, similarity)


def _stage_errors(
    source: Source,
    image: Any,
    reader: RoiReader,
    regions: Iterable[tuple[slice, ...]],
    *,
    peak: float,
    structural: bool,
) -> dict[str, Any]:
    """Return the entries of one stage."""
    whole, inside = _ErrorSums(), _ErrorSums()
    for region in regions:
        original, decoded = source.read(region), np.asarray(image[region])
        classes = reader.classes(original, region)
        if "c" in reader.axes:  # planes last, so that the class map broadcasts
            channel = reader.axes.index("c")
            original, decoded = np.moveaxis(original, channel, 0), np.moveaxis(decoded, channel, 0)
        masks = [] if classes is None else [np.broadcast_to(classes > 0, original.shape)]
        check_pair(original, decoded)
        parts = differences(original, decoded, masks)
        similarity: tuple[float | None, ...] = (None,) * len(parts)
        if structural and peak > 0:
            similarity = mean_similarity(original, decoded, peak, *masks)
        whole.add(parts[0], similarity[0], math.prod(original.shape[:-2]))
        for part, score in zip(parts[1:], similarity[1:], strict=True):
            inside.add(part, score, part.sample_count)
    report = whole.report(peak)
    if reader.name is not None:
        report["roi"] = {
            "share": inside.difference.sample_count / max(whole.difference.sample_count, 1),
            **inside.report(peak),
        }
    return report
