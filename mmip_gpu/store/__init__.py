"""Zarr stores of volumes that are read stage by stage.

Values: anything that `mmip_gpu.sources.open_source` opens in, a Zarr group out; and the group back as an array.
Implements FORMAT.md section 10. A store has chunks, keys and records, and bounds its work. The codecs code the chunks.
The face names its functions and imports each when it is first used.
"""

from zarr.registry import register_codec

from mmip_gpu.stage_arrays.stage_codec import StageCodec

# The entry point does this for an installed package; a checkout has none.
register_codec(StageCodec.name, StageCodec)
