"""Levels of a store as a multiscale image: scaled decodes, and below the smallest of them means of the level before.

Values: lazy arrays in; host arrays of whole chunks, axes in the order of OME-Zarr, out. The scales 1 to 1/8 are those
of FORMAT.md section 5.1. The rule of the means is that of its raw containers, with windows of two. Guarantees that a
chunk of means rests on whole chunks of the level before. Each of those is asked for once, and no other chunk needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.store.read.lazy_arrays import AxisSampling, axis_samplings
from mmip_gpu.store.read.progressive_array import ProgressiveArray

__all__ = ["ChunkIndex", "Level", "MeanLevel", "ScaledLevel", "halved", "levels_below"]

ChunkIndex = tuple[int, ...]


@dataclass(frozen=True)
class Level:
    """One level: its samples, their places, and the chunks in which it is given, by axis in the order of `axes`."""

    axes: str
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    samplings: tuple[AxisSampling, ...]
    dtype: np.dtype[Any]

    @property
    def counts(self) -> tuple[int, ...]:
        """Chunks per axis."""
        return tuple(-(-n // c) for n, c in zip(self.shape, self.chunks, strict=True))

    def indices(self) -> Iterable[ChunkIndex]:
        """All chunks."""
        return product(*map(range, self.counts))

    def region(self, index: Sequence[int]) -> tuple[slice, ...]:
        """Samples of a chunk; at the end of the array those that lie inside."""
        axes = zip(index, self.chunks, self.shape, strict=True)
        return tuple(slice(i * c, min((i + 1) * c, n)) for i, c, n in axes)


@dataclass(frozen=True)
class ScaledLevel(Level):
    """A scaled decode of the store."""

    volume: ProgressiveArray

    @classmethod
    def of(cls, volume: ProgressiveArray, axes: str, lengths: Sequence[int]) -> ScaledLevel:
        """Make the level of a lazy array; `lengths` of a chunk are cut to what there is."""
        order = [volume.axes.index(letter) for letter in axes]
        shape = tuple(volume.shape[axis] for axis in order)
        placed = axis_samplings(volume)
        chunks = tuple(map(min, lengths, shape))
        return cls(axes, shape, chunks, tuple(placed[axis] for axis in order), volume.dtype, volume)

    def read(self, index: Sequence[int]) -> NDArray[Any]:
        """Decode a chunk."""
        parts = dict(zip(self.axes, self.region(index), strict=True))
        samples: NDArray[Any] = self.volume[tuple(parts[letter] for letter in self.volume.axes)]
        return samples.transpose([self.volume.axes.index(letter) for letter in self.axes])


@dataclass(frozen=True)
class MeanLevel(Level):
    """Means of windows of two samples on each of the axes `shrinking` (by number) of the level before.

    Of `labels`, which have no mean, the first sample of each window.
    """

    before: Level
    shrinking: tuple[int, ...]
    labels: bool = False

    @classmethod
    def below(cls, before: Level, letters: str, lengths: Sequence[int], *, labels: bool = False) -> MeanLevel:
        """Make the level below another; of `letters`, axes of one sample stay as they are."""
        shrinking = tuple(i for i, a in enumerate(before.axes) if a in letters and before.shape[i] > 1)
        shape, samplings = list(before.shape), list(before.samplings)
        for axis in shrinking:
            sampling = samplings[axis]
            shape[axis] = -(-shape[axis] // 2)
            samplings[axis] = replace(sampling, size=sampling.size * 2, start=sampling.start + sampling.size / 2)
        chunks = tuple(map(min, lengths, shape))
        return cls(before.axes, tuple(shape), chunks, tuple(samplings), before.dtype, before, shrinking, labels)

    def sources(self, index: Sequence[int]) -> Iterable[ChunkIndex]:
        """Chunks of the level before on which a chunk rests."""
        ranges = []
        for axis, (part, length) in enumerate(zip(self.region(index), self.before.chunks, strict=True)):
            factor = 2 if axis in self.shrinking else 1
            stop = min(part.stop * factor, self.before.shape[axis])
            ranges.append(range(part.start * factor // length, -(-stop // length)))
        return product(*ranges)

    def read(
        self,
        index: Sequence[int],
        before: Callable[[ChunkIndex], NDArray[Any]],
        each: Callable[[Callable[[ChunkIndex], None], Iterable[ChunkIndex]], None],
    ) -> NDArray[Any]:
        """Make a chunk.

        Parameters
        ----------
        before : callable
            Gives a chunk of the level before.
        each : callable
            ``each(work, sources)`` calls ``work(source)`` for all of them, in any order, on any threads.
        """
        region = self.region(index)
        out = np.empty([part.stop - part.start for part in region], self.dtype)

        def take(source: ChunkIndex) -> None:
            target = []
            for axis, (inside, part) in enumerate(zip(self.before.region(source), region, strict=True)):
                factor = 2 if axis in self.shrinking else 1
                target.append(slice(inside.start // factor - part.start, -(-inside.stop // factor) - part.start))
            samples = before(source)
            steps = tuple(slice(None, None, 2 if axis in self.shrinking else 1) for axis in range(samples.ndim))
            out[tuple(target)] = samples[steps] if self.labels else halved(samples, self.shrinking)

        each(take, self.sources(index))
        return out


def levels_below(smallest: Level, letters: str, lengths: Sequence[int], *, labels: bool = False) -> list[MeanLevel]:
    """Levels below the smallest scale, until each of the axes `letters` is within a chunk.

    Chunks begin where windows do: their `lengths` (and those of `smallest`) on these axes are even, or the whole axis.
    """
    levels: list[MeanLevel] = []
    last = smallest
    while any(n > 1 for a, n in zip(last.axes, last.counts, strict=True) if a in letters):
        levels.append(last := MeanLevel.below(last, letters, lengths, labels=labels))
    return levels


def halved(samples: NDArray[Any], shrinking: Iterable[int]) -> NDArray[Any]:
    """Mean over windows of two samples on some axes, at an odd end of the one that is there; integers half to even.

    Sums are exact for integers, and in binary64 one axis after the other for floats.

    Examples
    --------
    >>> halved(np.array([[1, 2, 6], [1, 3, 9]], np.uint8), (0, 1))
    array([[2, 8]], dtype=uint8)
    """
    is_float = samples.dtype.kind == "f"
    total = samples
    count = 1
    for axis in shrinking:
        if total.shape[axis] % 2:  # the last one twice is a mean of itself
            total = np.concatenate([total, total.take([-1], axis)], axis)
        pairs = np.moveaxis(total, axis, 0)
        sums = np.add(pairs[0::2], pairs[1::2], dtype=np.float64 if is_float else np.int32)
        total, count = np.moveaxis(sums, 0, axis), count * 2
    mean = total / count
    return (mean if is_float else np.rint(mean)).astype(samples.dtype)
