"""Quality of a decoded image: error, PSNR and SSIM against the original, also within the region of interest.

Values: two arrays of one shape (real samples, host memory, any layout) in; Python numbers in sample units or
dB out, or a report (dict) and plain text tables of such reports. Implements no section of FORMAT.md.
Guarantees float64 arithmetic in bounded pieces, whatever the size of the arrays; leaves files to the caller.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from mmip_gpu.errors import InvalidArgument
from mmip_gpu.quality.differences import check_pair, decibels, differences
from mmip_gpu.quality.error_sums import checked_metrics, error_sums
from mmip_gpu.quality.structural_similarity import mean_similarity
from mmip_gpu.volume.roi import RoiRule, checked_axes, roi_classes

__all__ = ["evaluate", "format_table", "json_ready", "max_error", "psnr", "rmse", "ssim"]


def rmse(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Return the root mean square difference of two arrays, in sample units; 0 for empty ones.

    Parameters
    ----------
    a, b : numpy.ndarray
        Real samples, one shape, any dtypes.

    Raises
    ------
    InvalidArgument
        Shapes that differ or samples that are not real numbers.

    Examples
    --------
    >>> import numpy as np
    >>> rmse(np.array([0, 0, 0, 0]), np.array([2, 2, -2, 2]))
    2.0
    """
    check_pair(a, b)
    return differences(a, b)[0].rmse


def psnr(a: NDArray[Any], b: NDArray[Any], peak: float) -> float:
    """Return the peak signal to noise ratio ``20 log10(peak / rmse)`` in dB; inf for identical arrays.

    Parameters
    ----------
    a, b : numpy.ndarray
        Real samples, one shape, any dtypes.
    peak : float
        Reference amplitude in sample units, above 0.

    Raises
    ------
    InvalidArgument
        Shapes that differ, samples that are not real numbers, a peak that is not positive and finite.

    Examples
    --------
    >>> import numpy as np
    >>> round(psnr(np.array([0.0, 0.0]), np.array([1.0, 1.0]), 100), 6)
    40.0
    """
    _check_positive("peak", peak)
    return decibels(rmse(a, b), peak)


