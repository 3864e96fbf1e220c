"""Compiler launcher that notes the processor time of each compilation; install_time.py gives it to CMake.

    python compile_timer.py LOG COMPILER ARGUMENTS -o OBJECT

Runs the command, appends one JSON line (object, processor seconds) to LOG, and ends with the command's status.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path


def main() -> int:
    """Run, note, and give the status on."""
    log, *command = sys.argv[1:]
    status = subprocess.run(command, check=False).returncode
    if "-o" in command:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        noted = {"object": command[command.index("-o") + 1], "seconds": used.ru_utime + used.ru_stime}
        with Path(log).open("a") as file:
            file.write(json.dumps(noted) + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
