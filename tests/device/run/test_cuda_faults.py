"""What can go wrong between us and CuPy, with a stand-in: producers, streams, allocators, processes, raw errors."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from helpers import standin_cupy
from helpers.standin_cupy import Cupy
from helpers.strategies import make

import mmip_gpu as mmip
from mmip_gpu.device import lanes
from mmip_gpu.device.encode import arrays
from mmip_gpu.device.lanes import Lane, through_lanes
from mmip_gpu.device.run import cuda_executor
from mmip_gpu.device.run.cuda import DeviceMemoryExceeded
from mmip_gpu.device.run.cuda_executor import CudaExecutor
from mmip_gpu.errors import BackendUnavailable, InvalidArgument, MmipError

# --- arrays of other libraries


class Tensor:
    """As PyTorch's: it has both protocols, and only DLPack waits for its stream."""

    def __init__(self, cupy: Cupy, array: Any, *, refuses: bool = False) -> None:
        self.host, self.dtype, self.shape, self.asked = array, array.dtype, array.shape, list[int]()
        self._cupy, self._refuses = cupy, refuses
        self.__cuda_array_interface__ = cupy.asarray(array).__cuda_array_interface__

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 0

    def __dlpack__(self, **options: Any) -> Any:
        raise AssertionError("CuPy's part")

    def given(self) -> Any:
        self.asked.append(threading.get_ident())
        if self._refuses:
            raise BufferError("DLPack has no such dtype")
        return self._cupy._hold(self.host)


@pytest.fixture
def by_dlpack(cupy: Cupy) -> Cupy:
    cupy.from_dlpack = lambda tensor: tensor.given()  # type: ignore[method-assign]
    return cupy


def test_tensors_come_by_dlpack(by_dlpack: Cupy) -> None:
    tensor, before = Tensor(by_dlpack, np.arange(5, dtype=np.uint8)), by_dlpack.waited
    assert CudaExecutor().adopt(tensor).tolist() == [0, 1, 2, 3, 4]
    assert (len(tensor.asked), by_dlpack.waited - before) == (1, 0)


def test_an_interface_without_a_stream_waits_for_the_device(by_dlpack: Cupy) -> None:
    executor = CudaExecutor()
    refusing = Tensor(by_dlpack, np.arange(5, dtype=np.uint8), refuses=True)
    interface = {**refusing.__cuda_array_interface__, "stream": 7}
    by_dlpack.cuda.runtime.pointerGetAttributes = lambda pointer: SimpleNamespace(device=0)
    for data, waits in ((refusing, 1), (SimpleNamespace(__cuda_array_interface__=interface), 0)):
        before = by_dlpack.waited
        assert executor.adopt(data).tolist() == [0, 1, 2, 3, 4]
        assert by_dlpack.waited - before == waits


def test_a_mask_is_adopted_once_on_the_thread_of_the_caller(by_dlpack: Cupy) -> None:
    chunks = [make("textured", (30, 40), "uint8", n) for n in range(5)]
    mask = Tensor(by_dlpack, chunks[0] > 128)
    expected = mmip.encode_batch(chunks, psnr=40, effort=1, roi=chunks[0] > 128)
    assert mmip.encode_batch(chunks, psnr=40, effort=1, roi=mask, device="gpu") == expected
    assert mask.asked == [threading.get_ident()]
    assert mmip.encode(chunks[0], psnr=40, effort=1, roi=mask, device="gpu") == expected[0]


# --- streams and lanes


def test_lanes_are_kept_with_their_streams(cupy: Cupy) -> None:
    made: list[Any] = []
    cupy.cuda.Stream = lambda non_blocking: made.append(1) or standin_cupy._Stream(cupy)  # type: ignore[func-returns-value]
    owned: list[Any] = []

    def work(lane: Lane, batch: Any) -> list[int]:
        lane.own(owned.append)
        return [int(lane.download(lane.upload([np.array([n])]))[0][0]) for n in batch]

    for _ in range(3):
        assert list(through_lanes(CudaExecutor(), [[n] for n in range(9)], work)) == list(range(9))
    assert len(made) == 3
    assert len(owned) > 3  # what a lane made for itself goes with the call: it holds memory of the device
    cupy.devices, cupy.current = 2, 1
    assert list(through_lanes(CudaExecutor(), [[n] for n in range(9)], work)) == list(range(9))
    assert len(made) == 6


