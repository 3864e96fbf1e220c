"""Arrays to containers by options that were checked before: one array, or many.

Values: arrays and EncodeSettings in; Encoded, or containers, out. The planner makes a plan, the codec codes by it.
Guarantees equal bytes for every thread count and batch.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.arguments import check_labels, check_step, checked_array, is_colour, thread_count
from mmip_gpu.caution import warn_of_channels, warn_of_labels, warn_of_ratio, warn_of_region, warn_of_step
from mmip_gpu.channel_targets import for_channels
from mmip_gpu.codecs import Limits, Wanted, codec_for, codec_of
from mmip_gpu.container.codec import Plan
from mmip_gpu.container.encoded import Encoded
from mmip_gpu.container.reader import open_container
from mmip_gpu.device.run.placement import is_on_device, wants_device
from mmip_gpu.errors import InvalidArgument, NoMemory
from mmip_gpu.options import Device, EncodeSettings
from mmip_gpu.predictive.plan import PredictivePlan
from mmip_gpu.raw import encode_raw
from mmip_gpu.signatures import ITEMS, public
from mmip_gpu.transform.assemble import raw_is_smallest
from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.transform.planning.array_reader import ArrayReader
from mmip_gpu.transform.planning.make_plan import make_plan
from mmip_gpu.transform.planning.trial import HostSamples, Samples, Trial
from mmip_gpu.volume.axes import PlaneLayout
from mmip_gpu.volume.roi import roi_classes

__all__ = ["encode_batch_configured", "encode_configured", "in_threads", "planned"]

_MOST_LOOKED_AT, _LEAST_LENGTH = 2**18, 32  # samples, and samples of an axis
_T = TypeVar("_T")
_R = TypeVar("_R")

Sampler = Callable[[Any, str | None], Samples]
"""From ``roi=`` and ``axes=`` to the samples of an array, with the classes of their voxels."""


@public()
def encode_configured(
    array: Any, settings: EncodeSettings, *, threads: int | None = None, device: Device = None
) -> Encoded:
    """`encode` by options that were checked before; the parts are not joined to bytes."""
    workers, array = thread_count(threads), _stated(array, settings)
    on_device, (array,) = _placed([array], settings, device)
    settings = _with_own_mask(settings) if on_device else settings
    with _warning(settings) as planner:
        if on_device:
            from mmip_gpu.device.encode.arrays import encode_arrays

            encoded = encode_arrays([array], cast("Any", planner), workers)[0]
        else:
            encoded = _encode_on_host(array, planner, workers, labels=settings.config.labels)
            _warn_of_channels(array, encoded, settings)
    _warn_of_size(encoded, settings)
    return encoded


def _placed(items: list[Any], settings: EncodeSettings, device: Device) -> tuple[bool, list[Any]]:
    """Whether the device codes these arrays, and the arrays: on the host where it has no kernels for the codec."""
    if not wants_device(device, items):
        return False, items
    if codec_for(settings.config).has_encoding_kernels:
        return True, items
    warnings.warn(f"no kernels encode method {settings.config.method!r}: the CPU does", RuntimeWarning, stacklevel=4)
    if not any(is_on_device(item) for item in items):
        return False, items
    from mmip_gpu.device.encode.arrays import host_arrays

    return False, host_arrays(items)


def _with_own_mask(settings: EncodeSettings) -> EncodeSettings:
    """The settings with a mask of the device as our array: its library tells this thread alone what to wait for."""
    if isinstance(settings.roi, str) or not is_on_device(settings.roi):
        return settings
    from mmip_gpu.device.encode.arrays import own_array

    return replace(settings, roi=own_array(settings.roi))


def _stated(array: Any, settings: EncodeSettings) -> Any:
    """The array with samples of the dtype that was asked for, and without NaN."""
    if settings.dtype is None and settings.nan is None:
        return array
    if wants_device(None, [array]):
        raise InvalidArgument("dtype=, nan=: are for arrays of the host; convert those of a device there")
    return checked_array(array, settings.dtype, settings.nan, labels=settings.config.labels)


@contextmanager
def _warning(settings: EncodeSettings) -> Iterator[Callable[[Sampler], tuple[Trial, Plan]]]:
    """What plans arrays by settings; warns at the end of a region or a step that fits none of them."""
    classes: list[tuple[int, int]] = []
    limits: list[tuple[float, float]] = []

    def planner(sampler: Sampler) -> tuple[Trial, Plan]:
        trial, plan = planned(sampler, settings)
        found, array = trial.classes, trial.array
        if found is not None and found.size and not settings.is_part:
            classes.append((int(found.min()), int(found.max())))
        if settings.config.step is not None and array.size and not settings.is_part:
            limits.append((float(array.min()), float(array.max())))
        if not settings.config.labels and isinstance(array, np.ndarray):
            warn_of_labels(_middle(array))
        return trial, plan

    yield planner
    if classes:
        warn_of_region(settings.roi, min(low for low, _ in classes), max(high for _, high in classes))
    if limits:
        whole = min(low for low, _ in limits), max(high for _, high in limits)
        warn_of_step(settings.config.step, whole, settings.config.mode)


def _middle(array: NDArray[Any]) -> NDArray[Any]:
    """A small part of the middle of an array, which shows what kind of samples it has."""
    length = max(min(_MOST_LOOKED_AT, array.size // 16) ** (1 / max(array.ndim, 1)), _LEAST_LENGTH)
    starts = (max(int(n - length) // 2, 0) for n in array.shape)
    return array[tuple(slice(start, start + math.ceil(length)) for start in starts)]


def _warn_of_size(encoded: Encoded, settings: EncodeSettings) -> None:
    header = encoded.header
    if settings.config.mode == "ratio" and not settings.is_part and header.loss.sse:
        warn_of_ratio(settings.config.value, header.raw_bytes / encoded.size)


def _warn_of_channels(array: Any, encoded: Encoded, settings: EncodeSettings) -> None:
    """Warn where a PSNR of the whole leaves out a channel of a smaller range; these are decoded to tell."""
    layout, header = settings.layout(np.shape(array)), encoded.header
    if settings.config.mode != "psnr" or settings.is_part or settings.data_range is not None or header.colour:
        return
    if header.channel_losses:  # each on its own range
        return
    if layout.channels < 2 or not layout.samples:
        return
    samples = np.moveaxis(checked_array(array), layout.axes.index("c"), 0)
    ranges = [float(channel.max()) - float(channel.min()) for channel in samples]
    if 2 * min(ranges) >= max(ranges):
        return
    from mmip_gpu.quality.metrics import psnr

    header, read_part = open_container(encoded.to_bytes())
    decoded = codec_of(header).decode(header, read_part, Wanted(), Limits(max_bytes=header.raw_bytes))
    pairs = zip(samples, np.moveaxis(decoded, layout.axes.index("c"), 0), ranges, strict=True)
    warn_of_channels(settings.config.value, [psnr(a, b, peak) if peak else None for a, b, peak in pairs])


def _encode_on_host(
    array: Any, planner: Callable[[Sampler], tuple[Trial, Plan]], workers: int, *, labels: bool
) -> Encoded:
    def sampler(roi: Any, axes: str | None) -> Samples:
        samples = checked_array(array, labels=labels)
        letters = PlaneLayout.of(samples.shape, axes).axes
        return HostSamples(samples, roi_classes(roi, samples, letters), workers)

    try:
        trial, plan = planner(sampler)
        if not isinstance(plan, ChunkPlan):
            return codec_for(plan.config).encode(trial.array, plan, None, workers)
        if raw_is_smallest(plan.layout(trial.array.shape), trial.array.itemsize, len(plan.cuts)):
            return encode_raw(trial.array, plan)
        return trial.encoded(plan)
    except MemoryError:
        raise NoMemory("there is not enough memory to encode the array; write_zarr codes it chunk by chunk") from None


def planned(sampler: Sampler, settings: EncodeSettings) -> tuple[Trial, Plan]:
    """Samples, out of ``roi=`` and ``axes=``, and the plan for them."""
    whole = Trial.of(sampler(settings.roi, settings.axes))
    dtype = whole.array.dtype
    check_labels(dtype, settings.config)
    layout = settings.layout(whole.array.shape)
    check_step(dtype, settings.config.step, lambda: whole.array[layout.middle_plane])
    colour = is_colour(settings.colour, layout, dtype)
    config = for_channels(settings.config, layout.channels, colour=colour)
    if config.method != "transform":
        return whole, PredictivePlan(config, layout.axes, colour)
    return whole, make_plan(config, ArrayReader(whole, layout, colour), settings.data_range)


@public(chunks=ITEMS)
def encode_batch_configured(
    chunks: Iterable[Any],
    settings: EncodeSettings,
    *,
    threads: int | None = None,
    device: Device = None,
    output: Literal["host", "device"] = "host",
) -> list[Any]:
    """`encode_batch` by options that were checked before."""
    items = [_stated(chunk, settings) for chunk in chunks]
    if output not in ("host", "device"):
        raise InvalidArgument(f"output={output!r}: expected 'host' or 'device'")
    on_device, items = _placed(items, settings, device)
    if output == "device" and not on_device:
        raise InvalidArgument("output='device': expected arrays of a device, or device='gpu'")
    settings = _with_own_mask(settings) if on_device else settings

    def finished(encoded: Encoded) -> bytes:
        _warn_of_size(encoded, settings)
        return encoded.to_bytes()

    def coded(chunk: Any) -> bytes:
        encoded = _encode_on_host(chunk, planner, 1, labels=settings.config.labels)
        _warn_of_channels(chunk, encoded, settings)
        return finished(encoded)

    with _warning(settings) as planner:
        if not on_device:
            return in_threads(coded, items, threads)
        from mmip_gpu.device.encode.arrays import containers_on_device, encode_arrays

        if output == "device":
            return containers_on_device(items, cast("Any", planner), thread_count(threads))
        return [finished(encoded) for encoded in encode_arrays(items, cast("Any", planner), thread_count(threads))]


def in_threads(work: Callable[[_T], _R], items: list[_T], threads: int | None) -> list[_R]:
    """Results of a function on each item, in order."""
    workers = min(thread_count(threads), len(items))
    if workers <= 1:
        return [work(item) for item in items]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(work, items))
