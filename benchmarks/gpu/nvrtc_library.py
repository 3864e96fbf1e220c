"""NVRTC's library by itself, for machines without CuPy: what compiles binaries that are used elsewhere.

Values: as CuPy's binding of it, of which it has what mmip_gpu.device.run.binaries calls.
"""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class NVRTCError(RuntimeError):
    """A call that failed."""


def installed_library() -> Path | None:
    """The library in the package nvidia-cuda-nvrtc, where that is installed."""
    spec = importlib.util.find_spec("nvidia")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        found = [path for path in sorted(Path(folder).glob("**/libnvrtc.so.*")) if "builtins" not in path.name]
        if found:
            return found[0]
    return None


class NvrtcLibrary:
    """Calls of one library, by the names that CuPy gives them."""

    NVRTCError = NVRTCError

    def __init__(self, path: Path) -> None:
        self._library = ctypes.CDLL(str(path))

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, name)(*arguments)
        if status:
            raise NVRTCError(f"{name}: status {status}")

    def getVersion(self) -> tuple[int, int]:  # noqa: N802  # CuPy's names
        """Major and minor."""
        major, minor = ctypes.c_int(), ctypes.c_int()
        self._call("nvrtcVersion", ctypes.byref(major), ctypes.byref(minor))
        return major.value, minor.value

    def getSupportedArchs(self) -> list[int]:  # noqa: N802
        """Architectures that it compiles for."""
        count = ctypes.c_int()
        self._call("nvrtcGetNumSupportedArchs", ctypes.byref(count))
        found = (ctypes.c_int * count.value)()
        self._call("nvrtcGetSupportedArchs", found)
        return list(found)

    def createProgram(self, source: str, name: str, headers: Sequence[str], names: Sequence[str]) -> ctypes.c_void_p:  # noqa: N802
        """A program of a source that finds its headers by itself."""
        assert not headers
        assert not names
        program = ctypes.c_void_p()
        self._call("nvrtcCreateProgram", ctypes.byref(program), source.encode(), name.encode(), 0, None, None)
        return program

    def compileProgram(self, program: ctypes.c_void_p, options: Sequence[str]) -> None:  # noqa: N802
        """Compile it."""
        texts = (ctypes.c_char_p * len(options))(*[option.encode() for option in options])
        self._call("nvrtcCompileProgram", program, len(options), texts)

    def getCUBIN(self, program: ctypes.c_void_p) -> bytes:  # noqa: N802
        """Its binary without the last byte, which CuPy takes for the NUL of a text."""
        return self._text("CUBIN", program)[:-1]

    def getPTX(self, program: ctypes.c_void_p) -> bytes:  # noqa: N802
        """Its PTX."""
        return self._text("PTX", program)[:-1]

    def getProgramLog(self, program: ctypes.c_void_p) -> str:  # noqa: N802
        """What the compiler said."""
        return self._text("ProgramLog", program)[:-1].decode(errors="replace")

    def destroyProgram(self, program: ctypes.c_void_p) -> None:  # noqa: N802
        """Forget it."""
        self._call("nvrtcDestroyProgram", ctypes.byref(program))

    def _text(self, what: str, program: ctypes.c_void_p) -> bytes:
        size = ctypes.c_size_t()
        self._call(f"nvrtcGet{what}Size", program, ctypes.byref(size))
        room = ctypes.create_string_buffer(size.value)
        self._call(f"nvrtcGet{what}", program, room)
        return room.raw
