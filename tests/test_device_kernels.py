"""The kernels of the GPU: they compile for every architecture within their bounds, and their phases run on the CPU."""

from __future__ import annotations

import re

import numpy as np
import pytest
from nvrtc import compiled

from mmip_gpu.device import HostExecutor, _phases
from mmip_gpu.device.cuda import COMPILE_OPTIONS, SOURCE
from mmip_gpu.device.parameters import SUM_ITEM, layout_of

MOST_REGISTERS, MOST_SHARED = 128, 48 * 1024
TYPES = ("uint8", "int8", "uint16", "int16", "int32")


@pytest.fixture(params=[False, True], ids=["ascending", "descending"])
def executor(request: pytest.FixtureRequest) -> HostExecutor:
    return HostExecutor(descending=request.param)


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90", "sm_100"])
def test_kernels_compile_within_their_bounds(architecture: str) -> None:
    log = compiled(SOURCE.read_text(), architecture, [*COMPILE_OPTIONS, "--ptxas-options=-v"])
    assert "warning" not in log
    found = dict(
        zip(
            re.findall(r"Compiling entry function '(\w+)'", log),
            re.findall(r"Used (\d+) registers[^\n]*?(?:(\d+) bytes smem)?[,\n]", log),
            strict=True,
        )
    )
    assert sorted(found) == sorted(_phases.names())
    for name, (registers, shared) in found.items():
        assert int(registers) <= MOST_REGISTERS, name
        assert int(shared or 0) <= MOST_SHARED, name
    assert not re.findall(r"[1-9]\d* bytes spill", log), log


@pytest.mark.parametrize("name", _phases.names())
def test_parameters_are_laid_out_as_the_kernel_has_them(name: str) -> None:
    assert layout_of(name).itemsize == _phases.params_bytes(name)


def test_wrappers_hold_no_numbers() -> None:
    text = re.sub(r"//.*", "", SOURCE.read_text())
    assert set(re.findall(r"(?<![\w.])\d[\w.]*", text)) <= {"0", "1", "2"}


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("counts", [(0,), (1, 255, 256), (257, 5000, 3)])
def test_sums(executor: HostExecutor, dtype: str, counts: tuple[int, ...]) -> None:
    rng, info = np.random.default_rng(1), np.iinfo(dtype)
    arrays = [rng.integers(info.min, info.max, n, dtype, endpoint=True) for n in counts]
    held = [executor.upload(a) for a in arrays]
    items = np.zeros(len(arrays), SUM_ITEM)
    for item, array in zip(items, held, strict=True):
        item["samples"], item["count"], item["type"] = executor.address(array), array.size, TYPES.index(dtype)
    on_device, sums = executor.upload(items), executor.empty(len(arrays), "int64")
    executor.launch("sum_samples", groups=len(arrays), items=executor.address(on_device), sums=executor.address(sums))
    assert executor.download(sums).tolist() == [int(a.sum(dtype=np.int64)) for a in arrays]
