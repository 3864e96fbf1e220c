"""Training crops: pieces of labelled planes, zoomed, turned and varied in contrast, the same for a seed and a step.

Values: planes (channel, y, x) with their labels in; batches of float32 arrays out: images, the probability to be learnt
and distances (batch, ray, y, x) on the grid of the network. Maps are made once for every plane, not for every crop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.errors import InvalidArgument
from mmip_gpu.neural.star_distances import object_probability, star_distances

__all__ = ["Batch", "Crops"]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Batch:
    """What one step learns from."""

    images: Floats
    probability: Floats
    distances: Floats


@dataclass(frozen=True)
class _Maps:
    """A plane with what is to be learnt of it: (channel, y, x), (y, x), (y, x, ray)."""

    image: Floats
    probability: Floats
    distances: NDArray[np.float16]


class Crops:
    """Crops of planes.

    Parameters
    ----------
    planes : sequence of tuple
        Images (channel, y, x), scaled, with labels (y, x).
    rays : int
        0 where labels are a mask: then the probability is the mask.
    grid : int
        Of the network.
    side : int
        Rows and columns of a crop; planes may not be smaller.
    zoom : float
        Crops are enlarged by up to 2 to this power, and made smaller likewise.
    """

    def __init__(
        self, planes: Sequence[tuple[Floats, NDArray[Any]]], rays: int, grid: int, side: int, seed: int, zoom: float = 0
    ) -> None:
        smallest = min((min(image.shape[1:]) for image, _ in planes), default=0)
        if smallest < side:
            raise InvalidArgument(f"crops of {side} samples: the smallest of {len(planes)} planes has {smallest}")
        self.rays, self.grid, self.side, self.seed, self.zoom = rays, grid, side, seed, zoom
        self._maps = [_maps(image, labels, rays) for image, labels in planes]
        sizes = np.array([m.image[0].size for m in self._maps], np.float64)
        self._shares = sizes / sizes.sum()

    def batch(self, step: int, count: int) -> Batch:
        """Return `count` crops, drawn by the seed and the step."""
        draw = np.random.default_rng([self.seed, step])
        found = [self._crop(draw) for _ in range(count)]
        return Batch(*(np.stack(part) for part in zip(*found, strict=True)))

    def _crop(self, draw: np.random.Generator) -> tuple[Floats, Floats, Floats]:
        maps = self._maps[draw.choice(len(self._maps), p=self._shares)]
        smallest = min(maps.probability.shape)
        zoom = max(2.0 ** draw.uniform(-self.zoom, self.zoom), self.side / smallest)
        rows, columns = (self._places(draw, size, zoom) for size in maps.probability.shape)
        near = np.ix_(*(np.rint(places).astype(np.intp) for places in (rows, columns)))
        turn = (bool(draw.integers(2)), bool(draw.integers(2)), bool(draw.integers(2)))
        every = slice(None, None, self.grid)
        image = _turned(_between(_between(maps.image, rows, 1), columns, 2), turn, 1)
        probability = _turned(maps.probability[near], turn, 0)[every, every]
        distances = _turned(maps.distances[near], turn, 0)[every, every][..., turned_rays(self.rays, turn)] * zoom
        varied = image * draw.uniform(0.7, 1.3, (len(image), 1, 1)) + draw.uniform(-0.1, 0.1, (len(image), 1, 1))
        varied += draw.normal(0, draw.uniform(0, 0.05), image.shape)
        return varied.astype(np.float32), probability, np.moveaxis(distances, 2, 0).astype(np.float32)

    def _places(self, draw: np.random.Generator, size: int, zoom: float) -> NDArray[np.float64]:
        """Places along an axis of a plane that the samples of a crop are taken from."""
        window = min(self.side / zoom, size)
        first = draw.uniform(0, size - window)
        return np.clip(first + (np.arange(self.side) + 0.5) / zoom - 0.5, 0, size - 1)


def _between(image: NDArray[Any], places: NDArray[np.float64], axis: int) -> NDArray[Any]:
    """Samples at places between those of an axis, linearly."""
    before = np.minimum(places.astype(np.intp), image.shape[axis] - 2)
    shares = (places - before).reshape([-1 if i == axis else 1 for i in range(image.ndim)])
    return np.asarray(image.take(before, axis) * (1 - shares) + image.take(before + 1, axis) * shares)


def _maps(image: Floats, labels: NDArray[Any], rays: int) -> _Maps:
    probability = object_probability(labels) if rays else (labels > 0).astype(np.float32)
    return _Maps(image, probability, star_distances(labels, rays).astype(np.float16))


def _turned(values: NDArray[Any], turn: tuple[bool, bool, bool], first: int) -> NDArray[Any]:
    """Mirror rows, mirror columns, then swap them; `first` is the axis of the rows."""
    upside, sideways, swapped = turn
    values = np.flip(values, first) if upside else values
    values = np.flip(values, first + 1) if sideways else values
    return np.swapaxes(values, first, first + 1) if swapped else values


def turned_rays(rays: int, turn: tuple[bool, bool, bool]) -> NDArray[np.intp]:
    """Where the rays of a turned crop are among those of the plane.

    Examples
    --------
    >>> turned_rays(4, (True, False, False)).tolist(), turned_rays(4, (False, False, True)).tolist()
    ([0, 3, 2, 1], [1, 0, 3, 2])
    """
    upside, sideways, swapped = turn
    found = np.arange(rays)
    if swapped:
        found = (rays // 4 - found) % max(rays, 1)
    if sideways:
        found = (rays // 2 - found) % max(rays, 1)
    return -found % max(rays, 1) if upside else found
