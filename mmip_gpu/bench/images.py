"""An image as the benchmark sees it: its samples and what is known of them, or why it cannot be read.

Values: an array, its axes and facts in; a `BenchImage` out, whose masks and labels have the shape of its spatial axes.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.bench.measures import constant_psnr
from mmip_gpu.errors import InvalidArgument

__all__ = ["BenchImage", "UnusableImage", "checksum", "file_safe", "middle_of"]


def checksum(array: NDArray[Any]) -> str:
    """First 16 hex digits of the SHA-256 of the samples."""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


def file_safe(name: str) -> str:
    """Return a name with what no file name holds everywhere as underscores.

    Examples
    --------
    >>> file_safe("slide 3/b.tif")
    'slide_3_b.tif'
    """
    return re.sub(r"[^\w.+-]", "_", name).lstrip(".") or "_"


@dataclass(frozen=True)
class UnusableImage:
    """An image that cannot be read, and why: it has a record as every other."""

    name: str
    dataset: str
    reason: str


@dataclass(frozen=True, eq=False)
class BenchImage:
    """An image of the benchmark.

    Parameters
    ----------
    name : str
        Unique in a run, and safe as the name of a file.
    array : numpy.ndarray
        Samples.
    axes : str
        One letter an axis: "yx", "zyx", "tyx", "yxc" or "zyxc".
    bits : int
        Bits stored: what a raw file needs. A rate is against ``ceil(bits / 8)`` bytes a sample.
    dataset, licence, group : str
        Where it is from, under which terms, and what it shows, such as "CT".
    masks : mapping of str to numpy.ndarray
        Regions of interest by name, of the shape of the spatial axes.
    labels : numpy.ndarray, optional
        Ground truth, instances or a mask, of the shape of the spatial axes.
    task : str, optional
        What its labels are for: "nuclei" or "membranes".
    window : tuple of float, optional
        Lower and upper end of what a display shows, in sample units: the peak of ``psnr_window`` is its width.
    jpeg_origin : str
        Whether it was JPEG before: "no", "yes" or "unknown".
    stand_in : str, optional
        What it stands for, where it is a stand-in.

    Raises
    ------
    InvalidArgument
        For no samples, axes that do not fit, a mask or labels of another shape, a window whose ends are not two
        ascending numbers, or a name that no file can have.

    Examples
    --------
    >>> image = BenchImage("ramp", np.arange(12, dtype=np.uint16).reshape(3, 4), "yx", 12)
    >>> image.peak, image.raw_bytes, image.channels
    (11, 24, 1)
    """

    name: str
    array: NDArray[Any]
    axes: str
    bits: int
    dataset: str = "user"
    licence: str = "unknown"
    group: str = ""
    masks: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    labels: NDArray[Any] | None = None
    task: str | None = None
    window: tuple[float, float] | None = None
    jpeg_origin: str = "no"
    stand_in: str | None = None

    def __post_init__(self) -> None:
        if self.name != file_safe(self.name):
            raise InvalidArgument(f"{self.name!r} cannot name a file everywhere: expected {file_safe(self.name)!r}")
        if len(self.axes) != self.array.ndim or not self.array.size:
            raise InvalidArgument(f"{self.name}: axes {self.axes!r} for shape {self.array.shape}: a letter an axis")
        ends = self.window or (0, 1)
        if len(ends) != 2 or not -math.inf < ends[0] < ends[1] < math.inf:
            raise InvalidArgument(f"{self.name}: window: expected its two ends, the lower one first, found {ends}")
        regions = dict(self.masks) | ({} if self.labels is None else {"labels": self.labels})
        for name, region in regions.items():
            if region.shape != self.spatial_shape:
                raise InvalidArgument(
                    f"{self.name}: {name}: expected the image's shape {self.spatial_shape}, found {region.shape}"
                )

    def __getstate__(self) -> dict[str, Any]:
        return dict(self.__dict__)  # a copy: another thread may add a cached fact while this is pickled

    @property
    def spatial_shape(self) -> tuple[int, ...]:
        """Length of every axis but that of the channels."""
        return tuple(size for size, axis in zip(self.array.shape, self.axes, strict=True) if axis != "c")

    @property
    def channels(self) -> int:
        """How many channels it has; 1 of a grey image."""
        return self.array.shape[self.axes.index("c")] if "c" in self.axes else 1

    @property
    def raw_bytes(self) -> int:
        """Bytes of the samples in a file without compression."""
        return self.array.size * -(-self.bits // 8)

    @cached_property
    def peak(self) -> int | float:
        """Largest minus smallest sample, at least 1."""
        spread: int | float = self.array.max().item() - self.array.min().item()
        return max(spread, 1)

    @cached_property
    def checksum(self) -> str:
        """First 16 hex digits of the SHA-256 of the samples."""
        return checksum(self.array)

    @cached_property
    def constant_psnr(self) -> float:
        """PSNR in dB, of its peak, of an image that has the mean colour everywhere."""
        return constant_psnr(self.array, self.axes, self.peak)

    @cached_property
    def seen_origin(self) -> str:
        """`jpeg_origin`, or "yes" where that is not known and the pixels show it."""
        if self.jpeg_origin != "unknown" or self.array.dtype != np.uint8 or self.channels not in (1, 3):
            return self.jpeg_origin
        from mmip_gpu.jpegorigin.detection import is_jpeg_origin

        lengths = dict(zip(self.axes, self.array.shape, strict=True))
        slices = np.moveaxis(self.array, self.axes.index("c"), -1) if "c" in self.axes else self.array
        size = lengths.get("y", 1), lengths["x"], *([self.channels] if self.channels == 3 else [])
        stack = slices.reshape(-1, *size)
        return "unknown" if is_jpeg_origin(stack[len(stack) // 2]) is None else "yes"

    @property
    def facts(self) -> dict[str, Any]:
        """Its part of a record."""
        return {
            "name": self.name,
            "dataset": self.dataset,
            "checksum": self.checksum,
            "shape": list(self.array.shape),
            "dtype": str(self.array.dtype),
            "axes": self.axes,
            "bits": self.bits,
            "window": self.window,
            "constant_psnr": self.constant_psnr,
            "group": self.group,
            "jpeg_origin": self.seen_origin,
            "licence": self.licence,
            "stand_in": self.stand_in,
        }


def middle_of(image: BenchImage, side: int, slices: int) -> BenchImage:
    """Return the middle of an image that has more rows, columns or slices, with its masks and labels; its name says so.

    Examples
    --------
    >>> image = BenchImage("ramp", np.arange(48, dtype=np.uint8).reshape(2, 4, 6), "zyx", 8)
    >>> cut = middle_of(image, 4, 9)
    >>> cut.name, cut.array.shape, cut.array[0, 0].tolist(), middle_of(image, 6, 2).name
    ('ramp-middle', (2, 4, 4), [1, 2, 3, 4], 'ramp')
    """
    most = {"y": side, "x": side, "c": image.array.size}
    sizes = list(zip(image.array.shape, image.axes, strict=True))
    starts = [max(size - most.get(letter, slices), 0) // 2 for size, letter in sizes]
    region = [slice(at, at + most.get(letter, slices)) for at, (_, letter) in zip(starts, sizes, strict=True)]
    spatial = tuple(part for part, letter in zip(region, image.axes, strict=True) if letter != "c")
    array = np.ascontiguousarray(image.array[tuple(region)])
    if array.shape == image.array.shape:
        return image
    masks = {name: np.ascontiguousarray(mask[spatial]) for name, mask in image.masks.items()}
    labels = None if image.labels is None else np.ascontiguousarray(image.labels[spatial])
    return replace(image, name=f"{image.name}-middle", array=array, masks=masks, labels=labels)
