"""Stores that are written on a device, run on the CPU: equal bytes, memory that is short, what is left to the CPU."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from helpers.edges import edges
from helpers.strategies import make, make_roi
from numpy.typing import NDArray

import mmip_gpu as mmip
from mmip_gpu.cli import main
from mmip_gpu.device.run.executors import HostExecutor
from mmip_gpu.errors import BackendUnavailable, InvalidArgument
from mmip_gpu.store.run import device_runner


class Small(HostExecutor):
    """Has memory to quantize so many superblocks at once, and notes how often it does."""

    most = 2**40
    coded: int

    def __init__(self) -> None:
        super().__init__()
        Small.coded = 0

    def launch(self, kernel: str, **values: int) -> None:
        if kernel.startswith(("analyze", "close")):
            if values["groups"] > self.most:
                raise MemoryError("no memory of the device")
            Small.coded += 1
        super().launch(kernel, **values)


@pytest.fixture(autouse=True)
def device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_runner, "CudaExecutor", Small)
    monkeypatch.setattr(Small, "most", 2**40)


def files(folder: Path) -> dict[str, bytes]:
    """All chunks of a store, by name."""
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file() and "c" in p.relative_to(folder).parts
    }


def written(array: NDArray[Any], folder: Path, **options: Any) -> tuple[dict[str, bytes], dict[str, Any]]:
    report = mmip.write_zarr(array, folder, threads=2, progress=False, **options)
    return files(folder), report


@pytest.mark.parametrize(
    "options",
    [
        {"psnr": 45, "effort": 1, "chunks": (16, 64, 64)},
        {"quality": 20, "effort": 1, "roi": "threshold:30000", "chunks": (16, 64, 64), "verify": False},
        {"lossless": True, "stages": 3, "chunks": (32, 64, 96)},
        {"ratio": 12, "effort": 1, "chunks": (16, 64, 64)},
    ],
    ids=lambda options: next(iter(options)),
)
def test_chunks_are_those_of_the_cpu(tmp_path: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Small, "room", lambda _: 2**23)  # a few chunks at once
    array = make("textured", (24, 100, 130), "uint16", 3)
    expected, report = written(array, tmp_path / "cpu", padding=None, **options)
    found, other = written(array, tmp_path / "gpu", padding=None, device="gpu", **options)
    assert Small.coded > 0
    assert len(expected) > 8
    assert found == expected
    assert other["loss"] == report["loss"]


def test_a_mask_and_channels(tmp_path: Path) -> None:
    array = make("textured", (40, 70, 3), "uint8", 3)
    options: dict[str, Any] = {"quality": 30, "effort": 1, "axes": "yxc", "chunks": (32, 32)}
    mask = make_roi(array, "yxc", 3, 1)
    for colour in (True, False):
        here = tmp_path / str(colour)
        expected, _ = written(array, here / "cpu", roi=mask, colour=colour, **options)
        assert written(array, here / "gpu", roi=mask, colour=colour, device="gpu", **options)[0] == expected


def test_memory_that_is_short_halves_batches_then_falls_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    array = make("textured", (64, 300), "uint8", 3)
    options: dict[str, Any] = {"psnr": 42, "effort": 1, "chunks": (64, 64), "padding": None}
    expected, _ = written(array, tmp_path / "cpu", **options)
    monkeypatch.setattr(Small, "most", 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        assert written(array, tmp_path / "halves", device="gpu", **options)[0] == expected
    assert Small.coded == 5  # every chunk by itself
    monkeypatch.setattr(Small, "most", 0)
    with pytest.warns(RuntimeWarning, match=r"chunk \(0, .*out of memory .*: coded on the CPU"):
        assert written(array, tmp_path / "cpu again", device="gpu", **options)[0] == expected
    assert Small.coded == 0


def test_what_kernels_do_not_encode_is_coded_on_threads(tmp_path: Path) -> None:
    array = make("smooth", (40, 90), "float32", 3)
    options: dict[str, Any] = {"max_error": 1.0, "stages": 3, "step": 0.25, "chunks": (64, 64)}
    expected, _ = written(array, tmp_path / "cpu", **options)
    assert written(array, tmp_path / "gpu", device="gpu", **options)[0] == expected
    assert Small.coded == 0


@pytest.mark.parametrize("effort", [2, 3])
def test_predicted_blocks_are_coded_by_kernels(tmp_path: Path, effort: int) -> None:
    array = edges((4, 96, 160), 1)
    options: dict[str, Any] = {"qstep": 30, "effort": effort, "prediction": True, "chunks": (4, 96, 96)}
    expected, _ = written(array, tmp_path / "cpu", **options)
    assert written(array, tmp_path / "gpu", device="gpu", **options)[0] == expected
    assert Small.coded == 1  # both chunks together


def test_a_killed_job_goes_on_on_a_device(tmp_path: Path) -> None:
    array = make("textured", (64, 300), "uint8", 3)
    options: dict[str, Any] = {"psnr": 42, "effort": 1, "chunks": (64, 64), "padding": None}
    expected, _ = written(array, tmp_path / "a", **options)
    lost = sorted(expected)[0]
    (tmp_path / "a" / lost).unlink()
    assert written(array, tmp_path / "a", device="gpu", **options)[0] == expected
    assert Small.coded == 1


def test_command_and_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, store = "phantom3d:16x64x64", str(tmp_path / "v.zarr")
    assert main(["compress", source, store, "--quality", "10", "--effort", "1", "--device", "gpu", "--check"]) == 0
    assert Small.coded > 0
    with pytest.raises(InvalidArgument, match="device='tpu'"):
        mmip.write_zarr(source, tmp_path / "b", quality=10, device="tpu")
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(BackendUnavailable, match="device='cpu'"):
        mmip.write_zarr(source, tmp_path / "b", quality=10, device="gpu")
    assert not (tmp_path / "b" / "zarr.json").exists()
