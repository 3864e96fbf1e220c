"""A process of a GPU run: does one part, and ends with a status that says how.

Values: the part's name, the folder of the rows and the seconds that it has in; rows out.

    python -m gpu.part NAME --folder FOLDER --seconds 30 [--device cpu] [--small] [--first] [--without KERNEL ..]
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from gpu.binaries import run_binaries
from gpu.ceilings import run_ceilings
from gpu.checks import run_checks
from gpu.host import run_host
from gpu.parts import PARTS, TOOLS
from gpu.processes import end_with_parent
from gpu.rates import run_rates
from gpu.rivals import run_rivals
from gpu.run import Run
from gpu.sanitizers import run_sanitized
from gpu.smoke import run_smoke
from gpu.summary import run_summary
from mmip_gpu.device.run.cuda_executor import CudaExecutor
from mmip_gpu.device.run.executors import Executor, HostExecutor
from mmip_gpu.errors import BackendUnavailable, MmipError

NO_DEVICE, LOST = 2, 3  # exit statuses: no device to begin with; one that failed
SUMMARY = "summary"


def main(arguments: Sequence[str] | None = None) -> int:
    """One part; the exit status."""
    end_with_parent()
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=[*(part.name for part in PARTS), SUMMARY])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--device", choices=("gpu", "cpu"), default="gpu")
    parser.add_argument("--small", action="store_true")
    parser.add_argument(
        "--first", action="store_true", help="of its run: once a device is open, empty tables replace those there"
    )
    parser.add_argument("--without", nargs="*", default=(), help="kernels that the part 'smoke' leaves out")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore", UserWarning)  # of tiny arrays: a ratio that is not met, a region outside
    if options.part == SUMMARY:
        run_summary(options.folder)
        return 0
    try:
        run = Run(_executor(options), options.folder, options.seconds, small=options.small)
    except MmipError as error:
        print(error, flush=True)
        return NO_DEVICE
    if options.first:
        run.begin()
    try:
        _do(run, options.part, options.without)
    except BackendUnavailable as error:
        run.fail(options.part, "the device failed", str(error))
        return LOST
    return 0


def _executor(options: argparse.Namespace) -> Executor:
    """The device, or the CPU in its place; its first part meets lanes and groups in the other order."""
    return CudaExecutor() if options.device == "gpu" else HostExecutor(descending=options.part == "smoke")


def _do(run: Run, name: str, without: Sequence[str]) -> None:
    group = next(part.group for part in PARTS if part.name == name)
    plain = {"binaries": run_binaries, "ceilings": run_ceilings, "rivals": run_rivals, "host": run_host}
    if name in plain:
        plain[name](run)
    elif name == "smoke":
        run_smoke(run, without)
    elif name in TOOLS:
        run_sanitized(run, name)
    elif group == "checks":
        run_checks(run, name)
    else:
        run_rates(run, name)


if __name__ == "__main__":
    sys.exit(main())
