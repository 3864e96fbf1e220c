"""Planes whose cells hold little, on a device: what a part of them shows gives the bytes of the CPU."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from helpers.strategies import make

import mmip_gpu as mmip
from mmip_gpu.device.encode.arrays import encode_arrays
from mmip_gpu.device.run.executors import HostExecutor
from mmip_gpu.encoding import planned


@pytest.mark.parametrize("options", [{"lossless": True, "stages": 3}, {"psnr": 45}], ids=str)
def test_thin_planes_are_those_of_the_cpu(options: dict[str, Any]) -> None:
    arrays = [make(kind, (2100, 1, 10), "uint8", 4) for kind in ("noise", "smooth")]
    expected = mmip.encode_batch(arrays, axes="tyx", **options)
    planner = partial(planned, settings=mmip.EncodeSettings.of(axes="tyx", **options))
    assert [e.to_bytes() for e in encode_arrays(arrays, planner, 1, HostExecutor())] == expected
    assert mmip.inspect(expected[0])["kind"] == "raw"
