"""NVIDIA's run-time compiler, which needs no GPU; tests that ask for it are skipped where it is not installed."""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest


def library() -> ctypes.CDLL:
    spec = importlib.util.find_spec("nvidia")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for path in sorted(Path(folder).glob("**/libnvrtc.so.*")):
            if "builtins" not in path.name:
                return ctypes.CDLL(str(path))
    pytest.skip("NVRTC is not installed: pip install nvidia-cuda-nvrtc")


def known_architectures() -> list[str]:
    nvrtc, count = library(), ctypes.c_int()
    assert nvrtc.nvrtcGetNumSupportedArchs(ctypes.byref(count)) == 0
    numbers = (ctypes.c_int * count.value)()
    assert nvrtc.nvrtcGetSupportedArchs(numbers) == 0
    return [f"sm_{number}" for number in numbers]


def compiled(source: str, architecture: str, options: Sequence[str], headers: Mapping[str, str] | None = None) -> str:
    """The compiler's log; an error where the source does not compile."""
    nvrtc, given = library(), dict(headers or {})
    names = (ctypes.c_char_p * len(given))(*[name.encode() for name in given])
    sources = (ctypes.c_char_p * len(given))(*[text.encode() for text in given.values()])
    program = ctypes.c_void_p()
    made = nvrtc.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"source.cu", len(given), sources, names)
    assert made == 0
    flags = [f"--gpu-architecture={architecture}", *options]
    status = nvrtc.nvrtcCompileProgram(
        program, len(flags), (ctypes.c_char_p * len(flags))(*[flag.encode() for flag in flags])
    )
    size = ctypes.c_size_t()
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    text = log.value.decode()
    assert status == 0, text
    return text
