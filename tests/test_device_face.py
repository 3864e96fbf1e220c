"""The public functions on a device, run on the CPU: equal bytes, batches, lanes, memory that is short, and errors."""

from __future__ import annotations

import importlib.util
import threading
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray
from strategies import make, make_roi

import mmip_gpu as mmip
from mmip_gpu.device import HostExecutor, arrays
from mmip_gpu.errors import BackendUnavailable, InvalidArgument


class OnDevice(np.ndarray):
    """Stands for an array of a device: host memory that says it is a device's."""

    __cuda_array_interface__: ClassVar[dict[str, Any]] = {}


class Watched(HostExecutor):
    """Counts the samples of 16 bits that leave its memory."""

    downloaded = 0

    def download(self, array: NDArray[Any]) -> NDArray[Any]:
        Watched.downloaded += array.size if array.dtype == np.uint16 else 0
        return super().download(array)


@pytest.fixture(autouse=True)
def device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "CudaExecutor", Watched)
    monkeypatch.setattr(Watched, "downloaded", 0)


def held(array: NDArray[Any]) -> OnDevice:
    return array.view(OnDevice)


# Content, shape, dtype, options, classes of a mask.
CASES: dict[str, tuple[str, tuple[int, ...], str, dict[str, Any], int]] = {
    "psnr": ("textured", (90, 130), "uint16", {"psnr": 50, "effort": 1}, 0),
    "psnr-deep": ("textured", (20, 40, 48), "uint8", {"psnr": 42, "effort": 1, "padding": None}, 0),
    "quality-mask": ("edges", (16, 40, 48), "int16", {"quality": 30, "effort": 1, "padding": None}, 3),
    "quality-colour": ("textured", (40, 33, 3), "uint8", {"quality": 20, "effort": 1, "axes": "yxc"}, 2),
    "ratio": ("smooth", (80, 90), "uint8", {"ratio": 20, "effort": 1}, 0),
    "lossless": ("noise", (12, 40, 30), "int8", {"lossless": True, "stages": 3}, 0),
    "channels": ("textured", (2, 30, 50), "uint16", {"psnr": 40, "effort": 1, "axes": "cyx", "verify": False}, 2),
    "raw": ("noise", (1, 9), "uint8", {"lossless": True, "stages": 3}, 0),
    "empty": ("noise", (0, 9), "uint8", {"psnr": 40}, 0),
    "rule": ("textured", (64, 70), "uint16", {"psnr": 45, "effort": 1, "roi": "range:9000..30000"}, 0),
    "padded": ("half", (64, 70), "uint16", {"psnr": 45, "effort": 1, "padding": 0}, 0),
    "effort-2": ("textured", (64, 70), "uint16", {"psnr": 45, "effort": 2}, 0),
    "bounded": ("textured", (40, 44), "uint8", {"max_error": 3, "effort": 1}, 0),
    "float": ("smooth", (40, 44), "float32", {"psnr": 50, "step": 0.05, "effort": 1}, 0),
}


def case(name: str) -> tuple[NDArray[Any], dict[str, Any]]:
    kind, shape, dtype, options, classes = CASES[name]
    array = make(kind, shape, dtype, 7)
    if classes:
        options = options | {"roi": make_roi(array, options.get("axes", "zyx"), classes, 3)}
    return array, options


@pytest.mark.parametrize("name", CASES)
def test_bytes_are_those_of_the_cpu(name: str) -> None:
    array, options = case(name)
    expected = mmip.encode(array, **options)
    assert mmip.encode(held(array), **options) == expected
    if "roi" in options and not isinstance(options["roi"], str):
        options["roi"] = held(options["roi"])
    assert mmip.encode(array, device="gpu", **options) == expected


def test_strided_arrays_of_a_device() -> None:
    array = make("textured", (20, 44, 40), "uint16", 2)
    turned = array.transpose(2, 0, 1)[:, ::2]
    expected = mmip.encode(turned, psnr=45, effort=1)
    assert mmip.encode(held(turned), psnr=45, effort=1) == expected
    swapped = turned.astype(">u2")
    assert mmip.encode(swapped, psnr=45, effort=1, device="gpu") == expected


@pytest.mark.parametrize("options", [{"psnr": 45}, {"quality": 20}, {"lossless": True, "stages": 3}])
def test_samples_stay_on_the_device(options: dict[str, Any]) -> None:
    array = make("textured", (12, 80, 100), "uint16", 4)
    options = options | {"effort": 1, "roi": "threshold:40000"}
    expected = mmip.encode(array, padding=None, **options)
    assert mmip.encode(held(array), padding=None, **options) == expected
    assert Watched.downloaded == 0
    mmip.encode(held(array), **options)
    assert Watched.downloaded <= 80 * 100  # four corners of a slice
    mmip.encode(held(array), padding=None, **options | {"effort": 3, "lossless": False, "psnr": 45, "quality": None})
    assert Watched.downloaded > array.size  # what the kernels do not encode


def test_batches_are_those_of_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    chunks = [make("textured", (n, 30 + n, 50), "uint8", n) for n in (3, 17, 9, 1, 12, 5)]
    options: dict[str, Any] = {"psnr": 44, "effort": 1}
    expected = mmip.encode_batch(chunks, **options)
    mixed = [held(c) if i % 3 else c for i, c in enumerate(chunks)]
    for room in (2**30, 2**21, 1):  # all together, some, one by one
        monkeypatch.setattr(Watched, "room", lambda _, room=room: room)
        for given in (chunks, mixed, [held(c) for c in chunks]):
            assert mmip.encode_batch(given, device="gpu", **options) == expected
    assert mmip.encode_batch([], device="gpu", **options) == []
    assert mmip.encode_batch(np.stack([chunks[0]] * 2).view(OnDevice), **options) == [expected[0]] * 2
