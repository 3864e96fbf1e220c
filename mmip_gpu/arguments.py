"""Arguments of the public functions, checked: arrays, steps, padding values, colour, threads.

Values: what a caller passes in; the same in the form that the encoder takes, or an error that says what is accepted.
Home: host memory; of arrays elsewhere only their dtype is read.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.config import CodecConfig
from mmip_gpu.container.header import DTYPES, LABEL_DTYPES
from mmip_gpu.errors import InvalidArgument
from mmip_gpu.volume.axes import PlaneLayout
from mmip_gpu.volume.floats import suggested_step
from mmip_gpu.volume.samples import WIDE_DTYPES, SampleScan, finite_samples, narrowed, target_dtype

__all__ = [
    "check_data_range",
    "check_dtype",
    "check_labels",
    "check_step",
    "checked_array",
    "given_padding",
    "is_colour",
    "thread_count",
]

_MOST_THREADS = 1024  # a number that is not a machine's takes memory for each


def checked_array(array: Any, dtype: Any = None, nan: float | None = None, *, labels: bool = False) -> NDArray[Any]:
    """The array as NumPy, of a supported dtype that holds all its samples, which are finite.

    Of labels integers of 32 and 64 bits are supported, too.

    Raises
    ------
    InvalidArgument
        For another dtype, or samples that are not finite; the message says what to do.
    """
    try:
        found = np.asarray(array)
    except ValueError as e:
        raise InvalidArgument(f"expected an array, found {type(array).__name__}: {e}") from None
    native = found.dtype.newbyteorder("=")
    if dtype is not None:
        target = target_dtype(dtype)
    elif labels and native.name in LABEL_DTYPES:
        return found
    elif native.name in WIDE_DTYPES:
        scan = SampleScan(found.dtype)
        scan.add(found)
        target = scan.target("array")
    else:
        target = found.dtype
    check_dtype(target)
    found = finite_samples(found, nan)
    return found if found.dtype == target else narrowed(found, target)


def check_dtype(dtype: np.dtype[Any], non_finite: bool = False) -> None:
    """Raise InvalidArgument for a dtype that is not coded; `non_finite` tells of NaN or infinity among the samples."""
    if dtype.name in DTYPES or dtype.newbyteorder("=").name in DTYPES:
        return
    advice = "convert to float32 and pass step=" if dtype.kind == "f" else "convert to one of them"
    if dtype.kind in "iu":
        advice = "if the values fit, array.astype(np.uint16) keeps them all; labels may be numbered anew, from 1 on"
    if non_finite:
        advice = "it holds NaN or infinity; replace them, then " + advice
    raise InvalidArgument(f"dtype: expected one of {', '.join(DTYPES)}, found {dtype}; {advice}")


def check_labels(dtype: np.dtype[Any], config: CodecConfig) -> None:
    """Raise InvalidArgument for labels that are no integers."""
    if config.labels and dtype.kind not in "ui":
        raise InvalidArgument(f"labels=True: expected integers, found {dtype}: names of objects have no fractions")


def check_step(dtype: np.dtype[Any], step: float | None, samples: Callable[[], Any] | None = None) -> None:
    """Raise InvalidArgument unless a step is given for float32 samples, and for no others.

    `samples` gives some of them, out of which a step is suggested.
    """
    if dtype.kind == "f" and step is None:
        found = samples() if samples is not None else None
        advice = "a fraction of their noise"
        if isinstance(found, np.ndarray):
            advice = f"step={suggested_step(found):g} is about a quarter of the noise of these"
        raise InvalidArgument(
            f"dtype float32: pass step=, what samples are rounded to multiples of ({advice}), or scale to integers; "
            "NaN and infinity have to be replaced first"
        )
    if dtype.kind != "f" and step is not None:
        raise InvalidArgument(f"step={step:g}: is for float32 samples, found {dtype}")


def given_padding(config: CodecConfig, dtype: np.dtype[Any], colour: bool) -> int | None:
    """Value that was asked for; None for ``"auto"`` and None.

    Raises
    ------
    InvalidArgument
        For a value outside the dtype, float32 samples, or colour.

    Examples
    --------
    >>> given_padding(CodecConfig("psnr", 50.0, padding=-2000), np.dtype("int16"), False)
    -2000
    """
    value = config.padding
    if value is None or isinstance(value, str):
        return None
    if dtype.kind == "f":
        raise InvalidArgument(f"padding={value}: expected integer samples, found {dtype}; pass padding=None")
    info = np.iinfo(dtype)
    if not info.min <= value <= info.max:
        raise InvalidArgument(f"padding={value}: expected a value of {dtype}, {info.min} to {info.max}")
    if colour:
        raise InvalidArgument(f"padding={value}: expected grey samples; pass colour=False or padding=None")
    return value


def is_colour(colour: bool | None, layout: PlaneLayout, dtype: np.dtype[Any]) -> bool:
    """Whether the channels are coded as YCoCg-R; never those of float32 samples."""
    three = "c" in layout.axes and layout.channels == 3 and dtype.kind != "f"
    if colour and not three:
        found = f"axes {layout.axes!r} {layout.shape}, {dtype}"
        raise InvalidArgument(f"colour=True: expected an axis c of length 3 of integers, found {found}")
    return three if colour is None else bool(colour)


def thread_count(threads: int | None) -> int:
    """Workers to use: all cores this process may run on, unless given."""
    if threads is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if isinstance(threads, bool) or not isinstance(threads, (int, np.integer)) or threads < 1:
        raise InvalidArgument(f"threads={threads!r}: expected a positive integer or None")
    return min(int(threads), _MOST_THREADS)


def check_data_range(data_range: Any) -> None:
    """Raise InvalidArgument for a peak that is no positive number."""
    if data_range is not None and not (isinstance(data_range, (int, float)) and 0 < data_range < math.inf):
        raise InvalidArgument(f"data_range={data_range!r}: expected a positive number")
