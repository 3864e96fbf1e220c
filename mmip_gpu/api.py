"""The public functions on containers: encode, decode, their batches, max_encoded_size.

Values: arrays and options in, bytes out, and back. Plans (rate.py) and codes chunks (codec.py).
Guarantees equal bytes for every thread count and batch.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .axes import PlaneLayout
from .codec import Encoded, decode_chunk
from .config import CodecConfig, Padding, Quality
from .container import DTYPES
from .device.placement import wants_device
from .errors import BackendUnavailable, InvalidArgument
from .inspection import open_container
from .rate import make_plan
from .roi import roi_classes
from .trial import Trial

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["decode", "decode_batch", "encode", "encode_array", "encode_batch", "max_encoded_size"]

DEFAULT_MAX_BYTES = 2**34
_HEADER_BOUND = 1024  # of any header: 6 axes, 8 classes of 3 components, 16 stages

_T = TypeVar("_T")
_R = TypeVar("_R")


def encode(array: NDArray[Any], **options: Any) -> bytes:
    """Compress an array.

    Parameters
    ----------
    array : ndarray of uint8, int8, uint16, int16, or float32 with ``step=``
        Any shape of rank 1 to 6, any byte order and strides.
    quality : float
        The seed's scale: step 2 * base, base = max(1, round(220 / quality)); regions base // 2.
    psnr : float
        dB on the data range (max - min) of the array; never below it.
    max_error : float
        No sample differs by more, in sample units; reached by a last stage of corrections (lossless regions stay so).
    ratio : float
        Bytes of the samples over bytes of the container: at least this and, where the size follows the step,
        at most 3 % more; bit-exact where that is small enough.
    lossless : bool
        Bit-exact, with ``stages=``.
    stages : int, default 3
        2 to 5 coarse-to-fine parts; stage 1 is the 1/8 image. ``max_error=`` adds its corrections as one more.
    cuts : sequence of int, optional
        AC positions per cell before which stages 2, 3, .. end.
    roi : array or str, optional
        Boolean or small-integer mask (higher = better), or a rule: ``threshold:9000``, ``range:300..3000``, ``otsu``.
    roi_quality : float, "lossless" or mapping, optional
        Quality of the regions; ``{class: quality}`` for more than one class.
    axes : str, optional
        One letter per axis out of ``t n c z y x``; default by rank (x, yx, zyx, tzyx).
    colour : bool, optional
        Code three channels as YCoCg-R; default: where axis ``c`` has length 3.
    cell_depth : {1, 8}, optional
        2D or 3D blocks; tried on the middle of the array when None.
    step : float, optional
        float32 samples are rounded to multiples of it, at most 2^18 of them; targets are in their unit (but for
        ``quality``, in steps), and lossless means that nothing more is lost.
    data_range : float, optional
        Peak for ``psnr=``, instead of max - min.
    effort : {1, 2, 3}, default 2
        1 is fastest, 3 gives the fewest bytes; decoding does not depend on it.
    padding : int, "auto" or None, default "auto"
        Value of samples that carry no image, such as those outside a CT's field of view. They are kept exactly, and
        what stands under them costs nothing. ``"auto"`` tries a value that fills the border; a value that is given is
        used wherever it occurs; None is off.
    verify : bool, default True
        Decode once and record the reached error; otherwise the record is an estimate.
    threads : int, optional
        Default: all cores.
    device : {None, "cpu"}
        Where the work is done.

    Returns
    -------
    bytes
        A container (FORMAT.md section 1).

    Raises
    ------
    InvalidArgument
        Exactly one of quality, psnr, max_error, ratio, lossless must be given; shapes, dtypes and values must be as
        above.

    Examples
    --------
    >>> import mmip_gpu as mmip
    >>> image = mmip.phantom2d(64)
    >>> blob = mmip.encode(image, quality=10, roi="threshold:9000")
    >>> mmip.decode(blob).shape
    (64, 64)
    """
    return encode_array(array, **options).to_bytes()


def encode_array(
    array: NDArray[Any],
    *,
    roi: Any = None,
    axes: str | None = None,
    colour: bool | None = None,
    data_range: float | None = None,
    threads: int | None = None,
    device: str | None = None,
    quality: float | None = None,
    psnr: float | None = None,
    max_error: float | None = None,
    ratio: float | None = None,
    lossless: bool = False,
    stages: int | None = None,
    cuts: Sequence[int] | None = None,
    roi_quality: Quality | Mapping[int, Quality] | None = None,
    cell_depth: int | None = None,
    verify: bool = True,
    step: float | None = None,
    effort: int = 2,
    padding: Padding = "auto",
) -> Encoded:
    """`encode`, before the parts are joined to bytes."""
    config = CodecConfig.from_options(
        quality=quality,
        psnr=psnr,
        max_error=max_error,
        ratio=ratio,
        lossless=lossless,
        stages=stages,
        cuts=cuts,
        roi_quality=roi_quality,
        cell_depth=cell_depth,
        verify=verify,
        step=step,
        effort=effort,
        padding=padding,
        has_roi=roi is not None,
    )
    array = checked_array(array, device)
    check_step(array.dtype, config.step)
    layout = PlaneLayout.of(array.shape, axes)
    workers = thread_count(threads)
    classes = roi_classes(roi, array, layout.axes)
    if data_range is not None and not (isinstance(data_range, (int, float)) and 0 < data_range < math.inf):
        raise InvalidArgument(f"data_range={data_range!r}: expected a positive number")
    whole = Trial(array, classes, workers)
    plan = make_plan(config, whole, layout, is_colour(colour, layout, array.dtype), data_range)
    return whole.encoded(plan)


def decode(
    data: Buffer,
    *,
    stages: int | None = None,
    scale: int = 1,
    region: tuple[slice, ...] | None = None,
    threads: int | None = None,
    max_bytes: int = DEFAULT_MAX_BYTES,
    device: str | None = None,
) -> NDArray[Any]:
    """Decompress a container, or a part of it.

    Parameters
    ----------
    data : bytes-like
        A container; one cut after stage k decodes with ``stages=k``.
    stages : int, optional
        Decode only the first stages.
    scale : {1, 2, 4, 8}
        Reduced resolution on y and x (and z with 3D cells).
    region : tuple of slice, optional
        One slice of step 1 per axis of the array at this scale; ``decode(b, region=r) == decode(b)[r]``.
    max_bytes : int
        Refuse to decode more than this.
    device : {None, "cpu", "gpu"}
        None: where the data lies. An array of bytes on a GPU gives an array there; host bytes come back to the host.

    Returns
    -------
    ndarray
        C-ordered, of the dtype that was encoded.

    Raises
    ------
    CorruptData, TruncatedData, UnsupportedVersion
        For bytes that are not a container of this version.
    InvalidArgument
        More stages than there are, a region outside, a wrong scale.
    LimitExceeded, BackendUnavailable
        Where the result would be larger than `max_bytes`; without a GPU or CuPy for ``device="gpu"``.

    Examples
    --------
    >>> import mmip_gpu as mmip
    >>> blob = mmip.encode(mmip.phantom2d(64), quality=10)
    >>> mmip.decode(blob, scale=8).shape
    (8, 8)
    """
    if wants_device(device, [data]):
        from .device.containers import decode_containers

        return decode_containers([data], stages=stages, scale=scale, region=region, max_bytes=max_bytes)[0]
    header, reader = open_container(data)
    return decode_chunk(
        header, reader, stages=stages, scale=scale, region=region, threads=thread_count(threads), max_bytes=max_bytes
    )


def encode_batch(chunks: Iterable[NDArray[Any]], *, threads: int | None = None, **options: Any) -> list[bytes]:
    """Compress many arrays (a list or a stacked array), each as `encode` would.

    Examples
    --------
    >>> import mmip_gpu as mmip
    >>> len(mmip.encode_batch([mmip.phantom2d(32)] * 3, quality=10))
    3
    """
    return _each(lambda chunk: encode(chunk, threads=1, **options), list(chunks), threads)


def decode_batch(
    blobs: Iterable[Buffer], *, threads: int | None = None, device: str | None = None, **options: Any
) -> list[NDArray[Any]]:
    """Decompress many containers, each as `decode` would; on a GPU they share launches.

    Examples
    --------
    >>> import mmip_gpu as mmip
    >>> blobs = mmip.encode_batch([mmip.phantom2d(32)] * 2, quality=10)
    >>> [image.shape for image in mmip.decode_batch(blobs, stages=1)]
    [(32, 32), (32, 32)]
    """
    items = list(blobs)
    if wants_device(device, items):
        from .device.containers import decode_containers

        return decode_containers(items, **options)
    return _each(lambda blob: decode(blob, threads=1, **options), items, threads)


def max_encoded_size(shape: Sequence[int], dtype: Any) -> int:
    """Upper bound in bytes of what `encode` returns for such an array.

    Examples
    --------
    >>> max_encoded_size((64, 64), "uint16")
    9216
    """
    samples = math.prod(int(n) for n in shape)
    return samples * int(np.dtype(dtype).itemsize) + _HEADER_BOUND


def checked_array(array: Any, device: str | None = None) -> NDArray[Any]:
    """The array as NumPy, of a supported dtype.

    Raises
    ------
    InvalidArgument
        For another dtype; the message says what to do.
    BackendUnavailable
        For a GPU array or ``device="gpu"``.
    """
    if device not in (None, "cpu", "gpu"):
        raise InvalidArgument(f"device={device!r}: expected None, 'cpu' or 'gpu'")
    if device == "gpu" or hasattr(array, "__cuda_array_interface__"):
        raise BackendUnavailable("no GPU path in this version: pass a NumPy array (array.get()) and device=None")
    try:
        found = np.asarray(array)
    except ValueError as e:
        raise InvalidArgument(f"expected an array, found {type(array).__name__}: {e}") from None
    if found.dtype.name in DTYPES or found.dtype.newbyteorder("=").name in DTYPES:
        return found
    if found.dtype.kind == "f":
        advice = "convert to float32 and pass step="
        if found.size and not np.isfinite(found).all():
            advice = "it holds NaN or infinity; replace them, then " + advice
    else:
        advice = "convert to one of them"
    raise InvalidArgument(f"dtype: expected one of {', '.join(DTYPES)}, found {found.dtype}; {advice}")


def check_step(dtype: np.dtype[Any], step: float | None) -> None:
    """Raise InvalidArgument unless a step is given for float32 samples, and for no others."""
    if dtype.kind == "f" and step is None:
        raise InvalidArgument(
            "dtype float32: pass step=, what samples are rounded to multiples of (a fraction of their noise), or scale "
            "to integers; NaN and infinity have to be replaced first"
        )
    if dtype.kind != "f" and step is not None:
        raise InvalidArgument(f"step={step:g}: is for float32 samples, found {dtype}")


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
    return int(threads)


def _each(work: Callable[[_T], _R], items: list[_T], threads: int | None) -> list[_R]:
    workers = min(thread_count(threads), len(items))
    if workers <= 1:
        return [work(item) for item in items]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(work, items))
