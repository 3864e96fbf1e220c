"""The public functions on a device, run on the CPU: equal bytes, samples that stay where they are, batches, errors."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from helpers.device_options import CASES, PREDICTED, case
from helpers.standin_cupy import NO_DEVICE, Cupy
from helpers.strategies import make
from numpy.typing import NDArray

import mmip_gpu as mmip
from mmip_gpu.device.decode import containers
from mmip_gpu.device.encode import arrays, trial_samples
from mmip_gpu.device.encode.batch import refusal
from mmip_gpu.device.run.cuda_executor import CudaExecutor
from mmip_gpu.device.run.executors import HostExecutor
from mmip_gpu.errors import BackendUnavailable, InvalidArgument, LimitExceeded
from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.transform.planning.trial import HostSamples
from mmip_gpu.volume.roi import RoiRule


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


@pytest.mark.parametrize("name", [*CASES, *PREDICTED])
def test_bytes_are_those_of_the_cpu(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    array, options = case(name)
    expected = mmip.encode(array, **options)
    assert not name.startswith("imaged") or mmip.inspect(expected)["config"]["dc_image"]
    by_core = HostSamples.analyzed

    def analyzed(given: HostSamples, plan: ChunkPlan, *, plain: bool = False) -> Any:
        assert refusal(plan, given.array.dtype)  # the kernels take all else
        return by_core(given, plan, plain=plain)

    monkeypatch.setattr(HostSamples, "analyzed", analyzed)
    assert mmip.encode(held(array), **options) == expected
    if "roi" in options and not isinstance(options["roi"], str):
        options["roi"] = held(options["roi"])
    assert mmip.encode(array, device="gpu", **options) == expected


def test_containers_stay_on_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "CudaExecutor", Watched)
    array = make("textured", (40, 50), "uint16", 1)
    expected = mmip.encode(array, psnr=45)
    for given, device in ((held(array), None), (array, "gpu")):
        found = mmip.encode(given, psnr=45, output="device", device=device)
        assert isinstance(found, np.ndarray)
        assert found.tobytes() == expected
        assert np.array_equal(mmip.decode(found.view(OnDevice)), mmip.decode(expected))  # type: ignore[arg-type]
    (one, other) = mmip.encode_batch([held(array), held(array[::2])], psnr=45, output="device")
    assert one.tobytes() == expected
    assert other.tobytes() == mmip.encode(array[::2], psnr=45)
    with pytest.raises(InvalidArgument, match="expected arrays of a device, or device='gpu'"):
        mmip.encode(array, psnr=45, output="device")
    with pytest.raises(InvalidArgument, match="output='gpu': expected 'host' or 'device'"):
        mmip.encode_batch([array], psnr=45, output="gpu")


def test_strided_arrays_of_a_device() -> None:
    array = make("textured", (20, 44, 40), "uint16", 2)
    turned = array.transpose(2, 0, 1)[:, ::2]
    expected = mmip.encode(turned, psnr=45, effort=1)
    assert mmip.encode(held(turned), psnr=45, effort=1) == expected
    swapped = turned.astype(">u2")
    assert mmip.encode(swapped, psnr=45, effort=1, device="gpu") == expected


@pytest.mark.parametrize("options", [{"psnr": 45}, {"quality": 20}, {"lossless": True, "stages": 3}])
def test_samples_stay_on_the_device(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    array = make("textured", (12, 80, 100), "uint16", 4)
    options = options | {"effort": 1, "roi": "threshold:40000"}
    expected = mmip.encode(array, padding=None, **options)
    assert mmip.encode(held(array), padding=None, **options) == expected
    assert Watched.downloaded == 0
    mmip.encode(held(array), **options)
    assert Watched.downloaded <= 80 * 100  # four corners of a slice
    monkeypatch.setattr(trial_samples, "refusal", lambda plan, dtype: "what kernels do not encode")
    assert mmip.encode(held(array), padding=None, **options) == expected
    assert Watched.downloaded >= array.size


def test_batches_are_those_of_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    chunks = [make("textured", (n, 30 + n, 50), "uint8", n) for n in (3, 17, 9, 1)]
    options: dict[str, Any] = {"psnr": 44, "effort": 1}
    expected = mmip.encode_batch(chunks, **options)
    mixed = [held(c) if i % 3 else c for i, c in enumerate(chunks)]
    for room in (2**30, 2**21, 1):  # all together, some, one by one
        monkeypatch.setattr(Watched, "room", lambda _, room=room: room)
        for given in (chunks, mixed, [held(c) for c in chunks]):
            assert mmip.encode_batch(given, device="gpu", **options) == expected
    assert mmip.encode_batch([], device="gpu", **options) == []
    assert mmip.encode_batch(np.stack([chunks[0]] * 2).view(OnDevice), **options) == [expected[0]] * 2


def test_what_is_refused_on_a_device_says_what_is_accepted() -> None:
    array = make("textured", (20, 30), "uint8", 1)
    wrong: list[tuple[NDArray[Any], dict[str, Any], str]] = [
        (array.astype(np.int32), {}, "dtype: expected one of uint8"),
        (array.astype(np.float64), {}, "convert to float32 and pass step="),
        (array.astype(np.float32), {}, "pass step="),
        (array, {"roi": held(np.zeros((3, 3), bool))}, "expected a mask of shape"),
        (array, {"roi": held(np.zeros((20, 30)))}, "expected a bool or integer mask"),
        (array, {"roi": held(np.full((20, 30), 9))}, "expected classes 0..7"),
        (array, {"axes": "zyx"}, "names 3 axes"),
    ]
    for given, options, message in wrong:
        wide = given.dtype in (np.int32, np.float64)  # those of the host become what holds them
        for data, device in ((held(given), None), *(() if wide else ((given, "gpu"),))):
            with pytest.raises(InvalidArgument, match=message):
                mmip.encode(data, psnr=40, device=device, **options)
    with pytest.raises(InvalidArgument, match="copy it with"):
        mmip.encode(held(array), psnr=40, device="cpu")
    with pytest.raises(InvalidArgument, match="device='tpu'"):
        mmip.encode_batch([array], psnr=40, device="tpu")


@pytest.mark.parametrize("rule", ["threshold:300", "range:-5..90", "range:-9..-3", "range:40.5..1e9", "threshold:-7"])
def test_rules_beyond_the_dtype(rule: str) -> None:
    array = make("textured", (40, 50), "uint8", 1)
    bounds = [float(n) for n in rule.partition(":")[2].split("..")]
    marked = (array.astype(float) >= bounds[0]) & (array.astype(float) <= (bounds[1:] or [np.inf])[0])
    assert np.array_equal(RoiRule.parse(rule).apply(array), marked)
    assert mmip.encode(held(array), quality=20, roi=rule) == mmip.encode(array, quality=20, roi=rule)


def test_masks_in_any_memory_and_shape() -> None:
    array = make("textured", (2, 9, 20, 30), "uint8", 1)
    options: dict[str, Any] = {"psnr": 40, "effort": 1, "axes": "czyx"}
    rng = np.random.default_rng(2)
    for shape in ((9, 20, 30), (2, 9, 20, 30)):
        mask = rng.integers(0, 3, shape)
        expected = mmip.encode(array, roi=mask, **options)
        for roi in (mask, held(mask)):
            assert mmip.encode(held(array), roi=roi, **options) == expected
    times, spatial = make("textured", (3, 4, 20, 30), "uint8", 1), held(rng.integers(0, 2, (4, 20, 30), dtype=np.int8))
    assert mmip.encode(held(times), roi=spatial, quality=20) == mmip.encode(times, roi=np.array(spatial), quality=20)
    empty = np.zeros((0, 5), np.uint8)
    assert mmip.encode(held(empty), roi=held(empty), psnr=40) == mmip.encode(empty, roi=empty, psnr=40)


@pytest.mark.parametrize(
    ("cupy", "kind", "message"),
    [
        (None, BackendUnavailable, r"no CuPy .* pip install 'mmip-gpu\[gpu\]', or use device='cpu'"),
        (Cupy(fails=NO_DEVICE), BackendUnavailable, "no CUDA device: .*use device='cpu'"),
        (Cupy(devices=0), BackendUnavailable, "no CUDA device; use device='cpu'"),
        (Cupy(devices=2), InvalidArgument, "data of device 0, the current one, found device 1: copy it there, or call"),
    ],
)
def test_a_device_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch, cupy: Any, kind: Any, message: str) -> None:
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setattr(arrays, "CudaExecutor", CudaExecutor)
    elsewhere = SimpleNamespace(__dlpack_device__=lambda: (2, 1), shape=(4, 4), dtype=np.dtype("u1"))
    with pytest.raises(kind, match=message):
        mmip.encode(elsewhere, psnr=40)


def test_arrays_that_cannot_be_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    class Recorded:
        @property
        def __cuda_array_interface__(self) -> None:
            raise RuntimeError("use tensor.detach()")

    with pytest.raises(InvalidArgument, match=r"use tensor\.detach"):
        mmip.encode(Recorded(), psnr=40)


def test_a_device_that_is_too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    def empty(self: HostExecutor, shape: int | tuple[int, ...], dtype: Any) -> NDArray[Any]:
        if int(np.prod(shape)) * np.dtype(dtype).itemsize > 2**20:
            raise MemoryError
        return HostExecutor.empty(self, shape, dtype)

    monkeypatch.setattr(Watched, "empty", empty)
    small, large = make("textured", (200, 200), "uint8", 1), make("textured", (600, 600), "uint8", 1)
    expected = mmip.encode_batch([small] * 9, psnr=40, effort=1)
    assert mmip.encode_batch([held(small)] * 9, psnr=40, effort=1) == expected  # in halves
    with pytest.raises(LimitExceeded, match=r"out of memory .* for one item.*device='cpu'"):
        mmip.encode(held(large), psnr=40, effort=1)
