"""A stand-in for CuPy that is late: copies and launches run when a stream is waited for, not before.

Values: a `Cupy` whose streams are queues. Where one is waited for, the others go on or stay as a seed decides, so that
whatever lacks a wait finds bytes of 0xCD, as do those who read freed memory. Guarantees the order of each stream.
"""

from __future__ import annotations

import ctypes
import random
import sys
import threading
import weakref
from collections import defaultdict, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.standin_cupy import Cupy, DeviceArray, _Device, _Module, _Stream
from mmip_gpu.device import _phases

RUBBISH = 0xCD
_FIRST_STREAM = 16  # handles below mean streams of CUDA's own


class LazyArray(DeviceArray):
    """An array whose bytes come later; what NumPy does to it is done in the order of the current stream."""

    machine: LazyCupy

    def __array_finalize__(self, parent: Any) -> None:
        super().__array_finalize__(parent)
        self.machine = getattr(parent, "machine", None)  # type: ignore[assignment]

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if "out" in options:
            options["out"] = tuple(map(_plain, options["out"]))
        return self.machine.at_once(getattr(ufunc, method), *inputs, **options)

    def __array_function__(self, function: Any, types: Any, arguments: Any, options: Any) -> Any:
        return self.machine.at_once(function, *arguments, **options)

    def __setitem__(self, where: Any, value: Any) -> None:
        self.machine.at_once(np.ndarray.__setitem__, self, where, value)

    def astype(self, *arguments: Any, **options: Any) -> Any:
        return self.machine.at_once(np.ndarray.astype, self, *arguments, **options)

    def copy(self, order: Any = "C") -> Any:
        return self.machine.at_once(np.ndarray.copy, self, order)

    def tolist(self) -> Any:
        return self.machine.at_once(np.ndarray.tolist, self)

    def item(self, *arguments: Any) -> Any:
        return self.machine.at_once(np.ndarray.item, self, *arguments)


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(map(_plain, value))
    return value.view(np.ndarray) if isinstance(value, LazyArray) else value


