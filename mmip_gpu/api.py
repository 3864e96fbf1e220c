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
from mmip_gpu.container.reader import open_container
from mmip_gpu.device.run.placement import wants_device
from mmip_gpu.encoding import encode_batch_configured, encode_configured, in_threads
from mmip_gpu.errors import InvalidArgument, MmipError
from mmip_gpu.options import Device, EncodeOptions, EncodeSettings
from mmip_gpu.transform.chunk import decode_chunk

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["decode", "decode_batch", "encode", "encode_batch", "max_encoded_size"]

DEFAULT_MAX_BYTES = 2**34
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


def encode(
    array: Any,
    *,
    threads: int | None = None,
    device: Device = None,
    output: Literal["host", "device"] = "host",
    **options: Unpack[EncodeOptions],
) -> Any:
    """Compress an array.

    Parameters
    ----------
    array : array of uint8, int8, uint16, int16, or float32 with ``step=``
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
    qstep : float
        Step of the quantizer in sample units, 0.25 to 65536 for integers; that of the regions is a quarter of it.
        Nothing is searched or promised, which is fastest: `inspect` tells the step that another target found.
    stages : int, default 3
        2 to 5 coarse-to-fine parts; stage 1 is the 1/8 image. ``max_error=`` adds its corrections as one more.
    cuts : sequence of int, optional
        AC positions per cell before which stages 2, 3, .. end.
    roi : array or str, optional
        Boolean or small-integer mask (higher = better), or a rule: ``threshold:9000``, ``range:300..3000``, ``otsu``.
    roi_quality : float, "lossless" or mapping, optional
        Quality of the regions; ``{class: quality}`` for more than one class.
    axes : str, optional
        One letter per axis out of ``t n c z y x``; default by rank (x, yx, zyx, tzyx, tczyx).
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
    device : {None, "cpu", "gpu"}
        None: where the array lies. Arrays of a CUDA device (CuPy, or any with ``__cuda_array_interface__`` or DLPack:
        PyTorch, JAX, Numba) are coded there, those of the host with ``"gpu"``; the bytes are the same. `roi` may lie on
        either side. Of samples on a device only four corners of one slice are copied to the host, but all of them for
        what the kernels do not encode, for the rule ``otsu``, and where errors of float32 samples are measured.
    output : {"host", "device"}
        Where the container goes. What is coded on a device can stay there, as an array that `decode` takes as it is;
        its bytes pass the host, where their heads are made.

    Returns
    -------
    bytes or array of uint8 on the device
        A container (FORMAT.md section 1).

    Raises
    ------
    InvalidArgument
        Exactly one of quality, psnr, max_error, ratio, lossless, qstep must be given; shapes, dtypes and values must be
        as above; data of a GPU must be of the current one.
    BackendUnavailable
        Without CuPy, a driver or a device for ``device="gpu"``; the message says what works instead.

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
        from mmip_gpu.device.decode.containers import decode_containers

        found = decode_containers([data], stages=stages, scale=scale, region=region, max_bytes=max_bytes)
        array: NDArray[Any] = _settled(found, "raise")[0]
        return array
    header, reader = open_container(data)
    return decode_chunk(
        header, reader, stages=stages, scale=scale, region=region, threads=thread_count(threads), max_bytes=max_bytes
    )


def encode_batch(
    chunks: Iterable[Any],
    *,
    threads: int | None = None,
    device: Device = None,
    output: Literal["host", "device"] = "host",
    **options: Unpack[EncodeOptions],
) -> list[Any]:
    """Compress many arrays (a list or a stacked array), each as `encode` would; on a GPU they share launches.

    Examples
    --------
    >>> import mmip_gpu as mmip
    >>> len(mmip.encode_batch([mmip.phantom2d(32)] * 3, quality=10))
    3
    """
    settings = EncodeSettings.of(**options)
    return encode_batch_configured(chunks, settings, threads=threads, device=device, output=output)


def decode_batch(
    blobs: Iterable[Buffer],
    *,
    threads: int | None = None,
    device: str | None = None,
    errors: str = "raise",
    **options: Any,
) -> list[Any]:
    """Decompress many containers, each as `decode` would; on a GPU they share launches.

    Parameters
    ----------
    errors : {"raise", "return"}
        What becomes of items that are damaged: the first error is raised, with the index of its item, or each stands
        in the place of its array.

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

        return _settled(decode_containers(items, **options), errors)

    def decoded(blob: Buffer) -> NDArray[Any] | MmipError:
        try:
            return decode(blob, threads=1, **options)
        except MmipError as error:
            return error

    return _settled(in_threads(decoded, items, threads), errors)


def max_encoded_size(shape: Sequence[int], dtype: Any) -> int:
    """Upper bound in bytes of what `encode` returns for such an array.

    Examples
    --------
    >>> max_encoded_size((64, 64), "uint16")
    9216
    """
    samples = math.prod(int(n) for n in shape)
    return samples * int(np.dtype(dtype).itemsize) + _HEADER_BOUND


def _settled(found: list[Any], errors: str) -> list[Any]:
    """Arrays, and errors in the place of some; to be raised, the first, with its index where there are several."""
    for index, item in enumerate(found):
        if isinstance(item, MmipError) and errors == "raise":
            raise type(item)(f"item {index}: {item}") if len(found) > 1 else item
    return found
