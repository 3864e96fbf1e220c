"""Stage arrays: quantization indices of one stage as a Zarr array, and the codec `mmip.stage` that codes them."""
