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
from mmip_gpu.device.run.contracts import contract
from mmip_gpu.device.run.executors import DeviceArray, Executor
from mmip_gpu.errors import CorruptData, MmipError

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = [
    "DecodingTables",
    "HeadFormat",
    "PayloadHead",
    "StagePayload",
    "payload_starts",
    "read_headerless_payload_heads",
    "read_payload_heads",
]

_Start = tuple[NDArray[np.uint8], int]  # bytes that hold a head, and how many bytes the payload has


_KEPT = 256  # codes of a stage that are kept in the executor's memory
_PREDICTION_MARK = 1023  # ten bits before the codes of a stage 2 with predictions
_TOGETHER = 64  # payloads whose tables the host holds at a time: about 200 KB each
_FIRST_BYTES = 4096  # of a payload on the device that are read before its head's length is known


@dataclass(frozen=True)
class Codes:
    """Codes of a stage in the executor's memory: their record for the kernels, and what it points at.

    No token takes fewer bits than `least_token_bits`: with it the bytes of a sub-stream bound its tokens.
    """

    record: np.void
    least_token_bits: int
    held: DeviceArray


@dataclass(frozen=True)
class PayloadHead:
    """What a payload's head says: where its sub-streams begin, crcs of their groups, and the codes.

    `offsets` count from the payload's start, and the last is its size. `prediction` says whether blocks may be
    predicted.
    """

    offsets: NDArray[np.uint64]
    group_crcs: NDArray[np.uint32]
    codes: Codes
    prediction: bool


@dataclass(frozen=True)
class HeadFormat:
    """What the form of a payload's head depends on: the stage (0: corrections), its sub-streams, and a DC image."""

    stage: int
    substreams: int
    dc_image: bool

    @classmethod
    def of(cls, header: TransformHeader, stage: int) -> HeadFormat:
        """The format of a stage of the chunk with this header."""
        fields = header.fields
        is_last = stage > len(fields.cuts)
        return cls(0 if is_last else stage, fields.substreams(header.layout), fields.dc_image is not None)


@dataclass(frozen=True)
class StagePayload:
    """The payload of a stage of the chunk with this header: bytes of the host, or an array in the executor's memory."""

    header: TransformHeader
    stage: int
    data: Buffer | DeviceArray
    in_device_memory: bool


@contract(reads="payloads of the host or payloads_dev", writes="heads; code tables_dev", waits=True)
def read_payload_heads(
    executor: Executor, tables: DecodingTables, payloads: Sequence[StagePayload], check_crc: bool, threads: int
) -> list[PayloadHead | MmipError]:
    """Read heads of payloads; returns each, or what is wrong with the payload.

    The host waits for the device where payloads lie there: once for all of them, and once more for long heads.
    """
    starts = payload_starts(executor, [(p.data, p.in_device_memory) for p in payloads])
    heads: dict[int, PayloadHead | MmipError] = {}
    sound = []
    for index, (payload, (head, size)) in enumerate(zip(payloads, starts, strict=True)):
        try:
            check_payload(payload.header, payload.stage, size, head.data, check_crc)
            sound.append(index)
        except MmipError as error:
            heads[index] = error
    formats = [HeadFormat.of(payloads[i].header, payloads[i].stage) for i in sound]
    found = _read(tables, formats, [starts[i] for i in sound], check_crc, threads)
    heads.update({i: _expected(payloads[i], head) for i, head in zip(sound, found, strict=True)})
    return [heads[index] for index in range(len(payloads))]


def _expected(payload: StagePayload, head: PayloadHead | MmipError) -> PayloadHead | MmipError:
    """The head, or what is wrong where it disagrees with the header on predictions."""
    announced = payload.stage == 2 and payload.header.fields.prediction
    if isinstance(head, MmipError) or head.prediction == announced:
        return head
    others = "predictions that the header does not announce"
    return CorruptData(f"stage 2: {'without the predictions that the header announces' if announced else others}")


@contract(reads="payloads_dev", writes="heads; code tables_dev", waits=True)
def read_headerless_payload_heads(
    executor: Executor,
    tables: DecodingTables,
    formats: Sequence[HeadFormat],
    payloads_dev: Sequence[DeviceArray],
    threads: int,
) -> list[PayloadHead | MmipError]:
    """Read heads of payloads that no header lists, and check them by their own crcs.

    It returns and waits as `read_payload_heads` does.
    """
    return _read(tables, formats, _device_starts(executor, payloads_dev), True, threads)


def _read(
    tables: DecodingTables, formats: Sequence[HeadFormat], starts: Sequence[_Start], check_crc: bool, threads: int
) -> list[PayloadHead | MmipError]:
    heads: list[PayloadHead | MmipError] = []
    for first in range(0, len(formats), _TOGETHER):
        together = slice(first, first + _TOGETHER)
        heads += _read_together(tables, formats[together], starts[together], check_crc, threads)
    return heads


