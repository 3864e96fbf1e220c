"""Chunk records and stage chunks: how they are read, written and checked, and what all records add up to.

Values: bytes of a StoreGroup on one side, headers and payloads on the other. Implements FORMAT.md section 10.
Guarantees that a record is written after its stages. A chunk counts as whole only if its record and all its stages
belong together. Every defect is reported with the chunk's coordinates.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from mmip_gpu._core import crc32c
from mmip_gpu.container.codec import ReadPart
from mmip_gpu.container.encoded import Encoded
from mmip_gpu.container.header import Header
from mmip_gpu.container.loss_record import UNKNOWN_ERROR, LossRecord, reached_bound
from mmip_gpu.container.payload import is_head_size, stated_head_bytes
from mmip_gpu.errors import CorruptData, StoreError, TruncatedData, UnsupportedVersion
from mmip_gpu.store.group.chunk_header import ChunkHeader
from mmip_gpu.store.group.description import StoreDescription
from mmip_gpu.store.group.finer import PARTS, part_of
from mmip_gpu.store.group.grid import Coordinates
from mmip_gpu.store.group.zarr_group import RECORDS, Request, StoreGroup

__all__ = ["ChunkStore", "Totals"]


@dataclass(frozen=True)
class ChunkStore:
    """The chunks of a described array at a place."""

    group: StoreGroup
    description: StoreDescription

    def write(self, at: Coordinates, encoded: Encoded) -> None:
        """Store a coded chunk: its stages, then the record that makes it valid."""
        description = self.description
        stages = {
            description.array_name(stage): description.prefix(at, encoded.header, stage) + payload
            for stage, payload in enumerate(encoded.payloads, 1)
        }
        self.group.write(at, stages)
        assert isinstance(encoded.header, ChunkHeader)
        self.group.write(at, {RECORDS: encoded.header.to_record(at, description.record_bytes)})

    def header(self, at: Coordinates) -> ChunkHeader:
        """Header of a chunk, from its record.

        Raises
        ------
        StoreError
            Where there is none.
        CorruptData, UnsupportedVersion
            For one that is damaged or belongs to another store.
        """
        (record,) = self.group.read_many([self.whole(RECORDS, at)])
        if record is None:
            raise self.missing(at, 0)
        return self.parsed(at, record)

    def whole(self, name: str, at: Coordinates) -> Request:
        """Ask for all bytes of a chunk of an array, and for one more than there can be of a file that has grown."""
        most = self.description.record_bytes + (0 if name == RECORDS else self.description.most_stage_bytes)
        return name, at, (0, most + 1)

    def parsed(self, at: Coordinates, record: bytes) -> ChunkHeader:
        """Header of a chunk from the bytes of its record."""
        with self.naming_chunk(at):
            header = ChunkHeader.parse_record(record, at, self.description.record_bytes)
            self.description.check_header(header, at)
        return header

    def payload(self, at: Coordinates, header: Header[Any], stage: int) -> memoryview:
        """Payload of a stage of a chunk."""
        (data,) = self.group.read_many([self.whole(self.description.array_name(stage), at)])
        if data is None:
            raise self.missing(at, stage)
        with self.naming_chunk(at):
            return memoryview(data)[self.prefix_bytes(data, at, header, stage) :]

    def part_reader(self, at: Coordinates, header: Header[Any]) -> ReadPart:
        """What reads parts of the payloads of a chunk; each read fetches all of a stage."""

        def read_part(stage: int, first: int, end: int | None) -> memoryview:
            return self.payload(at, header, stage)[first:end]

        return read_part

    def missing(self, at: Coordinates, stage: int) -> StoreError:
        """Error for a stage that is not there, or the record (stage 0)."""
        what = f", stage {stage}" if stage else ""
        return StoreError(f"{self.group}: chunk {at}{what} is missing; mmip repair, or writing again, mends it")

    def whole_header(self, at: Coordinates) -> ChunkHeader | None:
        """Header of a chunk whose record and stages belong together, by sizes and head crcs; or None."""
        try:
            if self.group.size(RECORDS, at) is None:
                return None
            header = self.header(at)
            whole = all(self.has_stage(at, header, stage) for stage in range(1, self.description.stage_count + 1))
        except (CorruptData, StoreError, UnsupportedVersion):
            return None
        return header if whole else None

    def discard(self, at: Coordinates) -> None:
        """Take back the record of a chunk, and what cannot be read of it, before its stages are written again."""
        for stage in range(self.description.stage_count + 1):
            name = RECORDS if stage == 0 else self.description.array_name(stage)
            try:
                is_wrong = self.group.size(name, at) is not None and stage == 0
            except StoreError:
                is_wrong = True
            if is_wrong:
                self.group.delete(name, at)

    @contextmanager
    def naming_chunk(self, at: Coordinates) -> Iterator[None]:
        """Put place and chunk before the message of a defect."""
        try:
            yield
        except (CorruptData, UnsupportedVersion) as error:
            raise type(error)(f"{self.group}: chunk {at}: {error}") from error

    def stage_bytes(self, at: Coordinates, header: Header[Any]) -> list[int]:
        """Bytes of the chunk in each stage array."""
        return [
            len(self.description.prefix(at, header, stage)) + size for stage, size in enumerate(header.payload_sizes, 1)
        ]

    def has_stage(self, at: Coordinates, header: Header[Any], stage: int) -> bool:
        """Whether a stage of a chunk is there and belongs to its record, by its size and its head's crc."""
        payload_bytes, crc = self.description.form.head_of(header, stage)
        name, prefix = self.description.array_name(stage), len(self.description.prefix(at, header, stage))
        size = self.group.size(name, at)
        start = None if size is None else self.group.read(name, at, (0, min(prefix + 4, size)))
        if size is None or start is None:
            return False
        try:
            self.prefix_bytes(start, at, header, stage)
        except CorruptData:
            return False
        head = stated_head_bytes(start[prefix:])
        if size != prefix + payload_bytes or not is_head_size(head, payload_bytes):
            return False
        found = self.group.read(name, at, (prefix + head - 4, prefix + head))
        return found is not None and int.from_bytes(found, "little") == crc

    def check_stage(self, data: bytes, at: Coordinates, header: Header[Any], stage: int) -> None:
        """Raise CorruptData or TruncatedData unless the chunk of a stage is the one of its record, by all its crcs."""
        payload = memoryview(data)[self.prefix_bytes(data, at, header, stage) :]
        for (first, end), crc in self.description.form.groups(header, stage, payload):
            if crc32c(payload[first:end]) != crc:
                raise CorruptData(f"stage {stage}: the crc of bytes {first}..{end} differs")

    def prefix_bytes(self, data: bytes, at: Coordinates, header: Header[Any], stage: int) -> int:
        """Bytes before the payload in the chunk of a stage, or in its start."""
        expected = self.description.prefix(at, header, stage)
        if len(data) <= len(expected):
            raise TruncatedData("stage chunk: it ends before its payload")
        if not data.startswith(expected):
            raise CorruptData("stage chunk: it begins otherwise than its record says")
        return len(expected)


