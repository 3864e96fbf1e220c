"""A writing job: what was asked for, from which source, and how one chunk of it is coded.

Values: the arguments of `write_zarr` in; a Job, which has an identity to compare, and coded chunks out.
Encoder side; implements no section of FORMAT.md. Guarantees that a chunk depends on data, arguments and plan alone.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import FORMAT_VERSION
from mmip_gpu.arguments import check_labels, check_step, given_padding, is_colour
from mmip_gpu.channel_targets import for_channels
from mmip_gpu.config import CodecConfig
from mmip_gpu.container.encoded import Encoded
from mmip_gpu.errors import InvalidArgument
from mmip_gpu.options import EncodeSettings
from mmip_gpu.sources import Source, open_source
from mmip_gpu.store.group.chunk_header import with_origin
from mmip_gpu.store.group.description import StoreDescription
from mmip_gpu.store.group.grid import Coordinates, Region, asked_lengths, chunk_lengths
from mmip_gpu.store.job.region_classes import RegionClasses
from mmip_gpu.store.job.survey import Survey
from mmip_gpu.volume.axes import PlaneLayout

__all__ = ["Job", "slices_apart"]


@dataclass(frozen=True)
class Job:
    """One call of `write_zarr`, its source opened and its arguments checked."""

    source: Source
    layout: PlaneLayout
    config: CodecConfig
    colour: bool
    chunks: tuple[int, ...] | None
    classes: RegionClasses
    data_range: float | None
    _reading: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @classmethod
    def of(
        cls,
        source: Any,
        settings: EncodeSettings,
        chunks: int | Sequence[int] | None = None,
    ) -> Job:
        """Job from the arguments of `write_zarr`.

        Raises
        ------
        InvalidArgument
            For options, axes, chunks or a region of interest that do not fit.
        """
        config, colour = settings.config, settings.colour
        opened = open_source(source)
        if settings.axes is not None and settings.axes != opened.axes:
            opened = replace(opened, axes=settings.axes, colour=None)
        check_labels(opened.dtype, config)
        config = slices_apart(config, opened)
        layout = PlaneLayout.of(opened.shape, opened.axes or None)
        if config.slice_axis is not None and config.slice_axis in layout.axes:
            layout = replace(layout, slice_axis=config.slice_axis)
        check_step(opened.dtype, config.step, lambda: opened.read(layout.middle_plane))
        if colour is None and "c" in opened.axes and opened.dtype.kind != "f":
            colour = opened.colour
        three = is_colour(colour, layout, opened.dtype)
        given_padding(config, opened.dtype, three)
        config = for_channels(config, layout.channels, colour=three)
        chunk_lengths(layout, 8, (1, 1, 1), three, chunks)
        lengths = asked_lengths(layout.axes, chunks)
        asked = None if lengths is None else tuple(lengths.values())
        return cls(
            opened, layout, config, three, asked, RegionClasses.of(settings.roi, layout, opened), settings.data_range
        )

    def identity(self) -> dict[str, Any]:
        """Tell what makes two jobs the same, as it comes back from JSON."""
        data = {
            "format_version": FORMAT_VERSION,
            "source": self.source.fingerprint,
            "shape": self.layout.shape,
            "dtype": self.source.dtype.name,
            "axes": self.layout.axes,
            "colour": self.colour,
            "chunks": self.chunks,
            "roi": self.classes.identity,
            "data_range": self.data_range,
            "config": self.config.to_dict(),
        }
        found: dict[str, Any] = json.loads(json.dumps(data))
        return found

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_reading"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _reading=threading.Lock())

    def resolved(self, survey: Survey) -> Job:
        """Return the job with a rule that holds chunk by chunk, for one that needs the whole array."""
        return replace(self, classes=self.classes.resolved(self.source, survey))

    def surveyed(self, survey: Survey) -> Job:
        """Return the job with its mask looked through, which its identity needs."""
        return replace(self, classes=self.classes.surveyed(survey))

    def resumed(self, description: StoreDescription) -> Job:
        """Return the job with the rule that an earlier run found."""
        if description.rule is None:
            return self
        rule = RegionClasses.of(description.rule, self.layout)
        return replace(self, classes=replace(self.classes, rule=rule.rule))

    def read(self, region: Region) -> tuple[NDArray[Any], NDArray[np.uint8] | None]:
        """Read samples and classes of a region; one thread at a time, since a source need not allow more."""
        with self._reading:
            return self.with_classes(region, self.source.read(region))

    def with_classes(self, region: Region, samples: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.uint8] | None]:
        """Return samples of a region that were read, with their classes."""
        return samples, self.classes.read(region, samples, self.source.read)

    def code(self, description: StoreDescription, at: Coordinates) -> Encoded:
        """Read and encode a chunk, on this thread."""
        samples, classes = self.read(description.grid.region(at))
        return with_origin(description.of_chunk(at).form.encode(samples, classes), samples, classes)

    @property
    def are_slices_apart(self) -> bool:
        """Whether values of the source scale differently slice by slice."""
        return _is_per_slice(self.source)

    @property
    def may_write_again(self) -> bool:
        """Whether the whole array may have to be written more than once (`next_pass`)."""
        return self.config.mode == "ratio" or (self.config.mode == "psnr" and self.config.verify)

    @property
    def step_unit(self) -> float:
        """Step of float32 samples; 1 for integers."""
        return self.config.step or 1.0


def _is_per_slice(source: Source) -> bool:
    return any(source.metadata.get(f"{key}_per_slice") for key in ("slope", "intercept"))


def slices_apart(config: CodecConfig, source: Source) -> CodecConfig:
    """Code slices apart whose values scale differently: a mean of them, as scales make it, would mean nothing."""
    if config.method != "transform" or not _is_per_slice(source):
        return config
    if config.cell_depth == 8:
        raise InvalidArgument(
            f"cell_depth=8: slices of {source.name} have different slopes, which scales would average: leave it out"
        )
    return replace(config, cell_depth=1)
