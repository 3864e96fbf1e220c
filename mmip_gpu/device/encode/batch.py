"""Encoding a batch of chunks where its samples are: from arrays and plans to coefficients and stage payloads.

Values: Chunk per array in the executor's memory in; Quantized, or payloads and what a header says beside them, out.
Home: device, or the CPU for tests. Guarantees the payloads that the codec makes of the same arrays; chunks of a batch
may differ in everything. Scratch: 8 bytes a sample (entries and tokens), about 30 a cell of 64 or 512 samples, 10 a
cell and stage, 96 KB a payload and copy of its histograms (at most 64 MiB unless the batch itself is larger), 4 a
sample of colour and 4 of float32; with corrections the decoded samples and 5 bytes a sample; what padding takes
(device/encode/masks.py); at efforts 2 and 3 what device/encode/search.py states.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import SEARCH_NONE
from mmip_gpu.device.decode.synthesis import Synthesizer
from mmip_gpu.device.encode.analysis import Source, analyze
from mmip_gpu.device.encode.dc_images import code_dc_images
from mmip_gpu.device.encode.float_indices import sample_indices
from mmip_gpu.device.encode.masks import fill_padding
from mmip_gpu.device.encode.quantized import QuantizedBatch, SideInformation
from mmip_gpu.device.encode.statistics import sample_statistics
from mmip_gpu.device.layouts.structs import SAMPLE_TYPES, struct_dtype
from mmip_gpu.device.run.executors import Array, Executor
from mmip_gpu.device.tables.batches import Batch, ChunkShape, launch_items
from mmip_gpu.errors import InvalidArgument
from mmip_gpu.transform.plan import ChunkPlan, sample_offset
from mmip_gpu.volume.axes import PlaneLayout
from mmip_gpu.volume.floats import DEEP_LIMIT, INDEX_LIMIT

__all__ = ["Chunk", "CodedChunk", "cell_classes", "encode_batch", "quantize_batch", "refusal"]

_SAMPLES = frozenset(np.dtype(t) for t in ("uint8", "int8", "uint16", "int16", "float32"))


@dataclass(frozen=True)
class Chunk:
    """An array in the executor's memory, how it is coded, and the class of every voxel (without an axis ``c``).

    `on_host` gives a copy of the array in host memory, where there is one already.
    """

    array: Array
    plan: ChunkPlan
    classes: Array | None = None
    on_host: Callable[[], NDArray[Any]] | None = None


@dataclass(frozen=True)
class CodedChunk:
    """Payloads of the stages, and what the header says of the chunk.

    Offset, reconstruction points and estimated squared errors (by class); least and greatest sample; with corrections
    the planes that a decoder makes (of float32 samples, their indices), in the executor's memory; the reconstruction
    points of a DC image.
    """

    payloads: list[bytes]
    offset: int
    recon: list[list[int]]
    errors: list[float]
    sample_range: tuple[float, float] = (0, 0)
    decoded: Array | None = None
    dc_recon: list[int] | None = None


def refusal(plan: ChunkPlan, dtype: Any) -> str | None:
    """Why the kernels do not encode such a chunk; None where they do.

    Examples
    --------
    >>> from mmip_gpu.config import CodecConfig
    >>> plan = ChunkPlan(CodecConfig("psnr", 50.0, effort=1), "yx", False, 1, (0, 4, 4), (0, 63), ((256,),), (0,))
    >>> refusal(plan, "uint16") is None, refusal(plan, "float32")
    (True, 'samples of float32')
    """
    if np.dtype(dtype) not in _SAMPLES or (np.dtype(dtype) == np.float32) == (plan.config.step is None):
        return f"samples of {np.dtype(dtype)}"
    return None


def encode_batch(
    executor: Executor, chunks: Sequence[Chunk], rounding: int, *, plain: bool = False, threads: int | None = None
) -> list[CodedChunk]:
    """Code chunks together; arguments and errors are those of `quantize_batch`."""
    coded = [CodedChunk([], 0, [], [])] * len(chunks)
    for places, found in quantize_batch(executor, chunks, rounding, plain=plain, threads=threads):
        for place, payloads, one in zip(places, found.payloads, found.settled, strict=True):
            coded[place] = CodedChunk(payloads, **vars(one))
        if chunks[places[0]].plan.correction is not None:
            for place, payload, decoded in zip(places, *found.corrections(), strict=True):
                coded[place] = replace(coded[place], payloads=[*coded[place].payloads, payload], decoded=decoded)
    return coded


def quantize_batch(
    executor: Executor,
    chunks: Sequence[Chunk],
    rounding: int,
    *,
    plain: bool = False,
    synthesizer: Synthesizer | None = None,
    threads: int | None = None,
) -> list[tuple[list[int], QuantizedBatch]]:
    """All of encoding but the entropy coder: the chunks of every launch, by their places; not those that are empty.

    Parameters
    ----------
    rounding : int
        Of AC indices, in 1/256 of a step.
    plain : bool
        All blocks have mode 8.
    synthesizer : Synthesizer, optional
        One whose tables are there already.
    threads : int, optional
        Of the host, for codes and payloads; all processors by default.

    Raises
    ------
    InvalidArgument
        For a chunk that the kernels do not encode; it is named.
    """
    for index, chunk in enumerate(chunks):
        reason = refusal(chunk.plan, chunk.array.dtype)
        if reason is not None:
            raise InvalidArgument(f"chunk {index}: {reason}: not encoded on a device; pass device='cpu'")
    synthesizer = synthesizer or Synthesizer(executor)
    found = []
    for kind in sorted({_kind(chunk.plan) for chunk in chunks}):
        places = [i for i, chunk in enumerate(chunks) if _kind(chunk.plan) == kind and chunk.array.size]
        names = [f"chunk {i}: " if len(chunks) > 1 else "" for i in places]
        if places:
            alike = [chunks[i] for i in places]
            found.append((places, _quantize_alike(executor, alike, names, rounding, plain, synthesizer, threads)))
    return found


def _kind(plan: ChunkPlan) -> tuple[int, int, int, bool, bool]:
    """What the chunks of one launch share: cell depth, search, whether they have corrections, and a DC image."""
    return plan.depth, *plan.search, plan.correction is not None, plan.dc_image


def _quantize_alike(
    executor: Executor,
    chunks: Sequence[Chunk],
    names: Sequence[str],
    rounding: int,
    plain: bool,
    synthesizer: Synthesizer,
    threads: int | None,
) -> QuantizedBatch:
    """Chunks of one kind, none of them empty; `names` begin the messages of errors."""
    search, passes = (SEARCH_NONE, 1) if plain else chunks[0].plan.search
    kinds = {(c.array.shape, id(c.plan)): c for c in chunks}
    shape_of = {key: ChunkShape(PlaneLayout.of(c.array.shape, c.plan.axes), c.plan) for key, c in kinds.items()}
    shapes = [shape_of[c.array.shape, id(c.plan)] for c in chunks]
    batch = Batch(executor, shapes, threads)
    planes = [_contiguous(s.layout.plane_view(c.array)) for c, s in zip(chunks, shapes, strict=True)]
    floats = [_float_planes(executor, p, c) for p, c in zip(planes, chunks, strict=True)]
    ranges = _index_floats(executor, planes, [c.plan for c in chunks], names)
    statistics = sample_statistics(executor, planes)
    cells = cell_classes(batch, [c.classes for c in chunks])
    masks, filled = fill_padding(batch, planes, cells)
    coded_statistics = statistics if masks is None else sample_statistics(executor, filled)
    offsets = [sample_offset(p, found) for p, found in zip(filled, coded_statistics, strict=True)]
    coloured = _colour_planes(batch, filled, offsets)
    sources = [
        Source(p, c, 0 if s.plan.colour else offset)
        for p, c, s, offset in zip(coloured, cells, shapes, offsets, strict=True)
    ]
    indices, sums = analyze(batch, sources, rounding, search, passes)
    images = code_dc_images(batch, indices, rounding, search, passes, synthesizer) if chunks[0].plan.dc_image else None
    settled = [
        SideInformation(offset, recon, errors, of_floats or of_integers[1:])
        for offset, (recon, errors), of_floats, of_integers in zip(
            offsets, batch.settle_sums(executor.download(sums), search), ranges, statistics, strict=True
        )
    ]
    if images is not None:
        settled = [
            replace(s, errors=[s.errors[0] + error], dc_recon=recon)
            for s, recon, error in zip(settled, images.recon, images.errors, strict=True)
        ]
    return QuantizedBatch(batch, planes, cells, indices, masks, images, settled, floats, synthesizer)


def _float_planes(executor: Executor, planes: Array, chunk: Chunk) -> Callable[[], NDArray[Any]] | None:
    """What gives the planes of float32 samples in host memory; None for other samples."""
    if chunk.plan.config.step is None:
        return None
    if chunk.on_host is None:
        return partial(executor.download, planes)
    read, layout = chunk.on_host, PlaneLayout.of(chunk.array.shape, chunk.plan.axes)
    return lambda: layout.to_planes(read())


def _index_floats(
    executor: Executor, planes: list[Array], plans: Sequence[ChunkPlan], names: Sequence[str]
) -> list[tuple[float, float] | None]:
    """Put indices in the place of float32 samples; returns the range of these samples, None of others."""
    ranges: list[tuple[float, float] | None] = [None] * len(planes)
    places = [i for i, plan in enumerate(plans) if plan.config.step is not None]
    if places:
        steps = [plans[i].config.step or 0.0 for i in places]
        limits = [INDEX_LIMIT if plans[i].depth == 1 else DEEP_LIMIT for i in places]
        found = sample_indices(executor, [planes[i] for i in places], steps, limits, [names[i] for i in places])
        for i, (indices, low, high) in zip(places, found, strict=True):
            planes[i], ranges[i] = indices, (low, high)
    return ranges


def _contiguous(array: Array) -> Array:
    return array if array.flags.c_contiguous else array.copy(order="C")


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
    launch_items(batch.executor, "colour_planes", np.array(rows, struct_dtype("ColourItem")))
    return out


def cell_classes(batch: Batch, classes: Sequence[Array | None]) -> list[Array | None]:
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
    launch_items(batch.executor, "cell_classes", np.array(rows, struct_dtype("CellClassItem")))
    return out
