"""Two builds of mmip_gpu against each other: whole calls in turns, processor time, equal bytes; see speed.py --against.

Values: the interpreter of another environment in, rows out: medians of old and new, their ratio, and the spread of the
old build against itself. Each round has three workers of its own (old, new, old again), since one process may be slower
than the next for as long as it lives; they run every case in turns. Guarantees that a case is called slower only beyond
2 % and beyond that spread, and that results are compared by digest.
"""

from __future__ import annotations

import filecmp
import itertools
import json
import math
import os
import signal
import site
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from against_cases import Case, all_cases, images
from studies import HERE, write_rows
from tqdm import tqdm

import mmip_gpu
from mmip_gpu.bench.machine import commit_of
from mmip_gpu.bench.rows import checksum
from mmip_gpu.quality.metrics import format_table

Row = dict[str, Any]

WORKER = HERE / "against_worker.py"
TOLERATED = 0.02
MOST_ROUNDS = 15  # the spread looks at 2^rounds ways
_LEAST_SECONDS = 0.1  # of a run: a short call is repeated
_SHOWN = ("case", "image", "old_s", "new_s", "ratio", "aa_spread", "verdict")


@dataclass(frozen=True)
class Environment:
    """An interpreter, and the folder where its mmip_gpu lies when that is not an installed one."""

    python: str
    folder: Path | None = None
    worker: Path = WORKER

    @classmethod
    def own(cls) -> Environment:
        """The interpreter that runs, and its mmip_gpu."""
        folder = Path(mmip_gpu.__file__).parents[1]
        return cls(sys.executable, None if str(folder) in site.getsitepackages() else folder)

    def variables(self) -> dict[str, str]:
        """What the worker's process sees: nothing that changes its search path, or keeps it from compiling once."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        return kept | ({"PYTHONPATH": str(self.folder)} if self.folder else {})


class Worker:
    """A process of an environment that answers line by line, run by a `tool` if any; leaving the context ends it."""

    def __init__(self, environment: Environment, folder: Path, tool: Sequence[str] = ()) -> None:
        folder.mkdir()
        self.python = environment.python
        # A session of its own: Ctrl-C reaches this process alone, which then ends the workers and their children.
        self.process = subprocess.Popen(
            [*tool, environment.python, "-P", environment.worker, folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment.variables(),
            start_new_session=True,
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()

    def ask(self, **message: Any) -> dict[str, Any]:
        """The answer to a message; RuntimeError with the worker's traceback where it has none."""
        sent, answers = self.process.stdin, self.process.stdout
        if sent is None or answers is None:
            raise RuntimeError("a worker without pipes")
        try:
            print(json.dumps(message), file=sent, flush=True)
            line = answers.readline()
        except BrokenPipeError:
            line = ""
        answer: dict[str, Any] = json.loads(line) if line else {"error": "the worker ended"}
        if "error" in answer:
            raise RuntimeError(f"{self.python}: {message}: {answer['error']}")
        return answer


@dataclass
class Runs:
    """What was measured of a case; seconds a call, one number a round."""

    case: Case
    old: list[float]
    new: list[float]
    again: list[float]
    calls: int = 0
    equal: bool = True

    def verdict(self) -> str:
        """How the new build stands to the old one."""
        if not self.equal:
            return "bytes differ"
        beyond = 1 + max(TOLERATED, self.spread())
        return "slower" if self.ratio() > beyond else "faster" if self.ratio() < 1 / beyond else "same"

    def ratio(self) -> float:
        """Median of the new build's runs over that of all the old one's."""
        return statistics.median(self.new) / statistics.median(self.old + self.again)

    def spread(self) -> float:
        """How far a ratio of the old build to itself comes from 1, however the two runs of each round are named.

        Each of the 2^rounds ways to call one run of a round old and the other one new gives a ratio of medians.
        """
        pairs = np.array([self.old, self.again])
        ways = np.array(list(itertools.product((0, 1), repeat=len(self.old))))
        rounds = np.arange(len(self.old))
        ratios = np.median(pairs[ways, rounds], axis=1) / np.median(pairs[1 - ways, rounds], axis=1)
        return float(ratios.max()) - 1

    def row(self, data: dict[str, str]) -> Row:
        """The result row; `data` has the checksums of the images."""
        return {
            "case": self.case.name,
            "image": self.case.image,
            "data": data.get(self.case.image, ""),
            "runs": len(self.new),
            "calls": self.calls,
            "old_s": statistics.median(self.old + self.again),
            "new_s": statistics.median(self.new),
            "ratio": self.ratio(),
            "aa_spread": self.spread(),
            "verdict": self.verdict(),
        }


