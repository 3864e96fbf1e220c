"""A store as a multiscale image: its levels, in the axis order and with the metadata of OME-Zarr 0.5.

Values: a store in; levels that give whole chunks, and the JSON of their group, out. Levels 0 to 3 are scaled inverse
transforms of the stages (FORMAT.md section 5.1). Those below are means (store/views/levels.py). Follows the NGFF 0.5
specification (multiscales, omero). Chunks go to a group by store/views/export.py, and over HTTP by
store/views/http_images.py.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import zarr
from zarr.codecs import ZstdCodec

from mmip_gpu.container.codec import SCALES
from mmip_gpu.errors import InvalidArgument, StoreError
from mmip_gpu.sources.history import HISTORY
from mmip_gpu.store.group.bounded import run_bounded
from mmip_gpu.store.group.grid import Coordinates, asked_lengths
from mmip_gpu.store.read.open_store import open_zarr
from mmip_gpu.store.read.progressive_array import ProgressiveArray
from mmip_gpu.store.views.levels import Level, MeanLevel, ScaledLevel, levels_below
from mmip_gpu.version import __version__
from mmip_gpu.volume.axes import shrinking_axes
from mmip_gpu.volume.floats import sample_range

if TYPE_CHECKING:
    from zarr.storage import StoreLike, StorePath

__all__ = ["COMPRESSOR", "Pyramid"]

COMPRESSOR = ZstdCodec(level=1, checksum=False)

_ORDER = "tncyx", "tnczyx"
_TYPES = {"t": "time", "c": "channel", "n": "index", "z": "space", "y": "space", "x": "space"}
_COLOURS = ("FF0000", "00FF00", "0000FF", "FFFF00", "00FFFF", "FF00FF")
_METHODS: dict[type[Level], str] = {
    ScaledLevel: "scaled inverse transforms",
    MeanLevel: "means of two samples per axis of the level before",
}
_NEAREST = "nearest samples"
_MOST_CHANNELS = 64  # that are described one by one
_MOST_RECORDS = 32  # of a channel, which are read for its display window


@dataclass(frozen=True)
class Pyramid:
    """All levels of a store, the largest first; `full` is the store at scale 1."""

    full: ProgressiveArray
    levels: tuple[ScaledLevel | MeanLevel, ...]

    @classmethod
    def of(
        cls,
        path: StoreLike | os.PathLike[str],
        stages: int | None,
        chunks: int | Sequence[int] | None,
        lengths: Mapping[str, int],
        *,
        keep_bytes: int = 2**26,
        storage_options: Mapping[str, Any] | None = None,
    ) -> Pyramid:
        """Open a store at all scales.

        Parameters
        ----------
        path, stages, keep_bytes, storage_options
            As for `open_zarr`; each level reads as many of the stages as it needs.
        chunks : int or sequence of int, optional
            Samples of a chunk: one number per axis of the store, or per axis out of z, y, x.
        lengths : mapping of str to int
            Those to take where none are given, by axis; 1 on axes that are not there.

        Raises
        ------
        InvalidArgument
            For axes that OME-Zarr has no place for, an array without samples, or chunks that do not fit.
        StoreError
            For a store whose job has not ended.
        """
        full = open_zarr(path, stages=stages, threads=1, keep_bytes=keep_bytes, storage_options=storage_options)
        if not full.report["complete"]:
            raise StoreError(f"{full.place_name}: the job that writes it has not ended")
        if "y" not in full.axes or full.ndim > 5 or {"n", "c"} <= set(full.axes) or not full.size:
            raise InvalidArgument(
                f"{full.place_name}: OME-Zarr holds y, x or z, y, x of at least one sample, with t and one of n and c; "
                f"found axes {full.axes!r}, shape {full.shape}"
            )
        axes = "".join(letter for letter in _ORDER["z" in full.axes] if letter in full.axes)
        wanted = asked_lengths(full.axes, chunks) or dict(lengths)
        if full.report["colour"]:
            wanted["c"] = 3
        lengths_of = [wanted.get(letter, 1) for letter in axes]
        letters = shrinking_axes(full.report["plan"]["cell_depth"])
        *scaled, smallest = [full.at(stages=stages, scale=scale) for scale in SCALES]
        levels: list[ScaledLevel | MeanLevel] = [ScaledLevel.of(volume, axes, lengths_of) for volume in scaled]
        # From here on windows of two must not cross the borders of chunks.
        even = [n + n % 2 if a in letters else n for a, n in zip(axes, lengths_of, strict=True)]
        levels.append(last := ScaledLevel.of(smallest, axes, even))
        return cls(full, (*levels, *levels_below(last, letters, even, labels=_is_labels(full))))

    @property
    def root(self) -> str:
        """Name of the place of the store."""
        return self.full.place_name

    @property
    def identity(self) -> dict[str, Any]:
        """Tell what makes two pyramids the same: what their store was made of and how it is read, and their chunks."""
        chunks = [level.chunks for level in self.levels]
        found: dict[str, Any] = json.loads(json.dumps({"history": self.history, "chunks": chunks}))
        return found

    @property
    def chunk_count(self) -> int:
        """Chunks of all levels."""
        return sum(math.prod(level.counts) for level in self.levels)

    def create_arrays(self, group: zarr.Group | StorePath) -> list[zarr.Array[Any]]:
        """Make the arrays 0, 1, 2, .. of the levels in a group, those that are not there yet."""
        made = []
        config: Any = {"write_empty_chunks": True}  # a chunk that is there is done
        root = group.store_path if isinstance(group, zarr.Group) else group
        opened = zarr.open_group(root, mode="r+", zarr_format=3, use_consolidated=False)
        for number, level in enumerate(self.levels):
            if str(number) not in opened:
                opened.create_array(
                    str(number),
                    shape=level.shape,
                    chunks=level.chunks,
                    dtype=level.dtype,
                    fill_value=0,
                    compressors=COMPRESSOR,
                    dimension_names=list(level.axes),
                    attributes={HISTORY: self.history},
                )
            made.append(zarr.open_array(root / str(number), mode="r+", config=config))
        return made

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """The attribute ``ome`` of the group."""
        datasets = []
        for number, level in enumerate(self.levels):
            transforms = [
                {"type": "scale", "scale": [sampling.size for sampling in level.samplings]},
                {"type": "translation", "translation": [sampling.start for sampling in level.samplings]},
            ]
            datasets.append({"path": str(number), "coordinateTransformations": transforms})
        labels = _is_labels(self.full)
        methods = [_NEAREST if labels else _METHODS[type(level)] for level in self.levels]
        multiscale = {
            "name": self.full.report["source"] or "image",
            "axes": [
                {"name": p.letter, "type": _TYPES[p.letter]} | ({"unit": p.unit} if p.unit else {})
                for p in self.levels[0].samplings
            ],
            "datasets": datasets,
            "type": ", then ".join(dict.fromkeys(methods)),
            "metadata": {"method": "mmip_gpu", "version": __version__, "methods": methods, "loss": self.history},
        }
        shown = {"image-label": {"source": {"image": "../../"}}} if labels else self._omero()
        return {"version": "0.5", "multiscales": [multiscale]} | shown

    @property
    def history(self) -> list[dict[str, Any]]:
        """What was lost before and in this store, the oldest first."""
        return self.full.loss_history

    def _omero(self) -> dict[str, Any]:
        """How viewers show the channels; nothing of a number of channels that none can show."""
        report, dtype = self.full.report, self.full.dtype
        channels = dict(zip(self.full.axes, self.full.shape, strict=True)).get("c", 1)
        if channels > _MOST_CHANNELS:
            return {}
        low, high = sample_range(dtype) if dtype.kind != "f" else (None, None)
        loss = report["loss"]
        limits = [(loss["minimum"], loss["maximum"])] * channels
        if report["colour"]:
            limits = [(0, high)] * channels
        elif channels > 1:
            limits = _channel_limits(self.full, limits)
        windows = [
            {"min": start if low is None else low, "max": end if high is None else high, "start": start, "end": end}
            for start, end in limits
        ]
        colours = ["FFFFFF"] if channels == 1 else [_COLOURS[i % len(_COLOURS)] for i in range(channels)]
        known = self.full.metadata.get("channels") or []
        known = known if len(known) == channels else [{}] * channels
        listed = [
            {"label": c.get("name", str(i)), "color": c.get("colour", colour), "active": True, "window": window}
            for i, (c, colour, window) in enumerate(zip(known, colours, windows, strict=True))
        ]
        return {"omero": {"channels": listed, "rdefs": {"model": "color" if channels > 1 else "greyscale"}}}


def _is_labels(full: ProgressiveArray) -> bool:
    return bool(full.report["loss"].get("labels"))


def _channel_limits(volume: ProgressiveArray, limits: list[Any]) -> list[Any]:
    """(minimum, maximum) of each channel, by the records of some chunks all over it; `limits` where it has none."""
    axis = volume.axes.index("c")
    places: dict[int, list[Coordinates]] = {}
    for at in volume.grid.coordinates():
        places.setdefault(volume.grid.region(at)[axis].start, []).append(at)
    found: dict[int, list[tuple[Any, Any]]] = {channel: [] for channel in places}

    def read(item: tuple[int, Coordinates]) -> tuple[int, Any, Any]:
        loss = volume.record(item[1])["loss"]
        return item[0], loss["minimum"], loss["maximum"]

    chosen = [
        (c, all_of[i]) for c, all_of in places.items() for i in range(0, len(all_of), -(-len(all_of) // _MOST_RECORDS))
    ]
    run_bounded(read, chosen, 8, lambda one: found[one[0]].append(one[1:]))
    return [
        (min(low for low, _ in found[c]), max(high for _, high in found[c])) if found.get(c) else limits[c]
        for c in range(len(limits))
    ]
