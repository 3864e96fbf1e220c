"""Tasks on their way to other processes: a few kilobytes that say where the data is, never the data.

Values: a task on one side, bytes on the other. They go from the process of the job to every worker, which opens sources
and stores itself. Guarantees that arrays of more than 1 MiB and stores in memory are refused instead of sent. A worker
that finds other data under a source's name than the job did says so.
"""

from __future__ import annotations

import io
import mmap
import os
import pickle
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from zarr.storage import MemoryStore, ZipStore

from mmip_gpu.errors import InvalidArgument, MmipError, StoreError
from mmip_gpu.sources import Source, reopen_source
from mmip_gpu.store.group.grid import Region
from mmip_gpu.version import __version__

__all__ = ["pickled", "unpickled"]

_MOST_BYTES = 2**20
_opening = threading.Lock()


def pickled(value: Any) -> bytes:
    """Bytes of a task, or of what it needs, of which `unpickled` makes it elsewhere.

    Raises
    ------
    InvalidArgument
        For a source, a mask or a store that other processes cannot reach.
    """
    from cloudpickle import Pickler

    class Packing(Pickler):  # type: ignore[misc]  # without types
        def reducer_override(self, value: Any) -> Any:
            return _reduced(value) or super().reducer_override(value)

    buffer = io.BytesIO()
    try:
        Packing(buffer, protocol=5).dump(value)
    except MmipError:
        raise
    except Exception as error:  # what does not pickle says so in many ways
        raise InvalidArgument(f"the source cannot be sent to workers ({error}); pass its path instead") from error
    return __version__.encode() + b"\n" + buffer.getvalue()


def unpickled(data: bytes) -> Any:
    """Make a task, or what it needs, of its bytes, once in this process.

    Raises
    ------
    StoreError
        For what another version of this package packed.
    """
    version, _, pickled = data.partition(b"\n")
    own = __version__
    if version.decode() != own:
        here = f"the worker on {socket.gethostname()}, process {os.getpid()}"
        raise StoreError(f"{here}, has mmip_gpu {own}, the job {version.decode()}: every worker needs that")
    with _opening:
        return _unpacked(pickled)


@lru_cache(maxsize=4)
def _unpacked(data: bytes) -> Any:
    return pickle.loads(data)


@dataclass(frozen=True)
class _Reopened:
    """Reads a source that another process named, which is opened at the first read."""

    origin: str | None
    fingerprint: str
    _opened: list[Source] = field(default_factory=list, repr=False, compare=False)

    def __call__(self, region: Region) -> NDArray[Any]:
        if self.origin is None:
            raise StoreError("these samples did not come with the task")
        if not self._opened:
            source = reopen_source(self.origin)
            if source.fingerprint != self.fingerprint:
                raise StoreError(
                    f"{source.name}: this worker finds other data than the job: expected {self.fingerprint}, "
                    f"found {source.fingerprint}"
                )
            self._opened.append(source)
        return self._opened[0].reader(region)


def _reduced(value: Any) -> tuple[Callable[..., Any], tuple[Any, ...]] | None:
    """How to send what cannot go as it is; None for everything else."""
    if isinstance(value, Source) and value.origin is not None and not isinstance(value.reader, _Reopened):
        path = value.origin if isinstance(value.origin, str) else None
        named = replace(value, reader=_Reopened(path, value.fingerprint), origin=path)
        return _same, (named,)
    if isinstance(value, np.memmap) and isinstance(value.base, mmap.mmap):
        order = "C" if value.flags.c_contiguous else "F"
        return _mapped, (str(Path(value.filename).absolute()), value.dtype, value.offset, value.shape, order)
    if isinstance(value, np.ndarray) and value.nbytes > _MOST_BYTES:
        raise InvalidArgument(
            f"an array of {value.nbytes} bytes lies in this process's memory, where workers cannot read it: save it "
            "(.npy, Zarr) and pass the path, or pass a Dask array"
        )
    if isinstance(value, MemoryStore | ZipStore):
        raise InvalidArgument(f"a {type(value).__name__} is not shared by processes: pass a folder or a URL")
    return None


def _same(source: Source) -> Source:
    return source


def _mapped(path: str, dtype: np.dtype[Any], offset: int, shape: tuple[int, ...], order: Any) -> NDArray[Any]:
    return np.memmap(path, dtype, "r", offset, shape, order)
