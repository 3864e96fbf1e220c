"""How much memory of a device is free to CuPy, whose allocator it may be: CuPy's pools, cudaMallocAsync's, RMM's.

Values: CuPy (the module) in; bytes out. An allocator that does not say what it has free, as RMM's, may hold nearly all
of the device: a part of the device is then taken for free, and a batch that is too large is halved (device/lanes.py).
"""

from __future__ import annotations

from typing import Any

__all__ = ["free_bytes", "give_back"]

_SHARE = 4  # of the device's memory, which an allocator that does not tell is taken to have


def free_bytes(cupy: Any) -> int:
    """Bytes of the current device that arrays can still take."""
    free, total = (int(size) for size in cupy.cuda.runtime.memGetInfo())
    pool = _pool(cupy)
    try:
        if pool is not None:
            found = free + int(pool.free_bytes())
            limit = int(pool.get_limit()) if isinstance(pool, cupy.cuda.MemoryPool) else 0  # 0: none
            return min(found, max(limit - int(pool.used_bytes()), 0)) if limit else found
    except RuntimeError:  # of cudaMallocAsync with a driver that counts nothing
        pass
    return max(free, total // _SHARE)


def give_back(cupy: Any) -> None:
    """Give back what pools hold for later arrays."""
    pool = _pool(cupy)
    if pool is not None:
        pool.free_all_blocks()
    cupy.get_default_pinned_memory_pool().free_all_blocks()


def _pool(cupy: Any) -> Any | None:
    """The pool that CuPy allocates from now; None where what allocates is no pool of CuPy's."""
    pool = getattr(cupy.cuda.get_allocator(), "__self__", None)
    return pool if hasattr(pool, "free_bytes") else None
