"""Chunks of stage arrays encoded on a device: columns become coefficients there, and these payloads.

Values: int32 arrays of the device (planes, gz, gy, gx, columns; corrections: planes, Z, Y, X) in; chunk bytes of the
host out, None for chunks wholly outside the grid. Implements FORMAT.md section 10 (stage arrays) on the kernels of
mmip_gpu.device, which take many chunks at once. Guarantees the bytes that `encode_stage` gives. The host sees DC
indices and classes, to which it fits prediction weights. It also sees columns that no chunk decodes to, and says why.
Scratch: about 20 bytes a coefficient that a cell has in all stages.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import MAX_INDEX, palette_positions
from mmip_gpu.config import CodecConfig
from mmip_gpu.device.encode.corrections import encode_corrections
from mmip_gpu.device.encode.masks import PaddingMasks
from mmip_gpu.device.encode.packing import pack
from mmip_gpu.device.lanes import Lane, budget, cut_batches, through_lanes
from mmip_gpu.device.layouts.structs import struct_dtype
from mmip_gpu.device.run.contracts import contract
from mmip_gpu.device.run.cuda_executor import CudaExecutor
from mmip_gpu.device.run.executors import DeviceArray, Executor
from mmip_gpu.device.tables.batches import Batch, ChunkShape
from mmip_gpu.device.tables.indices import Indices
from mmip_gpu.stage_arrays.coding import encode_stage
from mmip_gpu.stage_arrays.options import StageOptions
from mmip_gpu.stage_arrays.prefix import write_prefix
from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.volume.axes import PlaneLayout

__all__ = ["encode_stages"]

_BYTES_PER_COEFFICIENT = 24
_PREDICTION_UNIT = 256  # of column 0 of a stage 2: mode + 256 x prediction


def encode_stages(options: StageOptions, arrays: Sequence[Any], executor: Executor | None = None) -> list[bytes | None]:
    """Encode chunks; returns the bytes of each, or None. The default `executor` is that of the current CUDA device.

    Raises
    ------
    InvalidArgument
        For an array that no chunk of this stage decodes to.
    BackendUnavailable
        Without CuPy, a driver or a device.

    Examples
    --------
    >>> from mmip_gpu.device.run.executors import HostExecutor
    >>> options, columns = StageOptions(2, 1, (0, 3, 3), (0, 9, 63)), np.zeros((1, 1, 8, 8, 10), np.int32)
    >>> encode_stages(options, [columns], HostExecutor()) == [encode_stage(options, columns)]
    True
    """
    executor = CudaExecutor() if executor is None else executor
    for array in arrays:
        options.check_array(array.shape, array.shape, array.dtype)
    held = [executor.contiguous(executor.adopt(array).astype(np.int32, copy=False)) for array in arrays]

    def size(array: DeviceArray) -> int:
        cells = math.prod(array.shape[:4])
        return int(_BYTES_PER_COEFFICIENT * cells * (1 if options.corrects else 64 * options.cell_depth))

    def work(lane: Lane, batch: Sequence[DeviceArray]) -> list[bytes | None]:
        return _encode_batch(options, batch, lane.executor)

    return list(through_lanes(executor, cut_batches(held, size, budget(executor)), work, 1))


@contract(reads="columns_dev", writes="chunk bytes of the host", waits=True)
def _encode_batch(options: StageOptions, arrays: Sequence[DeviceArray], executor: Executor) -> list[bytes | None]:
    extents = _extents(options, arrays, executor)
    coded: dict[int, bytes | None] = {i: None for i, extent in enumerate(extents) if extent and not all(extent)}
    sizes = {i: extent for i, extent in enumerate(extents) if extent and all(extent)}
    if sizes:
        encode = _correction_payloads if options.corrects else _payloads
        payloads = encode(options, [arrays[i] for i in sizes], list(sizes.values()), executor)
        coded |= {i: write_prefix(sizes[i]) + p for i, p in zip(sizes, payloads, strict=True) if p is not None}
    for i in set(range(len(arrays))) - set(coded):
        coded[i] = encode_stage(options, executor.download(arrays[i]))  # says what is wrong with it
    return [coded[i] for i in range(len(arrays))]


@contract(reads="columns_dev", writes="extents", waits=True)
def _extents(options: StageOptions, arrays: Sequence[DeviceArray], executor: Executor) -> list[tuple[int, ...] | None]:
    """Of each array what lies inside the grid: zeros for nothing, None where the host should look closer.

    Waits for the device twice.
    """
    absent, axes = options.fill_value, range(4)
    inside = [(a if options.corrects else a[..., 0]) != absent for a in arrays]
    along = [mask.any(axis=tuple(a for a in axes if a != k)) for mask in inside for k in axes]
    lengths = [int(np.flatnonzero(one)[-1]) + 1 if one.any() else 0 for one in executor.download_all(along)]
    extents = [tuple(lengths[4 * i : 4 * i + 4]) for i in range(len(arrays))]
    checks = []
    for array, mask, extent in zip(arrays, inside, extents, strict=True):
        box, everywhere = tuple(slice(0, n) for n in extent), tuple(range(array.ndim))
        there, part = array != absent, array[box]
        counts = [one.sum(axis=everywhere, keepdims=True) for one in (there, there[box])]
        checks += [mask[box].all(axis=tuple(axes), keepdims=True), counts[0] == counts[1]]
        if options.corrects or options.stage == 1:
            numbers, limit = (part, MAX_INDEX) if options.corrects else (part[..., 1:2], options.dc_limit)
            sized = (numbers > -limit) & (numbers < limit)
            checks.append(sized.all(axis=everywhere, keepdims=True))
    sound = np.array([one.item() for one in executor.download_all(checks)], bool)
    rows = sound.reshape(len(arrays), -1)
    good = [bool(row.all()) and options.has_components(e) for e, row in zip(extents, rows, strict=True)]
    return [extent if one else None for extent, one in zip(extents, good, strict=True)]


@contract(reads="columns_dev", writes="whether they show predictions", waits=True)
def _predicted(options: StageOptions, arrays: Sequence[DeviceArray], executor: Executor) -> list[bool]:
    """Of each array whether a block of it has a prediction, which column 0 of a stage 2 of 2D cells says."""
    if options.stage != 2 or options.cell_depth != 1 or options.corrects:
        return [False] * len(arrays)
    found = [(array[..., :1] >= _PREDICTION_UNIT).any(axis=tuple(range(5)), keepdims=True) for array in arrays]
    return [bool(one.item()) for one in executor.download_all(found)]


def _plan(options: StageOptions, prediction: bool) -> ChunkPlan:
    """How what is coded for a chunk is coded: with this stage last, those before it being empty.

    Palette cells, of stage 2, are looked for from effort 2 on.
    """
    cuts: tuple[int, ...] = (0, options.cuts[-1])
    if options.stage > 1 and not options.corrects:
        cuts = (0, *options.cuts[options.stage - 2 : options.stage])
    palettes = options.stage == 2 and cuts[-1] >= palette_positions(options.cell_depth)
    return ChunkPlan(
        CodecConfig("psnr", 50.0, effort=2 if palettes else 1),
        axes="tzyx",
        colour=False,
        depth=options.cell_depth,
        tile_log2=options.coded_log2,
        cuts=tuple(dict.fromkeys(cuts)),
        steps=options.coded_steps,
        reversible=(0,) * len(options.coded_steps),
        padding=0 if options.padding else None,
        correction=0 if options.corrects else None,
        dc_image=options.stage > 1,
        prediction=prediction,
    )


def _batch(
    options: StageOptions, extents: Sequence[tuple[int, ...]], executor: Executor, predicted: Sequence[bool]
) -> Batch:
    shapes = {}
    kinds = list(zip(extents, predicted, strict=True))
    for extent, prediction in dict.fromkeys(kinds):
        plan = _plan(options, prediction)
        layout = PlaneLayout.of((extent[0], *options.coded_volume(extent)), plan.axes)
        shapes[extent, prediction] = ChunkShape(layout, plan, options.dc_image)
    return Batch(executor, [shapes[kind] for kind in kinds])


@contract(
    reads="columns_dev, C-ordered",
    writes="indices_dev, masks_dev; payloads of the host",
    kernels=["read_columns"],
    waits=True,
)
def _payloads(
    options: StageOptions, arrays: Sequence[DeviceArray], extents: Sequence[tuple[int, ...]], executor: Executor
) -> Sequence[bytes | None]:
    """Payload of each chunk, None where no chunk decodes to its columns."""
    batch = _batch(options, extents, executor, _predicted(options, arrays, executor))
    indices = Indices(
        modes=executor.empty(batch.cells, np.uint8),
        classes=executor.zeros(batch.cells, np.uint8),
        dcs=executor.zeros(batch.cells, np.int32),
        counts=executor.empty(batch.cells, np.uint16),
        positions=executor.empty(batch.entries, np.uint16),
        values=executor.empty(batch.entries, np.int32),
    )
    predictions = executor.empty(batch.cells, np.uint8) if batch.predicted else None
    masks = PaddingMasks.empty(batch) if options.padding else None
    refused = executor.zeros(batch.superblocks, np.uint8)
    held = executor.upload(_items(options, arrays, executor))
    executor.launch(
        "read_columns",
        groups=batch.superblocks,
        items=executor.address(held),
        mask=0 if masks is None else executor.address(masks.mask),
        hidden=0 if masks is None else executor.address(masks.hidden),
        refused=executor.address(refused),
        predictions=0 if predictions is None else executor.address(predictions),
        **{name: executor.address(array) for name, array in vars(indices).items()},
        **batch.addresses(),
    )
    if masks is not None:
        masks.frame(batch)
    payloads = [
        found[0 if options.stage == 1 else -1]
        for found in pack(batch, indices, masks, settles=False, predictions=predictions)
    ]
    wrong = _refused_chunks(batch, executor.download(refused))
    return [None if bad else payload for bad, payload in zip(wrong, payloads, strict=True)]


def _items(options: StageOptions, arrays: Sequence[DeviceArray], executor: Executor) -> NDArray[Any]:
    """The ColumnsItem of each chunk."""
    items: NDArray[Any] = np.zeros(len(arrays), struct_dtype("ColumnsItem"))
    for item, array in zip(items, arrays, strict=True):
        item["columns"], item["size"], item["count"] = executor.address(array), array.shape[1:4], array.shape[4]
    items["stage"], items["image"], items["masked"] = options.stage, options.dc_image, options.padding
    if options.stage > 1:
        items["low"], items["high"] = options.cuts[options.stage - 2 : options.stage]
    elif options.dc_image:
        items["high"] = options.cuts[-1]
    return items


def _refused_chunks(batch: Batch, refused: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """By chunk whether a superblock of it was refused."""
    tile = np.searchsorted(batch.tiles["first_superblock"], np.flatnonzero(refused), "right") - 1
    wrong = np.zeros(len(batch.shapes), bool)
    wrong[batch.tiles["chunk"][tile]] = True
    return wrong


def _correction_payloads(
    options: StageOptions, arrays: Sequence[DeviceArray], extents: Sequence[tuple[int, ...]], executor: Executor
) -> Sequence[bytes | None]:
    """Payload of each chunk: what brings zeros to the indices without an error."""
    batch = _batch(options, extents, executor, [False] * len(arrays))
    own = [executor.contiguous(a[tuple(slice(0, n) for n in e)]) for a, e in zip(arrays, extents, strict=True)]
    return encode_corrections(batch, own, [executor.zeros(array.shape, np.int32) for array in own])
