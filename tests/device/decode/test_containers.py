"""The public decoders follow the data: samples of a container on a device stay there."""

from __future__ import annotations

import importlib.util
from typing import Any, ClassVar

import numpy as np
import pytest
from helpers.device_containers import batch, damaged_payload

import mmip_gpu as mmip
from mmip_gpu.device.decode import containers
from mmip_gpu.device.run.executors import HostExecutor
from mmip_gpu.errors import CorruptData, InvalidArgument, TruncatedData


class OnDevice(np.ndarray):
    """Stands for an array of CuPy: host memory that says it is a device's."""

    __cuda_array_interface__: ClassVar[dict[str, Any]] = {}


def held(blob: bytes) -> OnDevice:
    return np.frombuffer(blob, np.uint8).copy().view(OnDevice)


def test_public_functions_follow_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "CudaExecutor", HostExecutor)
    blobs = batch()
    expected = [mmip.decode(b) for b in blobs]
    for given in (blobs, [held(b) for b in blobs], [held(b) if i % 2 else b for i, b in enumerate(blobs)]):
        for a, b in zip(mmip.decode_batch(given, device="gpu"), expected, strict=True):
            assert np.array_equal(a, b)
    half = mmip.decode(held(blobs[1]), stages=2, scale=2)  # type: ignore[arg-type]
    assert np.array_equal(half, mmip.decode(blobs[1], stages=2, scale=2))
    cut = held(blobs[1][:-5])
    with pytest.raises(TruncatedData, match="stage 3 ends"):
        mmip.decode(cut)  # type: ignore[arg-type]
    damaged = held(damaged_payload(blobs[2], len(blobs[2]) - 1, 3))
    with pytest.raises(CorruptData, match="item 1: stage 3, sub-stream"):
        mmip.decode_batch([held(blobs[0]), damaged])  # type: ignore[list-item]
    mixed = [held(blobs[0]), damaged, b"no container", held(blobs[1])]
    first, bad, other, last = mmip.decode_batch(mixed, errors="return")  # type: ignore[arg-type]
    assert np.array_equal(first, expected[0])
    assert np.array_equal(last, expected[1])
    assert [type(bad), type(other)] == [CorruptData, CorruptData]
    with pytest.raises(InvalidArgument, match="expected bytes"):
        mmip.decode(np.zeros((4, 4), np.uint8).view(OnDevice))  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="copy it with"):
        mmip.decode(held(blobs[0]), device="cpu")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="device='tpu'"):
        mmip.decode(blobs[0], device="tpu")


def test_without_a_device_the_error_says_what_works() -> None:
    if importlib.util.find_spec("cupy") is not None:
        pytest.skip("CuPy is installed")
    with pytest.raises(mmip.BackendUnavailable, match="device='cpu'"):
        mmip.decode(batch()[0], device="gpu")
