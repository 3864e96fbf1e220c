"""A GPU run, as a process, whose parts are those of `stub_part`."""

from __future__ import annotations

import sys
from pathlib import Path

from gpu import run_all, runner

STUB = (str(Path(__file__).with_name("stub_part.py")),)

if __name__ == "__main__":
    runner._PROGRAM = STUB
    sys.exit(run_all.main())
