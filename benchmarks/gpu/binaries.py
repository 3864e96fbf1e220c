"""Binaries of all modules before anything is launched: those at hand are taken, others compiled, all at once.

Values: a run on a device in; a row for every module out. A binary is taken where its sources, options, architecture and
compiler are those of its file's name.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from gpu.run import Run
from mmip_gpu.device.layouts.structs import KERNEL_MODULES
from mmip_gpu.device.run.binaries import binary_of, cache_folder
from mmip_gpu.device.run.cuda import open_cupy
from mmip_gpu.errors import MmipError


def run_binaries(run: Run) -> None:
    """Find or compile every module."""
    modules = list(dict.fromkeys(KERNEL_MODULES.values()))
    if not run.on_gpu:
        for module in modules:
            run.add("binaries", module=module, outcome="none: kernels run on the CPU")
        return
    cupy = open_cupy()
    architecture = cupy.cuda.Device(cupy.cuda.runtime.getDevice()).compute_capability
    there = {path.name for path in cache_folder().glob("mmip_*")} if cache_folder().is_dir() else set()
    context = multiprocessing.get_context("spawn")  # none of them opens the device
    with ProcessPoolExecutor(min(len(modules), os.cpu_count() or 1), mp_context=context) as pool:
        begun = {pool.submit(compiled, architecture, module): module for module in modules}
        for done in as_completed(begun):
            module = begun[done]
            try:
                path, seconds = done.result()
            except MmipError as error:  # named, and the other modules are used
                run.fail("binaries", module, str(error))
                continue
            outcome = "at hand" if path.name in there else "compiled"
            size = path.stat().st_size / 1e6
            run.add("binaries", module=module, outcome=outcome, file=path.name, megabytes=size, seconds=seconds)
            print(f"{path.name}: {outcome}, {size:.2f} MB, {seconds:.1f} s", flush=True)


def compiled(architecture: str, module: str) -> tuple[Path, float]:
    """The file of a module's binary, and the seconds until it was there."""
    import cupy

    start = time.perf_counter()
    return binary_of(cupy.cuda.nvrtc, architecture, module), time.perf_counter() - start
