"""Structured dtypes of what kernels take: their Params, and the structs in the arrays that these point at.

Values: names of C++ structs and of kernels in, aligned structured dtypes out; a pointer is an address (uint64) in the
executor's memory. Built from what the core exports of its own declarations (MMIP_FIELDS in kernels/*.h), so that names,
places and types are those that the kernels have.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from mmip_gpu._core import kernel_lanes, kernel_layouts, kernel_modules, struct_layouts
from mmip_gpu.container.header import DTYPES
from mmip_gpu.volume.floats import sample_dtype

if TYPE_CHECKING:
    from mmip_gpu._core import Field, Layout

__all__ = ["KERNEL_LANES", "KERNEL_MODULES", "SAMPLE_TYPES", "params_dtype", "struct_dtype"]

SAMPLE_TYPES = {sample_dtype(np.dtype(name)): i for i, name in enumerate(DTYPES)}  # SampleType of rules/format.h
KERNEL_LANES = kernel_lanes()  # of a group, by kernel
KERNEL_MODULES = kernel_modules()  # what is compiled together, by kernel
_STRUCTS, _PARAMS = struct_layouts(), kernel_layouts()


@cache
def struct_dtype(name: str) -> np.dtype[np.void]:
    """Layout of a C++ struct.

    Examples
    --------
    >>> struct_dtype("SubstreamBytes").names
    ('data', 'bytes')
    """
    return _dtype(_STRUCTS[name])


@cache
def params_dtype(kernel: str) -> np.dtype[np.void]:
    """Layout of a kernel's Params, the fields of structs inside them among their own.

    Examples
    --------
    >>> params_dtype("sum_histograms").names
    ('groups', 'bins', 'copies', 'symbols', 'sums')
    """
    size, fields = _PARAMS[kernel]
    return _dtype((size, list(_flat(fields, 0))))


def _dtype(layout: Layout) -> np.dtype[np.void]:
    size, fields = layout
    formats: list[Any] = [(kind if isinstance(kind, str) else _dtype(kind), shape) for _, _, kind, shape in fields]
    names, offsets = [name for name, *_ in fields], [offset for _, offset, *_ in fields]
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": size}, align=True)


def _flat(fields: list[Field], start: int) -> Iterator[Field]:
    for name, offset, kind, shape in fields:
        if isinstance(kind, str):
            yield name, start + offset, kind, shape
        else:
            yield from _flat(kind[1], start + offset)
