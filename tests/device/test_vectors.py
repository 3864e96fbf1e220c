"""Golden vectors on the device path, run on the CPU: the kernels write and read the bytes that the reference reads."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray
from vectors.write import FOLDER, checksum, encode, file_of, input_of

import mmip_gpu as mmip
from mmip_gpu.device.decode import containers
from mmip_gpu.device.encode import arrays
from mmip_gpu.device.run.executors import HostExecutor

INDEX: dict[str, dict[str, Any]] = json.loads((FOLDER / "index.json").read_text())
ENCODED = [
    name
    for name, entry in INDEX.items()
    if entry["input"] is not None
    and mmip.inspect(file_of(name).read_bytes())["kind"] in ("raw", "transform", "predictive")
]


class OnDevice(np.ndarray):
    """Stands for an array of a device: host memory that says it is a device's."""

    __cuda_array_interface__: ClassVar[dict[str, Any]] = {}


@pytest.fixture(params=[False, True], ids=["ascending", "descending"])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (arrays, containers):
        monkeypatch.setattr(module, "CudaExecutor", lambda: HostExecutor(descending=request.param))


@pytest.mark.parametrize("name", ENCODED)
def test_vectors_are_reproduced(device: None, name: str) -> None:
    array, options = input_of(INDEX[name])
    assert encode(array.view(OnDevice), options) == file_of(name).read_bytes()


def test_vectors_decode(device: None) -> None:
    """All of them at once, unequal as they are; tests/conformance shows the same sums of the reference."""
    blobs: list[NDArray[np.uint8]] = [np.frombuffer(file_of(n).read_bytes(), np.uint8).view(OnDevice) for n in INDEX]
    for scale in ("1", "2", "4", "8"):
        with pytest.warns(RuntimeWarning, match="no kernels decode labels") as caught:
            found = mmip.decode_batch(blobs, scale=int(scale))  # type: ignore[arg-type]
        expected = [entry["decoded"]["scales"][scale] for entry in INDEX.values()]
        assert [checksum(np.asarray(array)) for array in found] == expected
        assert not any("decode predictive" in str(warning.message) for warning in caught)
        assert not any("decode transform" in str(warning.message) for warning in caught)
