"""What the GPU script codes: small arrays of every kind for the checks, large ones for the rates, and their plans.

Values: names, shapes and sizes in; arrays in host memory and ChunkPlans out. By seed, and real images where there are.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
from hostile_images import PATTERNS, hostile_image

import mmip_gpu as mmip
from gpu.places import data_folder
from mmip_gpu.channel_targets import for_channels
from mmip_gpu.config import CodecConfig
from mmip_gpu.transform.analysis import analyze, prepare
from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.transform.planning.array_reader import ArrayReader
from mmip_gpu.transform.planning.make_plan import make_plan
from mmip_gpu.transform.planning.trial import Trial
from mmip_gpu.volume.axes import PlaneLayout
from mmip_gpu.volume.roi import roi_classes

THREADS = os.cpu_count() or 1
DTYPES = ("uint8", "int8", "uint16", "int16")


@dataclass(frozen=True)
class Case:
    """An array and the options of `mmip_gpu.encode`; the ROI is a mask of classes.

    `imaged` asks for a DC image whatever it costs; `encode` makes one only where few bits are spent.
    """

    name: str
    array: np.ndarray
    axes: str
    options: dict[str, Any] = field(default_factory=dict)
    roi: np.ndarray | None = None
    imaged: bool = False

    def classes(self) -> np.ndarray | None:
        """Quality class of every voxel."""
        return None if self.roi is None else roi_classes(self.roi, self.array, self.axes)

    def plan(self) -> ChunkPlan:
        """The plan that the CPU codes it by."""
        plan = plan_of(self.array, self.axes, self.classes(), **self.options)
        return replace(plan, dc_image=True, tile_log2=(1, 4, 4)) if self.imaged else plan


def plan_of(array: np.ndarray, axes: str, classes: np.ndarray | None = None, **options: Any) -> ChunkPlan:
    """The plan that `mmip_gpu.encode` makes."""
    layout = PlaneLayout.of(array.shape, axes)
    colour = "c" in axes and layout.channels == 3 and array.dtype in (np.uint8, np.uint16)
    config = for_channels(CodecConfig.from_options(**options), layout.channels, colour=colour)
    return make_plan(config, ArrayReader(Trial(array, classes, THREADS), layout, colour))


MODES: dict[str, dict[str, Any]] = {
    "lossy effort 1": {"quality": 10, "effort": 1},
    "lossy effort 2": {"psnr": 40, "effort": 2},
    "lossy effort 3": {"quality": 20, "effort": 3, "stages": 4},
    "high rate": {"quality": 220, "effort": 1, "stages": 2},
    "largest error 3": {"max_error": 3, "stages": 3, "effort": 1},
    "lossless": {"lossless": True, "stages": 3},
}


def textured(shape: tuple[int, ...], dtype: str, seed: int) -> np.ndarray:
    """Waves with noise: what a tissue is like."""
    rng, info = np.random.default_rng(seed), np.iinfo(dtype)
    wave = sum(np.sin(axis / rng.uniform(5, 40) + rng.uniform(0, 6)) for axis in np.indices(shape, sparse=True))
    scaled = (wave / len(shape) * 0.4 + 0.5 + rng.normal(0, 0.02, shape)) * (info.max - info.min) + info.min
    return np.clip(np.rint(scaled), info.min, info.max).astype(dtype)


def random_cases(small: bool) -> Iterator[Case]:
    """Tissue-like content of every dtype, in 2D and 3D, in every mode; colour, ROI, padding, float32."""
    flat, deep = ((37, 50), (9, 17, 26)) if small else ((301, 517), (37, 70, 131))
    for seed, (mode, options) in enumerate(MODES.items()):
        for dtype in (DTYPES[seed % 4],) if small else DTYPES:
            yield Case(f"2D {dtype}, {mode}", textured(flat, dtype, seed), "yx", options)
            yield Case(f"3D {dtype}, {mode}", textured(deep, dtype, seed), "zyx", options | {"cell_depth": 8})
            yield Case(f"slices {dtype}, {mode}", textured(deep, dtype, seed), "zyx", options | {"cell_depth": 1})
    for mode in ("lossy effort 1", "lossless"):
        yield Case(f"colour, {mode}", textured((*flat, 3), "uint8", 7), "yxc", MODES[mode])
    array = textured(deep, "uint16", 8)
    roi = np.zeros(deep, np.uint8)
    roi[2:6, 3:11, 5:20], roi[5:, 9:14, 2:9] = 1, 2
    for effort in (1, 2):
        options = {"quality": 10, "effort": effort, "roi_quality": {1: 60, 2: "lossless"}}
        yield Case(f"ROI of 2 classes, effort {effort}", array, "zyx", options, roi)
    padded = np.where(np.indices(flat).sum(axis=0) < flat[0] // 2, 0, textured(flat, "uint16", 9) // 2 + 20000)
    floats = textured(deep, "int16", 10).astype(np.float32) / 128
    for effort in (1, 2):
        options = {"quality": 10, "effort": effort, "padding": 0}
        yield Case(f"padding, effort {effort}", padded.astype(np.uint16), "yx", options)
        yield Case(f"float32, effort {effort}", floats, "zyx", {"psnr": 50, "step": 0.01, "effort": effort})
        options = {"quality": 4, "effort": effort, "cell_depth": 1}
        yield Case(f"DC image, effort {effort}", textured(flat, "uint16", 11), "yx", options, imaged=True)
    for stages in (2, 4):  # the kernels decode them; the core encodes
        options = {"quality": 10, "prediction": True, "stages": stages}
        yield Case(f"predicted, {stages} stages", textured(deep, "uint16", 12), "zyx", options)


def extreme_cases(small: bool) -> Iterator[Case]:
    """Images that are made to hurt, over the whole range of a dtype."""
    flat, deep = ((19, 33), (9, 10, 17)) if small else ((130, 201), (17, 40, 66))
    for index, pattern in enumerate(PATTERNS):
        for dtype in (DTYPES[index % 4],) if small else ("uint8", "int16"):
            for mode in ("lossy effort 1", "lossy effort 2", "high rate", "lossless"):
                options = MODES[mode] if mode == "lossy effort 2" else MODES[mode] | {"padding": None}
                yield Case(f"{pattern} 2D {dtype}, {mode}", hostile_image(pattern, flat, dtype), "yx", options)
                options = options | {"cell_depth": 8}
                yield Case(f"{pattern} 3D {dtype}, {mode}", hostile_image(pattern, deep, dtype), "zyx", options)


def real_cases(small: bool) -> Iterator[Case]:
    """The middle of every real image, in every mode; none without them."""
    folder = data_folder()
    side, slices = (40, 9) if small else (256, 48)
    for path in sorted(folder.glob("*.npy")) if folder else []:
        array = np.load(path, mmap_mode="r")
        if array.ndim not in (2, 3) or array.dtype.name not in DTYPES:
            continue
        lengths = (slices, side, side)[-array.ndim :]
        starts = [max((n - length) // 2, 0) for n, length in zip(array.shape, lengths, strict=True)]
        part = np.ascontiguousarray(
            array[tuple(slice(a, a + n) for a, n in zip(starts, lengths, strict=True))]  # fewer where it ends
        )
        for mode in ("lossless",) if small else MODES:
            yield Case(f"{path.stem}, {mode}", part, "zyx"[-array.ndim :], MODES[mode])


# --- for the rates

_PERIOD = 2**24  # samples of the largest phantom that is made
_PLAIN = {"padding": None, "verify": False}
RATES: dict[str, dict[str, Any]] = {
    "lossy, low rate": {"psnr": 50, "effort": 1, **_PLAIN},
    "lossy, middle rate": {"psnr": 57, "effort": 1, **_PLAIN},
    "lossy, high rate": {"psnr": 62, "effort": 1, **_PLAIN},
    "lossless": {"lossless": True, "stages": 3, **_PLAIN},
    "lossy, effort 2": {"psnr": 57, "effort": 2, **_PLAIN},
    "lossy, effort 3": {"psnr": 57, "effort": 3, **_PLAIN},
}


@lru_cache(maxsize=4)
def _phantom(dimensions: int, samples: int) -> np.ndarray:
    if dimensions == 2:
        return mmip.phantom2d(max(int(math.sqrt(samples)) // 8 * 8, 8))
    side = max(int((samples * 4) ** (1 / 3)) // 8 * 8, 8)
    return mmip.phantom3d((max(samples // side**2 // 8 * 8, 1), side, side))


def rate_array(dimensions: int, dtype: str, size: int) -> np.ndarray:
    """A phantom of about so many bytes, large ones repeated along the first axis; of 8 bits, the samples over 64."""
    samples = max(size // np.dtype(dtype).itemsize, 64)
    array = _phantom(dimensions, min(samples, _PERIOD))
    if dtype == "uint8":
        array = np.minimum(array >> 6, 255).astype(dtype)
    return np.tile(array, (max(round(samples / array.size), 1), *[1] * (dimensions - 1)))


def _one_period(array: np.ndarray) -> np.ndarray:
    """The first part of an array that is as large as a phantom before it is repeated, or all."""
    planes = max(_PERIOD // max(array[0].size, 1), 8)
    return np.ascontiguousarray(array[:planes])


def rate_plan(array: np.ndarray, options: dict[str, Any]) -> ChunkPlan:
    """A plan that holds for arrays of all sizes, made on a part of one."""
    depth = 1 if array.ndim == 2 else 8
    return plan_of(_one_period(array), "zyx"[-array.ndim :], **options, cell_depth=depth)


def nonzero_share(array: np.ndarray, plan: ChunkPlan) -> float:
    """AC indices that are not 0, a sample."""
    part = _one_period(array)
    layout = PlaneLayout.of(part.shape, plan.axes)
    chunk = analyze(prepare(part, plan, THREADS), plan, None).chunk
    z, y, x = (-(-n // c) for n, c in zip(layout.volume, (plan.depth, 8, 8), strict=True))
    found = 0
    for stage, (first, end) in enumerate(zip(plan.cuts, plan.cuts[1:], strict=False), 2):
        columns = np.empty((layout.planes, z, y, x, 1 + end - first), np.int32)
        chunk.to_columns(stage, columns)
        found += int(np.count_nonzero(columns[..., 1:]))
    return found / part.size
