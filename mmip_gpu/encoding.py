"""Arrays to containers by options that were checked before: one array, or many.

Values: arrays and EncodeSettings in; Encoded, or containers, out. The planner makes a plan, the codec codes by it.
Guarantees equal bytes for every thread count and batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Literal, TypeVar

from mmip_gpu.arguments import check_step, checked_array, is_colour, thread_count
from mmip_gpu.container.encoded import Encoded
from mmip_gpu.device.run.placement import wants_device
from mmip_gpu.errors import InvalidArgument
from mmip_gpu.options import Device, EncodeSettings
from mmip_gpu.signatures import ITEMS, public
from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.transform.planning.array_reader import ArrayReader
from mmip_gpu.transform.planning.make_plan import make_plan
from mmip_gpu.transform.planning.trial import HostSamples, Samples, Trial
from mmip_gpu.volume.axes import PlaneLayout
from mmip_gpu.volume.roi import roi_classes

__all__ = ["encode_batch_configured", "encode_configured", "in_threads", "planned"]

_T = TypeVar("_T")
_R = TypeVar("_R")


@public()
def encode_configured(
    array: Any, settings: EncodeSettings, *, threads: int | None = None, device: Device = None
) -> Encoded:
    """`encode` by options that were checked before; the parts are not joined to bytes."""
    workers = thread_count(threads)
    if wants_device(device, [array]):
        from mmip_gpu.device.encode.arrays import encode_arrays

        return encode_arrays([array], partial(planned, settings=settings), workers)[0]
    return _encode_on_host(array, settings, workers)


def _encode_on_host(array: Any, settings: EncodeSettings, workers: int) -> Encoded:
    def sampler(roi: Any, axes: str | None) -> Samples:
        samples = checked_array(array)
        letters = PlaneLayout.of(samples.shape, axes).axes
        return HostSamples(samples, roi_classes(roi, samples, letters), workers)

    trial, plan = planned(sampler, settings)
    return trial.encoded(plan)


def planned(sampler: Callable[[Any, str | None], Samples], settings: EncodeSettings) -> tuple[Trial, ChunkPlan]:
    """Samples, out of ``roi=`` and ``axes=``, and the plan for them."""
    whole = Trial.of(sampler(settings.roi, settings.axes))
    dtype = whole.array.dtype
    layout = settings.layout(whole.array.shape)
    check_step(dtype, settings.config.step, lambda: whole.array[layout.middle_plane])
    colour = is_colour(settings.colour, layout, dtype)
    return whole, make_plan(settings.config, ArrayReader(whole, layout, colour), settings.data_range)


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
    items = list(chunks)
    if output not in ("host", "device"):
        raise InvalidArgument(f"output={output!r}: expected 'host' or 'device'")
    if wants_device(device, items):
        from mmip_gpu.device.encode.arrays import containers_on_device, encode_arrays

        planner = partial(planned, settings=settings)
        if output == "device":
            return containers_on_device(items, planner, thread_count(threads))
        return [encoded.to_bytes() for encoded in encode_arrays(items, planner, thread_count(threads))]
    if output == "device":
        raise InvalidArgument("output='device': expected arrays of a device, or device='gpu'")
    return in_threads(lambda chunk: _encode_on_host(chunk, settings, 1).to_bytes(), items, threads)


def in_threads(work: Callable[[_T], _R], items: list[_T], threads: int | None) -> list[_R]:
    """Results of a function on each item, in order."""
    workers = min(thread_count(threads), len(items))
    if workers <= 1:
        return [work(item) for item in items]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(work, items))
