"""Stands in for a part of a GPU run, as a process: writes a row and does what a part may do to itself.

Values: the arguments of `gpu.part`; the environment has a deed for each part, as JSON. It is run by its path, and
imports nothing that takes time.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from gpu.rows import Rows

VARIABLE = "MMIP_TEST_DEEDS"
KERNELS = ("count_dcs", "write_dcs", "list_tokens")


def main() -> int:
    name, folder = sys.argv[1], Path(sys.argv[sys.argv.index("--folder") + 1])
    deed = json.loads(os.environ[VARIABLE]).get(name, "")
    if deed == "finds no device":
        print("no device here")
        return 2
    rows = Rows(folder, {"device": "a stub"})
    if "--first" in sys.argv:
        (folder / "gpu_facts.json").write_text(json.dumps(rows.facts))
        rows.begin()
    if deed.startswith("meets"):
        return meet_kernels(rows, deed.removeprefix("meets "))
    rows.add("checks", check=name, case="before", outcome="equal")
    if deed == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if deed == "hangs":
        child = subprocess.Popen(["sleep", "1000"])
        rows.add("ceilings", what=f"{os.getpid()} {child.pid}")
        time.sleep(1000)
    if deed == "raises":
        raise TypeError("a wrong type")
    if deed == "is lost":
        rows.fail(name, "the device failed", "cudaErrorIllegalAddress")
        return 3
    rows.add("checks", check=name, case="after", outcome="equal")
    return 0


def meet_kernels(rows: Rows, deadly: str) -> int:
    """What the part 'smoke' does, where one kernel ends its process."""
    without = sys.argv[sys.argv.index("--without") + 1 :] if "--without" in sys.argv else []
    for kernel in KERNELS:
        if kernel not in without:
            print(f"kernel {kernel}", flush=True)
            if kernel == deadly:
                os.kill(os.getpid(), signal.SIGSEGV)
            rows.add("smoke", kernel=kernel, outcome="equal")
    return 0


if __name__ == "__main__":
    sys.exit(main())