def max_error(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Return the largest absolute difference of two arrays, in sample units; 0 for empty ones.

    Parameters
    ----------
    a, b : numpy.ndarray
        Real samples, one shape, any dtypes.

    Raises
    ------
    InvalidArgument
        Shapes that differ or samples that are not real numbers.

    Examples
    --------
    >>> import numpy as np
    >>> max_error(np.array([0, 255], np.uint8), np.array([3, 250], np.uint8))
    5.0
    """
    check_pair(a, b)
    return differences(a, b)[0].largest


def ssim(a: NDArray[Any], b: NDArray[Any], data_range: float) -> float | None:
    """Return the mean structural similarity (scikit-image, 7 x 7 window); None for planes below the window.

    Volumes are measured slice by slice at any size: a crop, a chunk and a volume share one definition.

    Parameters
    ----------
    a, b : numpy.ndarray
        Real samples, one shape; the last two axes are the image plane.
    data_range : float
        Largest minus smallest possible value in sample units, above 0.

    Raises
    ------
    InvalidArgument
        Shapes that differ, samples that are not real numbers, a range that is not positive and finite.
    MissingResource
        scikit-image is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> plane = np.arange(64.0).reshape(8, 8)
    >>> ssim(plane, plane, 63.0)
    1.0
    """
    check_pair(a, b)
    _check_positive("data_range", data_range)
    return mean_similarity(a, b, data_range)[0]


def evaluate(
    original: NDArray[Any],
    decoded: NDArray[Any],
    roi: str | RoiRule | NDArray[Any] | None = None,
    *,
    axes: str | None = None,
    structural: bool = True,
    metrics: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the quality report of a decoded image.

    Parameters
    ----------
    original, decoded : numpy.ndarray
        Real samples, one shape, any dtypes.
    roi : None, numpy.ndarray, str or RoiRule
        Region of interest as `mmip_gpu.roi.roi_classes` takes it; every class above 0 counts.
    axes : str, optional
        Axis letters; needed for colour ("yxc"), else by rank.
    structural : bool, optional
        Whether to compute SSIM, which needs scikit-image and most of the time.
    metrics : sequence of str, optional
        What to report beside: ``mse``, ``mae``, ``ms_ssim``, ``haarpsi``, ``vsi``; the last three need scipy.

    Returns
    -------
    dict
        ``rmse``, ``max_error`` (sample units), ``psnr_16bit`` (peak 65535), ``psnr_range`` (peak = largest
        minus smallest original sample; dB), ``ssim``; with a ROI also ``roi``: the same there, with the peaks
        of the whole image, and ``share`` = fraction of samples; and what `metrics` asks for. PSNR is ``inf``
        without error. None: all of an empty image or ROI; similarities of small planes (MS-SSIM: below 161 samples
        a side) and of a constant original; ``ssim`` when not asked for.

    Raises
    ------
    InvalidArgument
        Shapes that differ, samples that are not real numbers, a ROI, axes or metrics that do not fit.
    MissingResource
        scikit-image is not installed and SSIM or the rule ``otsu`` is asked for, or scipy and a metric that needs it.

    Examples
    --------
    >>> import numpy as np
    >>> plane = np.arange(64, dtype=np.uint16).reshape(8, 8)
    >>> report = evaluate(plane, plane ^ 1, roi=plane < 16, structural=False)
    >>> report["rmse"], report["max_error"], report["roi"]["share"]
    (1.0, 1.0, 0.25)
    """
    check_pair(original, decoded)
    letters, extra = checked_axes(axes, original.ndim), checked_metrics(metrics)
    classes = roi_classes(roi, original, letters)
    low = float(original.min()) if original.size else 0.0
    peak = float(original.max()) - low if original.size else 0.0
    masks = [] if classes is None else [classes > 0]
    scores = [*(["ssim"] if structural else []), *extra]
    whole, *regions = error_sums(original, decoded, letters, (low, peak), masks, scores)
    report = whole.report(peak, extra)
    for region in regions:
        share = region.difference.sample_count / max(original.size, 1)
        report["roi"] = {"share": share, **region.report(peak, extra)}
    return report


def json_ready(report: Any) -> Any:
    """Return a copy of a report that JSON can hold: numbers that are not finite become None.

    Examples
    --------
    >>> json_ready({"psnr_16bit": float("inf"), "stages": [{"rmse": 2.0}]})
    {'psnr_16bit': None, 'stages': [{'rmse': 2.0}]}
    """
    if isinstance(report, Mapping):
        return {key: json_ready(value) for key, value in report.items()}
    if isinstance(report, list | tuple):
        return [json_ready(value) for value in report]
    return None if isinstance(report, float) and not math.isfinite(report) else report


def format_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Return rows as plain text in aligned columns, numbers to the right, without a newline at the end.

    Parameters
    ----------
    rows : sequence of mapping
        One mapping per line; a missing or None value is shown as "-".
    columns : sequence of str
        Keys to show, in order; they are the headings.

    Examples
    --------
    >>> print(format_table([{"codec": "mmip", "psnr": 48.251}, {"codec": "j2k"}], ["codec", "psnr"]))
    codec   psnr
    -----  -----
    mmip   48.25
    j2k        -
    """
    cells = [list(columns)] + [[_cell_text(row.get(column)) for column in columns] for row in rows]
    widths = [max(map(len, texts)) for texts in zip(*cells, strict=True)]
    is_text = [any(isinstance(row.get(column), str) for row in rows) for column in columns]
    sides = [f"{'<' if left else '>'}{width}" for left, width in zip(is_text, widths, strict=True)]
    cells.insert(1, ["-" * width for width in widths])
    return "\n".join("  ".join(map(format, line, sides)).rstrip() for line in cells)


def _check_positive(name: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise InvalidArgument(f"{name}: expected a positive finite number, found {value}")


def _cell_text(value: Any) -> str:
    """A table cell: floats with 4 digits, "-" for None."""
    if isinstance(value, float):
        return f"{value:.0f}" if 1000 <= abs(value) < math.inf else f"{value:.4g}"
    return "-" if value is None else str(value)
