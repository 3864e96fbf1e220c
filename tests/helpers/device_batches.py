"""Batches for coding on a device: plans, chunks of the core as the kernels take them, payloads to compare with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu import CodecConfig, _core
from mmip_gpu.device.run.executors import HostExecutor
from mmip_gpu.device.tables.batches import ChunkShape, tile_items
from mmip_gpu.device.tables.indices import Indices
from mmip_gpu.transform.plan import ChunkPlan, class_steps
from mmip_gpu.volume.axes import PlaneLayout


def plan_of(
    axes: str,
    depth: int,
    step: float,
    effort: int = 1,
    cuts: tuple[int, ...] | None = None,
    classes: int = 1,
    **more: Any,
) -> ChunkPlan:
    config = CodecConfig("lossless", 0.0) if step == 0 else CodecConfig("psnr", 50.0, effort=effort)
    colour = more.pop("colour", False)
    steps, reversible = class_steps(config, classes, colour, step)
    last = 64 * depth - 1
    tile = more.pop("tile_log2", (1, 2, 2) if depth == 8 else (0, 3, 3))
    return ChunkPlan(config, axes, colour, depth, tile, cuts or (0, last), steps, reversible, **more)


# Content, shape, dtype, plan, classes of the ROI.
CASES: list[tuple[str, tuple[int, ...], str, ChunkPlan, int]] = [
    ("textured", (70, 101), "uint16", plan_of("yx", 1, 900.0), 0),
    ("half", (40, 33), "int16", plan_of("yx", 1, 300.0, cuts=(0, 5, 20, 63)), 0),
    ("smooth", (64, 64), "uint8", plan_of("yx", 1, 2.0, cuts=(0, 3, 63), tile_log2=(0, 2, 3)), 0),
    ("noise", (17, 130), "int8", plan_of("yx", 1, 0.0, cuts=(0, *range(1, 15), 63)), 0),
    ("textured", (19, 37, 45), "uint8", plan_of("zyx", 8, 6.0), 0),
    ("slices", (16, 32, 32), "uint16", plan_of("zyx", 8, 2000.0, cuts=(0, 30, 511)), 0),
    ("edges", (24, 20, 50), "int16", plan_of("zyx", 8, 500.0, cuts=(0, 10, 100, 511), classes=4), 4),
    ("noise", (9, 17, 23), "uint16", plan_of("zyx", 8, 0.0, cuts=(0, *range(1, 15), 511)), 0),
    ("checkerboard", (3, 20, 40), "uint16", plan_of("zyx", 1, 1.0, cuts=(0, 10, 63), tile_log2=(1, 2, 2)), 0),
    ("spikes", (1, 9), "int16", plan_of("yx", 1, 30.0, tile_log2=(0, 2, 2)), 0),
    ("constant", (2, 90, 40), "uint8", plan_of("tyx", 1, 4.0, cuts=(0, 4, 63)), 0),
    ("textured", (33, 40, 3), "uint8", plan_of("yxc", 1, 6.0, classes=2, colour=True), 2),
    ("smooth", (130, 150), "uint16", plan_of("yx", 1, 6000.0, cuts=(0, 2, 9, 63), tile_log2=(0, 4, 4)), 0),
    ("noise", (128, 131), "uint8", plan_of("yx", 1, 400.0, cuts=(0, 1, 63), tile_log2=(0, 4, 4)), 0),
    ("edges", (140, 100), "uint16", plan_of("yx", 1, 2500.0, cuts=(0, 20, 63), classes=3, tile_log2=(0, 4, 3)), 3),
]
IDS = [f"{i}-{case[0]}" for i, case in enumerate(CASES)]


def shape_of(case: tuple[str, tuple[int, ...], str, ChunkPlan, int]) -> ChunkShape:
    return ChunkShape(PlaneLayout.of(case[1], case[3].axes), case[3])


def coding_order(depth: int, size: tuple[int, int, int]) -> list[int]:
    """Raster index of every cell of a tile in coding order, by the words of FORMAT.md section 3."""
    block = (2, 2, 2) if depth == 8 else (1, 8, 8)
    bits = [(0, 2), (0, 1), (0, 0), (1, 2), (1, 1), (1, 0), (2, 2), (2, 1)]  # bit, axis: x is the lowest

    def key(at: tuple[int, int, int]) -> tuple[int, ...]:
        inside = [a % b for a, b in zip(at, block, strict=True)]
        z_order = sum(((inside[axis] >> bit) & 1) << i for i, (bit, axis) in enumerate(bits))
        return (*(a // b for a, b in zip(at, block, strict=True)), z_order)

    cells = sorted(np.ndindex(*size), key=key)
    return [(z * size[1] + y) * size[2] + x for z, y, x in cells]


def host_indices(chunk: _core.Chunk, shape: ChunkShape) -> dict[str, NDArray[Any]]:
    """The coefficients of a chunk of the core as the kernels take them, out of its stage arrays."""
    plan, (gz, gy, gx), planes = shape.plan, shape.grid, shape.layout.planes
    first = 2 if plan.padding is None else 2 + 2 * plan.depth
    columns = [first] + [1 + b - a for a, b in zip(plan.cuts, plan.cuts[1:], strict=False)]
    stages = [np.empty((planes, gz, gy, gx, n), np.int32) for n in columns]
    for stage, array in enumerate(stages, 1):
        chunk.to_columns(stage, array)
    out = {
        "modes": np.zeros(shape.cells, np.uint8),
        "classes": np.zeros(shape.cells, np.uint8),
        "dcs": np.zeros(shape.cells, np.int32),
        "counts": np.zeros(shape.cells, np.uint16),
        "positions": np.zeros(shape.cells * shape.per_cell, np.uint16),
        "values": np.zeros(shape.cells * shape.per_cell, np.int32),
    }
    merged = {4: 8 if plan.depth == 8 else 4, 5: 16, 6: 64}
    for tile in tile_items(shape):
        size, base = tuple(int(n) for n in tile["size"]), int(tile["first_cell"])
        z, y, x = (int(n) for n in tile["cell"])
        box = (int(tile["plane"]), *(slice(a, a + n) for a, n in zip((z, y, x), size, strict=True)))
        flat = [array[box].reshape(-1, array.shape[-1]) for array in stages]
        cells = len(flat[0])
        out["classes"][base : base + cells] = flat[0][:, 0]
        out["dcs"][base : base + cells] = flat[0][:, 1]
        order = coding_order(plan.depth, size)
        out["modes"][base : base + cells] = flat[1][order, 0]
        i = 0
        while i < cells:
            m = merged.get(int(out["modes"][base + i]), 1)
            coefficients = np.concatenate([f[order[i : i + m], 1:].T.ravel() for f in flat[1:]])
            (positions,) = np.nonzero(coefficients)
            out["counts"][base + i] = positions.size
            room = slice((base + i) * shape.per_cell, (base + i) * shape.per_cell + positions.size)
            out["positions"][room], out["values"][room] = positions, coefficients[positions]
            i += m
    return out


def uploaded(executor: HostExecutor, parts: list[dict[str, NDArray[Any]]]) -> Indices:
    return Indices(**{name: executor.upload(np.concatenate([p[name] for p in parts])) for name in parts[0]})


def core_payloads(chunk: _core.Chunk, stages: int) -> list[bytes]:
    return [chunk.pack(stage, 1) for stage in range(1, stages + 1)]


def with_step(plan: ChunkPlan, step: float) -> ChunkPlan:
    return replace(plan, config=replace(plan.config, step=step))
