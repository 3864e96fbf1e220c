"""All that is to be proved and measured on a GPU, by one call.

    python -m gpu.run_all [--seconds 440] [--out FOLDER]     on a machine with a GPU and CuPy
    python -m gpu.run_all --device cpu                       the same on the CPU, tiny: a rehearsal, no GPU numbers
    python -m gpu.run_all --predict                          the table of predictions of GPU_NOTES.md

Checks bytes and samples against the CPU core (a difference is named, and the exit status is 1), runs compute-sanitizer
where it is installed, measures ceilings, kernels, rates and rivals. Writes results/gpu_*.csv row by row and gpu.png;
what there was no time for is named in gpu_skipped.csv. Real images: $MMIP_DATA, a folder of .npy files.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from studies import RESULTS

from gpu.ceilings import run_ceilings
from gpu.checks import run_checks
from gpu.host import run_host
from gpu.plot import draw
from gpu.rates import run_rates
from gpu.rivals import run_rivals
from gpu.rows import Run
from gpu.targets import add_targets
from gpu.traffic import prediction_tables
from mmip_gpu.device.run.cuda_executor import CudaExecutor
from mmip_gpu.device.run.executors import HostExecutor
from mmip_gpu.errors import BackendUnavailable, MmipError
from mmip_gpu.quality.metrics import format_table

# Parts of the time after which a part of the script ends: what is left is named and skipped.
_CHECKS, _RIVALS, _RATES, _HOST, _SANITIZERS = 0.35, 0.5, 0.8, 0.9, 1.0
_TOOL_FOUND = 9  # exit status where a tool has found something
_PARTS = ("checks", "rates", "host", "sanitizers")
_TOOLS = ("memcheck", "racecheck")


def main(arguments: Sequence[str] | None = None) -> int:
    """All parts in order; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("gpu", "cpu"), default="gpu")
    parser.add_argument("--seconds", type=float, default=440.0, help="time for all of it (default 440)")
    parser.add_argument("--small", action="store_true", help="tiny arrays, checks alone: what compute-sanitizer runs")
    parser.add_argument("--out", type=Path, help="folder of the rows (default: results/; on the CPU a temporary one)")
    parser.add_argument("--parts", nargs="+", choices=_PARTS, default=_PARTS, help="default: all")
    parser.add_argument("--predict", action="store_true", help="print what an H200 should take, and end")
    options = parser.parse_args(arguments)
    if options.predict:
        print(prediction_tables())
        return 0
    on_cpu = options.device == "cpu"
    if on_cpu and options.out and options.out.resolve() == RESULTS.resolve():
        parser.error(f"--device cpu: rows of the CPU do not belong into {RESULTS.name}/")
    try:
        executor = HostExecutor() if on_cpu else CudaExecutor()
    except MmipError as error:
        print(f"{error}: python -m gpu.run_all --device cpu rehearses all of it", file=sys.stderr)
        return 2
    temporary = on_cpu or options.small
    folder = options.out or (Path(tempfile.mkdtemp(prefix="mmip_gpu_")) if temporary else RESULTS)
    run = Run(executor, folder, options.seconds, small=options.small or on_cpu)
    print(f"kernels run on: {run.facts['device']}; rows go to {folder}", flush=True)
    try:
        _run_parts(run, ("checks",) if options.small else options.parts)
    except BackendUnavailable as error:
        run.fail("device", "the rest of the script", str(error))
    if not options.small:
        _finish(run)
    print(f"{len(run.failures)} differences from the CPU core" + "".join(f"\n  {f}" for f in run.failures))
    if on_cpu:
        print("NO GPU NUMBER WAS MEASURED: the kernels ran on the CPU, lane after lane.")
    return 1 if run.failures else 0


def _run_parts(run: Run, parts: Sequence[str]) -> None:
    if "checks" in parts:
        run_checks(run, _CHECKS if len(parts) > 1 else 1.0)
    if "rates" in parts:
        copy_rate = run_ceilings(run)
        run_rivals(run, _RIVALS)
        run_rates(run, copy_rate, _RATES)
        add_targets(run, copy_rate)
    if "host" in parts:
        run_host(run, _HOST)
    if "sanitizers" in parts:
        _sanitize(run)


def _sanitize(run: Run) -> None:
    """The tools of compute-sanitizer on small checks of this script."""
    tool = shutil.which("compute-sanitizer") or shutil.which("compute-sanitizer", path="/usr/local/cuda/bin")
    for name in run.in_time("compute-sanitizer", _TOOLS, str, _SANITIZERS):
        if tool is None or not run.on_gpu:
            run.skip("compute-sanitizer", name, "no GPU" if not run.on_gpu else "the tool is not installed")
            continue
        small = [sys.executable, __file__, "--small", "--seconds", f"{run.left(_SANITIZERS) / len(_TOOLS):.0f}"]
        command = [tool, "--tool", name, "--error-exitcode", str(_TOOL_FOUND), *small]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=run.left(_SANITIZERS))
        except subprocess.TimeoutExpired:
            run.skip("compute-sanitizer", name, "no time left while it ran")
            continue
        if done.returncode == _TOOL_FOUND or "DIFFERENT" in done.stdout:
            run.fail("compute-sanitizer", name, done.stdout[-2000:])
        elif done.returncode:
            run.skip("compute-sanitizer", name, f"it does not run here: {done.stdout[-500:]}{done.stderr[-500:]}")
        else:
            run.add("checks", check="compute-sanitizer", case=name, outcome="no errors")


def _finish(run: Run) -> None:
    """Tables, picture."""
    for table, columns in {
        "ceilings": ["what", "megabytes", "gb_s"],
        "kernels": ["data", "mode", "kernel", "seconds", "gb_s", "of_copy"],
        "rates": ["data", "mode", "dtype", "chunk_mb", "batch", "encode_gb_s", "decode_gb_s", "cpu_encode_gb_s"],
        "targets": ["target", "wanted", "found", "met"],
        "rivals": ["codec", "dtype", "bits_per_sample", "psnr_db", "encode_gb_s", "decode_gb_s"],
    }.items():
        rows = [{column: row.get(column, "") for column in columns} for row in run.rows[table]]
        if rows:
            print(f"\n{table}\n{format_table(rows, columns)}")
    if importlib.util.find_spec("matplotlib") is None:
        run.skip("plot", "gpu.png", "matplotlib is not installed")
    else:
        draw(run, run.folder / "gpu.png")


if __name__ == "__main__":
    sys.exit(main())
