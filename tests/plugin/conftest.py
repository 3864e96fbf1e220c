"""What tests of the plug-in share: Zarr's pipelines, and an array of one chunk."""

from __future__ import annotations

import numpy as np
import pytest
import zarr
from helpers.zarr_arrays import Counting, create

from numcodecs_plugin import Mmip

FUSED = "zarr.core.codec_pipeline.FusedCodecPipeline"
HAS_FUSED = hasattr(zarr.core.codec_pipeline, "FusedCodecPipeline")
NEEDS_FUSED = pytest.mark.skipif(not HAS_FUSED, reason="this zarr has no fused pipeline")
PIPELINES = ["batched", pytest.param("fused", marks=NEEDS_FUSED)]


@pytest.fixture(params=PIPELINES)
def pipeline(request):
    settings_of = {"codec_pipeline.path": FUSED} if request.param == "fused" else {}
    with zarr.config.set(settings_of):
        yield request.param


@pytest.fixture(scope="module")
def one_chunk() -> tuple[Counting, np.ndarray, int]:
    store = Counting()
    volume = np.random.default_rng(0).normal(1000, 90, (40, 128, 128)).astype(np.uint16)
    create(volume, volume.shape, Mmip(quality=60, effort=1, verify=False), store)
    array = zarr.open_array(store, mode="r+")
    return store, array[...], len(store._store_dict["c/0/0/0"])
