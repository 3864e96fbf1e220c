"""The command bench: how fast this machine codes, on the CPU and, where there is one, on the GPU.

Values: parsed options in; a table on stdout and a JSON file out. Every rate is that of a chunk whose plan is made, as a
store codes it, without verification; on the GPU samples lie in its memory before encoding and after decoding. The
thorough measurement is benchmarks/gpu.py.
"""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.cli.failures import VerificationError
from mmip_gpu.cli.files import write_json
from mmip_gpu.cli.tables import shape_text
from mmip_gpu.codecs import Limits, Wanted, codec_of
from mmip_gpu.config import CodecConfig
from mmip_gpu.container.encoded import Encoded
from mmip_gpu.container.payload import parts_of
from mmip_gpu.device import CudaExecutor, Executor
from mmip_gpu.device.decode.batch import DecodeJob, Decoder
from mmip_gpu.device.encode.batch import Chunk, encode_batch, refusal
from mmip_gpu.device.run.clocks import HostClock, clock_of, median_seconds
from mmip_gpu.errors import BackendUnavailable, InvalidArgument, LimitExceeded
from mmip_gpu.quality.metrics import format_table
from mmip_gpu.sources import open_source
from mmip_gpu.transform.analysis import ROUNDING
from mmip_gpu.transform.chunk import encode_chunk
from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.transform.planning.array_reader import ArrayReader
from mmip_gpu.transform.planning.make_plan import make_plan
from mmip_gpu.transform.planning.trial import Trial
from mmip_gpu.volume.axes import PlaneLayout

__all__ = ["bench"]

_PHANTOM = "phantom3d:64x256x256"
_MODES: dict[str, dict[str, Any]] = {
    "effort 1": {"psnr": 58, "effort": 1},
    "effort 2": {"psnr": 58, "effort": 2},
    "lossless": {"lossless": True, "stages": 3},
}


def bench(args: Namespace) -> None:
    """Measure and print; without a GPU the CPU's half, and what is missing."""
    source = open_source(args.input or _PHANTOM)
    array = np.ascontiguousarray(source.read())
    if array.dtype.kind == "f" or not array.size:
        raise InvalidArgument(f"bench: expected integer samples, found {array.dtype} of shape {array.shape}")
    layout = PlaneLayout.of(array.shape, args.axes or source.axes)
    threads = sorted({1, args.threads or os.cpu_count() or 1})
    executor, reason = _executor(args.device)
    rows: list[dict[str, Any]] = []
    notes = []
    for mode, options in _MODES.items():
        config = CodecConfig.from_options(**options, padding=None, verify=False)
        plan = make_plan(config, ArrayReader(Trial(array, threads=threads[-1]), layout))
        encoded = encode_chunk(array, plan, threads=threads[-1], allow_raw=False)
        for count in threads:
            rows.append(_row(mode, f"CPU, {count} threads" if count > 1 else "CPU", array, encoded))
            rows[-1] |= _cpu_rates(array, plan, encoded, count)
        if executor is not None:
            rows.append(_row(mode, "GPU", array, encoded))
            try:
                rows[-1] |= _gpu_rates(executor, array, plan, encoded)
            except LimitExceeded as error:
                notes.append(f"{mode}: {error}")
            if refusal(plan, array.dtype) is not None:
                notes.append(f"{mode}: not encoded on the GPU: {refusal(plan, array.dtype)}")
    print(f"{source.name}, {shape_text(array.shape)} {array.dtype}, {array.nbytes / 1e6:.1f} MB; medians of 3 runs")
    print(format_table(rows, ["coded with", "runs on", "bits/sample", "encode MB/s", "decode MB/s"]))
    for note in [*notes, *([f"no GPU was measured: {reason}"] if reason else [])]:
        print(f"mmip: note: {note}", file=sys.stderr)
    if args.json:
        write_json(args.json, {"source": source.name, "rows": rows, "gpu": reason or "measured"})


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
            raise VerificationError("the GPU gives other bytes than the CPU: run benchmarks/gpu.py")
        rates["encode MB/s"] = array.nbytes / seconds / 1e6
    payloads = [executor.upload(np.frombuffer(payload, np.uint8)) for payload in encoded.payloads]
    jobs, decoder = [DecodeJob(encoded.header, payloads)], Decoder(executor)
    arrays, seconds = median_seconds(clock, lambda: decoder.decode(jobs).results())
    if not np.array_equal(executor.download(arrays[0]), _decoded(encoded)):
        raise VerificationError("the GPU gives other samples than the CPU: run benchmarks/gpu.py")
    return rates | {"decode MB/s": array.nbytes / seconds / 1e6}
