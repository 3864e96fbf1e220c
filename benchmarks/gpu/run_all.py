"""All that is to be proved and measured on a GPU, by one call: `python benchmarks/gpu.py`.

    python benchmarks/gpu.py [--seconds 420] [--out FOLDER]     on a machine with a GPU and CuPy
    python benchmarks/gpu.py --device cpu                       the same on the CPU, tiny: a rehearsal, no GPU numbers
    python benchmarks/gpu.py --predict                          the table of predictions of GPU_NOTES.md

First every kernel once, alone (smoke), then rates, checks of bytes and samples against the CPU core, and
compute-sanitizer. Each part is a process with a limit of its own, whose rows are there when it dies. Rows go to
results/gpu_*.csv; gpu_run/ beside them has the logs, and all rows in one archive that is kept up while it runs. Real
images: $MMIP_DATA, a folder of .npy files. Binaries of the kernels made elsewhere: --binaries.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from gpu.archive import Archive
from gpu.parts import GROUPS, chosen
from gpu.places import RESULTS
from gpu.rows import Rows
from gpu.runner import NO_DEVICE, Runner
from gpu.traffic import prediction_tables

SECONDS, AGAIN_SECONDS = 420.0, 270.0
_REHEARSAL_SECONDS = 110.0
_MOST_LINES = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """All parts in order; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("gpu", "cpu"), default="gpu")
    parser.add_argument(
        "--seconds", type=float, help=f"time for all of it (default {SECONDS:.0f}, again {AGAIN_SECONDS:.0f})"
    )
    parser.add_argument("--out", type=Path, help="folder of the rows (default: results/; on the CPU a temporary one)")
    parser.add_argument("--archive", type=Path, help="file of all rows (default: gpu_run/gpu_rows.zip beside them)")
    parser.add_argument("--binaries", type=Path, help="folder of binaries of the kernels, used where they fit")
    parser.add_argument("--parts", nargs="+", choices=GROUPS, default=GROUPS, help="default: all")
    parser.add_argument("--small", action="store_true", help="tiny arrays, as on the CPU: each part in seconds")
    parser.add_argument("--predict", action="store_true", help="print what an H200 should take, and end")
    options = parser.parse_args(arguments)
    if options.predict:
        print(prediction_tables())
        return 0
    on_cpu = options.device == "cpu"
    if on_cpu and options.out and options.out.resolve() == RESULTS.resolve():
        parser.error(f"--device cpu: rows of the CPU do not belong into {RESULTS.name}/")
    folder = options.out or (Path(tempfile.mkdtemp(prefix="mmip_gpu_")) if on_cpu else RESULTS)
    logs = folder / "gpu_run"
    logs.mkdir(parents=True, exist_ok=True)
    archive = Archive(folder, options.archive or logs / "gpu_rows.zip")
    archive.keep_earlier()
    again = any(logs.glob("*.txt"))
    seconds = options.seconds
    if seconds is None:
        seconds = _REHEARSAL_SECONDS if on_cpu else AGAIN_SECONDS if again else SECONDS
    kind = ["--device", options.device, *(["--small"] if on_cpu or options.small else [])]
    runner = Runner(folder, logs, archive, seconds, kind=kind, binaries=options.binaries)
    status = runner.run(chosen(options.parts))
    if status != NO_DEVICE:
        _tell(runner.rows, folder)
    if on_cpu:
        print("NO GPU NUMBER WAS MEASURED: the kernels ran on the CPU, lane after lane.")
    return status


def _tell(rows: Rows, folder: Path) -> None:
    """How many differences there are, and the first of them."""
    found = rows.read("differences")
    print(f"{len(found)} differences from the CPU core; rows are in {folder}")
    for row in found[:_MOST_LINES]:
        print(f"  {row['part']}: {row['what']}: {row['found']}"[:300])
    if len(found) > _MOST_LINES:
        print(f"  and {len(found) - _MOST_LINES} more in {rows.path('differences').name}")


if __name__ == "__main__":
    sys.exit(main())
