"""The kernels of the GPU: they compile for every architecture within their bounds, and their phases run on the CPU."""

from __future__ import annotations

import os
import re

import pytest
from helpers.nvrtc import compiled, known_architectures

from mmip_gpu.device.layouts.structs import KERNEL_LANES
from mmip_gpu.device.run.binaries import COMPILE_OPTIONS, SOURCE

MOST_REGISTERS, MOST_SHARED = 128, 48 * 1024
# Compiling for one takes more than a minute: the others where MMIP_ARCHITECTURES is "all", as in .ci/matrix.
OTHERS = ("sm_75", "sm_80", "sm_86", "sm_100", "sm_120") if os.environ.get("MMIP_ARCHITECTURES") == "all" else ()


@pytest.mark.parametrize("architecture", ["sm_90", *OTHERS])
def test_kernels_compile_within_their_bounds(architecture: str) -> None:
    if architecture not in known_architectures():
        pytest.skip(f"NVRTC does not know {architecture}")
    log = compiled(SOURCE.read_text(), architecture, [*COMPILE_OPTIONS, "--ptxas-options=-v"])
    assert "warning" not in log
    found = dict(
        zip(
            re.findall(r"Compiling entry function '(\w+)'", log),
            re.findall(r"Used (\d+) registers[^\n]*?(?:(\d+) bytes smem)?[,\n]", log),
            strict=True,
        )
    )
    assert sorted(found) == sorted(KERNEL_LANES)
    for name, (registers, shared) in found.items():
        assert int(registers) <= MOST_REGISTERS, name
        assert int(shared or 0) <= MOST_SHARED, name
    assert not re.findall(r"[1-9]\d* bytes spill", log), log


def test_wrappers_hold_no_numbers() -> None:
    text = re.sub(r"//.*", "", SOURCE.read_text())
    assert set(re.findall(r"(?<![\w.])\d[\w.]*", text)) <= {"0", "1", "2"}
