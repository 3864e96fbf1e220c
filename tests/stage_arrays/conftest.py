"""What tests of stage arrays share: a stand-in for a device."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers.standin_buffers import DeviceNDBuffer, StandInExecutor

from mmip_gpu.stage_arrays import device_decoding, device_encoding


@pytest.fixture(autouse=True)
def device(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in as the current device; Zarr's buffers may be made of its arrays only."""

    made = DeviceNDBuffer.from_numpy_array

    def refused(array: Any) -> DeviceNDBuffer:
        assert array.dtype != np.int32, "columns came from the host"
        return made(array)  # such as the index of a shard

    monkeypatch.setattr(device_decoding, "CudaExecutor", StandInExecutor)
    monkeypatch.setattr(device_encoding, "CudaExecutor", StandInExecutor)
    monkeypatch.setattr(DeviceNDBuffer, "from_numpy_array", refused)
    monkeypatch.setattr(StandInExecutor, "downloaded", 0)
