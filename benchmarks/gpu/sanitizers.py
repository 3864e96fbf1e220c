"""Tiny arrays through the pipelines of a device, each block of its memory its own: what compute-sanitizer looks at.

Values: a run in; a row of checks for every case out, and what differs from the CPU core. Without CuPy's pool an access
behind an array is one outside of what CUDA has allocated.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from gpu.run import Run
from gpu.tiny import tiny_cases
from mmip_gpu.device.run.cuda import open_cupy
from mmip_gpu.errors import BackendUnavailable

FOUND = 9  # exit status where a tool has found something
_PRINTED = 20  # findings that a tool prints


def tool_command(name: str) -> list[str] | None:
    """What a command is to be run by; None where compute-sanitizer is not installed."""
    tool = shutil.which("compute-sanitizer") or shutil.which("compute-sanitizer", path="/usr/local/cuda/bin")
    if tool is None:
        return None
    return [tool, "--tool", name, "--error-exitcode", str(FOUND), "--print-limit", str(_PRINTED)]


def findings(log: Path) -> str:
    """The lines of a tool in a log that say what it found: the first, and the sum."""
    lines = [line.strip("= \n") for line in log.read_text(errors="replace").splitlines() if line.startswith("=====")]
    told = [line for line in lines if line and not line.startswith("COMPUTE-SANITIZER")]
    return "; ".join(dict.fromkeys([*told[:3], *told[-1:]])) if told else "nothing that it says"


def run_sanitized(run: Run, tool: str) -> None:
    """All tiny cases on the device, in plain memory."""
    if run.on_gpu:
        cuda = open_cupy().cuda
        cuda.set_allocator(None)
        cuda.set_pinned_memory_allocator(None)
    for case in run.in_time(tool, tiny_cases(), lambda case: case.name):
        try:
            found = case.run(run.executor)
        except BackendUnavailable:
            raise
        except Exception as error:  # named, and the other cases are run
            run.fail(tool, case.name, f"{type(error).__name__}: {error}")
            continue
        wrong = [i for i, (ours, core) in enumerate(zip(found, case.expected(), strict=True)) if not _equal(ours, core)]
        run.add("checks", check=tool, case=case.name, outcome="differs" if wrong else "equal")
        if wrong:
            run.fail(tool, case.name, f"results {wrong} of {len(found)} are not those of the CPU")
        print(f"{case.name}: {'differs' if wrong else 'equal'}", flush=True)


def _equal(found: Any, expected: Any) -> bool:
    if isinstance(expected, bytes):
        return isinstance(found, bytes) and found == expected
    return isinstance(found, np.ndarray) and found.dtype == expected.dtype and np.array_equal(found, expected)
