"""Progressive, ROI-aware compression of large biomedical volumes; equal bytes on every executor.

`encode`, `decode` and `inspect` work on containers (FORMAT.md), `write_zarr` and `open_zarr` on stores.
Importing this package needs NumPy only.
"""

from __future__ import annotations

from importlib import import_module
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
    MetadataWarning,
    MissingResource,
    MmipError,
    MmipWarning,
    NoMemory,
    StoreError,
    TruncatedData,
    UnsupportedVersion,
)
from mmip_gpu.inspection import inspect
from mmip_gpu.jpegorigin.detection import JpegOrigin, is_jpeg_origin
from mmip_gpu.options import EncodeOptions, EncodeSettings, StoreOptions
from mmip_gpu.version import __version__
from mmip_gpu.volume.phantoms import Phantom3D, phantom2d, phantom3d, phantom_roi

if TYPE_CHECKING:
    from mmip_gpu.store.read.open_store import open_zarr
    from mmip_gpu.store.views.export import export_ome_zarr
    from mmip_gpu.store.views.http_server import serve_zarr
    from mmip_gpu.store.write.append import append_zarr
    from mmip_gpu.store.write.check import verify_zarr
    from mmip_gpu.store.write.fetch import fetch_zarr, upgrade_zarr
    from mmip_gpu.store.write.migrate import migrate_zarr
    from mmip_gpu.store.write.repair import repair_zarr
    from mmip_gpu.store.write.write import write_zarr


__all__ = [
    "BackendUnavailable",
    "CodecConfig",
    "CorruptData",
    "EncodeOptions",
    "EncodeSettings",
    "InvalidArgument",
    "JpegOrigin",
    "LimitExceeded",
    "MetadataWarning",
    "MissingResource",
    "MmipError",
    "MmipWarning",
    "NoMemory",
    "Phantom3D",
    "StoreError",
    "StoreOptions",
    "TruncatedData",
    "UnsupportedVersion",
    "__version__",
    "append_zarr",
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
    "is_jpeg_origin",
    "max_encoded_size",
    "migrate_zarr",
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


_OF_STORES = {
    "append_zarr": "write.append",
    "export_ome_zarr": "views.export",
    "fetch_zarr": "write.fetch",
    "migrate_zarr": "write.migrate",
    "open_zarr": "read.open_store",
    "repair_zarr": "write.repair",
    "serve_zarr": "views.http_server",
    "upgrade_zarr": "write.fetch",
    "verify_zarr": "write.check",
    "write_zarr": "write.write",
}


def __getattr__(name: str) -> Any:
    """Load a store function on first use: it imports zarr."""
    if name in _OF_STORES:
        return getattr(import_module(f"mmip_gpu.store.{_OF_STORES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
