"""Stands in for CuPy where there is none: host memory as the device's, kernels run by `_phases` from their parameters.

It has what mmip_gpu.device and benchmarks/gpu use of CuPy 13.4 to 15 and no more, and is as strict: an
argument of a kernel is an array of one item (a NumPy void is refused by CuPy 13), grids and blocks are tuples, names
are known.
"""

from __future__ import annotations

import struct
import threading
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from helpers.standin_memory import Event, Pinned, copy
from mmip_gpu.device import _phases
from mmip_gpu.device.layouts.structs import KERNEL_LANES, params_dtype

INSUFFICIENT_DRIVER, NO_DEVICE, OUT_OF_MEMORY, ILLEGAL_ADDRESS = 35, 100, 2, 700


class CUDARuntimeError(RuntimeError):
    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(f"cudaError {status}")


class CUDADriverError(CUDARuntimeError):
    pass


class OutOfMemoryError(MemoryError):
    pass


class NVRTCError(RuntimeError):
    pass


class CompileException(Exception):
    pass


class MemoryPool:
    """A pool that holds nothing, and what a device has free."""

    def __init__(self) -> None:
        self.free, self.used, self.limit, self.emptied = 0, 0, 0, 0

    def malloc(self, size: int) -> None:
        """What CuPy calls to allocate."""

    def free_bytes(self) -> int:
        return self.free

    def used_bytes(self) -> int:
        return self.used

    def get_limit(self) -> int:
        return self.limit

    def free_all_blocks(self) -> None:
        self.emptied += 1


def cubin(source: str) -> bytes:
    """An ELF file whose tables end where it ends, as NVRTC's."""
    text = source.encode()
    header = struct.pack(
        "<5s11xHHIQQQIHHHHHH", b"\x7fELF\x02", 2, 190, 1, 0, 64, 120 + len(text), 0, 64, 56, 1, 64, 1, 0
    )
    return header + bytes(56) + text + bytes(64)


class DeviceArray(np.ndarray):
    """Memory of a device: it knows which, and NumPy does not take it for its own."""

    number = 0

    def __array_finalize__(self, other: Any) -> None:
        self.number = getattr(other, "number", 0)

    @property
    def data(self) -> Any:  # type: ignore[override]
        return SimpleNamespace(ptr=self.__array_interface__["data"][0], memset_async=self._set)

    def _set(self, value: int, size: int) -> None:
        assert size == self.nbytes
        self.view(np.ndarray).fill(value)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return dict(self.__array_interface__)

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, self.number


