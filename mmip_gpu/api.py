"""The public functions on containers: encode, decode, their batches, max_encoded_size.

Values: arrays and options in, bytes out, and back. The planner makes a plan, the codec codes chunks by it (codecs.py).
Guarantees equal bytes for every thread count and batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.arguments import thread_count
from mmip_gpu.codecs import Limits, Wanted, codec_of
from mmip_gpu.container.reader import open_container
from mmip_gpu.device.run.placement import wants_device
from mmip_gpu.encoding import encode_batch_configured, encode_configured, in_threads
from mmip_gpu.errors import InvalidArgument, MmipError
from mmip_gpu.options import DecodeOptions, Device, EncodeOptions, EncodeSettings
from mmip_gpu.signatures import ITEMS, public

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["decode", "decode_batch", "encode", "encode_batch", "max_encoded_size"]

DEFAULT_MAX_BYTES = Limits.max_bytes
_HEADER_BOUND = 1024  # of any header: 6 axes, 8 classes of 3 components, 16 stages


@overload
def encode(
    array: Any,
    *,
    threads: int | None = None,
    device: Device = None,
    output: Literal["host"] = "host",
    **options: Unpack[EncodeOptions],
) -> bytes: ...


@overload
def encode(
    array: Any,
    *,
    threads: int | None = None,
    device: Device = None,
    output: Literal["host", "device"],
    **options: Unpack[EncodeOptions],
) -> Any: ...


@public(EncodeOptions)
def encode(
    array: Any,
    *,
    threads: int | None = None,
    device: Device = None,
    output: Literal["host", "device"] = "host",
    **options: Unpack[EncodeOptions],
) -> Any:
    """Compress an array.

    Exactly one target is needed: `quality`, `psnr`, `max_error`, `ratio`, `lossless`, `labels` or `qstep`.

    Parameters
    ----------
    array : array of uint8, int8, uint16, int16, or float32 with ``step=``; of labels also of 32 and 64 bits
        Any shape of rank 1 to 6, byte order and strides. Others are coded as the smallest of these that holds them.
    quality : float
        A higher number keeps more: an error as of steps of ``2 * max(1, round(220 / quality))``. See docs/quality.md.
    psnr : float
        The result has at least this PSNR in dB, on the data range (max - min) of the array, or of each channel.
    max_error : float or sequence of float
        No sample differs by more, in sample units. One payload, or stages if these are smaller (not at ``effort=1``).
    ratio : float
        The samples take at least so many times the bytes of the container. Channels then have the same PSNR.
    lossless : bool or "small"
        One exact payload; "small": 5 to 20 % fewer bytes, far longer. With ``stages=`` or ``roi=`` the last stage is.
    labels : bool
        Samples name objects (integers of 8 to 64 bits). They are kept exactly, and no scale makes up a label.
    qstep : float or sequence of float
        The quantizer gets this step in sample units (0.25 to 65536 for integers), and in regions a quarter of it.
        Nothing is searched or promised, which is fastest. `inspect` shows the steps that another target found.
    stages : int, default 3
        The container has 2 to 5 parts, from coarse to fine; the first gives the 1/8 image. ``max_error=`` adds one.
    cuts : sequence of int, optional
        Stage 2, 3, .. ends before this many AC positions of each cell (FORMAT.md 5); by default later with predictions.
    roi : array or str, optional
        A mask, boolean or of small integers (higher = better), marks regions of interest; a rule does so by stored
        value: ``threshold:9000``, ``range:300..3000`` or ``otsu``.
    roi_quality : float, "lossless" or mapping, optional
        The regions get this quality; ``{class: quality}`` gives each number of the mask its own.
    axes : str, optional
        One letter out of ``t n c z y x`` names each axis. The default goes by rank: x, yx, zyx, tzyx, tczyx.
    colour : bool, optional
        Three channels are coded together as YCoCg-R. By default they are where axis ``c`` has length 3.
    per_channel : bool, default True
        Channels that are no colours (at most about 2,700) have steps of their own and reach the target one by one.
    cell_depth : {1, 8}, optional
        Blocks are 2D (1) or 3D (8). By default both are tried on a part of the array.
    prediction, slice_axis : optional
        2D blocks are predicted (True) from those before them, slices along ``"z"``, ``"t"`` or ``"n"``: fewer bytes,
        slower to decode. By default effort 3 tries it, along t too if there is no z.
    step : float, optional
        float32 samples are rounded to multiples of it, at most 2^18. `quality` counts steps, other targets samples.
    data_range : float, optional
        ``psnr=`` refers to this peak instead of max - min.
    dtype, nan : optional
        The dtype, of the five, that holds the samples (only float64 may be rounded); what NaN becomes and decodes to.
    effort : {1, 2, 3}, default 2
        1 is the fastest, 3 gives the fewest bytes.
    padding : int, "auto" or None, default "auto"
        Samples of this value carry no image, and cost next to nothing. ``"auto"`` tries one that fills the border.
    verify : bool, default True
        The result is decoded once to record the error that was reached. Otherwise the record is an estimate.
    threads : int, optional
        So many threads work; by default as many as there are cores.
    device : {None, "cpu", "gpu"}
        By default an array is coded where it lies: on a CUDA device those of CuPy, and all with DLPack or
        ``__cuda_array_interface__`` (PyTorch, JAX, Numba). ``"gpu"`` takes arrays of the host there. The bytes are the
        same; `roi` may lie on either side. Four corners of one slice are copied to the host. All samples are for what
        the kernels do not encode, for the rule ``otsu``, and where errors of float32 samples are measured.
    output : {"host", "device"}
        The container comes to the host, or stays on the device as an array that `decode` takes.

    Returns
    -------
    bytes or array of uint8 on the device
        A container (FORMAT.md section 1).

    Raises
    ------
    InvalidArgument
        There is not one target, a shape, dtype or value is not as above, or data lie on a GPU that is not current.
    BackendUnavailable
        ``device="gpu"`` was asked for without CuPy, a driver or a device. The message says what works instead.

    Examples
    --------
    >>> import mmip_gpu as mmip
    >>> image = mmip.phantom2d(64)
    >>> blob = mmip.encode(image, quality=10, roi="threshold:9000")
    >>> mmip.decode(blob).shape
    (64, 64)
    """
    settings = EncodeSettings.of(**options)
    if output != "host":
        return encode_batch_configured([array], settings, threads=threads, device=device, output=output)[0]
    return encode_configured(array, settings, threads=threads, device=device).to_bytes()


@public()
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
        A container. One that is cut after stage k decodes with ``stages=k``.
    stages : int, optional
        Only so many stages are decoded, from the first on.
    scale : {1, 2, 4, 8}
        The image is so many times smaller on y and x, and on z with 3D cells.
    region : tuple of slice, optional
        One slice of step 1 for each axis of the array at this scale: ``decode(b, region=r) == decode(b)[r]``.
    max_bytes : int
        A result of more bytes is refused.
    device : {None, "cpu", "gpu"}
        By default data are decoded where they lie. Bytes on a GPU give an array there, those of the host one there.

    Returns
    -------
    ndarray
        It is C-ordered and has the dtype that was encoded.

    Raises
    ------
    CorruptData, TruncatedData, UnsupportedVersion
        The bytes are no container of this version, or not a whole one.
    InvalidArgument, LimitExceeded, BackendUnavailable
        There are fewer stages; the region, scale or device does not fit; the result has more than `max_bytes` bytes.

    Examples
    --------
    >>> import mmip_gpu as mmip
    >>> blob = mmip.encode(mmip.phantom2d(64), quality=10)
    >>> mmip.decode(blob, scale=8).shape
    (8, 8)
    """
    if wants_device(device, [data]):
        from mmip_gpu.device.decode.containers import decode_containers

        found = decode_containers([data], codec_of, stages=stages, scale=scale, region=region, max_bytes=max_bytes)
        array: NDArray[Any] = _settled(found, "raise")[0]
        return array
    return _decode_on_host(data, thread_count(threads), stages=stages, scale=scale, region=region, max_bytes=max_bytes)