def test_per_thread_default_streams_are_not_handed_to_other_threads(cupy: Cupy) -> None:
    cupy.default_stream = 2
    executor = CudaExecutor()
    array = executor.upload(make("textured", (30, 40), "uint8", 1))
    expected = mmip.encode(np.asarray(array), psnr=40, effort=1)
    for _ in range(2):
        cupy.launched.clear()
        waited = cupy.waited
        assert mmip.encode(array, psnr=40, effort=1) == expected
        assert {stream for *_, stream in cupy.launched} == {"0"}  # one of our own, the same in each call
        assert cupy.waited >= waited + 2
        assert cupy.stream == "default"
    cupy.default_stream = 0
    cupy.launched.clear()
    mmip.encode(array, psnr=40, effort=1)
    assert {stream for *_, stream in cupy.launched} == {"default"}


def test_staging_is_bounded(cupy: Cupy, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    alloc = cupy.cuda.alloc_pinned_memory
    cupy.cuda.alloc_pinned_memory = lambda size: sizes.append(size) or alloc(size)
    for module in (lanes, cuda_executor):
        monkeypatch.setattr(module, "_STAGED_BYTES", 1000)
    lane = Lane(CudaExecutor())
    given = [
        make("noise", (50, 31), "uint16", 1).T,
        np.zeros((0, 2), np.int8),
        np.arange(700, dtype=">i4"),
        np.arange(3.0),
    ]
    held = lane.upload(given)
    for found in (lane.download(held), lane.executor.download_all([lane.executor.contiguous(a) for a in held])):
        assert all(
            np.array_equal(a, b) and a.dtype == b.dtype.newbyteorder("=") for a, b in zip(found, given, strict=True)
        )
    assert max(sizes) == 1000


# --- memory


def test_room_of_other_allocators(cupy: Cupy) -> None:
    cupy.cuda.runtime.memGetInfo = lambda: (100, 8000)
    executor = CudaExecutor()
    cupy.pool.free = 50
    assert executor.room() == 150
    cupy.pool.limit, cupy.pool.used = 500, 400
    assert executor.room() == 100
    asynchronous = SimpleNamespace(free_bytes=lambda: 700, free_all_blocks=lambda: None)
    asynchronous.malloc = standin_bound(asynchronous)
    cupy.allocator = asynchronous.malloc
    assert executor.room() == 800
    asynchronous.free_bytes = lambda: raising(RuntimeError("not with this driver"))
    assert executor.room() == 2000
    cupy.allocator = lambda size: None  # RMM's is a function
    assert executor.room() == 2000
    executor.release()
    assert (cupy.pool.emptied, cupy.pinned_pool.emptied) == (0, 1)


def standin_bound(owner: Any) -> Any:
    call = SimpleNamespace()
    call.__self__ = owner
    return call


def raising(error: Exception) -> Any:
    raise error


# --- errors


CUDA_FAILURES = [
    (standin_cupy.CUDARuntimeError(700), BackendUnavailable, "cudaError 700"),
    (standin_cupy.CUDARuntimeError(2), DeviceMemoryExceeded, "cudaError 2"),
    (standin_cupy.CUDADriverError(719), BackendUnavailable, "cudaError 719"),
    (standin_cupy.OutOfMemoryError("no"), DeviceMemoryExceeded, "no"),
    (standin_cupy.NVRTCError("5"), BackendUnavailable, r"NVRTCError: 5; .*headers.*\[ctk\]"),
    (
        standin_cupy.CompileException("cuda_fp16.h\nmore"),
        BackendUnavailable,
        r"CompileException: cuda_fp16.h; .*\[ctk\]",
    ),
    (RuntimeError("CuPy failed to load libnvrtc"), BackendUnavailable, r"failed to load libnvrtc; .*\[ctk\]"),
]


@pytest.mark.parametrize(("error", "kind", "text"), CUDA_FAILURES)
def test_raw_errors_are_of_our_kinds(cupy: Cupy, error: Exception, kind: type[MmipError], text: str) -> None:
    executor, runtime = CudaExecutor(), cupy.cuda.runtime
    failing: list[tuple[Any, str, Callable[[], Any]]] = [
        (runtime, "memGetInfo", executor.room),
        (cupy.pool, "free_all_blocks", executor.release),
        (runtime, "getDevice", executor.stream),
        (cupy.cuda, "Stream", executor.stream),
        (cupy.cuda, "get_current_stream", executor.here),
        (cupy.cuda, "get_current_stream", executor.wait),
        (runtime, "getDevice", lambda: executor.kept),
        (runtime, "getDevice", lambda: executor.adopt(np.zeros(1))),
        (cupy, "ascontiguousarray", lambda: executor.contiguous(None)),
        (cupy.cuda, "get_current_stream", lambda: executor.shared().__enter__()),
    ]
    for owner, name, call in failing:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(owner, name, lambda *a, **k: raising(error))
            with pytest.raises(kind, match=text):
                call()


@pytest.mark.parametrize(("error", "kind", "text"), CUDA_FAILURES)
@pytest.mark.parametrize("enter", ["stream", "here", "errors"])
def test_operations_of_cupy_itself_too(cupy: Cupy, enter: str, error: Exception, kind: Any, text: str) -> None:
    executor = CudaExecutor()
    entered = executor.errors if enter == "errors" else getattr(executor, enter)()
    with pytest.raises(kind, match=text), entered():
        raise error
    with pytest.raises(ZeroDivisionError), entered():
        raise ZeroDivisionError
    with pytest.raises(InvalidArgument), entered():
        raise InvalidArgument("ours")


@pytest.mark.parametrize(("error", "kind", "text"), CUDA_FAILURES)
def test_the_face_raises_our_kinds(
    cupy: Cupy, monkeypatch: pytest.MonkeyPatch, error: Exception, kind: Any, text: str
) -> None:
    monkeypatch.setattr(arrays, "in_lock_step", lambda *a: raising(error))
    executor = CudaExecutor()
    given = np.zeros((9, 9), np.uint8)
    for array in (given, executor.upload(given)):
        with pytest.raises(MmipError):  # of memory that is short: nothing is left to halve
            mmip.encode(array, quality=10, device="gpu")


# --- processes


FORK = """
import os, sys
from helpers.standin_cupy import Cupy
sys.modules["cupy"] = Cupy()
from mmip_gpu.device.run.cuda_executor import CudaExecutor
CudaExecutor()
if not os.fork():
    try:
        CudaExecutor()
    except Exception as error:
        print(type(error).__name__, error, flush=True)
    os._exit(0)
os.wait()
"""


def test_a_child_made_by_fork_is_told_so() -> None:
    tests = Path(__file__).parents[2]
    found = subprocess.run(
        [sys.executable, "-c", FORK],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tests), *filter(None, sys.path)])},
    ).stdout
    assert re.search(r"^BackendUnavailable no CUDA device: .*made by fork.*'spawn'.*device='cpu'", found)


def test_cuda_that_does_not_start_after_a_fork(cupy: Cupy) -> None:
    def fails() -> int:
        raise standin_cupy.CUDARuntimeError(3)

    cupy.cuda.runtime.getDeviceCount = fails
    with pytest.raises(BackendUnavailable, match=r"cudaError 3 .*made by fork.*'spawn'"):
        CudaExecutor()


def test_a_cupy_whose_libraries_do_not_load(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def find_spec(self, name: str, *more: Any) -> None:
            if name == "cupy":
                raise OSError("libcublas.so.12: cannot open\nshared object file")

    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    with pytest.raises(BackendUnavailable, match=r"no CuPy \(libcublas.so.12: cannot open shared object file\): pip"):
        CudaExecutor()
