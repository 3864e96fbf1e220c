"""Golden vectors on the device path, run on the CPU: the kernels write and read the bytes that the reference reads.

The device is late (helpers/lazy_cupy.py), so that no wait is missing either.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.lazy_cupy import LazyCupy, lazy_machine
from vectors.write import FOLDER, checksum, encode, file_of, input_of

import mmip_gpu as mmip

INDEX: dict[str, dict[str, Any]] = json.loads((FOLDER / "index.json").read_text())
ENCODED = [
    name
    for name, entry in INDEX.items()
    if entry["input"] is not None
    and mmip.inspect(file_of(name).read_bytes())["kind"] in ("raw", "transform", "predictive")
]


@pytest.fixture(params=[False, True], ids=["ascending", "descending"])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> LazyCupy:
    return lazy_machine(monkeypatch, tmp_path, int(request.param), descending=request.param)


@pytest.mark.parametrize("name", ENCODED)
def test_vectors_are_reproduced(device: LazyCupy, name: str) -> None:
    array, options = input_of(INDEX[name])
    assert encode(device.asarray(array), options) == file_of(name).read_bytes()


def test_vectors_decode(device: LazyCupy) -> None:
    """All of them at once, unequal as they are; tests/conformance shows the same sums of the reference."""
    blobs = [device.asarray(np.frombuffer(file_of(name).read_bytes(), np.uint8)) for name in INDEX]
    for scale in ("1", "2", "4", "8"):
        with pytest.warns(RuntimeWarning, match="no kernels decode labels") as caught:
            found = mmip.decode_batch(blobs, scale=int(scale))  # type: ignore[arg-type]
        expected = [entry["decoded"]["scales"][scale] for entry in INDEX.values()]
        assert [checksum(device.asnumpy(array)) for array in found] == expected
        assert not any("decode predictive" in str(warning.message) for warning in caught)
        assert not any("decode transform" in str(warning.message) for warning in caught)
