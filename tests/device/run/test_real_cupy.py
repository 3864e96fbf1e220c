"""The real CuPy where it is installed: its names, and binaries of the kernels by its NVRTC; no driver needed.

`.ci/run` runs these tests with CuPy 14, `.ci/matrix` with 13, each in an environment of its own.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from mmip_gpu.device.layouts.structs import KERNEL_MODULES
from mmip_gpu.device.run.binaries import binary_of, compiler_of
from mmip_gpu.device.run.cuda import open_cupy
from mmip_gpu.errors import BackendUnavailable

cupy: Any = pytest.importorskip("cupy", reason="CuPy is not installed")
MODULE = "bricks"  # the quickest to compile


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CUPY_CACHE_DIR", str(tmp_path))


def known() -> tuple[int, ...]:
    found = compiler_of(cupy.cuda.nvrtc)
    assert not isinstance(found, BackendUnavailable), found
    return found[1]


def test_binaries_are_whole() -> None:
    path = binary_of(cupy.cuda.nvrtc, "90", MODULE)
    data = path.read_bytes()
    programs, sections = struct.unpack_from("<QQ", data, 32)
    program_bytes, program_count, section_bytes, section_count = struct.unpack_from("<4H", data, 54)
    ends = programs + program_bytes * program_count, sections + section_bytes * section_count
    assert min(programs, sections) > 0
    assert max(ends) == len(data)  # none is cut off, and none is more than what a driver needs
    names = [name for name, module in KERNEL_MODULES.items() if module == MODULE]
    assert all(f".text.{name}\0".encode() in data for name in names)


def test_text_for_devices_that_the_compiler_does_not_know() -> None:
    path = binary_of(cupy.cuda.nvrtc, str(max(known()) + 1), MODULE)
    text = path.read_text()
    assert f".target sm_{max(known())}" in text
    assert "\0" not in text
    with pytest.raises(BackendUnavailable, match=f"sm_{min(known())} or later"):
        binary_of(cupy.cuda.nvrtc, str(min(known()) - 1), MODULE)


def test_a_machine_without_a_driver() -> None:
    try:
        cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError:
        with pytest.raises(BackendUnavailable, match="no CUDA device"):
            open_cupy()
    else:
        assert open_cupy() is cupy


def test_cupy_has_what_we_call() -> None:
    names = {
        cupy: (
            "RawModule asarray ascontiguousarray asnumpy empty from_dlpack get_default_pinned_memory_pool ndarray zeros"
        ),
        cupy.cuda: (
            "Device Event MemoryPool Stream alloc_pinned_memory get_allocator get_current_stream get_elapsed_time"
        ),
        cupy.cuda.MemoryPool: "free_all_blocks free_bytes get_limit used_bytes",
        cupy.cuda.MemoryPointer: "copy_from_host_async copy_to_host_async memset_async ptr",
        cupy.cuda.runtime: (
            "CUDARuntimeError deviceSynchronize driverGetVersion getDevice getDeviceCount getDeviceProperties "
            "memGetInfo memcpyAsync memcpyDeviceToHost memcpyHostToDevice pointerGetAttributes runtimeGetVersion"
        ),
        cupy.cuda.nvrtc: (
            "NVRTCError compileProgram createProgram destroyProgram getCUBIN getPTX getProgramLog getSupportedArchs "
            "getVersion"
        ),
        cupy.cuda.memory: "OutOfMemoryError",
        cupy.cuda.driver: "CUDADriverError",
        cupy.cuda.compiler: "CompileException",
    }
    missing = [name for owner, wanted in names.items() for name in wanted.split() if not hasattr(owner, name)]
    assert missing == []