@dataclass
class Totals:
    """Sums over the records of a store."""

    description: StoreDescription
    stage_bytes: list[int] = field(default_factory=list)
    record_bytes: int = 0
    sse: float = 0
    max_error: float = 0
    minimum: float | None = None
    maximum: float | None = None
    verified: bool = True
    roi_voxels: int = 0
    source_sum: int = 0
    channels: dict[int, LossRecord] = field(default_factory=dict)
    part_errors: list[float] = field(default_factory=lambda: [0] * PARTS)

    def add(self, at: Coordinates, header: ChunkHeader, stage_bytes: list[int]) -> None:
        """Count one chunk; chunks come in any order."""
        loss = header.loss
        before = self.stage_bytes or [0] * len(stage_bytes)
        self.stage_bytes = [a + b for a, b in zip(before, stage_bytes, strict=True)]
        self.record_bytes += self.description.record_bytes
        self.sse += loss.sse
        self.part_errors[part_of(at)] += loss.sse
        self.max_error = max(self.max_error, loss.max_error)
        self.minimum = loss.minimum if self.minimum is None else min(self.minimum, loss.minimum)
        self.maximum = loss.maximum if self.maximum is None else max(self.maximum, loss.maximum)
        self.verified = self.verified and loss.verified
        if self._has_channels:
            channel = at[0] % self.description.grid.layout.channels  # c is the innermost axis of planes
            before_it = self.channels.get(channel)
            self.channels[channel] = loss if before_it is None else before_it.joined(loss)
        self.roi_voxels += header.roi_voxels
        placed = crc32c(struct.pack("<4QI", *at, header.source_crc))  # chunks that change places change the sum
        self.source_sum = (self.source_sum + placed) % 2**64

    @property
    def bytes(self) -> int:
        """Bytes of records and stages."""
        return self.record_bytes + sum(self.stage_bytes)

    @property
    def peak(self) -> float:
        """Data range that the PSNR refers to."""
        return self.description.peak or float((self.maximum or 0) - (self.minimum or 0))

    def psnr(self) -> float:
        """PSNR in dB of the whole array; inf without error, -inf on a range of 0."""
        if self.sse == 0:
            return math.inf
        samples = self.description.grid.layout.samples
        return 10 * math.log10(self.peak**2 * samples / self.sse) if self.peak else -math.inf

    def channel_peak(self, channel: int) -> float:
        """Data range that the PSNR of a channel refers to; 0 of a constant one."""
        loss = self.channels[channel]
        return self.description.peak or float(loss.maximum - loss.minimum)

    def channel_psnrs(self) -> list[float]:
        """PSNR in dB of each channel; inf without error, and of a constant channel, whose indices are exact."""
        samples = self.description.grid.layout.samples // max(len(self.channels), 1)
        pairs = [(self.channel_peak(c), self.channels[c].sse) for c in sorted(self.channels)]
        return [10 * math.log10(peak**2 * samples / sse) if sse and peak else math.inf for peak, sse in pairs]

    def target_psnr(self) -> float:
        """PSNR that a target speaks of: that of the whole, or the least of channels with steps of their own."""
        return min(self.channel_psnrs(), default=math.inf) if self.description.plan.config.per_channel else self.psnr()

    def report(self) -> dict[str, Any]:
        """JSON-safe summary: bytes, ratio and the loss record of the array."""
        config, raw_bytes = self.description.plan.config, self.description.raw_bytes
        stage_bytes = self.stage_bytes or [0] * self.description.stage_count
        to_here, stages = self.record_bytes, []
        for size in stage_bytes:
            to_here += size
            stages.append({"bytes": size, "bytes_to_here": to_here})
        layout = self.description.grid.layout
        psnr, samples, ratio = self.psnr(), layout.samples, raw_bytes / to_here if to_here else 1.0
        known_psnr, target = (value if math.isfinite(value) else None for value in (psnr, self.target_psnr()))
        max_error = None if self.max_error in (UNKNOWN_ERROR, math.inf) else self.max_error
        return {
            "bytes": to_here,
            "record_bytes": self.record_bytes,
            "stages": stages,
            "ratio": ratio,
            "bits_per_sample": 8 * to_here / samples if samples else 0.0,
            "roi_share": self.roi_voxels * layout.channels / samples if samples else 0.0,
            "source_checksum": f"{self.source_sum:016x}",
            "loss": {
                "mode": config.mode,
                "requested": config.value,
                "reached": reached_bound(config.mode, target, max_error, ratio),
                "verified": self.verified,
                "psnr": known_psnr,
                "peak": self.peak,
                "max_error": max_error,
                "lossless": self.verified and self.sse == 0,
                "minimum": self.minimum or 0,
                "maximum": self.maximum or 0,
            }
            | ({"labels": True} if config.labels else {})
            | ({"channels": self._of_channels()} if self._has_channels else {}),
        }

    @property
    def _has_channels(self) -> bool:
        """Whether there are channels that are coded each by itself."""
        return self.description.grid.layout.channels > 1 and not self.description.plan.colour

    def _of_channels(self) -> list[dict[str, Any]]:
        """The loss of each channel; its PSNR is on its own range, None where there is no error or no range."""
        layout, found = self.description.grid.layout, []
        for channel in range(layout.channels):
            loss = self.channels.get(channel, self.description.blank_header().loss)
            found.append(loss.reached(layout.samples // layout.channels))
        return found
