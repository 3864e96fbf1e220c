"""Codecs of mmip_gpu for Zarr and numcodecs, found by entry points: readers need no import of ours.

Values: chunks of arrays in, chunk bytes out, and back. `Mmip` (Zarr v3) and `MmipV2` (Zarr v2, numcodecs) hold whole
images in each chunk, `MmipSoft` and `MmipSoftV2` images that are coded by a codebook, `StageCodec` one stage of an
array of `mmip_gpu.write_zarr` (SPEC.md, FORMAT.md section 10).
Importing this package needs neither zarr nor numcodecs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmip_gpu.stage_arrays.stage_codec import StageCodec
    from numcodecs_plugin.soft import MmipSoft, MmipSoftV2
    from numcodecs_plugin.v2 import MmipV2
    from numcodecs_plugin.v3 import Mmip

__all__ = ["Mmip", "MmipSoft", "MmipSoftV2", "MmipV2", "StageCodec"]


def __getattr__(name: str) -> Any:
    """Load a codec on first use."""
    if name == "Mmip":
        from numcodecs_plugin.v3 import Mmip

        return Mmip
    if name in ("MmipSoft", "MmipSoftV2"):
        from numcodecs_plugin import soft

        return getattr(soft, name)
    if name == "MmipV2":
        from numcodecs_plugin.v2 import MmipV2

        return MmipV2
    if name == "StageCodec":
        from mmip_gpu.stage_arrays.stage_codec import StageCodec

        return StageCodec
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
