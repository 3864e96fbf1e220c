"""Looks for races in the kernels: runs tests of the device with watched kernels, then with planted faults.

Build the module first, `cmake -DMMIP_RACES=ON` and its target ``_phases_watched``; then, from the repository,
``python tests/races/detect.py BUILD/races/_phases*.so [--all]``. Prints launches and accesses of every kernel. Fails
where one did not run, where lanes or groups meet, or where a planted fault is not found.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmip_gpu.device.layouts.structs import KERNEL_LANES

ROOT = Path(__file__).parents[2]
ALL = [
    "tests/device/decode",
    "tests/device/encode",
    "tests/device/test_channels.py",
    "tests/stage_arrays/test_device.py",
]
FEW = ["tests/races/test_every_kernel.py"]
PLANTED = [*FEW, "-k", "padding_lossless or planes or stage or decoding or predictive"]
# What is found where the N-th barrier of a kernel is left out, its updates are not atomic, or zeros are undefined.
PLANTS = {
    "check_groups/1": "lanes",
    "unpack_tokens/1": "lanes",
    "group_crcs/1": "lanes",
    "synthesize_flat/2": "lanes",
    "list_tokens/2": "lanes",
    "close_tiles/3": "lanes",
    "count_residuals/1": "lanes, one atomically",
    "search_planes/atomics": "groups",
    "write_tokens/atomics": "groups",
    "zeros": "undefined memory",
}


@dataclass
class Finding:
    """Accesses of the same two places of code, in one kernel."""

    kernel: str
    kind: str
    code: str
    other: str
    times: int
    example: str


@dataclass
class Log:
    """What a run of tests found, over its processes."""

    findings: list[Finding] = field(default_factory=list)
    launches: Counter[str] = field(default_factory=Counter)
    accesses: Counter[str] = field(default_factory=Counter)


def read(path: Path) -> Log:
    log = Log()
    for line in path.read_text().splitlines():
        what, *fields = line.split("\t")
        if what == "finding":
            kernel, kind, code, other, times, example = fields
            log.findings.append(Finding(kernel, kind, code, other, int(times), example))
        else:
            kernel, launches, accesses = fields
            log.launches[kernel] += int(launches)
            log.accesses[kernel] += int(accesses)
    return log


def watched(module: Path, tests: Sequence[str], processes: int, plant: str = "") -> Log:
    """Run tests with watched kernels; ends the program where they fail."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        found = os.environ | {"MMIP_RACES_MODULE": str(module), "MMIP_RACES_LOG": str(log), "MMIP_RACES_PLANT": plant}
        others = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]  # "" is the clone's root
        found["PYTHONPATH"] = os.pathsep.join([str(ROOT / "tests"), *others])
        command = [
            str(Path(sys.executable).with_name("pytest")),
            "-q",
            "-p",
            "races.watched",
            "-n",
            str(processes),
            *tests,
        ]
        if subprocess.run(command, cwd=ROOT, env=found, check=False).returncode:
            sys.exit(f"tests with watched kernels fail: {' '.join(command)}")
        return read(log)


def places(module: Path, code: str) -> str:
    """File and line of an address in the module, and where it was inlined."""
    if code == "0":
        return "-"
    lines = subprocess.run(["addr2line", "-i", "-e", module, f"0x{code}"], capture_output=True, text=True, check=True)
    return " < ".join(line.rsplit("/", 1)[-1].split(" ")[0] for line in lines.stdout.splitlines()[:3])


def show(log: Log, module: Path) -> None:
    print(f"{'kernel':24}{'launches':>10}{'accesses':>16}")
    for kernel in KERNEL_LANES:
        print(f"{kernel:24}{log.launches[kernel]:10,}{log.accesses[kernel]:16,}")
    print(f"{len(log.launches)} kernels, {log.launches.total():,} launches, {log.accesses.total():,} accesses")
    for f in log.findings:
        where = f"{places(module, f.code)} and {places(module, f.other)}"
        print(f"{f.kernel}: {f.kind}, {f.times} times: {where}; {f.example}")


def failures(log: Log) -> list[str]:
    missing = [kernel for kernel in KERNEL_LANES if not log.launches[kernel]]
    found = [f"no test launches {', '.join(missing)}"] if missing else []
    return [*found, f"{len(log.findings)} conflicts"] if log.findings else found


def missed_plants(log: Log) -> list[str]:
    """Planted faults that were not found, or not as what they are."""
    found = {(kind, kernel) for f in log.findings for kind, kernel in ((f.kind, f.kernel), (f.kind, "zeros"))}
    return [plant for plant, kind in PLANTS.items() if (kind, plant.split("/")[0]) not in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("module", type=lambda text: Path(text).resolve(), help="the watched module")
    parser.add_argument("--all", action="store_true", help="run all tests of the device")
    parser.add_argument("-n", type=int, default=2, help="processes")
    options = parser.parse_args()
    start = time.monotonic()
    log = watched(options.module, ALL if options.all else FEW, options.n)
    show(log, options.module)
    wrong = failures(log)
    missed = missed_plants(watched(options.module, PLANTED, options.n, ",".join(PLANTS)))
    print(f"found {len(PLANTS) - len(missed)} of {len(PLANTS)} planted faults: {', '.join(PLANTS)}")
    if missed:
        wrong.append(f"planted faults are not found: {', '.join(missed)}")
    print(f"watched for {time.monotonic() - start:.0f} s")
    sys.exit("; ".join(wrong) or None)


if __name__ == "__main__":
    main()