class Cupy(ModuleType):
    """A machine: how many devices, of which architecture, with how much memory; and what was asked of it."""

    def __init__(self, devices: int = 1, *, architecture: str = "90", memory: int = 2**40, fails: int = 0) -> None:
        super().__init__("cupy")
        self.__version__ = "0"
        self.devices, self.architecture, self.memory, self.fails = devices, architecture, memory, fails
        self.current, self._streams, self._mine, self.waited = 0, 0, threading.local(), 0
        self.launched: list[tuple[str, tuple[int, ...], tuple[int, ...], str]] = []
        self.compiled: list[tuple[str, ...]] = []
        self.loaded: list[Path] = []
        self.compiler_log, self.known, self.no_compiler = "", (75, 80, 86, 89, 90, 100, 120), ""
        self.pool, self.pinned_pool = MemoryPool(), MemoryPool()
        self.allocator: Any = self.pool.malloc
        self.default_stream = 0
        self.ndarray = DeviceArray
        self.RawModule = lambda *, path: _Module(self, Path(path))
        self.cuda = SimpleNamespace(
            runtime=SimpleNamespace(
                CUDARuntimeError=CUDARuntimeError,
                getDeviceCount=self._count,
                getDevice=lambda: self.current,
                driverGetVersion=lambda: 11080 if self.fails == INSUFFICIENT_DRIVER else 13000,
                runtimeGetVersion=lambda: 12090,
                pointerGetAttributes=lambda pointer: SimpleNamespace(device=1),
                getDeviceProperties=lambda number: {"name": b"stand-in", "totalGlobalMem": self.memory},
                memGetInfo=lambda: (self.memory, self.memory),
                deviceSynchronize=self._synchronize,
                memcpyAsync=copy,
                memcpyHostToDevice=1,
                memcpyDeviceToHost=2,
            ),
            driver=SimpleNamespace(CUDADriverError=CUDADriverError),
            memory=SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
            MemoryPool=MemoryPool,
            get_allocator=lambda: self.allocator,
            set_allocator=self._set_allocator,
            set_pinned_memory_allocator=lambda allocator: None,
            compiler=SimpleNamespace(CompileException=CompileException),
            nvrtc=SimpleNamespace(
                NVRTCError=NVRTCError,
                getVersion=self._version,
                getSupportedArchs=lambda: self.known,
                createProgram=lambda source, name, headers, names: {"source": source, "name": name},
                compileProgram=self._compile,
                getCUBIN=lambda program: cubin(program["source"])[:-1],  # CuPy takes the last byte for a NUL
                getPTX=lambda program: b".version 8.0 " + program["source"].encode(),
                getProgramLog=lambda program: self.compiler_log,
                destroyProgram=lambda program: program.clear(),
            ),
            Device=lambda number=0: _Device(self, number),
            Stream=lambda non_blocking: _Stream(self),
            Event=Event,
            get_elapsed_time=lambda start, end: 1e3 * (end.at - start.at),
            get_current_stream=lambda: _Stream(self, self.stream),
            alloc_pinned_memory=Pinned,
        )

    @property
    def stream(self) -> str:
        """The stream of this thread."""
        return getattr(self._mine, "stream", "default")

    @stream.setter
    def stream(self, name: str) -> None:
        self._mine.stream = name

    def new_stream(self) -> str:
        """A name for a stream."""
        self._streams += 1
        return str(self._streams - 1)

    def get_default_memory_pool(self) -> MemoryPool:
        return self.pool

    def get_default_pinned_memory_pool(self) -> MemoryPool:
        return self.pinned_pool

    def _set_allocator(self, allocator: Any) -> None:
        self.allocator = allocator

    def _version(self) -> tuple[int, int]:
        if self.no_compiler:
            raise RuntimeError(self.no_compiler)
        return 12, 9

    def _synchronize(self) -> None:
        self.waited += 1

    def _count(self) -> int:
        if self.fails in (INSUFFICIENT_DRIVER, NO_DEVICE):
            raise CUDARuntimeError(self.fails)
        return self.devices

    def _compile(self, program: dict[str, str], options: tuple[str, ...]) -> None:
        self.compiled.append(options)
        if self.compiler_log:
            raise NVRTCError("NVRTC_ERROR_COMPILATION (6)")

    def _hold(self, array: np.ndarray[Any, Any]) -> Any:
        if array.nbytes > self.memory:
            raise OutOfMemoryError(f"Out of memory allocating {array.nbytes} bytes")
        held = array.view(DeviceArray)
        held.number = self.current
        return held

    def empty(self, shape: Any, dtype: Any) -> Any:
        return self._hold(np.full(shape, 0xCD, np.uint8).astype(dtype))

    def zeros(self, shape: Any, dtype: Any) -> Any:
        return self._hold(np.zeros(shape, dtype))

    def asarray(self, array: Any) -> Any:
        if isinstance(array, DeviceArray):
            return array if array.number == self.current else self._hold(array.view(np.ndarray).copy())
        if hasattr(array, "__cuda_array_interface__"):
            array = np.asarray(SimpleNamespace(__array_interface__=array.__cuda_array_interface__))
            return self._hold(array)
        if array.dtype.kind not in "biufc":
            raise ValueError(f"Unsupported dtype {array.dtype}")
        return self._hold(np.array(array, order="C"))

    def from_dlpack(self, data: Any) -> Any:
        return self._hold(np.from_dlpack(data.host))

    def asnumpy(self, array: Any) -> np.ndarray[Any, Any]:
        if self.fails in (OUT_OF_MEMORY, ILLEGAL_ADDRESS):
            raise CUDARuntimeError(self.fails)
        return np.array(array.view(np.ndarray))

    def ascontiguousarray(self, array: Any) -> Any:
        return self._hold(np.ascontiguousarray(array))


class _Module:
    """What RawModule(path=...) is: functions that run on the CPU."""

    def __init__(self, cupy: Cupy, path: Path) -> None:
        data = path.read_bytes()
        if path.suffix == ".cubin":  # a driver is given the file as it is
            sections, size, count = struct.unpack_from("<Q", data, 40)[0], *struct.unpack_from("<HH", data, 58)
            assert len(data) >= sections + size * count
        else:
            assert data.startswith(b".version")
        cupy.loaded.append(path)
        self._cupy = cupy

    def get_function(self, name: str) -> Any:
        assert name in KERNEL_LANES

        def run(grid: tuple[int, ...], block: tuple[int, ...], arguments: tuple[Any, ...]) -> None:
            (params,) = arguments
            assert type(params) is np.ndarray
            assert params.size == 1
            assert params.nbytes == params_dtype(name).itemsize
            self._cupy.launched.append((name, grid, block, self._cupy.stream))
            _phases.run(name, params.tobytes())

        names = "num_regs shared_size_bytes local_size_bytes max_threads_per_block binary_version"
        run.attributes = dict.fromkeys(names.split(), 32)  # type: ignore[attr-defined]
        return run


class _Device:
    def __init__(self, cupy: Cupy, number: int) -> None:
        self.id, self.compute_capability, self._cupy = number, cupy.architecture, cupy

    def synchronize(self) -> None:
        """All has run."""

    def __enter__(self) -> None:
        assert self._cupy.current == self.id

    def __exit__(self, *error: object) -> None:
        pass


class _Stream:
    def __init__(self, cupy: Cupy, name: str | None = None) -> None:
        self._cupy, self._before, self._name = cupy, cupy.stream, name

    @property
    def ptr(self) -> int:
        return self._cupy.default_stream if self._name == "default" else 16

    def synchronize(self) -> None:
        self._cupy.waited += 1

    def __enter__(self) -> None:
        self._name = self._name or self._cupy.new_stream()
        self._before, self._cupy.stream = self._cupy.stream, self._name

    def __exit__(self, *error: object) -> None:
        self._cupy.stream = self._before