def _decode_on_host(data: Buffer, workers: int, **options: Unpack[DecodeOptions]) -> NDArray[Any]:
    header, read_part = open_container(data)
    wanted = Wanted(options.get("stages"), options.get("scale", 1), options.get("region"))
    limits = Limits(workers, options.get("max_bytes", DEFAULT_MAX_BYTES))
    return codec_of(header).decode(header, read_part, wanted, limits)


@public(EncodeOptions, chunks=ITEMS)
def encode_batch(
    chunks: Iterable[Any],
    *,
    threads: int | None = None,
    device: Device = None,
    output: Literal["host", "device"] = "host",
    **options: Unpack[EncodeOptions],
) -> list[Any]:
    """Compress many arrays (a list or a stacked array), each as `encode` would. On a GPU they share launches.

    Examples
    --------
    >>> import mmip_gpu as mmip
    >>> len(mmip.encode_batch([mmip.phantom2d(32)] * 3, quality=10))
    3
    """
    settings = EncodeSettings.of(**options)
    return encode_batch_configured(chunks, settings, threads=threads, device=device, output=output)


@public(DecodeOptions, blobs=ITEMS)
def decode_batch(
    blobs: Iterable[Buffer],
    *,
    threads: int | None = None,
    device: str | None = None,
    errors: str = "raise",
    **options: Unpack[DecodeOptions],
) -> list[Any]:
    """Decompress many containers, each as `decode` would. On a GPU they share launches.

    Parameters
    ----------
    errors : {"raise", "return"}
        ``"raise"`` raises the first error of a damaged item, with its index. ``"return"`` puts each error in the place
        of the array.

    Examples
    --------
    >>> import mmip_gpu as mmip
    >>> blobs = mmip.encode_batch([mmip.phantom2d(32)] * 2, quality=10)
    >>> [image.shape for image in mmip.decode_batch(blobs, stages=1)]
    [(32, 32), (32, 32)]
    >>> [type(item).__name__ for item in mmip.decode_batch([blobs[0], b"MMIP"], errors="return")]
    ['ndarray', 'TruncatedData']
    """
    if errors not in ("raise", "return"):
        raise InvalidArgument(f"errors={errors!r}: expected 'raise' or 'return'")
    items = list(blobs)
    if wants_device(device, items):
        from mmip_gpu.device.decode.containers import decode_containers

        return _settled(decode_containers(items, codec_of, **options), errors)

    def decoded(blob: Buffer) -> NDArray[Any] | MmipError:
        try:
            return _decode_on_host(blob, 1, **options)
        except MmipError as error:
            return error

    return _settled(in_threads(decoded, items, threads), errors)


@public()
def max_encoded_size(shape: Sequence[int], dtype: Any) -> int:
    """Bytes that `encode` never exceeds for an array of this shape and dtype.

    Examples
    --------
    >>> max_encoded_size((64, 64), "uint16")
    9216
    """
    return math.prod(int(n) for n in shape) * int(np.dtype(dtype).itemsize) + _HEADER_BOUND


def _settled(found: list[Any], errors: str) -> list[Any]:
    """Arrays, and errors in the place of some; to be raised, the first, with its index where there are several."""
    for index, item in enumerate(found):
        if isinstance(item, MmipError) and errors == "raise":
            raise type(item)(f"item {index}: {item}") if len(found) > 1 else item
    return found
