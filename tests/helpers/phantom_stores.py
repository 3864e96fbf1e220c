"""A small phantom and its store in a folder, which jobs check, repair, claim and resume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

NAME = "phantom3d:40x64x64"
SMALL: dict[str, Any] = {"quality": 20, "chunks": (16, 32, 32), "threads": 2, "progress": False}


def chunk_bytes(folder: Path) -> dict[str, bytes]:
    files = (p for p in folder.rglob("*") if p.is_file() and "/c/" in p.as_posix())
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}
