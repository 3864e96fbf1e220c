"""Two builds of mmip_gpu by the instructions that whole calls take: a count that load does not change.

    python benchmarks/instructions.py --against PYTHON [--megabytes 1] [--cases TEXT]

The cases, workers and environments are those of `speed.py --against`; fresh interpreters are left out, since Valgrind
does not count in children. Each call is made once without counting, then counted once. Needs Valgrind; takes about
half an hour. Clocks differ by where a linker puts a loop, counts do not: see both. Writes results/instructions.csv.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from against import Environment, Worker, chosen_cases, facts_of
from against_cases import Case, images
from studies import write_rows
from tqdm import tqdm

from mmip_gpu.bench.rows import checksum
from mmip_gpu.quality.metrics import format_table

_TOOL = ("valgrind", "--tool=callgrind", "--quiet")
_SHOWN = ("case", "image", "old_minstr", "new_minstr", "ratio")


class Counter:
    """A worker under Callgrind."""

    def __init__(self, environment: Environment, folder: Path) -> None:
        self.folder = folder
        self.worker = Worker(environment, folder, [*_TOOL, f"--callgrind-out-file={folder}/counts.%p"])

    def __enter__(self) -> Counter:
        return self

    def __exit__(self, *_: object) -> None:
        self.worker.__exit__()

    def _control(self, what: str) -> None:
        command = ["callgrind_control", what, str(self.worker.process.pid)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def millions(self, number: int, case: Case) -> float:
        """Instructions of one call, in millions."""
        self.worker.ask(prepare=asdict(case) | {"number": number})
        self._control("--zero")
        self.worker.ask(run=number, calls=1)
        self._control("--dump")
        newest = max(self.folder.glob("counts.*"), key=lambda path: path.stat().st_mtime_ns)
        total = re.search(r"^(?:totals|summary): (\d+)", newest.read_text(), re.MULTILINE)
        newest.unlink()
        if total is None:
            raise RuntimeError(f"{newest}: no total")
        return int(total[1]) / 1e6


def counted(other: Environment, own: Environment, cases: list[Case], megabytes: float) -> list[dict[str, Any]]:
    """Rows of these cases: `own` is the new build, `other` the old one."""
    at_hand = images(megabytes)
    chosen = [case for case in cases if case.image in at_hand]
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as place:
        folders = [Path(place) / name for name in ("old", "new")]
        with Counter(other, folders[0]) as old, Counter(own, folders[1]) as new:
            for folder in folders:
                for name, array in at_hand.items():
                    np.save(folder / f"{name}.npy", array)
            facts = facts_of(old.worker.ask(about=True), new.worker.ask(about=True))
            for number, case in enumerate(tqdm(chosen, unit="case")):
                before, after = old.millions(number, case), new.millions(number, case)
                row = {"case": case.name, "image": case.image, "data": checksum(at_hand[case.image])}
                rows.append(row | {"old_minstr": before, "new_minstr": after, "ratio": after / before} | facts)
    return rows


def main() -> int:
    """Count, print, write; 1 where a call takes over 2 % more instructions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", metavar="PYTHON", required=True, help="interpreter with the old build")
    parser.add_argument("--megabytes", type=float, default=1.0, help="size of the phantom")
    parser.add_argument("--cases", default="", metavar="TEXT", help="only cases whose name or image has it")
    options = parser.parse_args()
    cases = chosen_cases(options.cases)
    rows = counted(Environment(options.against), Environment.own(), cases, options.megabytes)
    if not rows:
        print(f"no case has {options.cases!r} in its name", file=sys.stderr)
        return 2
    print(format_table(rows, _SHOWN))
    print(f"median ratio {statistics.median(row['ratio'] for row in rows):.4f}")
    if not options.cases:
        print(f"wrote {write_rows('instructions', rows).name}")
    return 1 if any(row["ratio"] > 1.02 for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
