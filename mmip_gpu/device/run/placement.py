"""Where data lies, and whether the GPU is asked for; needs no kernels, CuPy or driver.

Values: anything a caller passes as samples or bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmip_gpu.errors import InvalidArgument

__all__ = ["is_on_device", "wants_device"]

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
