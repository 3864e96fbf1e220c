"""Array-likes that cluster tests send to worker processes: each reads a phantom and does one thing to the process."""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from zarr.storage import WrapperStore

from mmip_gpu import Phantom3D


@dataclass(frozen=True)
class Volume:
    """A phantom. Outside of the process that made it, reading the chunk that starts at `at` meets `event`."""

    dims: tuple[int, int, int]
    folder: str = ""
    event: str = ""
    at: tuple[int, int, int] = (0, 0, 0)
    home: int = 0
    pause: float = 0.0
    dtype = np.dtype(np.uint16)

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.dims

    def __getitem__(self, key: Any) -> np.ndarray:
        if self.event and os.getpid() != self.home and tuple(s.start for s in key) == self.at:
            self._meet()
        time.sleep(self.pause)
        return Phantom3D(self.dims)[key]

    def _meet(self) -> None:
        mark = Path(self.folder, "met")
        if self.event == "raise" and not Path(self.folder, "mended").exists():
            raise ValueError("a bad sector")
        if self.event == "kill" and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if self.event == "wait" and not mark.exists():
            mark.touch()
            time.sleep(1.5)


def phantom_block(dims: tuple[int, int, int], block_info: Any = None) -> np.ndarray:
    """A block of a Dask array of a phantom, for `dask.array.map_blocks`."""
    return Phantom3D(dims)[tuple(slice(*part) for part in block_info[None]["array-location"])]


def noted_block(dims: tuple[int, ...], folder: str, home: int, block_info: Any = None) -> np.ndarray:
    """A block that leaves a file for each time that a worker computes it."""
    if os.getpid() != home:
        Path(folder, f"{block_info[None]['chunk-location']} {uuid.uuid4().hex}").touch()
    return phantom_block(dims, block_info)


class OnDevice:
    """An array that NumPy must not convert by itself, as those of CuPy."""

    __cuda_array_interface__: dict[str, Any] = {}  # noqa: RUF012
    __module__ = "cupy"

    def __init__(self, array: np.ndarray) -> None:
        self._array, self.shape, self.dtype = array, array.shape, array.dtype

    def __getitem__(self, key: Any) -> OnDevice:
        return OnDevice(self._array[key])

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed")

    def get(self) -> np.ndarray:
        return self._array


class FullStore(WrapperStore[Any]):
    """A disk that is full for the chunks of the second half."""

    async def set(self, key: str, value: Any) -> None:
        if "/c/" in key and "/c/0/1/" in key:
            raise OSError(errno.ENOSPC, "No space left on device")
        await super().set(key, value)


class TornStore(WrapperStore[Any]):
    """A folder; outside of the process `home` the first write of a key dies halfway, with its process."""

    def __init__(self, store: Any, folder: str, key: str, home: int) -> None:
        super().__init__(store)
        self.torn = folder, key, home

    def __reduce__(self) -> Any:
        return TornStore, (self._store, *self.torn)

    async def set(self, key: str, value: Any) -> None:
        folder, wanted, home = self.torn
        mark = Path(folder, "met")
        if key == wanted and os.getpid() != home and not mark.exists():
            mark.touch()
            path = self._store.root / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(value.to_bytes()[: len(value) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        await super().set(key, value)


def hide_package() -> None:
    """Make a worker one without the package: none of its modules is there, and none is found."""
    names = [name for name in sys.modules if name.partition(".")[0] == "mmip_gpu"]
    _hidden.update({name: sys.modules.pop(name) for name in names})
    sys.modules["mmip_gpu"] = None  # type: ignore[assignment]


def show_package() -> None:
    """Give it back."""
    sys.modules.update(_hidden)
    _hidden.clear()


_hidden: dict[str, Any] = {}
