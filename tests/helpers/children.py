"""Child processes of tests: none outlives its time, nor a `with` that an error leaves; nor does the suite its own.

A run in the background of a shell ignores SIGINT, which children inherit: here they get the default again.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any
from weakref import WeakSet

CHILD_SECONDS = 300.0
SUITE_SECONDS = 7200.0
_RUNNING: WeakSet[Child] = WeakSet()


class Child(subprocess.Popen[Any]):
    """A process that is killed at its timeout, and where its `with` is left by an error."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.ends = time.monotonic() + CHILD_SECONDS
        super().__init__(*arguments, **options)
        _RUNNING.add(self)

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if kind is not None:
            self.kill()
        super().__exit__(kind, error, traceback)


def watch_children() -> None:
    """Watch all children from now on, and the whole run."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    subprocess.Popen = Child  # type: ignore[misc]
    threading.Thread(target=_watch, args=(time.monotonic() + SUITE_SECONDS,), name="watch", daemon=True).start()


def _watch(suite_ends: float) -> None:
    while True:
        time.sleep(1)
        now = time.monotonic()
        for child in list(_RUNNING):
            if now > min(child.ends, suite_ends):
                child.kill()
        if now > suite_ends:
            faulthandler.dump_traceback(file=sys.__stderr__)
            os._exit(3)
