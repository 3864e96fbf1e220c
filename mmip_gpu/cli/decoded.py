"""What an original is compared with: a decoded .npy, a container or a store, opened alike.

Values: a path in; stages that can be sliced out. Implements no section of FORMAT.md. Guarantees that a
store is read by regions only; a container is decoded whole, one stage at a time.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import mmip_gpu
from mmip_gpu.cli.files import read_container
from mmip_gpu.cli.values import load_npy
from mmip_gpu.container.header import LABEL_DTYPES
from mmip_gpu.errors import InvalidArgument, StoreError
from mmip_gpu.quality.decoded import Decoded

__all__ = ["open_decoded"]


def open_decoded(text: str, *, coded_bytes: int | None = None, threads: int | None = None) -> Decoded:
    """Open a decoded image by its path; `coded_bytes` is the size to report for a .npy.

    Raises
    ------
    InvalidArgument
        Another kind of file, or a size where the file has its own.
    StoreError
        A path that is not there or cannot be read.
    """
    path = Path(text)
    if not path.exists():
        raise StoreError(f"{path} does not exist")
    if path.suffix == ".npy":
        array = load_npy(path)
        return Decoded(path.name, None, [coded_bytes], lambda _: array)
    if not path.is_dir() and path.suffix != ".mmip":
        raise InvalidArgument(f"{path.name}: expected a .npy file, an .mmip file or a Zarr store")
    if coded_bytes is not None:
        raise InvalidArgument(f"--bytes is for a decoded .npy; {path.name} says how large it is")
    if path.is_dir():
        return _open_store(path, threads)
    blob = read_container(path)
    report = mmip_gpu.inspect(blob)
    sizes = _sizes(report)

    def decoded(stage: int) -> Any:
        return mmip_gpu.decode(blob, stages=None if stage == len(sizes) else stage, threads=threads)

    return Decoded(path.name, report["axes"], sizes, decoded, labels=report["dtype"] in LABEL_DTYPES)


def _open_store(path: Path, threads: int | None) -> Decoded:
    volume = mmip_gpu.open_zarr(path)
    if not volume.report["complete"]:
        raise StoreError(f"{path} is not complete: run its mmip compress again")
    rows, sizes = int(volume.chunks[0]), _sizes(volume.report)
    return Decoded(
        path.name,
        volume.report["axes"],
        sizes,
        partial(_open_stage, path, threads, len(sizes)),
        chunk_rows=rows,
        labels=volume.dtype.name in LABEL_DTYPES,
    )


def _open_stage(path: Path, threads: int | None, count: int, stage: int) -> Any:
    return mmip_gpu.open_zarr(path, stages=None if stage == count else stage, threads=threads)


def _sizes(report: dict[str, Any]) -> list[int | None]:
    """Bytes to each stage."""
    return [stage["bytes_to_here"] for stage in report["stages"]]
