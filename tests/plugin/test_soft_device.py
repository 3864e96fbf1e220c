"""Chunks of a device in arrays of the codec `mmip.soft`: the CPU codes them, and says so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import zarr
from helpers.standin_buffers import CONFIG, OnDevice, held
from helpers.zarr_arrays import textured
from zarr.registry import register_codec
from zarr.storage import MemoryStore

import mmip_gpu as mmip
from mmip_gpu.device.decode import containers
from mmip_gpu.device.run.executors import HostExecutor
from mmip_gpu.soft import register_codebook, train_codebook
from numcodecs_plugin import MmipSoft, v3

register_codec("mmip.soft", MmipSoft)


@pytest.fixture
def on_device(monkeypatch: pytest.MonkeyPatch) -> Any:
    def decode_batch(blobs: Any, **options: Any) -> Any:
        return [np.asarray(array).view(OnDevice) for array in mmip.decode_batch(blobs, **options)]

    monkeypatch.setattr(containers, "CudaExecutor", HostExecutor)
    monkeypatch.setattr(OnDevice, "get", lambda self: self.view(np.ndarray), raising=False)
    monkeypatch.setattr(v3, "mmip", type("Recorded", (), {"decode_batch": decode_batch}))
    with zarr.config.set(CONFIG):
        yield


def test_the_cpu_codes_chunks_of_a_device(on_device: None) -> None:
    data = textured((20, 40))
    codec = MmipSoft(codebook=register_codebook(train_codebook([data])))
    array = zarr.create_array(
        MemoryStore(), shape=data.shape, chunks=(8, 16), dtype=data.dtype, serializer=codec, compressors=None
    )
    with pytest.warns(RuntimeWarning, match="no kernels encode soft containers: the CPU does"):
        array[...] = held(data)
    with pytest.warns(RuntimeWarning, match="no kernels decode soft containers: the CPU does"):
        found = array[...]
    assert isinstance(found, OnDevice)
    assert np.array_equal(found.view(np.ndarray), data)
    with pytest.warns(RuntimeWarning, match="the CPU does"):
        assert np.array_equal(np.asarray(array[3:9, 10:20]), data[3:9, 10:20])
