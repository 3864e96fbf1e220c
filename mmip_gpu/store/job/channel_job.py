"""A job of one channel of the source of another, by which that channel is searched for its step.

Values: a Job and the number of a channel in; a Job out. Encoder side; implements no section of FORMAT.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.channel_targets import of_channel
from mmip_gpu.store.group.grid import Region
from mmip_gpu.store.job.job import Job

__all__ = ["ChannelJob"]


@dataclass(frozen=True)
class ChannelJob(Job):
    """One channel of a job; its source reads that channel alone, and it does not leave this process."""

    whole: Job | None = None
    channel: int = 0

    @classmethod
    def of_job(cls, job: Job, channel: int) -> ChannelJob:
        """The job of a channel."""
        layout = job.layout.of_channel
        source = replace(
            job.source,
            shape=layout.shape,
            axes=layout.axes,
            reader=lambda region: job.source.read(_moved(region, layout.axes, channel)),
            origin=None,
        )
        config = of_channel(job.config, channel)
        return cls(source, layout, config, False, job.chunks, job.classes, job.data_range, whole=job, channel=channel)

    def with_classes(self, region: Region, samples: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.uint8] | None]:
        """Return samples of a region that were read, with their classes, for which a rule looks at all channels."""
        assert self.whole is not None
        moved = _moved(region, self.layout.axes, self.channel)
        return samples, self.classes.read(moved, samples, self.whole.source.read)


def _moved(region: Region, axes: str, channel: int) -> Region:
    """The region of the channel in the source of all."""
    return tuple(slice(channel, channel + 1) if a == "c" else s for a, s in zip(axes, region, strict=True))
