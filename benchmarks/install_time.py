"""Time of `pip install .` in a fresh environment, and of compiling the two copies of the kernels in it.

    python benchmarks/install_time.py [--against CHECKOUT] [--rounds 1]

Each tree (this checkout, and CHECKOUT for a comparison) is copied without its build folder, so that all is compiled.
What the build needs is downloaded before; pip then runs with `--no-index --no-deps`. Wall time depends on the cores;
processor time is that of pip and all its children. A launcher (compile_timer.py) notes that of each compilation, summed
by target: `kernels_baseline` and `kernels_avx2` are the kernels' copies. Medians of the rounds, trees in turns.
Writes results/install.csv.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import Any

from studies import HERE, write_rows

from mmip_gpu.bench.machine import commit_of
from mmip_gpu.quality.metrics import format_table

Seconds = dict[str, float]

_NOT_COPIED = (".git", "build", "dist", "_skbuild", "*.so", "__pycache__", ".*_cache", ".hypothesis", ".venv*")
_TOOLS = ("cmake", "ninja")  # fetched by scikit-build-core where the machine has none
_TARGET = re.compile(r"CMakeFiles/([^/]+)\.dir/")


def source_copy(checkout: Path, place: Path) -> Path:
    """Copy a checkout without what was built in it."""
    shutil.copytree(checkout, place, ignore=shutil.ignore_patterns(*_NOT_COPIED))
    return place


def build_requirements(checkout: Path) -> list[str]:
    """What pip installs before it builds this tree."""
    requires: list[str] = tomllib.loads((checkout / "pyproject.toml").read_text())["build-system"]["requires"]
    return [*requires, *_TOOLS]


def seconds_by_target(log: Path) -> Seconds:
    """Processor time of compilations by CMake target, out of the lines of compile_timer.py."""
    sums: Seconds = defaultdict(float)
    for line in log.read_text().splitlines():
        noted = json.loads(line)
        target = _TARGET.search(noted["object"])
        if target:  # CMake's trials of the compiler have targets of their own
            sums[target[1]] += noted["seconds"]
    return {target: sums[target] for target in sorted(sums) if not target.startswith("cmTC_")}


def new_environment(place: Path) -> Path:
    """Make a virtual environment; its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
    return place / "bin" / "python"


def children_seconds() -> float:
    """Processor time of all children that ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def installed(checkout: Path, wheels: Path) -> Seconds:
    """Install a tree once and time it."""
    with tempfile.TemporaryDirectory() as folder:
        place, log = Path(folder), Path(folder) / "compilations"
        python = new_environment(place / "environment")
        tree = source_copy(checkout, place / "source")
        launcher = f"{sys.executable};-SE;{HERE / 'compile_timer.py'};{log}"
        variables = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        options = ["--quiet", "--no-deps", "--no-index", "--find-links"]
        command: list[str | Path] = [python, "-m", "pip", "install", *options, wheels, tree]
        wall, used = time.perf_counter(), children_seconds()
        subprocess.run(command, check=True, env=variables | {"CMAKE_CXX_COMPILER_LAUNCHER": launcher}, cwd=folder)
        found = {"wall_s": time.perf_counter() - wall, "processor_s": children_seconds() - used}
        compiled = seconds_by_target(log)
    found["compile_s"] = sum(compiled.values())
    return found | {f"compile_{target}_s": seconds for target, seconds in compiled.items()}


def medians(rounds: list[Seconds]) -> Seconds:
    """Median of each figure."""
    return {key: statistics.median(seconds[key] for seconds in rounds) for key in rounds[0]}


def compared(trees: dict[str, Path], rounds: int) -> list[dict[str, Any]]:
    """Rows: one a tree."""
    found: dict[str, list[Seconds]] = {name: [] for name in trees}
    with tempfile.TemporaryDirectory() as wheels:
        for tree in trees.values():
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", wheels, *build_requirements(tree)]
            subprocess.run(command, check=True)
        for index in range(rounds):
            for name, tree in trees.items():
                print(f"round {index + 1} of {rounds}: {name}", file=sys.stderr, flush=True)
                found[name].append(installed(tree, Path(wheels)))
    return [
        {"tree": name, "runs": rounds} | medians(found[name]) | {"commit": commit_of(tree)}
        for name, tree in trees.items()
    ]


def main() -> int:
    """Both trees, the table, the rows; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path, metavar="CHECKOUT", help="tree of before")
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    trees = ({"before": options.against.resolve()} if options.against else {}) | {"now": HERE.parent}
    try:
        rows = compared(trees, options.rounds)
    except KeyboardInterrupt:
        print("interrupted: nothing is written", file=sys.stderr)
        return 130
    columns = dict.fromkeys(key for row in rows for key in row)
    print(format_table(rows, list(columns)))
    print(f"wrote {write_rows('install', rows).name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
