"""The host's share of coding a batch on a device: all but kernels and copies, which are left out.

Values: a Run in; rows of milliseconds a chunk, by threads of the host, out. The kernels run once on the CPU, for one
chunk; a batch of as many as are asked for then finds in every download what such a chunk would have left there, so
that the host does what it does for a device: tables, weights, codes, heads, parameters of launches.

    python benchmarks/gpu_host.py       256 chunks of 1 MB, about a minute; needs no GPU
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from gpu.data import RATES, THREADS, rate_array, rate_plan
from gpu.run import Run
from mmip_gpu.device.decode.batch import DecodeJob, Decoder
from mmip_gpu.device.encode.batch import Chunk, encode_batch
from mmip_gpu.device.run.clocks import HostClock, median_seconds
from mmip_gpu.device.run.executors import HostExecutor, packed
from mmip_gpu.transform.analysis import ROUNDING
from mmip_gpu.transform.chunk import encode_chunk

_MODES = ("lossy, middle rate", "lossless", "lossy, effort 3")
_NOISE = 9  # added to the samples of chunks to decode, so that no two have the same codes


class _Recorder(HostExecutor):
    """Runs kernels and remembers what is downloaded."""

    def __init__(self) -> None:
        super().__init__()
        self.downloads: list[NDArray[Any]] = []

    def download(self, array: NDArray[Any]) -> NDArray[Any]:
        self.downloads.append(super().download(array))
        return self.downloads[-1]


class _Replayer(HostExecutor):
    """Runs nothing; a download is what was recorded of one chunk, for every chunk of a batch."""

    def __init__(self, downloads: Sequence[NDArray[Any]], chunks: int) -> None:
        super().__init__()
        self._downloads = [np.concatenate([array] * chunks) for array in downloads]
        self.restart()

    def restart(self) -> None:
        """Begin a batch."""
        self.waits = self.uploads = self.launches = self._next = 0

    def empty(self, shape: int | tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        return np.empty(shape, dtype)

    def upload(self, array: NDArray[Any]) -> NDArray[Any]:
        self.uploads += 1
        return super().upload(array)

    def download(self, array: NDArray[Any]) -> NDArray[Any]:
        return self.download_all([array])[0]

    def download_all(self, arrays: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        self.waits += 1
        return [self._recorded(array) for array in arrays]

    def _recorded(self, array: NDArray[Any]) -> NDArray[Any]:
        found = self._downloads[self._next]
        self._next += 1
        return found if found.size >= array.size else np.zeros(array.shape, array.dtype)  # ends are padded otherwise

    def launch(self, kernel: str, **values: int) -> None:
        self.launches += 1
        packed(kernel, values)


def run_host(run: Run) -> None:
    """Batches of 256 chunks of 1 MB, on one thread of the host, on two, and on all."""
    for mode in run.in_time("host", _MODES, str):
        _measure(run, mode, *((1 / 16, 4) if run.small else (1, 256)))


def _measure(run: Run, mode: str, megabytes: float, chunks: int) -> None:
    array = rate_array(3, "uint16", int(megabytes * 2**20))
    plan = rate_plan(array, RATES[mode])
    rng, jobs = np.random.default_rng(0), []
    for _ in range(chunks):
        noisy = array + rng.integers(0, _NOISE, array.shape).astype(array.dtype)
        encoded = encode_chunk(noisy, plan, threads=THREADS, allow_raw=False)
        jobs.append(DecodeJob(encoded.header, encoded.payloads))
    batch = [Chunk(array, plan)] * chunks
    of_encoding, of_decoding = _Recorder(), _Recorder()
    encode_batch(of_encoding, batch[:1], ROUNDING)
    Decoder(of_decoding).decode(jobs[:1]).results()
    encoder, decoder = (_Replayer(recorder.downloads, chunks) for recorder in (of_encoding, of_decoding))
    for threads in sorted({1, 2, THREADS}):
        encode_ms = _milliseconds(encoder, partial(encode_batch, encoder, batch, ROUNDING, threads=threads))
        tables = Decoder(decoder, threads=threads)
        decode_ms = _milliseconds(decoder, partial(_decode, tables, jobs))
        run.add(
            "host",
            **{"mode": mode, "chunk_mb": array.nbytes / 1e6, "batch": chunks, "host_threads": threads},
            **{"encode_ms": encode_ms / chunks, "encode_waits": encoder.waits, "encode_uploads": encoder.uploads},
            **{"decode_ms": decode_ms / chunks, "decode_waits": decoder.waits, "decode_uploads": decoder.uploads},
        )
        found = f"encode {encode_ms:.3g}, decode {decode_ms:.3g} ms in all"
        found += f", {encode_ms / chunks:.3g} and {decode_ms / chunks:.3g} a chunk"
        print(f"host, {chunks} of {megabytes:g} MB, {mode}, {threads} threads: {found}", flush=True)


def _decode(decoder: Decoder, jobs: Sequence[DecodeJob]) -> None:
    decoder.decode(jobs).results()


def _milliseconds(executor: _Replayer, work: Callable[[], Any]) -> float:
    """Median of a batch."""

    def batch() -> None:
        executor.restart()
        work()

    return 1e3 * median_seconds(HostClock(), batch)[1]


def main() -> int:
    """The study alone; its rows are printed and not kept."""
    with TemporaryDirectory() as folder:
        run_host(Run(HostExecutor(), Path(folder), seconds=300))
    return 0
