"""The race detector finds planted faults, each of its kind, and nothing where there is none."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from races.detect import read

HERE = Path(__file__).parent
FOUND = {
    "none": set(),
    "no_barrier": {"lanes", "undefined scratch"},  # what it reads, a later lane writes
    "shared_sum": {"groups"},
    "plain_sum": {"lanes, one atomically", "groups, one atomically", "groups"},
    "unwritten_scratch": {"undefined scratch"},
    "copy": {"lanes"},
    "unwritten_memory": {"undefined memory"},
}


@pytest.mark.skipif(shutil.which("g++") is None, reason="no g++ is here")
def test_planted_faults_are_found(tmp_path: Path) -> None:
    options = ["-std=gnu++17", "-O1", "-DMMIP_WATCHED=1", f"-I{HERE.parents[1] / 'mmip_gpu'}", "-Wall", "-Werror", "-c"]
    for name, marks in (("shadow", []), ("planted", ["-fsanitize=thread"])):
        command = ["g++", *options, *marks, str(HERE / f"{name}.cpp"), "-o", str(tmp_path / f"{name}.o")]
        subprocess.run(command, check=True)
    program, log = tmp_path / "planted", tmp_path / "log"
    parts = [str(tmp_path / f"{name}.o") for name in ("shadow", "planted")]
    wraps = [f"-Wl,--wrap={name}" for name in ("memcpy", "memmove", "memset")]
    subprocess.run(["g++", *parts, *wraps, "-o", str(program)], check=True)
    subprocess.run([str(program), str(log)], check=True)
    found = read(log)
    assert found.launches == dict.fromkeys(FOUND, 1)
    assert min(found.accesses.values()) > 100
    kinds: dict[str, set[str]] = {name: set() for name in FOUND}
    for finding in found.findings:
        kinds[finding.kernel].add(finding.kind)
    assert kinds == FOUND
