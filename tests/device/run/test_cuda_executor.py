"""The executor for CUDA devices with a stand-in for CuPy: parameters, launches, the cache of binaries, and errors.

What it shows is that we call CuPy as its sources ask for; that the kernels run on a device it cannot show.
"""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from helpers import standin_cupy
from helpers.cuda_machines import machine, sums
from helpers.standin_cupy import Cupy
from helpers.strategies import make

import mmip_gpu as mmip
from mmip_gpu.config import CodecConfig
from mmip_gpu.device import _phases
from mmip_gpu.device.encode.batch import Chunk, encode_batch
from mmip_gpu.device.lanes import Lane, through_lanes
from mmip_gpu.device.layouts.structs import KERNEL_LANES, params_dtype
from mmip_gpu.device.run import binaries
from mmip_gpu.device.run.cuda_executor import CudaExecutor
from mmip_gpu.device.run.executors import HostExecutor
from mmip_gpu.errors import InvalidArgument, LimitExceeded
from mmip_gpu.transform.analysis import ROUNDING
from mmip_gpu.transform.chunk import encode_chunk
from mmip_gpu.transform.plan import ChunkPlan, class_steps


def test_parameters_and_geometry_of_a_launch(cupy: Cupy) -> None:
    assert sums(CudaExecutor(), 3) == [0, 5, 10]
    cupy.stream = "other"
    assert sums(CudaExecutor(), 1) == [0]
    lanes = KERNEL_LANES["sample_statistics"]
    assert cupy.launched == [
        ("sample_statistics", (3,), (lanes,), "default"),
        ("sample_statistics", (1,), (lanes,), "other"),
    ]
    assert sums(CudaExecutor(), 0) == []
    assert len(cupy.launched) == 2


