"""How fast this machine codes an array, on the CPU and, where there is one, on the GPU.

Values: an integer array in; rows of rates in MB/s (1e6 bytes of the array) out. Every rate is that of a chunk whose
plan is made, as a store codes it, without verification; on the GPU samples lie in its memory before encoding and after
decoding. The thorough measurement is benchmarks/gpu.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.channel_targets import for_channels
from mmip_gpu.codecs import Limits, Wanted, codec_of
from mmip_gpu.config import CodecConfig
from mmip_gpu.container.encoded import Encoded
from mmip_gpu.container.payload import parts_of
from mmip_gpu.device.decode.batch import DecodeJob, Decoder
from mmip_gpu.device.encode.batch import Chunk, encode_batch, refusal
from mmip_gpu.device.run.clocks import HostClock, clock_of, median_seconds
from mmip_gpu.device.run.cuda_executor import CudaExecutor
from mmip_gpu.device.run.executors import Executor
from mmip_gpu.errors import BackendUnavailable, InvalidArgument, LimitExceeded, MmipError
from mmip_gpu.transform.analysis import ROUNDING
from mmip_gpu.transform.chunk import encode_chunk
from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.transform.planning.array_reader import ArrayReader
from mmip_gpu.transform.planning.make_plan import make_plan
from mmip_gpu.transform.planning.trial import Trial
from mmip_gpu.volume.axes import PlaneLayout

__all__ = ["Disagreement", "Throughput", "throughput"]

_MODES: dict[str, dict[str, Any]] = {
    "effort 1": {"psnr": 58, "effort": 1},
    "effort 2": {"psnr": 58, "effort": 2},
    "lossless": {"lossless": True, "stages": 3},
}


class Disagreement(MmipError):
    """A GPU gives other bytes or samples than the CPU."""


@dataclass
class Throughput:
    """Rates of an array in every mode: rows for a table, notes, and why no GPU was measured (None: one was)."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    no_gpu: str | None = None


def throughput(array: NDArray[Any], layout: PlaneLayout, threads: int, device: str) -> Throughput:
    """Rates of the CPU with one thread and with `threads`, and of the GPU unless the device is "cpu".

    Raises
    ------
    InvalidArgument
        For float samples or an empty array.
    Disagreement
        Where a GPU gives other bytes or samples than the CPU.
    """
    if array.dtype.kind == "f" or not array.size:
        raise InvalidArgument(f"bench: expected integer samples, found {array.dtype} of shape {array.shape}")
    executor, reason = _executor(device)
    found = Throughput(no_gpu=reason)
    for mode, options in _MODES.items():
        config = for_channels(CodecConfig.from_options(**options, padding=None, verify=False), layout.channels)
        plan = make_plan(config, ArrayReader(Trial(array, threads=threads), layout))
        encoded = encode_chunk(array, plan, threads=threads, allow_raw=False)
        for count in sorted({1, threads}):
            row = _row(mode, f"CPU, {count} threads" if count > 1 else "CPU", array, encoded)
            found.rows.append(row | _cpu_rates(array, plan, encoded, count))
        if executor is not None:
            try:
                with executor.errors():
                    _add_gpu(found, executor, mode, array, plan, encoded)
            except BackendUnavailable as error:  # such as a compiler that is missing: the CPU's rates are worth having
                found.rows.pop()
                found.no_gpu, executor = str(error), None
    return found


def _add_gpu(
    found: Throughput, executor: Executor, mode: str, array: NDArray[Any], plan: ChunkPlan, encoded: Encoded
) -> None:
    found.rows.append(_row(mode, "GPU", array, encoded))
    try:
        found.rows[-1] |= _gpu_rates(executor, array, plan, encoded)
    except LimitExceeded as error:
        found.notes.append(f"{mode}: {error}")
    if refusal(plan, array.dtype) is not None:
        found.notes.append(f"{mode}: not encoded on the GPU: {refusal(plan, array.dtype)}")


def _executor(device: str) -> tuple[Executor | None, str | None]:
    """(where a GPU runs kernels, why there is none)."""
    if device == "cpu":
        return None, None
    try:
        return CudaExecutor(), None
    except BackendUnavailable as error:
        return None, str(error)


def _row(mode: str, place: str, array: NDArray[Any], encoded: Encoded) -> dict[str, Any]:
    bits = 8 * sum(map(len, encoded.payloads)) / array.size
    return {"coded with": mode, "runs on": place, "bits/sample": bits, "encode MB/s": None, "decode MB/s": None}


def _cpu_rates(array: NDArray[Any], plan: ChunkPlan, encoded: Encoded, threads: int) -> dict[str, float]:
    clock = HostClock()
    _, encode = median_seconds(clock, lambda: encode_chunk(array, plan, threads=threads, allow_raw=False))
    _, decode = median_seconds(clock, lambda: _decoded(encoded, threads))
    return {"encode MB/s": array.nbytes / encode / 1e6, "decode MB/s": array.nbytes / decode / 1e6}


def _decoded(encoded: Encoded, threads: int = 1) -> NDArray[Any]:
    header = encoded.header
    return codec_of(header).decode(header, parts_of(encoded.payloads), Wanted(), Limits(threads))


def _gpu_rates(executor: Executor, array: NDArray[Any], plan: ChunkPlan, encoded: Encoded) -> dict[str, float]:
    """Rates of one chunk; its bytes and samples are compared with the CPU's."""
    clock, rates = clock_of(executor), {}
    if refusal(plan, array.dtype) is None:
        chunks = [Chunk(executor.upload(array), plan)]
        coded, seconds = median_seconds(clock, lambda: encode_batch(executor, chunks, ROUNDING))
        if tuple(coded[0].payloads) != encoded.payloads:
            raise Disagreement("the GPU gives other bytes than the CPU: run benchmarks/gpu")
        rates["encode MB/s"] = array.nbytes / seconds / 1e6
    payloads_dev = [executor.upload(np.frombuffer(payload, np.uint8)) for payload in encoded.payloads]
    jobs, decoder = [DecodeJob(encoded.header, payloads_dev, in_device_memory=True)], Decoder(executor)
    arrays, seconds = median_seconds(clock, lambda: decoder.decode(jobs).results())
    if not np.array_equal(executor.download(arrays[0]), _decoded(encoded)):
        raise Disagreement("the GPU gives other samples than the CPU: run benchmarks/gpu")
    return rates | {"decode MB/s": array.nbytes / seconds / 1e6}
