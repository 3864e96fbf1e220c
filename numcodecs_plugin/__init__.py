"""Zarr codecs of mmip_gpu, found by entry points: any Zarr reader opens our arrays with no import of ours.

Values: arrays of Zarr chunks in, chunk bytes out, and back; host memory. Implements FORMAT.md section 10.
Guarantees the bytes that `mmip_gpu.write_zarr` writes; knows nothing of groups, records or volumes.
"""

from __future__ import annotations

from .stage import StageCodec

__all__ = ["StageCodec"]
