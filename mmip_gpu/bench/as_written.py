"""The measures of the original evaluation, word for word, with what is wrong in each, and its two tables as CSV.

Values: original, decoded and coded size, or records, in; a dict or CSV files out. Implements no section of FORMAT.md.
These columns only show what that evaluation would have printed: no other number is computed from them.
"""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.errors import InvalidArgument
from mmip_gpu.quality.differences import check_pair, differences
from mmip_gpu.quality.structural_similarity import mean_similarity
from mmip_gpu.volume.roi import checked_axes

__all__ = ["FOOTNOTES", "as_written", "psnr_as_written", "write_tables"]

FOOTNOTES = {
    "ratio": "compressed over original, so that a smaller ratio is the better one, and by sys.getsizeof: it adds the"
    " headers of Python objects (33 bytes of bytes, more than 100 of an array), takes an array that is a view for its"
    " header alone, and counts 12-bit samples as they lie in memory",
    "factor": "the inverse of that ratio, of the same sizes",
    "mse": "correct; in squared sample units, so that images of different ranges cannot be compared or averaged",
    "psnr": "20 log20(Imax / sqrt(MSE)): the logarithm has the base 20 where decibels have 10, which makes 0.7686 of"
    " the PSNR in dB; Imax is not defined, here it is the largest value of the stored bits",
    "ssim": "compare_ssim is gone from scikit-image since 0.18; its defaults take the range of the dtype, which"
    " flatters 12-bit samples in 16 bits, and refuse colour; here planes of volumes are averaged, colour has none",
}
IMAGE_COLUMNS = ("name", "ratio", "factor", "MSE", "PSNR", "SSIM")
RUN_TIME_COLUMNS = ("model", "image", "size", "encode s", "decode s")

_FLOAT_RANGE = 2.0  # compare_ssim: floats lie between -1 and 1


def psnr_as_written(mse: float, peak: float) -> float:
    """Return ``20 log20(peak / sqrt(mse))``; inf without error.

    Examples
    --------
    >>> round(psnr_as_written(1.0, 255.0) / (20 * math.log10(255)), 4)
    0.7686
    """
    return math.inf if mse == 0 else 20 * math.log(peak / math.sqrt(mse), 20)


def as_written(
    original: NDArray[Any], decoded: NDArray[Any], coded_bytes: int, axes: str, bits: int | None = None
) -> dict[str, float | None]:
    """Return the five measures of the original evaluation; `FOOTNOTES` says what is wrong in each.

    Parameters
    ----------
    original, decoded : numpy.ndarray
        Real samples, one shape.
    coded_bytes : int
        Size of the compressed image, above 0.
    axes : str
        Axis letters.
    bits : int, optional
        Bits stored: the peak is 2^bits - 1. By default those of an integer dtype; floats have the peak 1.

    Returns
    -------
    dict
        ``ratio``, ``factor``, ``mse``, ``psnr``, ``ssim``; None: all of an empty image, SSIM of colour and of planes
        below 7 samples a side.

    Examples
    --------
    >>> plane = np.arange(64, dtype=np.uint8).reshape(8, 8)
    >>> found = as_written(plane, plane ^ 1, 31, "yx")
    >>> round(found["ratio"], 3), round(found["psnr"], 2)
    (0.333, 36.99)
    """
    check_pair(original, decoded)
    letters = checked_axes(axes, original.ndim)
    if coded_bytes <= 0:
        raise InvalidArgument(f"coded bytes: expected a positive number, found {coded_bytes}")
    if not original.size:
        return dict.fromkeys(FOOTNOTES)
    ratio = _sizeof_bytes(coded_bytes) / _sizeof_array(original)
    mse = differences(original, decoded)[0].mse
    return {
        "ratio": ratio,
        "factor": 1 / ratio,
        "mse": mse,
        "psnr": psnr_as_written(
            mse, 2.0 ** (bits or 8 * original.dtype.itemsize) - 1 if _is_integer(original) else 1.0
        ),
        "ssim": None if "c" in letters else mean_similarity(original, decoded, _dtype_range(original))[0],
    }


def write_tables(records: Iterable[Mapping[str, Any]], folder: Path) -> list[Path]:
    """Write the two tables of the original evaluation: one of the images for each codec, one of the run times.

    Parameters
    ----------
    records : iterable of dict
        Records of a benchmark run with ``as_written``; those that failed have no line.
    folder : pathlib.Path
        Where ``as_written_CODEC.csv`` and ``run_time.csv`` go; made where it is missing.

    Returns
    -------
    list of pathlib.Path
        What was written.

    Raises
    ------
    InvalidArgument
        No record holds these measures.
    """
    good = [record for record in records if record["status"] == "ok" and record.get("as_written")]
    if not good:
        raise InvalidArgument("as written: expected records with these measures, found none that was measured")
    folder.mkdir(parents=True, exist_ok=True)
    codecs: dict[str, list[list[Any]]] = {}
    for record in good:
        values = record["as_written"]
        row = [record["image"]["name"], *(values[key] for key in ("ratio", "factor", "mse", "psnr", "ssim"))]
        codecs.setdefault(f"as_written_{_file_name(record['codec']['name'])}.csv", []).append(row)
    written = [_write(folder / name, IMAGE_COLUMNS, rows) for name, rows in codecs.items()]
    times = [
        [
            record["codec"]["name"],
            record["image"]["name"],
            record["raw_bytes"],
            *(((record.get("time") or {}).get(part) or {}).get("wall") for part in ("encode", "decode")),
        ]
        for record in good
    ]
    return [*written, _write(folder / "run_time.csv", RUN_TIME_COLUMNS, times)]


def _write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([columns, *rows])
    return path


def _file_name(codec: str) -> str:
    """Return a codec's name as part of a file's name."""
    return "".join(letter if letter.isalnum() or letter in "-." else "_" for letter in codec)


def _sizeof_bytes(count: int) -> int:
    """Return sys.getsizeof of that many bytes, without making them."""
    return sys.getsizeof(b"") + count


def _sizeof_array(array: NDArray[Any]) -> int:
    """Return sys.getsizeof of an array that owns its samples."""
    return sys.getsizeof(np.empty((0,) * array.ndim, array.dtype)) + array.nbytes


def _is_integer(array: NDArray[Any]) -> bool:
    return array.dtype.kind in "ui"


def _dtype_range(array: NDArray[Any]) -> float:
    """Return the data range that compare_ssim takes without being told one."""
    return 2.0 ** (8 * array.dtype.itemsize) - 1 if _is_integer(array) else _FLOAT_RANGE
