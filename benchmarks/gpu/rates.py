"""Throughput: by kernel, device to device, and from and to host memory, with the CPU's rate on the same data.

Values: sizes of chunks and batches in; rows in GB/s (1e9 bytes of the array as stored) out. Device to device means
samples on the device before encoding and after decoding; encoding ends with payloads in host memory, where they are
stored. Every batch is decoded and compared with what the CPU core decodes from the same payloads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from gpu.ceilings import copy_rate
from gpu.data import RATES, THREADS, rate_array, rate_plan
from gpu.kernel_rows import KernelRows
from gpu.places import data_folder
from gpu.run import Run
from mmip_gpu.codecs import Limits, Wanted, codec_of
from mmip_gpu.container.encoded import Encoded
from mmip_gpu.container.payload import parts_of
from mmip_gpu.device.decode.batch import DecodeJob, Decoder
from mmip_gpu.device.decode.containers import decode_containers
from mmip_gpu.device.encode.arrays import Sampler, encode_arrays
from mmip_gpu.device.encode.batch import Chunk, encode_batch, refusal
from mmip_gpu.device.run.clocks import clock_of, median_seconds
from mmip_gpu.device.run.executors import Executor
from mmip_gpu.errors import BackendUnavailable, LimitExceeded
from mmip_gpu.transform.analysis import ROUNDING
from mmip_gpu.transform.chunk import decode_chunk, encode_chunk
from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.transform.planning.trial import Trial

_MB = 2**20
_BRAIN = "mr_uih_t1_brain.npy"
_BY_KERNEL = ("effort 1", "lossless", "effort 2", "effort 3", "real data")
_CPU_MOST = 32 * _MB  # of an array that the CPU is timed on
_REPEATS = 3
_CACHE_BYTES = 2**27  # more than twice what an H200 caches
_LARGE, _CHUNKS = (64, 8), (1, 256)  # megabytes of a chunk, chunks in a batch; large batches are measured by kernel too
_SIZES = ((512, 1), (1, 16), (1, 1), (8, 32), (8, 1), (64, 1))
_SMALL_LARGE, _SMALL_CHUNKS, _SMALL_SIZES = (1 / 64, 2), (1 / 128, 4), ((1 / 32, 1),)
_EFFORT_1 = ("lossy, middle rate", "lossy, low rate", "lossy, high rate")


@dataclass(frozen=True)
class _Job:
    """One point of the tables."""

    data: str
    mode: str
    dtype: str
    megabytes: float
    batch: int

    def __str__(self) -> str:
        return f"{self.data}, {self.dtype}, {self.mode}, {self.batch} of {self.megabytes:g} MB"


def _jobs(run: Run, group: str) -> list[_Job]:
    """The points of a group, those that matter most first."""
    large, chunks, sizes = (_SMALL_LARGE, _SMALL_CHUNKS, _SMALL_SIZES) if run.small else (_LARGE, _CHUNKS, _SIZES)
    whole = {"effort 1": _EFFORT_1, "lossless": ["lossless"], "effort 2": ["lossy, effort 2"]}
    whole["effort 3"] = ["lossy, effort 3"]
    if group in whole:
        return [_Job("volume", mode, "uint16", *large) for mode in whole[group]]
    if group == "small chunks":
        return [_Job("volume", mode, "uint16", *chunks) for mode in RATES]
    if group == "sizes":
        return [_Job("volume", mode, "uint16", *size) for size in sizes for mode in RATES]
    if group == "real data":
        return [_Job("brain", mode, "uint16", *large) for mode in RATES]
    others = (("volume", "uint8"), ("image", "uint16"), ("image", "uint8"))
    every = (large,) if run.small else (large, chunks)
    return [_Job(data, mode, dtype, *size) for size in every for data, dtype in others for mode in RATES]


def run_rates(run: Run, group: str) -> None:
    """All points of a group."""
    if group == "real data" and _brain() is None:
        return run.skip("rates", group, f"set MMIP_DATA to a folder with {_BRAIN}")
    measure, by_kernel = _Rates(run, copy_rate(run)), group in _BY_KERNEL
    for job in run.in_time("rates", _jobs(run, group), str):
        try:
            measure.point(job, by_kernel)
        except LimitExceeded as error:
            run.skip("rates", str(job), str(error))
        except BackendUnavailable:
            raise
        except Exception as error:  # named, and the other points are measured
            run.fail("rates", str(job), f"{type(error).__name__}: {error}")
    return None


def _brain() -> Path | None:
    """The file of real samples, where it is at hand."""
    folder = data_folder()
    return folder / _BRAIN if folder and (folder / _BRAIN).exists() else None


def code_from_host(executor: Executor, arrays: Sequence[np.ndarray], plan: ChunkPlan) -> list[Encoded]:
    """Encodings of arrays in host memory whose plan is known: what a caller with NumPy arrays waits for."""

    def planned(sampler: Sampler) -> tuple[Trial, ChunkPlan]:
        return Trial.of(sampler(None, plan.axes)), plan

    return encode_arrays(arrays, planned, THREADS, executor)


def decode_to_host(executor: Executor, blobs: Sequence[bytes]) -> list[Any]:
    """Arrays (or errors) in host memory of containers in host memory: what a caller waits for."""
    return decode_containers(blobs, codec_of, executor=executor)


class _Rates:
    def __init__(self, run: Run, copies: float | None) -> None:
        self._run, self._copies, self._clock = run, copies, clock_of(run.executor)
        self._arrays: dict[tuple[str, str, float], np.ndarray] = {}
        self._plans: dict[tuple[str, str, str], ChunkPlan] = {}
        self._cpu: dict[tuple[str, str, str], dict[str, float]] = {}

    def _array(self, job: _Job) -> np.ndarray:
        key = job.data, job.dtype, job.megabytes
        if key not in self._arrays:
            self._arrays.clear()  # one size at a time in host memory
            real = _brain()
            if job.data == "brain" and real:
                brain = np.load(real)[: 8 if self._run.small else None]
                brain = brain[:, :48, :48] if self._run.small else brain
                times = max(round(job.megabytes * _MB / brain.nbytes), 1)
                self._arrays[key] = np.tile(brain, (times, 1, 1))
            else:
                self._arrays[key] = rate_array(2 if job.data == "image" else 3, job.dtype, int(job.megabytes * _MB))
        return self._arrays[key]

    def _plan(self, job: _Job, array: np.ndarray) -> ChunkPlan:
        key = job.data, job.mode, job.dtype
        if key not in self._plans:
            self._plans[key] = rate_plan(array, RATES[job.mode])
        return self._plans[key]

    def point(self, job: _Job, by_kernel: bool) -> None:
        """Measure one batch; the kernels' own times too where asked for. Its row is written whatever ends it."""
        array = self._array(job)
        plan = self._plan(job, array)
        encoded = encode_chunk(array, plan, threads=THREADS, allow_raw=False)
        row: dict[str, Any] = {
            **{"data": job.data, "mode": job.mode, "dtype": job.dtype},
            **{"chunk_mb": array.nbytes / 1e6, "batch": job.batch},
            "bits_per_sample": 8 * sum(map(len, encoded.payloads)) / array.size,
        }
        kernels = KernelRows(self._run, row, array, plan, job.batch, self._copies) if by_kernel else None
        try:
            reason = refusal(plan, array.dtype)
            if reason is None:
                self._encode(job, encoded, array, row, plan, kernels)
            else:
                self._run.skip("rates, encoding", str(job), reason)
            self._decode(job, encoded, array, row, kernels)
            row |= self._of_cpu(job, array, plan)
        finally:
            self._run.add("rates", **row)

    def _encode(
        self,
        job: _Job,
        encoded: Encoded,
        array: np.ndarray,
        row: dict[str, Any],
        plan: ChunkPlan,
        kernels: KernelRows | None,
    ) -> None:
        executor, size = self._run.executor, array.nbytes * job.batch
        batches = [[Chunk(executor.upload(array), plan) for _ in range(job.batch)] for _ in range(self._rotated(size))]
        turns = cycle(batches)
        coded, seconds = self._timed(lambda: encode_batch(executor, next(turns), ROUNDING))
        row["encode_gb_s"] = size / seconds / 1e9
        print(f"{job}: {row['bits_per_sample']:.3g} bits, encode {row['encode_gb_s']:.4g} GB/s", flush=True)
        if any(tuple(c.payloads) != encoded.payloads for c in coded):
            self._run.fail("rates, encoding", str(job), "other payloads than those of the CPU")
        if kernels:
            kernels.measure(lambda e: encode_batch(e, batches[0], ROUNDING), seconds)
        _, seconds = self._timed(lambda: code_from_host(executor, [array] * job.batch, plan))
        row["encode_host_gb_s"] = size / seconds / 1e9

    def _rotated(self, size: int) -> int:
        """How many batches of so many bytes take turns, so that none is in the cache when it is coded again."""
        return -(-_CACHE_BYTES // size) if self._run.on_gpu and size < _CACHE_BYTES else 1

    def _timed(self, work: Any) -> tuple[Any, float]:
        return median_seconds(self._clock, work, 1 if self._run.small else _REPEATS)

    def _on_device(self, jobs: Sequence[DecodeJob]) -> list[DecodeJob]:
        """The same jobs with payloads on the device; on the CPU they are there."""
        if not self._run.on_gpu:
            return list(jobs)
        upload, held = self._run.executor.upload, []
        for job in jobs:
            payloads_dev = [upload(np.frombuffer(payload, np.uint8)) for payload in job.payloads]
            held.append(DecodeJob(job.header, payloads_dev, in_device_memory=True))
        return held

    def _decode(
        self, job: _Job, encoded: Encoded, array: np.ndarray, row: dict[str, Any], kernels: KernelRows | None
    ) -> None:
        executor, size = self._run.executor, array.nbytes * job.batch
        jobs = [DecodeJob(encoded.header, encoded.payloads)] * job.batch
        decoder, batches = Decoder(executor), [self._on_device(jobs) for _ in range(self._rotated(size))]
        turns = cycle(batches)
        arrays, seconds = self._timed(lambda: decoder.decode(next(turns)).results())
        row["decode_gb_s"] = size / seconds / 1e9
        print(f"{job}: decode {row['decode_gb_s']:.4g} GB/s", flush=True)
        expected = decode_chunk(encoded.header, parts_of(encoded.payloads), Wanted(), Limits(THREADS))
        if any(not np.array_equal(executor.download(found), expected) for found in (arrays[0], arrays[-1])):
            self._run.fail("rates, decoding", str(job), "other samples than those of the CPU")
        if kernels:
            kernels.measure(lambda e: Decoder(e).decode(batches[0]).results(), seconds)
        blobs = [encoded.to_bytes()] * job.batch
        _, seconds = self._timed(lambda: decode_to_host(executor, blobs))
        row["decode_host_gb_s"] = size / seconds / 1e9

    def _of_cpu(self, job: _Job, array: np.ndarray, plan: ChunkPlan) -> dict[str, float]:
        """The CPU core's rates on the first part of the same data, with all cores; measured once for each mode."""
        key = job.data, job.mode, job.dtype
        if key not in self._cpu:
            planes = max(_CPU_MOST * array.shape[0] // max(array.nbytes, 1), 8)
            part, threads = np.ascontiguousarray(array[:planes]), THREADS
            encoded, encode = self._timed(lambda: encode_chunk(part, plan, threads=threads, allow_raw=False))
            payloads = encoded.payloads
            _, decode = self._timed(lambda: decode_chunk(encoded.header, parts_of(payloads), Wanted(), Limits(threads)))
            self._cpu[key] = {
                "cpu_encode_gb_s": part.nbytes / encode / 1e9,
                "cpu_decode_gb_s": part.nbytes / decode / 1e9,
                "cpu_threads": threads,
            }
        return self._cpu[key]
