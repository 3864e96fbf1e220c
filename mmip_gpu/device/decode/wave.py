"""Tiles of a batch of sub-streams decoded, a wave of them at a time: crcs compared, bits unpacked, samples made.

Values: a SubstreamBatch and the tiles of a wave in; samples or columns in the arrays that the chunks' records name, and
the states of the tiles, out. All arrays lie in the executor's memory. Decoder side of FORMAT.md sections 3 to 8.
Nothing waits for the device. The scratch of a wave is what `tiles.scratch_bytes` says.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import CRC_GROUPS, MAGNITUDE_BYTES, PALETTE_BYTES
from mmip_gpu.device.decode.substreams import SubstreamBatch, is_restored
from mmip_gpu.device.layouts.structs import KERNEL_LANES, struct_dtype
from mmip_gpu.device.run.contracts import contract
from mmip_gpu.device.run.executors import DeviceArray
from mmip_gpu.device.tables.tiles import assign_tile_offsets

__all__ = ["correct_wave", "decode_wave", "decode_wave_columns", "group_tiles"]

_UNPACKING = ("unpack_tokens", "unpack_predicted")
_SYNTHESIS = tuple(f"{kind}_{name}" for kind in ("synthesize", "reduce") for name in ("flat", "deep", "predicted"))


@contract(
    reads="sub-streams and code tables_dev; states_dev of the DC images",
    writes="samples of the tiles in planes_dev (components, where there is colour); states_dev",
    kernels=("check_groups", "unpack_masks", "unpack_first", *_UNPACKING, "restore_tiles", *_SYNTHESIS),
)
def decode_wave(
    batch: SubstreamBatch, wave: slice, image_states_dev: DeviceArray | None, first_image: int
) -> DeviceArray:
    """Decode the tiles of a wave into planes; returns their states.

    The tiles of DC images that the wave depends on have `image_states_dev`, from tile `first_image` on.
    """
    work = _Wave(batch, wave, image_states_dev, first_image)
    stages = batch.stages[wave]
    work.check(1, batch.tiles["image"][wave] < 0)
    if batch.items["padded"].any():
        work.launch("unpack_masks", 1)
    work.launch("unpack_first", 1)
    for stage in range(2, int(stages.max()) + 1):
        of_first = bool(batch.items["continues"][0])
        if not of_first:
            work.check(stage, stages >= stage)
        work.unpack(stage, source=1 if of_first else stage)
    work.synthesize()
    return work.states_dev


@contract(
    reads="sub-streams and code tables_dev; planes_dev",
    writes="planes_dev, corrected; states_dev",
    kernels=("check_groups", "unpack_corrections", "correct_samples"),
)
def correct_wave(batch: SubstreamBatch, wave: slice) -> DeviceArray:
    """Add the corrections of the tiles of a wave to their samples; returns the states of the tiles."""
    work = _Wave(batch, wave, None, 0)
    work.check(0, np.ones(len(batch.tiles[wave]), bool))
    work.launch("unpack_corrections", 0)
    work.launch("correct_samples", 0, groups=len(batch.tiles[wave]))
    return work.states_dev


@contract(
    reads="sub-streams and code tables_dev",
    writes="columns_dev of the tiles; states_dev",
    kernels=("check_groups", "unpack_masks", "unpack_first", *_UNPACKING, "write_columns"),
)
def decode_wave_columns(batch: SubstreamBatch, wave: slice, stage: int) -> DeviceArray:
    """Decode the tiles of a wave, which have this stage alone, into its columns; returns the states of the tiles."""
    work = _Wave(batch, wave, None, 0)
    work.check(stage, np.ones(len(batch.tiles[wave]), bool))
    if stage == 1:
        if batch.items["padded"].any():
            work.launch("unpack_masks", stage)
        work.launch("unpack_first", stage)
    if stage > 1 or batch.items["continues"].any():
        work.unpack(max(stage, 2), source=stage)
    work.launch("write_columns", stage, groups=len(batch.tiles[wave]))
    return work.states_dev


class _Wave:
    """The arrays of one wave in the executor's memory, and launches over them."""

    def __init__(
        self, batch: SubstreamBatch, wave: slice, image_states_dev: DeviceArray | None, first_image: int
    ) -> None:
        self._batch, self._wave = batch, wave
        executor = batch.executor
        tiles = batch.tiles[wave].copy()
        tiles["image"] = np.where(tiles["image"] >= 0, tiles["image"] - first_image, -1)
        used = assign_tile_offsets(tiles, batch.stages[wave], batch.frames[wave], batch.restored[wave])
        self._grouped = group_tiles(tiles, batch.items)
        self.states_dev = executor.zeros(len(tiles) * struct_dtype("DecodeState").itemsize // 8, np.int64)
        cells, masked = used["base"], bool(batch.items["padded"].any())
        self._predicted = batch.items["predicted"][tiles["item"]] > 0
        predicted = cells if self._predicted.any() else 0
        self._arrays = {
            "tiles": executor.upload(tiles),
            "dc": executor.empty(cells, np.int32),
            "classes": executor.empty(cells, np.uint8),
            "modes": executor.empty(cells, np.uint8),
            "predictions": executor.empty(predicted, np.uint8),
            "near_predictions": executor.empty(predicted, np.uint8),
            "restored": executor.empty(used["restored"], np.int32),
            "mask": executor.empty(8 * cells if masked else 0, np.uint64),
            "spans": executor.empty(used["spans"] * struct_dtype("TokenSpan").itemsize // 8, np.uint64),
            "tokens": executor.empty(used["tokens"] * struct_dtype("Token").itemsize // 8, np.uint64),
            "density": executor.empty(cells, np.uint32),
            "magnitudes": executor.zeros(MAGNITUDE_BYTES * len(tiles), np.uint8),
            "palettes": executor.empty(PALETTE_BYTES * len(tiles), np.uint8),
            "values": executor.empty(cells, np.int64),
            "errors": executor.empty(cells, np.uint32),
            "frames": executor.zeros(used["frame"], np.uint8),
        }
        self._image_states_dev = image_states_dev
        self._count = len(tiles)

    def launch(self, kernel: str, stage: int, *, source: int | None = None, groups: int | None = None) -> None:
        """One of the kernels whose lanes (or groups) are tiles; `source` is the stage that holds the sub-streams."""
        batch, executor = self._batch, self._batch.executor
        at = stage if source is None else source
        substreams = executor.upload(batch.wave_bytes(at, self._wave))
        self._run(
            kernel,
            groups=-(-self._count // KERNEL_LANES[kernel]) if groups is None else groups,
            stage=stage,
            substreams=executor.address(substreams),
            codes=executor.address(batch.codes(at)),
        )

    def unpack(self, stage: int, source: int) -> None:
        """Tokens of a stage, whose sub-streams are those of stage `source`."""
        predicted = self._predicted & (stage == 2)
        for kernel, tiles in zip(_UNPACKING, (~predicted, predicted), strict=True):
            if tiles.any():
                self.launch(kernel, stage, source=source)

    def check(self, stage: int, wanted: NDArray[np.bool_]) -> None:
        """Compare the crcs of the groups of a stage."""
        batch, executor = self._batch, self._batch.executor
        if not batch.check_crc:
            return
        groups = batch.wave_groups(stage, self._wave, wanted)
        if len(groups):
            groups_dev = executor.upload(groups)
            executor.launch(
                "check_groups",
                groups=-(-len(groups) // CRC_GROUPS),
                count=len(groups),
                items=executor.address(groups_dev),
                states=executor.address(self.states_dev),
            )

    def synthesize(self) -> None:
        """Samples of all tiles, by a kernel for each depth at full and at reduced scale, and for predicted blocks."""
        if len(restored := np.flatnonzero(self._batch.restored[self._wave]).astype(np.int32)):
            restored_dev = self._batch.executor.upload(restored)
            address = self._batch.executor.address(restored_dev)
            self._run("restore_tiles", groups=len(restored), group_tiles=address)
        for kernel, tiles in self._grouped.items():
            tiles_dev = self._batch.executor.upload(tiles)
            self._run(kernel, groups=len(tiles), group_tiles=self._batch.executor.address(tiles_dev))

    def _run(self, kernel: str, **values: int) -> None:
        executor = self._batch.executor
        arrays = {name: executor.address(array) for name, array in self._arrays.items()}
        fields = dict.fromkeys(("stage", "substreams", "codes", "group_tiles", "image_states"), 0)
        if self._image_states_dev is not None:
            fields["image_states"] = executor.address(self._image_states_dev)
        fields |= (
            arrays | self._batch.common | {"states": executor.address(self.states_dev), "count": self._count} | values
        )
        executor.launch(kernel, **fields)


def group_tiles(tiles: NDArray[Any], items: NDArray[Any]) -> dict[str, NDArray[np.int32]]:
    """For each synthesis kernel, the tile of each of its groups; sets the first group of each tile."""
    depth, scale = items["depth"][tiles["item"]], items["scale"][tiles["item"]]
    predicted = is_restored(items)[tiles["item"]]
    size = tiles["size"].astype(np.int64)
    deep = (-(-size // 2)).prod(axis=1)
    flat = size[:, 0] * -(-size[:, 1] // 8) * -(-size[:, 2] // 8)
    kinds = (("flat", (depth == 1) & ~predicted, flat), ("deep", depth == 8, deep), ("predicted", predicted, flat))
    tile_of_groups = {}
    for name, wanted, counts in kinds:
        for kind, scaled in (("synthesize", scale == 1), ("reduce", scale > 1)):
            chosen = np.flatnonzero(wanted & scaled)
            ends = np.cumsum(counts[chosen])
            tiles["first_group"][chosen] = ends - counts[chosen]
            if len(chosen):
                tile_of_groups[f"{kind}_{name}"] = np.repeat(chosen.astype(np.int32), counts[chosen])
    return tile_of_groups
