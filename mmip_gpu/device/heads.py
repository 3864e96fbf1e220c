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

from .. import _core
from ..codec import check_payload
from ..container import Header
from .executors import Array, Executor
from .parameters import DEPTH_TABLES, STAGE_CODES
from .placement import is_on_device

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["CodeStore", "StageHead", "read_head"]

_KEPT = 256  # codes of a stage that are kept in the executor's memory
_ENTRY_SPECIAL, _ENTRY_LONG, _FAST_BITS = 1 << 18, 1 << 19, 9  # rules/huffman.h


@dataclass(frozen=True)
class Codes:
    """Codes of a stage in the executor's memory: their record for the kernels, and what it points at.

    No token takes fewer bits than `least_token_bits`: with it the bytes of a sub-stream bound its tokens.
    """

    record: np.void
    least_token_bits: int
    held: tuple[Array, ...]


@dataclass(frozen=True)
class StageHead:
    """What a payload's head says; `offsets` count from the payload's start and end with its size."""

    offsets: NDArray[np.uint64]
    group_crcs: NDArray[np.uint32]
    codes: Codes


def read_head(
    executor: Executor, store: CodeStore, header: Header, stage: int, payload: Buffer | Array, check_crc: bool
) -> StageHead:
    """Head of the payload of a stage.

    Raises
    ------
    CorruptData, TruncatedData
    """
    fields = header.transform
    assert fields is not None
    if is_on_device(payload):
        on_device: Array = payload
        size = int(on_device.size)
        start = executor.download(on_device[:4])
        stated = min(int.from_bytes(start.tobytes(), "little"), size)
        head = executor.download(on_device[: max(stated, 4)])
    else:
        head = np.frombuffer(payload, np.uint8)
        size = head.size
    check_payload(header, stage, size, head.data, check_crc)
    kind = 0 if stage > len(fields.cuts) else stage
    found = _core.PayloadHead(head, size, header.substreams, kind, fields.dc_image is not None, check_crc)
    key = bytes([min(kind, 3), fields.dc_image is not None]) + head[4 : 4 + found.code_bytes].tobytes()
    return StageHead(found.offsets, found.group_crcs, store.codes(key, found))


class CodeStore:
    """Code tables in the executor's memory, and the tables that never change."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._held: dict[bytes, Codes] = {}
        self.places = executor.upload(_core.token_places())
        self.left_offsets = executor.upload(_core.token_left_offsets())
        self._tables: dict[tuple[int, ...], tuple[Array, ...]] = {}

    def trim(self) -> None:
        """Forget codes and block tables when there are many; for between batches."""
        for held in (self._held, self._tables):
            if len(held) > _KEPT:
                held.clear()

    def block_tables(self, depth: int, cuts: Sequence[int]) -> int:
        """Address of the DepthTables of a cell depth and cuts."""
        key = (depth, *cuts)
        if key not in self._tables:
            record, held = np.zeros(1, DEPTH_TABLES), []
            for mode in range(_core.MODE_COUNT):
                size, positions, scan = _core.block_tables(mode, depth, list(cuts))
                if len(scan):
                    held += [self._executor.upload(positions.view(np.uint64)), self._executor.upload(scan)]
                    record["blocks"][0, mode]["size"] = [int(np.prod(size)), *size]
                    record["blocks"][0, mode]["positions"] = self._executor.address(held[-2])
                    record["scan"][0, mode] = self._executor.address(held[-1])
            self._tables[key] = (self._executor.upload(record), *held)
        return self._executor.address(self._tables[key][0])

    def codes(self, key: bytes, head: _core.PayloadHead) -> Codes:
        """The codes of a stage; equal keys stand for equal codes. Those of corrections stand for tokens."""
        if key not in self._held:
            record: np.void = np.zeros(1, STAGE_CODES)[0]
            families, held = head.families, []
            names = {1: ("tokens",), 2: ("headers", "tokens"), 3: ("dc", "headers", "tokens")}[len(families)]
            for name, (alphabet, escape_bits, fast, longer) in zip(names, families, strict=True):
                held += [self._executor.upload(fast), self._executor.upload(longer.view(np.uint16))]
                record[name] = (*(self._executor.address(a) for a in held[-2:]), alphabet, escape_bits)
            if len(families) == 1:
                record["dc"] = record["tokens"]
            record["weights"][: len(head.weights)] = head.weights
            self._held[key] = Codes(record, _least_token_bits(families[-1][2]), tuple(held))
        return self._held[key]


def _least_token_bits(entries: NDArray[np.uint32]) -> int:
    plain, special = (entries >> 12) & 31, (entries & 15) + 1
    bits = np.where(entries & _ENTRY_LONG, _FAST_BITS + 1, np.where(entries & _ENTRY_SPECIAL, special, plain))
    return max(int(bits.min()), 1)
