"""Records of a benchmark: one JSON object a line, each written at once, so that a run that was killed goes on.

Values: records (dict) in; lines of DIR/records.jsonl, and the records of such a file, out. Guarantees that a record
that is there is whole, on the disk, and of the data and the version that the run asks for.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from mmip_gpu.errors import StoreError, UnsupportedVersion

__all__ = [
    "RECORDS", "VERSION", "Record", "RecordFile", "as_stored", "differing", "read_records", "record_key", "steady"
]  # fmt: skip

Record = dict[str, Any]
VERSION = 1
RECORDS = "records.jsonl"
_VARYING = ("time", "machine")


def record_key(image: str, codec: str, colour: str, setting: Record, tasks: Iterable[str]) -> str:
    """What makes two records the same: checksum of the image, codec, colour, setting and tasks.

    Examples
    --------
    >>> record_key("0f3a", "PNG", "gray", {"target": "psnr", "value": 40.0}, ["nuclei"])
    '0f3a|PNG|gray|psnr:40|nuclei'
    """
    value = setting["value"]
    target = setting["target"] if value is None else f"{setting['target']}:{value:g}"
    return "|".join([image, codec, colour, target, ",".join(sorted(tasks))])


def steady(record: Record) -> Record:
    """Return a record without what differs from run to run: times, memory and the machine."""
    return {name: value for name, value in record.items() if name not in _VARYING}


def differing(records: Iterable[Record], others: Iterable[Record]) -> list[str]:
    """Return what two runs do not share: the keys of records that only one has, or that differ but for times.

    Examples
    --------
    >>> one = {"key": "a", "bytes": 12, "time": {"wall": 0.1}}
    >>> differing([one], [one | {"time": {"wall": 0.2}}]), differing([one], [one | {"bytes": 13}]), differing([one], [])
    ([], ['a: bytes'], ['a: only one has it'])
    """
    left, right = ({record["key"]: steady(record) for record in side} for side in (records, others))
    found = [f"{key}: only one has it" for key in left if key not in right]
    found += [f"{key}: only one has it" for key in right if key not in left]
    for key in left.keys() & right.keys():
        names = [name for name in left[key] | right[key] if left[key].get(name) != right[key].get(name)]
        found += [f"{key}: {', '.join(names)}"] if names else []
    return sorted(found)


def as_stored(value: Any) -> Any:
    """Return a copy that JSON can hold: infinity as "inf", what is not a number as None, NumPy's numbers as Python's.

    Examples
    --------
    >>> as_stored({"psnr_range": float("inf"), "ssim": float("nan"), "shape": (3, 4)})
    {'psnr_range': 'inf', 'ssim': None, 'shape': [3, 4]}
    """
    if isinstance(value, dict):
        return {str(key): as_stored(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_stored(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "inf" if value > 0 else "-inf"
    return value


def read_records(folder: Path) -> list[Record]:
    """Return the records of a results folder; the torn last line of a run that was killed is left out.

    Raises
    ------
    StoreError
        Where there are no results, or a line before the last is none of a record.
    UnsupportedVersion
        For records of another version.
    """
    path = folder / RECORDS
    if not path.is_file():
        raise StoreError(f"{folder} holds no {RECORDS}: expected a folder of mmip bench run")
    return [_record(path, number, line) for number, line in enumerate(_whole_lines(path.read_bytes()), start=1)]


def _whole_lines(data: bytes) -> list[bytes]:
    """Lines that end; a line is written with its end, in one piece."""
    return data.split(b"\n")[:-1]


def _record(path: Path, number: int, line: bytes) -> Record:
    try:
        record = json.loads(line)
        version = record["version"]
    except (ValueError, KeyError, TypeError):
        raise StoreError(f"{path}, line {number}: expected a record of mmip bench run, found {line[:60]!r}") from None
    if version != VERSION:
        raise UnsupportedVersion(
            f"{path}, line {number}: record of version {version}, expected {VERSION}: give another folder"
        )
    found: Record = record
    return found


class RecordFile:
    """The records of a results folder, open to append to.

    Parameters
    ----------
    folder : pathlib.Path
        Made where it is not there.
    images : sequence of dict
        Facts of the images of this run; records of an image of this name but other samples are refused.
    codecs : sequence of dict
        Codecs of this run; records of one of this name but another version are refused.

    Raises
    ------
    StoreError
        For records of other data, with both checksums; of another version of a codec; or of something else; and
        where another run writes.
    UnsupportedVersion
        For records of another version.
    """

    def __init__(self, folder: Path, images: Sequence[Record] = (), codecs: Sequence[Record] = ()) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / RECORDS
        self._file = self.path.open("ab", buffering=0)
        self._waiting: deque[bytes] = deque()
        try:
            self._lock()
            self.records = read_records(folder)
            self._check([record["image"] for record in self.records], images, "checksum")
            self._check([record["codec"] for record in self.records], codecs, "version")
            self._file.truncate(self.path.read_bytes().rfind(b"\n") + 1)  # what a killed run tore
        except BaseException:
            self._file.close()
            raise
        self.keys = {record["key"] for record in self.records}

    def _lock(self) -> None:
        """Keep the records for this run, until the file is closed."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(f"{self.path}: another run writes into it; wait, or give another folder") from None

    def _check(self, stored: Iterable[Record], wanted: Iterable[Record], fact: str) -> None:
        expected = {item["name"]: item[fact] for item in wanted}
        for item in stored:
            name, found = item["name"], item[fact]
            if found is not None and expected.get(name, found) not in (found, None):
                raise StoreError(
                    f"{self.path} holds {name} with {fact} {found}, this run has {name} with {fact} "
                    f"{expected[name]}: give another folder"
                )

    def add(self, record: Record) -> None:
        """Write a record to the disk, unless it is there.

        Where that fails, of a full disk, it waits for the next one, or for the end.
        """
        if record["key"] in self.keys:
            return
        line = json.dumps(as_stored(record), allow_nan=False).encode() + b"\n"
        self.records.append(json.loads(line))
        self.keys.add(record["key"])
        self._waiting.append(line)
        with contextlib.suppress(OSError):
            self._write()

    def _write(self) -> None:
        """Write what waits, a line in one piece: of a line that cannot be written nothing stays."""
        while self._waiting:
            line, end, written = self._waiting[0], self._file.seek(0, os.SEEK_END), 0
            try:
                while written < len(line):
                    written += self._file.write(line[written:])
                os.fsync(self._file.fileno())
            except OSError:
                self._file.truncate(end)
                raise
            self._waiting.popleft()

    def close(self) -> None:
        """Write what waits, and close.

        Raises
        ------
        StoreError
            Where records could not be written.
        """
        with self._file:
            try:
                self._write()
            except OSError as error:
                lost = f"{len(self._waiting)} records could not be written ({error.strerror})"
                raise StoreError(f"{self.path}: {lost}: make room, and run again, which measures them again") from None

    def __enter__(self) -> RecordFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, traceback: TracebackType | None) -> None:
        self.close()
