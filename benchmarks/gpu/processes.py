"""A part of a run in a process of its own, which may die without harm: a time limit, a log, nothing left behind.

Values: a command in; how it ended out. Guarantees that all processes of the command's session have ended with it, and
that the command ends where this process is killed (on Linux).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_END_WITH_PARENT = 1  # prctl's number on Linux
_LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit status, below 0 for a signal, None past its limit."""

    status: int | None
    seconds: float

    @property
    def reason(self) -> str:
        """In words."""
        if self.status is None:
            return f"killed at its limit, after {self.seconds:.0f} s"
        if self.status < 0:
            return f"killed by {signal.Signals(-self.status).name}"
        return f"exit status {self.status}"


def end_with_parent() -> None:
    """Let this process end when the one that started it does."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_END_WITH_PARENT, signal.SIGKILL)


def run_process(
    command: Sequence[str],
    log: Path,
    limit: float,
    environment: Mapping[str, str],
    meanwhile: Callable[[], None],
) -> Ended:
    """Run a command, its output to the end of a log; `meanwhile` is called again and again while it runs."""
    start = time.monotonic()
    with log.open("ab") as file:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            start_new_session=True,
            preexec_fn=end_with_parent,  # noqa: PLW1509  # this process has one thread
        )
    status = None
    try:
        while status is None and time.monotonic() - start < limit:
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = process.wait(_LOOK_SECONDS)
            meanwhile()
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # it, or what it left behind
        process.wait()
    return Ended(status, time.monotonic() - start)


def last_line(log: Path, beginning: str = "") -> str:
    """The last line of a log that is not empty and begins so, or an empty one."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    found = [line.strip() for line in lines if line.strip() and line.startswith(beginning)]
    return found[-1] if found else ""
