"""Synthetic images of the benchmark, by seed: so that every task and every metric runs without data.

Values: a size in; `BenchImage`s with regions and ground truth out. Grey, RGB and volumes of 16 bits, grey of 8 bits;
nuclei with an instance map, in fluorescence and stained; cells with a mask of their membranes; a constant image.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.bench.images import BenchImage
from mmip_gpu.volume.phantoms import phantom2d, phantom3d, phantom_roi

__all__ = ["phantoms"]

_SPACING = 24  # samples between nuclei, and between the middles of cells
_LEAST_RADIUS, _MOST_RADIUS = 6.0, 10.0
_STAINED = (96.0, 60.0, 148.0)
_TISSUE = (236.0, 204.0, 224.0)


def phantoms(size: int, depth: int) -> Iterator[BenchImage]:
    """Yield the images, of `size` rows and columns; the volume has `depth` slices.

    Examples
    --------
    >>> [image.name for image in phantoms(48, 8)][:2]
    ['phantom2d', 'phantom3d']
    """
    grey = phantom2d(size)
    yield _image("phantom2d", grey, "yx", 16, masks={"bone": phantom_roi(grey)})
    volume = phantom3d((depth, size // 2, size // 2))
    yield _image("phantom3d", volume, "zyx", 16, masks={"bone": phantom_roi(volume)})
    yield _image("phantom_u8", (grey >> 6).astype(np.uint8), "yx", 8, masks={"bone": phantom_roi(grey)})
    colour = _colours(grey)
    stand_in = "16-bit RGB of imagecompression.info"
    yield _image("phantom_rgb16", colour, "yxc", 16, masks={"bone": phantom_roi(grey)}, stand_in=stand_in)
    labels = nuclei(size, seed=1)
    task: dict[str, Any] = {"labels": labels, "masks": {"nuclei": labels > 0}, "task": "nuclei"}
    yield _image("phantom_fluorescence", _fluorescence(labels), "yx", 8, **task)
    yield _image("phantom_histology", _histology(labels), "yxc", 8, **task, stand_in="Open TG-GATEs (H&E)")
    membranes = cell_borders(size, seed=2)
    task = {"labels": membranes, "masks": {"membranes": membranes}, "task": "membranes"}
    yield _image("phantom_membranes", _electron(membranes), "yx", 8, **task, stand_in="EMPIAR-12592 (SEM)")
    yield _image("phantom_constant", np.full((size, size), 1000, np.uint16), "yx", 16)


def _image(name: str, array: NDArray[Any], axes: str, bits: int, **facts: Any) -> BenchImage:
    licence = "BSD-3-Clause (made by this package)"
    return BenchImage(name, array, axes, bits, dataset="phantoms", licence=licence, group="phantom", **facts)


def _colours(grey: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Return three channels that hold the same shapes, each with a contrast and a noise of its own."""
    noise = np.random.default_rng(3).normal(0, 40, (*grey.shape, 3))
    channels: NDArray[np.float64] = grey[..., None] * np.array([1.0, 0.7, 0.45]) + 1500 + noise
    return np.clip(channels, 0, 65535).astype(np.uint16)


def _jittered(size: int, rng: np.random.Generator, jitter: float) -> NDArray[np.float64]:
    """Return points (y, x) on a grid, each moved by at most `jitter` spacings."""
    at = np.arange(-1, size // _SPACING + 2) * float(_SPACING)
    grid = np.stack(np.meshgrid(at, at, indexing="ij"), axis=-1).reshape(-1, 2)
    points: NDArray[np.float64] = grid + rng.uniform(-jitter, jitter, grid.shape) * _SPACING
    return points


def nuclei(size: int, seed: int) -> NDArray[np.uint16]:
    """Return the instance map of ellipses, some of which touch; 0 is background.

    Examples
    --------
    >>> int(nuclei(64, seed=1).max()) > 4
    True
    """
    rng = np.random.default_rng(seed)
    labels = np.zeros((size, size), np.uint16)
    y, x = np.mgrid[:size, :size]
    for centre in _jittered(size, rng, 0.2):
        angle, (long, short) = rng.uniform(0, np.pi), rng.uniform(_LEAST_RADIUS, _MOST_RADIUS, 2)
        dy, dx = y - centre[0], x - centre[1]
        along, across = dy * np.sin(angle) + dx * np.cos(angle), dy * np.cos(angle) - dx * np.sin(angle)
        inside = (along / long) ** 2 + (across / short) ** 2 <= 1
        if rng.uniform() < 0.8 and inside.sum() > 40:
            labels[inside & (labels == 0)] = labels.max() + 1
    return labels


def cell_borders(size: int, seed: int) -> NDArray[np.bool_]:
    """Return the borders of the cells nearest to points, about 3 samples wide.

    Examples
    --------
    >>> 0.1 < float(cell_borders(96, seed=2).mean()) < 0.4
    True
    """
    from scipy.spatial import cKDTree

    points = _jittered(size, np.random.default_rng(seed), 0.35)
    places = np.moveaxis(np.mgrid[:size, :size], 0, -1)
    distances, _ = cKDTree(points).query(places, k=2)
    borders: NDArray[np.bool_] = distances[..., 1] - distances[..., 0] < 3
    return borders


def _blurred(array: NDArray[Any], sigma: float) -> NDArray[np.float64]:
    from scipy.ndimage import gaussian_filter

    blurred: NDArray[np.float64] = gaussian_filter(array.astype(np.float64), sigma)
    return blurred


def _fluorescence(labels: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Nuclei of unlike brightness on a dark ground, with the noise of few photons."""
    rng = np.random.default_rng(4)
    brightness = np.concatenate([[8.0], rng.uniform(70, 180, int(labels.max()))])
    light = _blurred(brightness[labels], 1.2)
    return np.clip(light + rng.normal(0, 1, labels.shape) * np.sqrt(light), 0, 255).astype(np.uint8)


def _histology(labels: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Violet nuclei in pink tissue, both with texture."""
    rng = np.random.default_rng(5)
    share = _blurred(labels > 0, 0.8)[..., None]
    texture = _blurred(rng.normal(0, 1, labels.shape), 1.5)[..., None] * 60
    colours = np.array(_TISSUE) * (1 - share) + np.array(_STAINED) * share
    return np.clip(colours + texture + rng.normal(0, 3, colours.shape), 0, 255).astype(np.uint8)


def _electron(membranes: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Dark membranes between cells that are bright and grainy."""
    rng = np.random.default_rng(6)
    grain = _blurred(rng.normal(0, 1, membranes.shape), 2) * 60 + rng.normal(0, 10, membranes.shape)
    return np.clip(180 - 110 * _blurred(membranes, 0.8) + grain, 0, 255).astype(np.uint8)
