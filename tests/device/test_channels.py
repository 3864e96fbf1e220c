"""Channels with steps of their own on a device, run on the CPU: kernels leave containers of many to the core."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from helpers.strategies import make
from numpy.typing import NDArray

import mmip_gpu as mmip
from mmip_gpu.device.decode import containers
from mmip_gpu.device.encode import arrays
from mmip_gpu.device.run.executors import HostExecutor
from mmip_gpu.store.run import device_runner


class OnDevice(np.ndarray):
    """Stands for an array of a device: host memory that says it is a device's."""

    __cuda_array_interface__: ClassVar[dict[str, Any]] = {}


@pytest.fixture(autouse=True)
def device(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (arrays, containers, device_runner):
        monkeypatch.setattr(module, "CudaExecutor", HostExecutor)


def channels(count: int) -> NDArray[Any]:
    return np.stack([make("textured", (40, 50), "uint8", i).astype(np.uint16) * (1 + 9 * i) for i in range(count)])


@pytest.mark.parametrize("count", [2, 3, 7])
@pytest.mark.parametrize("options", [{"psnr": 42}, {"quality": 30}, {"ratio": 5}, {"max_error": 4, "stages": 3}])
def test_bytes_and_samples_are_those_of_the_cpu(count: int, options: dict[str, Any]) -> None:
    array, options = channels(count), options | {"axes": "cyx", "colour": False, "effort": 1}
    expected = mmip.encode(array, **options)
    assert mmip.inspect(expected)["loss"]["channels"]
    assert mmip.encode(array.view(OnDevice), **options) == expected
    assert mmip.encode_batch([array, array[:, ::2]], device="gpu", **options)[0] == expected
    with pytest.warns(RuntimeWarning, match="no kernels decode channels with steps of their own"):
        found = mmip.decode(np.frombuffer(expected, np.uint8).view(OnDevice))  # type: ignore[arg-type]
    assert np.array_equal(found, mmip.decode(expected))


@pytest.mark.parametrize("options", [{"psnr": 42}, {"max_error": [3, 30, 9]}, {"qstep": [4, 30.5, 9]}])
def test_kernels_code_the_channels_of_a_store(options: dict[str, Any], tmp_path: Path) -> None:
    options = options | {"axes": "cyx", "colour": False, "chunks": 32, "progress": False}
    reports = [
        mmip.write_zarr(channels(3), tmp_path / f"{name}.zarr", device=name, **options) for name in ("cpu", "gpu")
    ]
    assert reports[0]["loss"] == reports[1]["loss"]
    first, second = (
        {p.relative_to(root): p.read_bytes() for p in root.rglob("*") if p.is_file() and p.parent.name.isdigit()}
        for root in (tmp_path / "cpu.zarr", tmp_path / "gpu.zarr")
    )
    assert first == second