def test_more_groups_than_a_grid_has(cupy: Cupy, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[bytes] = []
    monkeypatch.setattr(_phases, "run", lambda name, params: ran.append(params))
    CudaExecutor().launch("sample_statistics", groups=2**40, items=1, sums=2)
    assert cupy.launched[0][1] == (2**31 - 1,)
    assert np.frombuffer(ran[0], params_dtype("sample_statistics"))["groups"] == 2**40


@pytest.mark.parametrize("name", KERNEL_LANES)
def test_parameters_fit_into_a_launch(name: str) -> None:
    assert params_dtype(name).itemsize <= 4096  # bytes of arguments on every architecture and CUDA version


def test_binaries_are_compiled_once_and_kept(cupy: Cupy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sums(CudaExecutor(), 2)
    sums(CudaExecutor(), 2)
    assert len(cupy.compiled) == len(cupy.loaded) == 1
    assert cupy.compiled[0] == (*binaries.COMPILE_OPTIONS, "-DMMIP_MODULE=MMIP_ENCODING_KERNELS", "-arch=sm_90")
    assert not [option for option in cupy.compiled[0] if "ftz" in option]
    again = machine(monkeypatch, tmp_path)
    sums(CudaExecutor(), 2)
    assert (again.compiled, again.loaded) == ([], cupy.loaded)
    other = machine(monkeypatch, tmp_path, architecture="100")
    sums(CudaExecutor(), 2)
    assert other.compiled[0][-1] == "-arch=sm_100"
    assert other.loaded != cupy.loaded


def test_a_changed_header_is_compiled_anew(cupy: Cupy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sums(CudaExecutor(), 1)
    monkeypatch.setattr(binaries, "_source_digest", lambda package: "of other sources")
    again = machine(monkeypatch, tmp_path)
    sums(CudaExecutor(), 1)
    assert len(again.compiled) == 1
    assert again.loaded != cupy.loaded


def included(package: Path, name: str, found: set[str]) -> set[str]:
    """A source of the package and all that it includes, as paths from the package's folder."""
    if name not in found:
        found.add(name)
        for inner in re.findall(r'#include "([^"]+)"', (package / name).read_text()):
            included(package, inner, found)
    return found


def test_every_header_of_the_kernels_is_in_the_key(tmp_path: Path) -> None:
    package = binaries.SOURCE.parent.parent
    names = sorted(included(package, "device/kernels.cu", set()))
    assert {"device/kernels/phases.h", "rules/blocks/transform.h"} <= set(names)
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((package / name).read_bytes())
    digests = {binaries._source_digest(tmp_path)}
    for name in names:
        with (tmp_path / name).open("a") as file:
            file.write(" ")
        digests.add(binaries._source_digest(tmp_path))
    assert len(digests) == len(names) + 1


def test_a_cache_that_cannot_be_written(cupy: Cupy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CUPY_CACHE_DIR", str(tmp_path / "file"))
    assert sums(CudaExecutor(), 2) == [0, 5]


def test_each_device_loads_its_own(cupy: Cupy) -> None:
    cupy.devices = 2
    sums(CudaExecutor(), 1)
    cupy.current = 1
    assert sums(CudaExecutor(), 2) == [0, 5]
    assert len(cupy.compiled) == 1


# --- data of others


def test_data_that_lies_on_the_device(cupy: Cupy) -> None:
    executor = CudaExecutor()
    held = executor.upload(np.arange(9, dtype=np.uint8))
    assert executor.adopt(held) is held
    numba = SimpleNamespace(__cuda_array_interface__=held.__cuda_array_interface__)
    with pytest.raises(InvalidArgument, match="device 0, the current one, found device 1"):
        executor.adopt(numba)  # pointerGetAttributes says 1
    cupy.current = 1
    assert executor.adopt(numba).tolist() == list(range(9))
    with pytest.raises(InvalidArgument, match="device 1, the current one, found device 0"):
        executor.adopt(held)
    jax = SimpleNamespace(__dlpack_device__=lambda: (2, 1), host=np.arange(4, dtype=np.uint8))
    assert executor.adopt(jax).tolist() == [0, 1, 2, 3]
    with pytest.raises(InvalidArgument, match=r"CuPy can share, found SimpleNamespace of no dtype: .*not understood"):
        executor.adopt(SimpleNamespace(__cuda_array_interface__={"data": (0, False), "shape": (1,), "typestr": "<q9"}))


def test_copies_of_pinned_bytes_on_streams(cupy: Cupy) -> None:
    executor = CudaExecutor()
    lane = Lane(executor)
    arrays = [np.arange(6, dtype=">u2").reshape(2, 3), np.zeros((0, 2), np.int8), np.array([2.5], np.float32)]

    def work(lane: Lane, batch: Any) -> list[str]:
        held = lane.upload([arrays[i] for i in batch])
        assert all(isinstance(a, standin_cupy.DeviceArray) for a in held)
        for found, i in zip(lane.download(held), batch, strict=True):
            assert np.array_equal(found, arrays[i])
        return [cupy.stream for _ in batch]

    assert work(lane, range(3)) == ["default"] * 3
    assert set(through_lanes(executor, [[0], [1], [2]], work)) <= {"0", "1", "2"}
    assert (cupy.stream, cupy.waited > 0) == ("default", True)
    executor.release()
    assert executor.room() == 2**40


# --- whole pipelines


def test_a_batch_is_coded_and_decoded_through_cupy(cupy: Cupy) -> None:
    arrays = [make("textured", (9, 33, 40), "uint16", 1), make("edges", (70, 50), "uint8", 2)]
    chunks, expected = [], []
    executor = CudaExecutor()
    for array, depth in zip(arrays, (8, 1), strict=True):
        config = CodecConfig("psnr", 50.0, effort=1)
        steps, exact = class_steps(config, 1, False, 20.0)
        tile = (1, 2, 2) if depth == 8 else (0, 3, 3)
        axes = "zyx" if depth == 8 else "yx"
        plan = ChunkPlan(config, axes, False, depth, tile, (0, 9, 64 * depth - 1), steps, exact)
        chunks.append(Chunk(executor.upload(array), plan))
        expected.append(encode_chunk(array, plan, allow_raw=False))
    for found, encoded in zip(encode_batch(executor, chunks, ROUNDING), expected, strict=True):
        assert tuple(found.payloads) == encoded.payloads
    blobs = [encoded.to_bytes() for encoded in expected]
    on_device = [executor.upload(np.frombuffer(blob, np.uint8)) for blob in blobs]
    for found, blob in zip(mmip.decode_batch(on_device), blobs, strict=True):
        assert isinstance(found, standin_cupy.DeviceArray)
        assert np.array_equal(executor.download(found), mmip.decode(blob))
    assert {name for name, *_ in cupy.launched} >= {"analyze_volumes", "write_tokens", "synthesize_flat"}


def test_public_functions_through_cupy(cupy: Cupy) -> None:
    executor = CudaExecutor()
    array = make("textured", (30, 40), "uint16", 1)
    options: dict[str, Any] = {"psnr": 45, "effort": 1, "roi": array > 40000}
    expected = mmip.encode(array, **options)
    masked = options | {"roi": executor.upload(options["roi"])}
    for given in (executor.upload(array), array):
        assert mmip.encode(given, device="gpu", **options) == expected
        assert mmip.encode_batch([given] * 3, device="gpu", **masked) == [expected] * 3
    for found in mmip.decode_batch([expected] * 4, device="gpu"):
        assert np.array_equal(found, mmip.decode(expected))
    cupy.memory = 2000
    with pytest.raises(LimitExceeded, match=r"out of memory .* for one item; pass smaller chunks"):
        mmip.encode(array, device="gpu", **options)


def test_both_executors_pass_the_same_bytes(cupy: Cupy, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[bytes] = []
    monkeypatch.setattr(_phases, "run", lambda name, params, descending=False: given.append(params))
    for executor in (CudaExecutor(), HostExecutor()):
        executor.launch("sum_histograms", groups=3, bins=4, copies=5, symbols=6, sums=7)
    assert given[0] == given[1] == np.array([3, 4, 5, 6, 7], np.int64).tobytes()