def _read_together(
    tables: DecodingTables, formats: Sequence[HeadFormat], starts: Sequence[_Start], check_crc: bool, threads: int
) -> list[PayloadHead | MmipError]:
    stages, images = np.array([f.stage for f in formats], np.uint8), np.array([f.dc_image for f in formats], np.uint8)
    sizes, substreams = np.array([n for _, n in starts], np.int64), np.array([f.substreams for f in formats], np.int64)
    parsed = PayloadHeads([head for head, _ in starts], sizes, substreams, stages, images, check_crc, threads)
    rows: list[tuple[bytes, NDArray[np.uint64], NDArray[np.uint32], bool] | MmipError] = []
    new: dict[bytes, tuple[int, int, NDArray[np.int8]]] = {}
    for index, (head, _) in enumerate(starts):
        try:
            code_bytes, least, offsets, crcs, weights = parsed.head(index)
        except MmipError as error:
            rows.append(error)
            continue
        prediction = bool(stages[index] == 2) and int.from_bytes(head[4:6].tobytes(), "big") >> 6 == _PREDICTION_MARK
        key = bytes([min(stages[index], 3), images[index]]) + head[4 : 4 + code_bytes].tobytes()
        if key not in tables.codes:
            new[key] = index, least, weights
        rows.append((key, offsets, crcs, prediction))
    tables.add_codes(parsed, new, threads)
    return [r if isinstance(r, MmipError) else PayloadHead(r[1], r[2], tables.codes[r[0]], r[3]) for r in rows]


def payload_starts(executor: Executor, payloads: Sequence[tuple[Buffer | DeviceArray, bool]]) -> list[_Start]:
    """Bytes from the start on that hold the head, and the size, of payloads; whether each lies on the device is given.

    The host waits as `read_payload_heads` does.
    """
    starts_dev = iter(_device_starts(executor, [data for data, in_device_memory in payloads if in_device_memory]))
    return [next(starts_dev) if in_device_memory else _host_start(data) for data, in_device_memory in payloads]


def _host_start(payload: Buffer) -> _Start:
    data = np.frombuffer(payload, np.uint8)
    return data, data.size


def _device_starts(executor: Executor, payloads_dev: Sequence[DeviceArray]) -> list[_Start]:
    starts: dict[int, NDArray[np.uint8]] = {}
    wanted = {i: min(_FIRST_BYTES, int(array.size)) for i, array in enumerate(payloads_dev)}
    while wanted:
        starts.update(zip(wanted, executor.download_all([payloads_dev[i][:n] for i, n in wanted.items()]), strict=True))
        stated = {i: min(stated_head_bytes(starts[i].data), int(payloads_dev[i].size)) for i in wanted}
        wanted = {i: n for i, n in stated.items() if n > starts[i].size}
    return [(starts[i], int(array.size)) for i, array in enumerate(payloads_dev)]


class DecodingTables:
    """Code tables in the executor's memory, and the tables that never change."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self.codes: dict[bytes, Codes] = {}
        self.places = executor.upload(token_places())
        self.left_offsets = executor.upload(token_left_offsets())
        self._block_tables: dict[tuple[int, ...], tuple[DeviceArray, ...]] = {}

    def trim(self) -> None:
        """Forget codes and block tables when there are many. It is called between batches."""
        for kept in (self.codes, self._block_tables):
            if len(kept) > _KEPT:
                kept.clear()

    def block_tables(self, depth: int, cuts: Sequence[int]) -> int:
        """Address of the DepthTables of a cell depth and cuts."""
        key = (depth, *cuts)
        if key not in self._block_tables:
            record, held = np.zeros(1, struct_dtype("DepthTables")), []
            for mode in range(MODE_COUNT):
                size, positions, scan = core_block_tables(mode, depth, list(cuts))
                if len(scan):
                    held += [self._executor.upload(positions.view(np.uint64)), self._executor.upload(scan)]
                    block = record["blocks"][0, mode]
                    block["cells"], (block["z"], block["y"], block["x"]) = int(np.prod(size)), size
                    block["positions"] = self._executor.address(held[-2])
                    record["scan"][0, mode] = self._executor.address(held[-1])
            self._block_tables[key] = (self._executor.upload(record), *held)
        return self._executor.address(self._block_tables[key][0])

    def add_codes(
        self, heads: PayloadHeads, wanted: dict[bytes, tuple[int, int, NDArray[np.int8]]], threads: int
    ) -> None:
        """Upload codes together: `wanted` has the head's index, the least bits of a token and the prediction weights.

        Equal keys stand for equal codes. The codes of corrections take the place of those for tokens.
        """
        if not wanted:
            return
        tables, places = heads.tables([index for index, _, _ in wanted.values()], threads)
        held = self._executor.upload(tables)
        start = self._executor.address(held)
        names = {1: ("tokens",), 2: ("headers", "tokens"), 3: ("first", "headers", "tokens")}
        for (key, (_, least, weights)), families in zip(wanted.items(), places, strict=True):
            record: np.void = np.zeros(1, struct_dtype("StageCodes"))[0]
            for name, (fast, longer, alphabet, escape_bits) in zip(names[len(families)], families, strict=True):
                record[name] = start + fast, start + longer, alphabet, escape_bits
            if len(families) == 1:
                record["first"] = record["tokens"]
            record["weights"][: len(weights)] = weights
            self.codes[key] = Codes(record, least, held)
