"""What a header says of a chunk beside its plan, found from the sums of an analysis.

Values: sums by tile and class in the executor's memory in; SideInformation per chunk out. Encoder side of FORMAT.md
sections 1 and 5. Guarantees what the core's `Chunk.settle_sums` finds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mmip_gpu.device.encode.dc_images import DcImages
from mmip_gpu.device.encode.prepare import PreparedBatch
from mmip_gpu.device.run.contracts import contract
from mmip_gpu.device.run.executors import DeviceArray
from mmip_gpu.device.tables.batches import Batch

__all__ = ["SideInformation", "closed_information", "side_information"]


@dataclass(frozen=True)
class SideInformation:
    """What a header says of a chunk beside its plan: offset, reconstruction points by class, range of the samples.

    `errors` are estimates of the squared error, by class; `dc_recon` has the reconstruction points of a DC image.
    """

    offset: int
    recon: list[list[int]]
    errors: list[float]
    sample_range: tuple[float, float]
    dc_recon: list[int] | None = None


@contract(reads="sums_dev", writes="side information of every chunk", waits=True)
def side_information(
    prepared: PreparedBatch, offsets: Sequence[int], sums_dev: DeviceArray, search: int, dc_images: DcImages | None
) -> list[SideInformation]:
    """Find the side information of every chunk of a batch."""
    batch = prepared.batch
    settled = batch.settle_sums(batch.executor.download(sums_dev), search)
    found = [
        SideInformation(offset, recon, errors, sample_range)
        for offset, (recon, errors), sample_range in zip(offsets, settled, prepared.sample_ranges, strict=True)
    ]
    return _with_images(found, dc_images)


@contract(reads="sums_dev of a close", writes="side information, with the errors that it leaves", waits=True)
def closed_information(
    batch: Batch, found: Sequence[SideInformation], sums_dev: DeviceArray, dc_images: DcImages | None
) -> list[SideInformation]:
    """Replace the errors of an analysis by those of its blocks as they are closed; all else stays."""
    sums = batch.executor.download(sums_dev)
    closed = [
        replace(one, errors=batch.chunk_of(i).sum_errors(sums[batch.tiles["chunk"] == i], one.recon))
        for i, one in enumerate(found)
    ]
    return _with_images(closed, dc_images)


def _with_images(found: list[SideInformation], dc_images: DcImages | None) -> list[SideInformation]:
    if dc_images is None:
        return found
    return [
        replace(one, errors=[one.errors[0] + error, *one.errors[1:]], dc_recon=recon)
        for one, recon, error in zip(found, dc_images.recon, dc_images.errors, strict=True)
    ]
