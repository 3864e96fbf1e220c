"""Zarr stores of volumes that are read stage by stage.

Values: anything that `mmip_gpu.sources.open_source` opens in, a Zarr group out; and the group back as an array.
Implements FORMAT.md section 10. A store has chunks, keys and records, and bounds its work. The codecs code the chunks.
"""

from __future__ import annotations

from zarr.registry import register_codec

from mmip_gpu.stage_arrays.stage_codec import StageCodec
from mmip_gpu.store.read.open_store import open_zarr
from mmip_gpu.store.read.progressive_array import ProgressiveArray
from mmip_gpu.store.views.export import export_ome_zarr
from mmip_gpu.store.views.http_server import PyramidServer, serve_zarr
from mmip_gpu.store.write.check import verify_zarr
from mmip_gpu.store.write.fetch import fetch_zarr, upgrade_zarr
from mmip_gpu.store.write.repair import repair_zarr
from mmip_gpu.store.write.write import write_zarr

__all__ = [
    "ProgressiveArray",
    "PyramidServer",
    "export_ome_zarr",
    "fetch_zarr",
    "open_zarr",
    "repair_zarr",
    "serve_zarr",
    "upgrade_zarr",
    "verify_zarr",
    "write_zarr",
]

# The entry point does this for an installed package; a checkout has none.
register_codec(StageCodec.name, StageCodec)
