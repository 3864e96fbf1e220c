"""Rows of a GPU run that outlive it, whatever ends one of its processes.

Values: dicts in, lines of CSV files out: a file for each table, which many processes append to, a line by one write. So
a process that is killed leaves whole lines. What was not done and what differs has tables of its own.
"""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import Any

Row = dict[str, Any]

FACTS = ("device", "driver", "cuda", "cupy", "commit", "date", "cpu")
COLUMNS: dict[str, tuple[str, ...]] = {
    "parts": ("part", "outcome", "seconds", "limit_s"),
    "binaries": ("module", "outcome", "file", "megabytes", "seconds"),
    "smoke": (
        *("kernel", "module", "case", "groups", "lanes", "outcome", "seconds"),
        *("registers", "shared_bytes", "local_bytes", "most_lanes", "binary"),
    ),
    "checks": ("check", "case", "outcome"),
    "ceilings": ("what", "megabytes", "gb_s"),
    "kernels": (
        *("data", "mode", "dtype", "megabytes", "kernel", "launches", "seconds", "mb_moved", "gb_s", "of_copy"),
        *("per_sample_ns", "operations_sample"),
    ),
    "rates": (
        *("data", "mode", "dtype", "chunk_mb", "batch", "bits_per_sample", "encode_gb_s", "decode_gb_s"),
        *("encode_host_gb_s", "decode_host_gb_s", "cpu_encode_gb_s", "cpu_decode_gb_s", "cpu_threads"),
    ),
    "host": (
        *("mode", "chunk_mb", "batch", "host_threads", "encode_ms", "encode_waits", "encode_uploads"),
        *("decode_ms", "decode_waits", "decode_uploads"),
    ),
    "rivals": ("codec", "data", "dtype", "megabytes", "bits_per_sample", "psnr_db", "encode_gb_s", "decode_gb_s"),
    "targets": ("target", "wanted", "found", "met"),
    "skipped": ("part", "what", "why"),
    "differences": ("part", "what", "found"),
}
_LONGEST = 2000  # characters of a text


class Rows:
    """The tables of a folder."""

    def __init__(self, folder: Path, facts: dict[str, str]) -> None:
        self.folder, self.facts = folder, {name: facts.get(name, "") for name in FACTS}

    def begin(self) -> None:
        """Empty tables in place of those that are there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, columns in COLUMNS.items():
            self.path(name).write_bytes(_line([*columns, *FACTS]))

    def path(self, table: str) -> Path:
        """File of a table."""
        return self.folder / f"gpu_{table}.csv"

    def add(self, table: str, **row: Any) -> Row:
        """Write a row; values that were not measured stay empty."""
        unknown = row.keys() - set(COLUMNS[table])
        if unknown:
            raise KeyError(f"{table}: no columns {sorted(unknown)}")
        texts = [f"{v:.6g}" if isinstance(v, float) else v for v in (row.get(c, "") for c in COLUMNS[table])]
        file = os.open(self.path(table), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(file, _line([*texts, *self.facts.values()]))
        finally:
            os.close(file)
        return row

    def read(self, table: str) -> list[Row]:
        """Rows that any process has written, numbers as such; without what was not measured."""
        path = self.path(table)
        if not path.exists():
            return []
        data = path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1].decode(errors="replace")  # a process may be killed inside of a write
        rows = list(csv.DictReader(io.StringIO(whole, newline="")))
        return [{name: text if name in FACTS else _value(text) for name, text in row.items() if text} for row in rows]

    def cut(self) -> None:
        """Drop the part of a row that a process left when it was killed, so that the next row stands alone."""
        for table in COLUMNS:
            path = self.path(table)
            data = path.read_bytes() if path.exists() else b""
            if not data.endswith(b"\n") and data:
                os.truncate(path, data.rfind(b"\n") + 1)

    def skip(self, part: str, what: str, why: str) -> None:
        """Name what was not done."""
        self.add("skipped", part=part, what=what, why=why)
        print(f"skipped: {part}: {what}: {why}", flush=True)

    def fail(self, part: str, what: str, found: str) -> None:
        """Name a difference; the run ends with an error."""
        self.add("differences", part=part, what=what, found=found)
        print(f"DIFFERENT: {part}: {what}: {found}", flush=True)


def _line(values: list[Any]) -> bytes:
    text = io.StringIO()
    short = [" ".join(value.split())[:_LONGEST] if isinstance(value, str) else value for value in values]
    csv.writer(text, lineterminator="\n").writerow(short)
    return text.getvalue().encode()


def _value(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text
