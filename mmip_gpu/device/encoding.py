"""Encoding a batch of chunks where its samples are: from arrays and plans to stage payloads.

Values: Chunk per array in the executor's memory; payloads, and what a header says beside them, out. Home: device, or
the CPU for tests. Guarantees the payloads that the codec makes of the same arrays; chunks of a batch may differ in
everything. Scratch: 8 bytes a sample (entries and tokens), about 30 a cell of 64 or 512 samples, 10 a cell and stage,
96 KB a payload and copy of its histograms (at most 64 MiB unless the batch itself is larger), 4 a sample of colour;
at efforts 2 and 3 what search.py states.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..axes import PlaneLayout
from ..errors import InvalidArgument
from ..planning import ChunkPlan, mean_offset
from .analysis import SAMPLE_TYPES, Source, analyze, sample_sums
from .batches import Batch, ChunkShape
from .executors import Array, Executor
from .packing import pack
from .parameters import CELL_CLASS_ITEM, COLOUR_ITEM

__all__ = ["Chunk", "CodedChunk", "encode_batch", "refusal"]

_LANES = 256
_INTEGERS = frozenset(np.dtype(t) for t in ("uint8", "int8", "uint16", "int16"))


@dataclass(frozen=True)
class Chunk:
    """An array in the executor's memory, how it is coded, and the class of every voxel (without an axis ``c``)."""

    array: Array
    plan: ChunkPlan
    classes: Array | None = None


@dataclass(frozen=True)
class CodedChunk:
    """Payloads of the stages; offset, reconstruction points and estimated squared errors (by class) of the header."""

    payloads: list[bytes]
    offset: int
    recon: list[list[int]]
    errors: list[float]


def refusal(plan: ChunkPlan, dtype: Any) -> str | None:
    """Why the kernels do not encode such a chunk; None where they do.

    Examples
    --------
    >>> from mmip_gpu import CodecConfig
    >>> plan = ChunkPlan(CodecConfig("psnr", 50.0, effort=1), "yx", False, 1, (0, 4, 4), (0, 63), ((256,),), (0,))
    >>> refusal(plan, "uint16") is None, refusal(plan, "float32")
    (True, 'samples of float32')
    """
    if np.dtype(dtype) not in _INTEGERS:
        return f"samples of {np.dtype(dtype)}"
    if plan.padding is not None:
        return "a padding mask"
    if plan.dc_image:
        return "a DC image"
    return "corrections" if plan.correction is not None else None


def encode_batch(executor: Executor, chunks: Sequence[Chunk], rounding: int) -> list[CodedChunk]:
    """Code chunks together; `rounding` of AC indices is in 1/256 of a step.

    Raises
    ------
    InvalidArgument
        For a chunk that the kernels do not encode; it is named.
    """
    for index, chunk in enumerate(chunks):
        reason = refusal(chunk.plan, chunk.array.dtype)
        if reason is not None:
            raise InvalidArgument(f"chunk {index}: {reason}: not encoded on a device; pass device='cpu'")
    found: dict[int, CodedChunk] = {}
    for kind in sorted({_kind(chunk.plan) for chunk in chunks}):
        places = [i for i, chunk in enumerate(chunks) if _kind(chunk.plan) == kind and chunk.array.size]
        coded = _encode_alike(executor, [chunks[i] for i in places], rounding) if places else []
        found.update(zip(places, coded, strict=True))
    return [found.get(i) or CodedChunk([], 0, [], []) for i in range(len(chunks))]


def _kind(plan: ChunkPlan) -> tuple[int, int, int]:
    """What the chunks of one launch share."""
    return plan.depth, *plan.search


def _encode_alike(executor: Executor, chunks: Sequence[Chunk], rounding: int) -> list[CodedChunk]:
    """Chunks of one kind, none of them empty."""
    shapes = [ChunkShape(PlaneLayout.of(c.array.shape, c.plan.axes), c.plan) for c in chunks]
    batch = Batch(executor, shapes)
    planes = [_contiguous(s.layout.plane_view(c.array)) for c, s in zip(chunks, shapes, strict=True)]
    offsets = [mean_offset(n, p.size) for n, p in zip(sample_sums(batch, planes), planes, strict=True)]
    coloured = _colour_planes(batch, planes, offsets)
    cells = _cell_classes(batch, [c.classes for c in chunks])
    sources = [
        Source(p, c, 0 if s.plan.colour else offset)
        for p, c, s, offset in zip(coloured, cells, shapes, offsets, strict=True)
    ]
    search, passes = chunks[0].plan.search
    indices, sums = analyze(batch, sources, rounding, search, passes)
    payloads = pack(batch, indices)
    settled = batch.settle_sums(executor.download(sums), search)
    return [
        CodedChunk(payload, offset, recon, errors)
        for payload, offset, (recon, errors) in zip(payloads, offsets, settled, strict=True)
    ]


def _contiguous(array: Array) -> Array:
    return array if array.flags.c_contiguous else array.copy(order="C")


def _launch(batch: Batch, kernel: str, items: np.ndarray[Any, Any]) -> None:
    """A kernel over items of `count` lanes each."""
    if not items.size:
        return
    many = -(-items["count"] // _LANES)
    items["first_group"] = np.cumsum(many) - many
    on_device = batch.executor.upload(items)
    address = batch.executor.address(on_device)
    batch.executor.launch(kernel, groups=int(many.sum()), item_count=items.size, items=address)


def _colour_planes(batch: Batch, planes: Sequence[Array], offsets: Sequence[int]) -> list[Array]:
    """The planes that are transformed: components where there is colour."""
    executor, out = batch.executor, list(planes)
    rows = []
    for index, (array, shape) in enumerate(zip(planes, batch.shapes, strict=True)):
        if shape.plan.colour:
            out[index] = executor.empty(array.shape, np.int32)
            addresses = executor.address(array), executor.address(out[index])
            one = array.size // shape.layout.planes
            rows.append((*addresses, one, array.size // 3, 0, SAMPLE_TYPES[array.dtype], offsets[index]))
    _launch(batch, "colour_planes", np.array(rows, COLOUR_ITEM))
    return out


def _cell_classes(batch: Batch, classes: Sequence[Array | None]) -> list[Array | None]:
    """Class of every cell of every plane, where there are classes to tell apart."""
    executor = batch.executor
    voxels: list[Array | None] = []
    out: list[Array | None] = []
    rows = []
    for given, shape in zip(classes, batch.shapes, strict=True):
        layout = shape.layout
        if given is None or len(shape.plan.steps) == 1:
            voxels.append(None)
            out.append(None)
            continue
        spatial = PlaneLayout.of(given.shape, layout.axes.replace("c", ""))
        voxels.append(_contiguous(spatial.plane_view(given)))
        out.append(executor.empty(shape.cells, np.uint8))
        addresses = executor.address(voxels[-1]), executor.address(out[-1])
        rows.append((*addresses, layout.volume, shape.cells, 0, shape.plan.depth, layout.channels))
    _launch(batch, "cell_classes", np.array(rows, CELL_CLASS_ITEM))
    return out
