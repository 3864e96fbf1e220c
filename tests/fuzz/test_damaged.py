"""A short run of the fuzzers of files and of stores; the scripts themselves take `--count` and `--seed`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from fuzz import damaged
from mmip_gpu.errors import CorruptData

HERE = Path(__file__).parent


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited by the system")
@pytest.mark.parametrize(("script", "count"), [("fuzz_sources.py", 600), ("fuzz_stores.py", 100)])
def test_damaged_files_end_in_errors_of_ours(script: str, count: int) -> None:
    command = [sys.executable, str(HERE / script), "--count", str(count)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert sum(int(line.split()[0]) for line in done.stdout.splitlines() if "seconds" not in line) == count


def test_a_fault_is_counted_and_named() -> None:
    def one(random: Random) -> str:
        choice = random.randrange(3)
        if choice == 0:
            raise ZeroDivisionError("of a test")
        if choice == 1:
            raise CorruptData("of a test")
        return "read"

    seen = damaged.rounds(one, 0, 0, 60)
    faults = [name for name in seen if name.startswith("fault: ZeroDivisionError: of a test at ")]
    assert len(faults) == 1
    assert seen[faults[0]] + seen["CorruptData"] + seen["read"] == 60
    assert min(seen[faults[0]], seen["CorruptData"], seen["read"]) > 5
    assert damaged.report(seen) == 1
    assert damaged.report({"read": 1}) == 0


def test_json_is_damaged_into_other_json() -> None:
    text = '{"a": {"b": [1, 2, {"c": "d"}]}, "e": null}'
    found = {damaged.damaged_json(text, Random(seed)) for seed in range(200)}
    assert len(found) > 60
