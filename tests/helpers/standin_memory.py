"""Memory of the host and clocks as the stand-in for CuPy has them."""

from __future__ import annotations

import ctypes
import time


class Pinned(bytearray):
    """Bytes of the host, as their buffer and by their address."""

    @property
    def ptr(self) -> int:
        return ctypes.addressof(ctypes.c_char.from_buffer(self)) if self else 0


class Event:
    at = 0.0

    def record(self) -> None:
        self.at = time.perf_counter()

    def synchronize(self) -> None:
        """All has run."""


def copy(to: int, source: int, size: int, kind: int, stream: int) -> None:
    ctypes.memmove(to, source, size)