class LazyCupy(Cupy):
    """A machine that is late; `seed` decides about its streams, `descending` turns the order of lanes round."""

    def __init__(self, seed: int = 0, *, descending: bool = False, **facts: Any) -> None:
        super().__init__(**facts)
        self._chance, self._lock = random.Random(seed), threading.RLock()
        self._eager = self._chance.choice([0.0, 0.3, 0.8])  # how often another stream goes on
        self._queues: defaultdict[str, deque[Callable[[], Any]]] = defaultdict(deque)
        self._freed: list[Any] = []
        self.descending, self.ndarray = descending, LazyArray
        self.RawModule = lambda *, path: _LazyModule(self, Path(path))
        cuda = self.cuda
        cuda.Stream = lambda non_blocking: _LazyStream(self, self.new_stream())
        cuda.get_current_stream = lambda: _LazyStream(self, self.stream)
        cuda.Device = lambda number=0: _LazyDevice(self, number)
        cuda.alloc_pinned_memory = self._pinned
        cuda.runtime.memcpyAsync = self._copy_later
        cuda.runtime.deviceSynchronize = self.finish

    def later(self, work: Callable[[], Any], stream: str | None = None) -> None:
        """Put work on a stream, else on the current one."""
        self._queues[stream or self.stream].append(work)

    def run(self, stream: str) -> None:
        """All that a stream was given; of the others what chance gives."""
        with self._lock:
            while self._queues[stream]:
                others = [name for name, queue in list(self._queues.items()) if queue and name != stream]
                other = others and self._chance.random() < self._eager
                self._queues[self._chance.choice(others) if other else stream].popleft()()
            if not any(list(self._queues.values())):
                self._freed.clear()

    def finish(self) -> None:
        """All that was given."""
        for stream in list(self._queues):
            self.run(stream)

    def at_once(self, work: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """What NumPy does to arrays, after all that the current stream was given."""
        self.run(self.stream)
        found = work(*map(_plain, arguments), **options)
        return self._hold(found) if isinstance(found, np.ndarray) else found

    def empty(self, shape: Any, dtype: Any) -> Any:
        array = np.empty(shape, dtype)
        array.reshape(-1).view(np.uint8).fill(RUBBISH)
        return self._hold(array)

    def zeros(self, shape: Any, dtype: Any) -> Any:
        return self._filled_later(np.zeros(shape, dtype))

    def asarray(self, array: Any) -> Any:
        if isinstance(array, np.ndarray) and not isinstance(array, DeviceArray) and array.dtype.kind in "biufc":
            return self._filled_later(np.array(array, order="C"))
        return super().asarray(array)

    def asnumpy(self, array: Any) -> Any:
        self.run(self.stream)
        return super().asnumpy(array)

    def ascontiguousarray(self, array: Any) -> Any:
        return array if array.flags.c_contiguous else self.at_once(np.ascontiguousarray, array)

    def _hold(self, array: Any) -> Any:
        memory = np.ascontiguousarray(_plain(array)).reshape(array.shape)
        held = super()._hold(memory).view(LazyArray)
        held.machine = self
        weakref.finalize(held, self._free, memory, self.stream)
        return held

    def _free(self, memory: Any, stream: str) -> None:
        """The pool gives memory to what follows on its stream; it stays ours until nothing can reach it."""
        self._freed.append(memory)
        self.later(lambda: memory.reshape(-1).view(np.uint8).fill(RUBBISH), stream)

    def _filled_later(self, array: Any) -> Any:
        held = self.empty(array.shape, array.dtype)
        if array.nbytes:
            to = held.ctypes.data
            self.later(lambda: ctypes.memmove(to, array.ctypes.data, array.nbytes))
        return held

    def _pinned(self, size: int) -> Any:
        memory = np.full(size, RUBBISH, np.uint8)
        held = _Pinned(memory)
        weakref.finalize(held, self._free_pinned, memory)
        return held

    def _free_pinned(self, memory: Any) -> None:
        """The pool gives it to whoever asks next."""
        self._freed.append(memory)
        memory.fill(RUBBISH)

    def _copy_later(self, to: int, source: int, size: int, kind: int, stream: int) -> None:
        if kind == self.cuda.runtime.memcpyDeviceToHost:
            ctypes.memset(to, RUBBISH, size)
        name = "default" if stream == 0 else str(stream - _FIRST_STREAM)
        self.later(lambda: ctypes.memmove(to, source, size), name)


class _Pinned(np.ndarray):
    """Pinned memory as CuPy's: a buffer."""

    def __new__(cls, memory: Any) -> Any:
        return memory.view(cls)


class _LazyModule(_Module):
    def get_function(self, name: str) -> Any:
        machine: Any = self._cupy

        def run(grid: tuple[int, ...], block: tuple[int, ...], arguments: tuple[Any, ...]) -> None:
            machine.launched.append((name, grid, block, machine.stream))
            params = arguments[0].tobytes()
            machine.later(lambda: _phases.run(name, params, machine.descending))

        return run


class _LazyStream(_Stream):
    @property
    def ptr(self) -> int:
        return 0 if self._name == "default" else _FIRST_STREAM + int(self._name or 0)

    def synchronize(self) -> None:
        machine: Any = self._cupy
        machine.run(self._name)


class _LazyDevice(_Device):
    def synchronize(self) -> None:
        machine: Any = self._cupy
        machine.finish()


def lazy_machine(monkeypatch: pytest.MonkeyPatch, folder: Path, seed: int, **facts: Any) -> LazyCupy:
    """The machine in place of CuPy, for a test."""
    module = LazyCupy(seed, **facts)
    monkeypatch.setitem(sys.modules, "cupy", module)
    monkeypatch.setenv("CUPY_CACHE_DIR", str(folder / "cache"))
    return module
