"""Decoding a batch of chunks of kind 2, as a table of contents: each step is one call for all chunks.

Values: headers and payloads (bytes of the host or arrays of the executor) in, arrays of the executor out. Decoder side
of FORMAT.md sections 2.1, 3.1, 5.1, 6 and 8.6 to 8.7. The samples are those of `predictive.fast.decode_fast`. The
contract of each step stands beside it. A damaged chunk has its error and the others decode. The host waits for the
device where it reads the heads of payloads that lie there, and in `DecodedBatch.errors`, nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Self

from mmip_gpu.container.codec import Wanted
from mmip_gpu.device.decode.batch import SCRATCH_BYTES
from mmip_gpu.device.decode.brick_chunks import allocate_samples, read_heads, region_of_bricks
from mmip_gpu.device.decode.brick_waves import BrickBatch, check_brick_groups, decode_bricks
from mmip_gpu.device.decode.checked_jobs import Upload, upload_payloads, upload_together
from mmip_gpu.device.decode.jobs import DecodedBatch, DecodeJob
from mmip_gpu.device.decode.window_means import crop_samples, restore_samples
from mmip_gpu.device.lanes import Lane
from mmip_gpu.device.run.executors import Executor
from mmip_gpu.predictive.fast import FastHeader

__all__ = ["BrickDecoder"]


class BrickDecoder:
    """Decodes batches in the memory of an executor.

    Parameters
    ----------
    scratch_bytes : int
        What launches may take beside payloads and results; a single brick may take more.
    upload : callable, optional
        Puts bytes of the host into the executor's memory; the executor's own way by default.

    Examples
    --------
    >>> import mmip_gpu as mmip
    >>> from mmip_gpu.device.run.executors import HostExecutor
    >>> from mmip_gpu.container.reader import open_container
    >>> header, read = open_container(mmip.encode(mmip.phantom2d(64), lossless=True))
    >>> BrickDecoder(HostExecutor()).decode([DecodeJob(header, [read(1, 0, None)])]).results()[0].shape
    (64, 64)
    """

    def __init__(self, executor: Executor, scratch_bytes: int = SCRATCH_BYTES, upload: Upload | None = None) -> None:
        self._executor, self._scratch_bytes = executor, scratch_bytes
        self._upload = upload or partial(upload_together, executor)

    @classmethod
    def of_lane(cls, lane: Lane) -> Self:
        """A decoder for the batches of one lane."""
        return cls(lane.executor, upload=lane.upload)

    @staticmethod
    def needed_payloads(header: FastHeader, wanted: Wanted) -> int:
        """Payloads that a job holds: there is one."""
        return len(header.payload_sizes)

    @staticmethod
    def decoded_bytes(job: DecodeJob) -> int:
        """Bytes of what a job decodes."""
        return region_of_bricks(job).decoded_bytes

    def decode(self, jobs: Sequence[DecodeJob], *, max_bytes: int = 2**34, check_crc: bool = True) -> DecodedBatch:
        """Decode all jobs; `max_bytes` is that of one."""
        decoded = DecodedBatch(self._executor, len(jobs))
        heads = read_heads(self._executor, jobs, decoded, check_crc)
        chunks = allocate_samples(self._executor, jobs, heads, decoded, max_bytes)
        if chunks:
            payloads_dev = upload_payloads(self._executor, list(chunks.values()), self._upload)
            batch = BrickBatch(self._executor, chunks)
            decoded.watch(batch.states_dev, batch.jobs, batch.substreams)
            if check_crc:
                check_brick_groups(batch)
            for wave in batch.waves(self._scratch_bytes):
                decode_bricks(batch, wave)
            restore_samples(self._executor, chunks)
            crop_samples(self._executor, chunks, decoded)
            del payloads_dev  # no launch reads them from here on
        return decoded