def run_round(found: list[Runs], workers: list[Worker], bar: tqdm[Any]) -> None:
    """One run more of every case by each of the workers: old, new, old again."""
    for number, runs in enumerate(found):
        bar.set_postfix_str(f"{runs.case.name} {runs.case.image}"[:60])
        case = asdict(runs.case) | {"number": number}
        if len({worker.ask(prepare=case)["digest"] for worker in workers}) > 1:
            runs.equal = False
            bar.write(f"BYTES DIFFER: {runs.case.name}, {runs.case.image}", file=sys.stderr)
        if not runs.calls:
            once = workers[0].ask(run=number, calls=1)["seconds"]
            runs.calls = max(math.ceil(_LEAST_SECONDS / max(once, 1e-6)), runs.case.least_calls)
        for worker, seconds in zip(workers, (runs.old, runs.new, runs.again), strict=True):
            seconds.append(worker.ask(run=number, calls=runs.calls)["seconds"])
        bar.update()


def build_commit(about: dict[str, Any]) -> str:
    """Commit of the checkout that a build is, or was installed from; unknown where the files differ by now."""
    package = Path(about["package"])
    if not about["installed_from"]:
        return commit_of(package)
    source = Path(about["installed_from"]) / package.name
    files = [file for file in package.rglob("*") if file.suffix in (".py", ".h", ".cpp", ".cu")]
    same = (filecmp.cmp(file, source / file.relative_to(package), shallow=False) for file in files)
    try:
        return commit_of(source) if all(same) else "unknown"
    except OSError:
        return "unknown"


def facts_of(old: dict[str, Any], new: dict[str, Any]) -> Row:
    """What both builds are, for the rows; a warning where more than mmip_gpu differs."""
    if old["versions"] != new["versions"]:
        print(f"WARNING: not only mmip_gpu differs: {old['versions']} and {new['versions']}", file=sys.stderr)
    texts = [", ".join(f"{k} {v}" for k, v in about["versions"].items()) for about in (old, new)]
    versions = [f"mmip {about['version']}, {text}" for about, text in zip((old, new), texts, strict=True)]
    return {
        "old_versions": versions[0],
        "old_commit": build_commit(old),
        "new_versions": versions[1],
        "commit": build_commit(new),
    }


def compared(other: Environment, own: Environment, cases: list[Case], megabytes: float, rounds: int) -> list[Row]:
    """Rows of these cases: `own` is the new build, `other` the old one."""
    at_hand = images(megabytes)
    chosen = [case for case in cases if not case.image or case.image in at_hand]
    found = [Runs(case, [], [], []) for case in chosen]
    facts: Row = {}
    with tqdm(total=len(found) * rounds, unit="run") as bar:
        for index in range(rounds):
            bar.set_description(f"round {index + 1} of {rounds}", refresh=False)
            with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
                workers = []
                for name, environment in zip(("old", "new", "again"), (other, own, other), strict=True):
                    workers.append(stack.enter_context(Worker(environment, Path(place) / name)))
                    for image, array in at_hand.items():
                        np.save(Path(place) / name / f"{image}.npy", array)
                facts = facts or facts_of(workers[0].ask(about=True), workers[1].ask(about=True))
                run_round(found, workers, bar)
    data = {name: checksum(array) for name, array in at_hand.items()}
    return [runs.row(data) | facts for runs in found]


def report(rows: list[Row], write: bool) -> int:
    """Print the table, write the rows; 1 where a case is slower or has other bytes."""
    print(format_table(rows, _SHOWN))
    bad = [row for row in rows if row["verdict"] in ("slower", "bytes differ")]
    print(f"{len(rows)} cases: {len(bad)} slower or with other bytes")
    for row in bad:
        print(f"{row['verdict']}: {row['case']}, {row['image']}: ratio {row['ratio']:.3f}", file=sys.stderr)
    if write:
        print(f"wrote {write_rows('against', rows).name}")
    return 1 if bad else 0


def chosen_cases(wanted: str) -> list[Case]:
    """The cases whose name or image has this text."""
    return [case for case in all_cases() if wanted in f"{case.name} {case.image}"]


def run(python: str, megabytes: float, rounds: int, wanted: str) -> int:
    """Compare this interpreter's build with the other's, all cases or those whose name has `wanted`; exit status."""
    cases = chosen_cases(wanted)
    if not cases:
        print(f"no case has {wanted!r} in its name", file=sys.stderr)
        return 2
    try:
        rows = compared(Environment(python), Environment.own(), cases, megabytes, rounds)
    except KeyboardInterrupt:
        print("interrupted: nothing is written", file=sys.stderr)
        return 130
    return report(rows, write=not wanted)
