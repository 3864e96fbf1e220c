"""The errors of every stage of a decoded image, measured in pieces of bounded memory.

Values: a Source, a Decoded and a ROI in; a report (dict) out, with the entries of ``metrics.evaluate``.
Implements no section of FORMAT.md. Guarantees memory for a piece of whole planes of each array; an image of
one plane is one piece.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.errors import InvalidArgument
from mmip_gpu.quality.decoded import Decoded
from mmip_gpu.quality.error_sums import ErrorSums, checked_metrics, error_sums
from mmip_gpu.quality.plane_blocks import progress, row_blocks
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
    metrics: Sequence[str] = (),
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
    metrics : sequence of str, optional
        What to report beside, as `mmip_gpu.quality.metrics.evaluate` takes it.

    Returns
    -------
    dict
        ``original``, ``decoded``, ``shape``, ``dtype``, ``axes``, ``raw_bytes``, ``data_range``, ``roi`` (a
        name or None) and ``stages``: for each ``stage``, ``bytes``, ``bits_per_sample``, ``ratio`` and the
        entries of `mmip_gpu.metrics.evaluate`.

    Raises
    ------
    InvalidArgument
        Shapes that differ, or a ROI, axes or metrics that do not fit.
    """
    letters, extra = axes or decoded.axes or source.axes, checked_metrics(metrics)
    regions = plane_blocks(source, letters, decoded.chunk_rows)
    reader = RoiReader(roi, source, letters)
    limits, scores = _limits(source, regions), [*(["ssim"] if structural else []), *extra]
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
        whole, *inside = _stage_errors(source, image, reader, shown, limits=limits, scores=scores)
        rows.append(row | whole.report(limits[1], extra))
        for part in inside:
            share = part.difference.sample_count / max(samples, 1)
            rows[-1]["roi"] = {"share": share, **part.report(limits[1], extra)}
    return {
        "original": source.name,
        "decoded": decoded.name,
        "shape": list(source.shape),
        "dtype": source.dtype.name,
        "axes": letters,
        "raw_bytes": raw_bytes,
        "data_range": limits[1],
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


def _limits(source: Source, regions: list[tuple[slice, ...]]) -> tuple[float, float]:
    """Return the smallest sample and the largest minus it."""
    parts = [part for part in map(source.read, regions) if part.size]
    low = float(min((part.min() for part in parts), default=0))
    return low, float(max((part.max() for part in parts), default=0)) - low


def _stage_errors(
    source: Source,
    image: Any,
    reader: RoiReader,
    regions: Iterable[tuple[slice, ...]],
    *,
    limits: tuple[float, float],
    scores: Sequence[str],
) -> list[ErrorSums]:
    """Return the sums of one stage: of the whole image and, with a ROI, of the samples inside of it."""
    sums = [ErrorSums() for _ in range(1 if reader.name is None else 2)]
    for region in regions:
        original, decoded = source.read(region), np.asarray(image[region])
        classes = reader.classes(original, region)
        masks = [] if classes is None else [classes > 0]
        for total, part in zip(sums, error_sums(original, decoded, reader.axes, limits, masks, scores), strict=True):
            total.merge(part)
    return sums
