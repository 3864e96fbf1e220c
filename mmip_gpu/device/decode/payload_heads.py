"""Heads of stage payloads, read on the host: where sub-streams stand, and the codes that the kernels decode with.

Values: payload bytes on the host or in the executor's memory in; offsets on the host, code tables in the executor's
memory out. Implements FORMAT.md section 6 for readers. Equal codes are uploaded once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import MODE_COUNT, PayloadHeads, token_left_offsets, token_places
from mmip_gpu._core import block_tables as core_block_tables
from mmip_gpu.container.header import TransformHeader
from mmip_gpu.container.payload import check_payload, stated_head_bytes
from mmip_gpu.device.layouts.structs import struct_dtype
from mmip_gpu.device.run.executors import Array, Executor
from mmip_gpu.device.run.placement import is_on_device
from mmip_gpu.errors import MmipError

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["CodeStore", "HeadKind", "StageHead", "read_heads", "read_lone_heads"]

_KEPT = 256  # codes of a stage that are kept in the executor's memory
_TOGETHER = 64  # payloads whose tables the host holds at a time: about 200 KB each
_FIRST_BYTES = 4096  # of a payload on the device that are read before its head's length is known


@dataclass(frozen=True)
class Codes:
    """Codes of a stage in the executor's memory: their record for the kernels, and what it points at.

    No token takes fewer bits than `least_token_bits`: with it the bytes of a sub-stream bound its tokens.
    """

    record: np.void
    least_token_bits: int
    held: Array


@dataclass(frozen=True)
class StageHead:
    """What a payload's head says; `offsets` count from the payload's start and end with its size."""

    offsets: NDArray[np.uint64]
    group_crcs: NDArray[np.uint32]
    codes: Codes


@dataclass(frozen=True)
class HeadKind:
    """What the head of a payload is read by: its stage (0: corrections), and of what chunk."""

    stage: int
    substreams: int
    dc_image: bool

    @classmethod
    def of(cls, header: TransformHeader, stage: int) -> HeadKind:
        """That of a stage of the chunk with this header."""
        fields = header.fields
        is_last = stage > len(fields.cuts)
        return cls(0 if is_last else stage, fields.substreams(header.layout), fields.dc_image is not None)


def read_heads(
    executor: Executor,
    store: CodeStore,
    wanted: Sequence[tuple[TransformHeader, int, Buffer | Array]],
    check_crc: bool,
    threads: int,
) -> list[StageHead | MmipError]:
    """Heads of payloads, given with their header and stage; or what is wrong with a payload.

    Waits for the device where payloads lie there: once for all of them, and once more for long heads.
    """
    starts = _starts(executor, [payload for _, _, payload in wanted])
    found: dict[int, StageHead | MmipError] = {}
    sound = []
    for index, ((header, stage, _), (head, size)) in enumerate(zip(wanted, starts, strict=True)):
        try:
            check_payload(header, stage, size, head.data, check_crc)
            sound.append(index)
        except MmipError as error:
            found[index] = error
    kinds = [HeadKind.of(*wanted[i][:2]) for i in sound]
    found.update(zip(sound, _read(store, kinds, [starts[i] for i in sound], check_crc, threads), strict=True))
    return [found[index] for index in range(len(wanted))]


def read_lone_heads(
    executor: Executor, store: CodeStore, wanted: Sequence[tuple[HeadKind, Buffer | Array]], threads: int
) -> list[StageHead | MmipError]:
    """Heads of payloads that no header names, by their own crcs; or what is wrong with one. Waits as `read_heads`."""
    starts = _starts(executor, [payload for _, payload in wanted])
    return _read(store, [kind for kind, _ in wanted], starts, True, threads)


def _read(
    store: CodeStore,
    kinds: Sequence[HeadKind],
    starts: Sequence[tuple[NDArray[np.uint8], int]],
    check_crc: bool,
    threads: int,
) -> list[StageHead | MmipError]:
    found: list[StageHead | MmipError] = []
    for first in range(0, len(kinds), _TOGETHER):
        part = slice(first, first + _TOGETHER)
        found += _read_together(store, kinds[part], starts[part], check_crc, threads)
    return found


def _read_together(
    store: CodeStore,
    kinds: Sequence[HeadKind],
    starts: Sequence[tuple[NDArray[np.uint8], int]],
    check_crc: bool,
    threads: int,
) -> list[StageHead | MmipError]:
    stages, images = np.array([k.stage for k in kinds], np.uint8), np.array([k.dc_image for k in kinds], np.uint8)
    sizes, substreams = np.array([n for _, n in starts], np.int64), np.array([k.substreams for k in kinds], np.int64)
    parsed = PayloadHeads([head for head, _ in starts], sizes, substreams, stages, images, check_crc, threads)
    rows: list[tuple[bytes, NDArray[np.uint64], NDArray[np.uint32]] | MmipError] = []
    new: dict[bytes, tuple[int, int, NDArray[np.int8]]] = {}
    for index, (head, _) in enumerate(starts):
        try:
            code_bytes, least, offsets, crcs, weights = parsed.head(index)
        except MmipError as error:
            rows.append(error)
            continue
        key = bytes([min(stages[index], 3), images[index]]) + head[4 : 4 + code_bytes].tobytes()
        if key not in store.held:
            new[key] = index, least, weights
        rows.append((key, offsets, crcs))
    store.add(parsed, new, threads)
    return [r if isinstance(r, MmipError) else StageHead(r[1], r[2], store.held[r[0]]) for r in rows]


def _starts(executor: Executor, payloads: Sequence[Buffer | Array]) -> list[tuple[NDArray[np.uint8], int]]:
    """(bytes that hold the head, bytes of the whole) of every payload."""
    found = {i: np.frombuffer(p, np.uint8) for i, p in enumerate(payloads) if not is_on_device(p)}
    sizes = {i: part.size for i, part in found.items()}
    held: dict[int, Array] = {i: p for i, p in enumerate(payloads) if i not in found}
    wanted = {i: min(_FIRST_BYTES, int(array.size)) for i, array in held.items()}
    while wanted:
        found.update(zip(wanted, executor.download_all([held[i][:n] for i, n in wanted.items()]), strict=True))
        stated = {i: min(stated_head_bytes(found[i].data), int(held[i].size)) for i in wanted}
        wanted = {i: n for i, n in stated.items() if n > found[i].size}
    sizes |= {i: int(array.size) for i, array in held.items()}
    return [(found[i], sizes[i]) for i in range(len(payloads))]


class CodeStore:
    """Code tables in the executor's memory, and the tables that never change."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self.held: dict[bytes, Codes] = {}
        self.places = executor.upload(token_places())
        self.left_offsets = executor.upload(token_left_offsets())
        self._tables: dict[tuple[int, ...], tuple[Array, ...]] = {}

    def trim(self) -> None:
        """Forget codes and block tables when there are many; for between batches."""
        for held in (self.held, self._tables):
            if len(held) > _KEPT:
                held.clear()

    def block_tables(self, depth: int, cuts: Sequence[int]) -> int:
        """Address of the DepthTables of a cell depth and cuts."""
        key = (depth, *cuts)
        if key not in self._tables:
            record, held = np.zeros(1, struct_dtype("DepthTables")), []
            for mode in range(MODE_COUNT):
                size, positions, scan = core_block_tables(mode, depth, list(cuts))
                if len(scan):
                    held += [self._executor.upload(positions.view(np.uint64)), self._executor.upload(scan)]
                    block = record["blocks"][0, mode]
                    block["cells"], (block["z"], block["y"], block["x"]) = int(np.prod(size)), size
                    block["positions"] = self._executor.address(held[-2])
                    record["scan"][0, mode] = self._executor.address(held[-1])
            self._tables[key] = (self._executor.upload(record), *held)
        return self._executor.address(self._tables[key][0])

    def add(self, heads: PayloadHeads, wanted: dict[bytes, tuple[int, int, NDArray[np.int8]]], threads: int) -> None:
        """Upload codes together: by key the head's index, the least bits of a token, the prediction weights.

        Equal keys stand for equal codes. Those of corrections stand for tokens.
        """
        if not wanted:
            return
        tables, places = heads.tables([index for index, _, _ in wanted.values()], threads)
        held = self._executor.upload(tables)
        start = self._executor.address(held)
        names = {1: ("tokens",), 2: ("headers", "tokens"), 3: ("dc", "headers", "tokens")}
        for (key, (_, least, weights)), families in zip(wanted.items(), places, strict=True):
            record: np.void = np.zeros(1, struct_dtype("StageCodes"))[0]
            for name, (fast, longer, alphabet, escape_bits) in zip(names[len(families)], families, strict=True):
                record[name] = start + fast, start + longer, alphabet, escape_bits
            if len(families) == 1:
                record["dc"] = record["tokens"]
            record["weights"][: len(weights)] = weights
            self.held[key] = Codes(record, least, held)
