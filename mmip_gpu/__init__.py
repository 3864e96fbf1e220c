"""Progressive, ROI-aware compression of large biomedical volumes; equal bytes on every executor.

`encode`, `decode` and `inspect` work on containers (FORMAT.md), `write_zarr` and `open_zarr` on stores.
Importing this package needs NumPy only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

try:
    from mmip_gpu import _core as _core
except ImportError as e:
    raise ImportError(
        "mmip_gpu: the compiled core is not in this folder; install the package (pip install .) and start Python "
        "outside of the source tree"
    ) from e

from mmip_gpu import errors
from mmip_gpu.api import decode, decode_batch, encode, encode_batch, max_encoded_size
from mmip_gpu.config import CodecConfig
from mmip_gpu.encoding import encode_batch_configured, encode_configured
from mmip_gpu.errors import (
    BackendUnavailable,
    CorruptData,
    InvalidArgument,
    LimitExceeded,
    MissingResource,
    MmipError,
    StoreError,
    TruncatedData,
    UnsupportedVersion,
)
from mmip_gpu.inspection import inspect
from mmip_gpu.options import EncodeOptions, EncodeSettings, StoreOptions
from mmip_gpu.version import __version__
from mmip_gpu.volume.phantoms import Phantom3D, phantom2d, phantom3d, phantom_roi

if TYPE_CHECKING:
    from mmip_gpu.store import (
        export_ome_zarr,
        fetch_zarr,
        open_zarr,
        repair_zarr,
        serve_zarr,
        upgrade_zarr,
        verify_zarr,
        write_zarr,
    )


__all__ = [
    "BackendUnavailable",
    "CodecConfig",
    "CorruptData",
    "EncodeOptions",
    "EncodeSettings",
    "InvalidArgument",
    "LimitExceeded",
    "MissingResource",
    "MmipError",
    "Phantom3D",
    "StoreError",
    "StoreOptions",
    "TruncatedData",
    "UnsupportedVersion",
    "__version__",
    "decode",
    "decode_batch",
    "encode",
    "encode_batch",
    "encode_batch_configured",
    "encode_configured",
    "errors",
    "export_ome_zarr",
    "fetch_zarr",
    "inspect",
    "max_encoded_size",
    "open_zarr",
    "phantom2d",
    "phantom3d",
    "phantom_roi",
    "repair_zarr",
    "serve_zarr",
    "upgrade_zarr",
    "verify_zarr",
    "write_zarr",
]


_OF_STORES = (
    "export_ome_zarr",
    "fetch_zarr",
    "open_zarr",
    "repair_zarr",
    "serve_zarr",
    "upgrade_zarr",
    "verify_zarr",
    "write_zarr",
)


def __getattr__(name: str) -> Any:
    """Load the store functions on first use: they import zarr."""
    if name in _OF_STORES:
        from mmip_gpu import store

        return getattr(store, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
