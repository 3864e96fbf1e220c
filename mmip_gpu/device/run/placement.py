"""Where a call runs, and where its data lies; needs no kernels, CuPy or driver.

Values: anything a caller passes as samples or bytes. A call asks `wants_device` once, at the door of the package. Where
it goes on in the rooms of the device, and its items may lie in either memory, they are parted once by `by_memory`. From
there on an argument is declared as an array of the host or one of the device.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmip_gpu.errors import InvalidArgument

__all__ = ["by_memory", "is_on_device", "wants_device"]

_DLPACK_CUDA = 2


def is_on_device(payload: Any) -> bool:
    """Whether the data lies in the memory of a CUDA device.

    Raises
    ------
    InvalidArgument
        For an array of a device that cannot be shared as it is.
    """
    try:
        if hasattr(payload, "__cuda_array_interface__"):
            return True
    except RuntimeError as error:  # a tensor of PyTorch that gradients are recorded for
        raise InvalidArgument(f"expected an array that can be shared, found one that refuses: {error}") from None
    where = getattr(payload, "__dlpack_device__", None)
    return where is not None and int(where()[0]) == _DLPACK_CUDA


def wants_device(device: str | None, items: Sequence[Any]) -> bool:
    """Whether these items are for the GPU: they lie there, or the caller says so.

    Raises
    ------
    InvalidArgument
        For another name of a device, or device arrays with ``device="cpu"``.

    Examples
    --------
    >>> wants_device(None, [b"host"]), wants_device("gpu", [b"host"])
    (False, True)
    """
    if device not in (None, "cpu", "gpu"):
        raise InvalidArgument(f"device={device!r}: expected None, 'cpu' or 'gpu'")
    held = any(is_on_device(item) for item in items)
    if held and device == "cpu":
        raise InvalidArgument(
            "device='cpu': expected data of the host, found an array of a device; copy it with .get()"
        )
    return held or device == "gpu"


def by_memory(items: Sequence[Any]) -> tuple[list[int], list[int]]:
    """(indices of the items in the memory of a device, indices of those of the host).

    Examples
    --------
    >>> by_memory([b"host", b"host"])
    ([], [0, 1])
    """
    on_device = [index for index, item in enumerate(items) if is_on_device(item)]
    return on_device, sorted(set(range(len(items))) - set(on_device))
