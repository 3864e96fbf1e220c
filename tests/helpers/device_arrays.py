"""Arrays with padding and with few values, and what coding them on a device must give."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from helpers.device_batches import host_indices
from helpers.strategies import make, make_roi
from mmip_gpu import _core
from mmip_gpu.device.encode.batch import Chunk, encode_batch
from mmip_gpu.device.run.executors import HostExecutor
from mmip_gpu.device.tables.batches import ChunkShape
from mmip_gpu.transform.analysis import ROUNDING, analyze, prepare
from mmip_gpu.transform.chunk import encode_chunk
from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.volume.axes import PlaneLayout


def few_values(shape: tuple[int, ...], dtype: str, values: int, seed: int) -> NDArray[Any]:
    """Boxes of some values over each other, which cells of 2 to 4 colours are for."""
    rng, info = np.random.default_rng(seed), np.iinfo(dtype)
    colours = rng.integers(info.min, info.max, values, dtype, endpoint=True)
    array = np.full(shape, colours[0], dtype)
    for _ in range(max(8, array.size // 600)):
        starts = [int(rng.integers(0, n)) for n in shape]
        array[tuple(slice(a, a + int(rng.integers(1, 12))) for a in starts)] = colours[rng.integers(0, values)]
    return array


def analyzed(array: NDArray[Any], plan: ChunkPlan) -> tuple[_core.Chunk, ChunkShape, dict[str, NDArray[Any]]]:
    chunk, shape = (
        analyze(prepare(array, plan, 1), plan, None).chunk,
        ChunkShape(PlaneLayout.of(array.shape, plan.axes), plan),
    )
    return chunk, shape, host_indices(chunk, shape)


def padded(kind: str, shape: tuple[int, ...], dtype: str, value: int, inside: str, seed: int = 5) -> NDArray[Any]:
    """Content with a value around it: outside an ellipsoid, at scattered samples, everywhere, or nowhere."""
    array, rng = make(kind, shape, dtype, seed), np.random.default_rng(seed)
    if inside == "ellipsoid":
        at = np.meshgrid(*(np.linspace(-1.1, 1.1, n) for n in shape), indexing="ij", sparse=True)
        array[sum(place**2 for place in at) > 1] = value
    elif inside == "scattered":
        array[rng.random(shape) < 0.3] = value
    elif inside == "box":
        array[tuple(slice(int(rng.integers(0, n)), None) for n in shape)] = value
    else:
        array[array == value] = value ^ 1
        if inside == "nothing":
            array[...] = value
    return array


Case = tuple[NDArray[Any], ChunkPlan, int]


def roi_of(case: Case) -> NDArray[np.uint8] | None:
    array, plan, classes = case
    return make_roi(array, plan.axes, classes, 3) if classes else None


def check_payloads(executor: HostExecutor, cases: list[Case]) -> None:
    rois = [roi_of(case) for case in cases]
    chunks = [
        Chunk(executor.upload(array), plan, None if roi is None else executor.upload(roi))
        for (array, plan, _), roi in zip(cases, rois, strict=True)
    ]
    for (array, plan, _), roi, found in zip(cases, rois, encode_batch(executor, chunks, ROUNDING), strict=True):
        expected = encode_chunk(array, plan, roi, allow_raw=False)
        assert tuple(found.payloads) == expected.payloads
        fields = expected.header.fields
        assert fields is not None
        assert (found.offset, tuple(tuple(d) for d in found.recon)) == (fields.offset, fields.recon)
