"""Throughput: by kernel, device to device, and from and to host memory, with the CPU's rate on the same data.

Values: sizes of chunks and batches in; rows in GB/s (1e9 bytes of the array as stored) out. Device to device means
samples on the device before encoding and after decoding; encoding ends with payloads in host memory, where they are
stored. Every batch is decoded and compared with what the CPU core decodes from the same payloads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from studies import data_folder

from gpu.data import RATES, THREADS, nonzero_share, rate_array, rate_plan
from gpu.rows import Run
from gpu.traffic import Work, cost_of, moved
from mmip_gpu.codecs import Limits, Wanted, codec_of
from mmip_gpu.container.encoded import Encoded
from mmip_gpu.container.payload import parts_of
from mmip_gpu.device.decode.batch import DecodeJob, Decoder
from mmip_gpu.device.decode.containers import decode_containers
from mmip_gpu.device.encode.arrays import Sampler, encode_arrays
from mmip_gpu.device.encode.batch import Chunk, encode_batch, refusal
from mmip_gpu.device.run.clocks import MeasuredExecutor, clock_of, median_seconds
from mmip_gpu.device.run.executors import Executor
from mmip_gpu.errors import BackendUnavailable, LimitExceeded
from mmip_gpu.transform.analysis import ROUNDING
from mmip_gpu.transform.chunk import decode_chunk, encode_chunk
from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.transform.planning.trial import Trial

_MB = 2**20
_CPU_MOST = 32 * _MB  # of an array that the CPU is timed on
_REPEATS = 3
# Megabytes of a chunk, chunks in a batch; the first is measured by kernel too.
SIZES = ((64, 8), (512, 1), (1, 256), (1, 16), (1, 1), (8, 32), (8, 1), (64, 1))
_SMALL_SIZES = ((1 / 64, 2), (1 / 32, 1))


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


def run_rates(run: Run, copy_rate: float, share: float) -> None:
    """All points, those that matter most first, until this share of the time is spent."""
    sizes = _SMALL_SIZES if run.small else SIZES
    volumes = ["volume", *(["brain"] if data_folder() and not run.small else [])]
    jobs = [_Job(data, mode, "uint16", *sizes[0]) for data in volumes for mode in RATES]
    jobs += [_Job("volume", mode, "uint16", *size) for size in sizes[1:] for mode in RATES]
    others = (("volume", "uint8"), ("image", "uint16"), ("image", "uint8"))
    jobs += [_Job(data, mode, dtype, *size) for size in sizes for data, dtype in others for mode in RATES]
    measure = _Rates(run, copy_rate)
    for job in run.in_time("rates", jobs, str, share):
        try:
            measure.point(job, by_kernel=(job.megabytes, job.batch) == sizes[0])
        except LimitExceeded as error:
            run.skip("rates", str(job), str(error))
        except BackendUnavailable:
            raise
        except Exception as error:  # named, and the other points are measured
            run.fail("rates", str(job), f"{type(error).__name__}: {error}")


def code_from_host(executor: Executor, arrays: Sequence[np.ndarray], plan: ChunkPlan) -> list[Encoded]:
    """Encodings of arrays in host memory whose plan is known: what a caller with NumPy arrays waits for."""

    def planned(sampler: Sampler) -> tuple[Trial, ChunkPlan]:
        return Trial.of(sampler(None, plan.axes)), plan

    return encode_arrays(arrays, planned, THREADS, executor)


def decode_to_host(executor: Executor, blobs: Sequence[bytes]) -> list[Any]:
    """Arrays (or errors) in host memory of containers in host memory: what a caller waits for."""
    return decode_containers(blobs, codec_of, executor=executor)


class _Rates:
    def __init__(self, run: Run, copy_rate: float) -> None:
        self._run, self._copy_rate, self._clock = run, copy_rate, clock_of(run.executor)
        self._arrays: dict[tuple[str, str, float], np.ndarray] = {}
        self._plans: dict[tuple[str, str, str], ChunkPlan] = {}
        self._cpu: dict[tuple[str, str, str], dict[str, float]] = {}

    def _array(self, job: _Job) -> np.ndarray:
        key = job.data, job.dtype, job.megabytes
        if key not in self._arrays:
            self._arrays.clear()  # one size at a time in host memory
            folder = data_folder()
            if job.data == "brain" and folder:
                brain = np.load(folder / "mr_uih_t1_brain.npy")
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
        """Measure one batch; the kernels' own times too where asked for."""
        array = self._array(job)
        plan = self._plan(job, array)
        encoded = encode_chunk(array, plan, threads=THREADS, allow_raw=False)
        row: dict[str, Any] = {
            **{"data": job.data, "mode": job.mode, "dtype": job.dtype},
            **{"chunk_mb": array.nbytes / 1e6, "batch": job.batch},
            "bits_per_sample": 8 * sum(map(len, encoded.payloads)) / array.size,
        }
        reason = refusal(plan, array.dtype)
        if reason is None:
            self._encode(job, encoded, array, row, plan, by_kernel)
        else:
            self._run.skip("rates, encoding", str(job), reason)
        self._decode(job, encoded, array, row, plan, by_kernel)
        self._run.add("rates", **row, **self._of_cpu(job, array, plan))
        encode = f"encode {row['encode_gb_s']:.4g}, " if "encode_gb_s" in row else ""
        print(f"{job}: {row['bits_per_sample']:.3g} bits, {encode}decode {row['decode_gb_s']:.4g} GB/s", flush=True)

    def _encode(
        self, job: _Job, encoded: Encoded, array: np.ndarray, row: dict[str, Any], plan: ChunkPlan, by_kernel: bool
    ) -> None:
        executor, size = self._run.executor, array.nbytes * job.batch
        chunks = [Chunk(executor.upload(array), plan) for _ in range(job.batch)]
        coded, seconds = self._timed(lambda: encode_batch(executor, chunks, ROUNDING))
        row["encode_gb_s"] = size / seconds / 1e9
        if any(tuple(c.payloads) != encoded.payloads for c in coded):
            self._run.fail("rates, encoding", str(job), "other payloads than those of the CPU")
        if by_kernel:
            self._kernels(job, array, row, plan, seconds, lambda e: encode_batch(e, chunks, ROUNDING))
        _, seconds = self._timed(lambda: code_from_host(executor, [array] * job.batch, plan))
        row["encode_host_gb_s"] = size / seconds / 1e9

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
        self, job: _Job, encoded: Encoded, array: np.ndarray, row: dict[str, Any], plan: ChunkPlan, by_kernel: bool
    ) -> None:
        executor, size = self._run.executor, array.nbytes * job.batch
        jobs = [DecodeJob(encoded.header, encoded.payloads)] * job.batch
        decoder, held = Decoder(executor), self._on_device(jobs)
        arrays, seconds = self._timed(lambda: decoder.decode(held).results())
        row["decode_gb_s"] = size / seconds / 1e9
        expected = decode_chunk(encoded.header, parts_of(encoded.payloads), Wanted(), Limits(THREADS))
        if any(not np.array_equal(executor.download(found), expected) for found in (arrays[0], arrays[-1])):
            self._run.fail("rates, decoding", str(job), "other samples than those of the CPU")
        if by_kernel:
            self._kernels(job, array, row, plan, seconds, lambda e: Decoder(e).decode(held).results())
        blobs = [encoded.to_bytes()] * job.batch
        _, seconds = self._timed(lambda: decode_to_host(executor, blobs))
        row["decode_host_gb_s"] = size / seconds / 1e9

    def _kernels(
        self,
        job: _Job,
        array: np.ndarray,
        row: dict[str, Any],
        plan: ChunkPlan,
        whole: float,
        code: Callable[[Any], Any],
    ) -> None:
        """Rows of the kernels of one batch: what they had to move over their time, against copies.

        `whole` is what the batch takes without marks: what is not in kernels is a row of its own.
        """
        measured = MeasuredExecutor(self._run.executor)
        code(measured)
        times = measured.times()
        times["outside kernels"] = 0, whole - sum(seconds for _, seconds in times.values())
        z, y, x = plan.tile_log2
        samples = array.size * job.batch
        work = Work(
            samples=samples,
            itemsize=array.itemsize,
            depth=plan.depth,
            nonzeros=nonzero_share(array, plan),
            bits=row["bits_per_sample"],
            ac_stages=len(plan.cuts) - 1,
            tile=1 << (z + y + x),
        )
        for kernel, (launches, seconds) in times.items():
            needed = moved(kernel, work)
            rate = needed / seconds if needed else None
            self._run.add(
                "kernels",
                **{"data": job.data, "mode": job.mode, "dtype": job.dtype, "kernel": kernel},
                **{"megabytes": array.nbytes * job.batch / 1e6, "launches": launches, "seconds": seconds},
                mb_moved="" if needed is None else needed / 1e6,
                gb_s="" if rate is None else rate / 1e9,
                of_copy="" if rate is None else rate / self._copy_rate,
                per_sample_ns=1e9 * seconds / samples,
                operations_sample="" if needed is None else cost_of(kernel, work, plan.lossless).operations,
            )

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
