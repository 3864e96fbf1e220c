"""Decoding a batch of chunks of any shapes, as a table of contents: each step is one call for all chunks.

Values: headers and stage payloads (bytes of the host or arrays of the executor) in, arrays of the executor out. Decoder
side of FORMAT.md sections 2 to 8. The steps are those of `transform.chunk.decode_chunk`, and they give what it gives,
bit for bit. The contract of each stands beside it. A damaged chunk has its error and the others decode. The host waits
for the device where it reads the heads of payloads that lie there, and in `DecodedBatch.errors`, nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Self

from mmip_gpu.arguments import thread_count
from mmip_gpu.container.codec import Wanted
from mmip_gpu.container.header import TransformHeader
from mmip_gpu.device.decode.checked_jobs import (
    Upload,
    allocate_planes,
    check_payloads,
    upload_payloads,
    upload_together,
)
from mmip_gpu.device.decode.finishing import add_corrections, crop_planes, restore_floats, undo_colours
from mmip_gpu.device.decode.jobs import DecodedBatch, DecodeJob, DecodeSetup
from mmip_gpu.device.decode.payload_heads import DecodingTables
from mmip_gpu.device.decode.planes import decode_planes
from mmip_gpu.device.lanes import Lane
from mmip_gpu.device.run.executors import Executor
from mmip_gpu.transform.extent import needed_stages
from mmip_gpu.transform.tiled_region import region_of

__all__ = ["SCRATCH_BYTES", "DecodeJob", "DecodedBatch", "Decoder"]

SCRATCH_BYTES = 2**30


class Decoder:
    """Decodes batches in the memory of an executor.

    Parameters
    ----------
    scratch_bytes : int
        What launches may take beside payloads and results; a single sub-stream may take more.
    upload : callable, optional
        Puts bytes of the host into the executor's memory; the executor's own way by default.
    threads : int, optional
        Of the host, which read the heads of payloads; all processors by default.

    Notes
    -----
    Its tables belong to the stream that it is first used on: one decoder for each stream, one thread at a time.

    Examples
    --------
    >>> import mmip_gpu as mmip
    >>> from mmip_gpu.device.run.executors import HostExecutor
    >>> from mmip_gpu.container.reader import open_container
    >>> header, read = open_container(mmip.encode(mmip.phantom2d(64), quality=10))
    >>> payloads = [read(stage, 0, None) for stage in (1, 2, 3)]
    >>> decoded = Decoder(HostExecutor()).decode([DecodeJob(header, payloads)])
    >>> decoded.results()[0].shape
    (64, 64)
    """

    def __init__(
        self,
        executor: Executor,
        scratch_bytes: int = SCRATCH_BYTES,
        upload: Upload | None = None,
        threads: int | None = None,
    ) -> None:
        self._executor, self._tables = executor, DecodingTables(executor)
        self._upload = upload or partial(upload_together, executor)
        self._scratch_bytes, self._threads = scratch_bytes, thread_count(threads)

    @classmethod
    def of_lane(cls, lane: Lane) -> Self:
        """A decoder for the batches of one lane."""
        return cls(lane.executor, upload=lane.upload)

    @staticmethod
    def needed_payloads(header: TransformHeader, wanted: Wanted) -> int:
        """Payloads that a job has to hold, from stage 1 on."""
        return needed_stages(header, wanted)

    @staticmethod
    def decoded_bytes(job: DecodeJob) -> int:
        """Bytes of what a job decodes."""
        return region_of(job.header, job.wanted.scale, job.wanted.region).decoded_bytes

    def decode(self, jobs: Sequence[DecodeJob], *, max_bytes: int = 2**34, check_crc: bool = True) -> DecodedBatch:
        """Decode all jobs; `max_bytes` is that of one."""
        self._tables.trim()
        decoded = DecodedBatch(self._executor, len(jobs))
        setup = DecodeSetup(self._executor, self._tables, self._scratch_bytes, check_crc)
        heads = check_payloads(setup, jobs, decoded, self._threads)
        chunks = allocate_planes(setup, jobs, heads, decoded, max_bytes)
        if chunks:
            payloads_dev = upload_payloads(self._executor, list(chunks.values()), self._upload)
            decode_planes(setup, chunks, decoded)
            undo_colours(setup, chunks)
            add_corrections(setup, chunks, decoded)
            restore_floats(setup, chunks)
            crop_planes(setup, chunks, decoded)
            del payloads_dev  # no launch reads them from here on
        return decoded
