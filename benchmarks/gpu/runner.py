"""The parts of a run one after the other, each in a process: what one leaves of the time goes to those after it.

Values: parts in; rows of how they ended, and an exit status, out. Opens no device, so that a device that fails, or a
kernel that does not end, is met by a part alone.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from gpu.archive import Archive
from gpu.parts import SUMMARY_SECONDS, TOOLS, Part, limit_of
from gpu.places import HERE
from gpu.processes import Ended, last_line, run_process
from gpu.rows import Rows
from gpu.run import forget_facts, has_facts, kept_facts
from gpu.sanitizers import FOUND, findings, tool_command
from gpu.smoke import BEGUN
from mmip_gpu.device.layouts.structs import KERNEL_LANES

_PROGRAM = ("-P", "-m", "gpu.part")
NO_DEVICE, _LOST = 2, 3  # its exit statuses
_GRACE = 0.9  # of its limit a part has for its work; then it names what is left, and ends
_SHORTEST = 0.5  # seconds that a part is begun with


class Runner:
    """A run in a folder; `seconds` are for all parts together, the summary among them."""

    def __init__(
        self,
        folder: Path,
        logs: Path,
        archive: Archive,
        seconds: float,
        *,
        kind: Sequence[str],
        binaries: Path | None = None,
    ) -> None:
        self.rows = Rows(folder, kept_facts(folder))
        self._folder, self._logs, self._archive, self._kind = folder, logs, archive, kind
        self._end = time.monotonic() + seconds
        self._environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), *filter(None, sys.path)])}
        self._environment["PYTHONUNBUFFERED"] = "1"
        if binaries is not None:
            self._environment["CUPY_CACHE_DIR"] = str(_own_copy(binaries, logs / "binaries"))

    def run(self, parts: Sequence[Part]) -> int:
        """All parts; 0 where nothing differs, 1 where something does, 2 without a device."""
        forget_facts(self._folder)
        for old in self._logs.glob("*.txt"):
            old.unlink()
        for number, part in enumerate(parts):
            limit = limit_of(parts[number:], self._end - SUMMARY_SECONDS - time.monotonic())
            ended = self._begun(part, limit, first=number == 0)
            if ended is None:
                continue
            if ended.status == NO_DEVICE and number == 0:
                print(f"{last_line(self._log(part.name))}: python benchmarks/gpu.py --device cpu rehearses all of it")
                return NO_DEVICE
            self._told(part, limit, ended)
        self._summary()
        return 1 if self.rows.read("differences") else 0

    def _begun(self, part: Part, limit: float, *, first: bool) -> Ended | None:
        """A part to its end, unless there is no time. Rows of an earlier run stay until a device is open."""
        ended = None
        if limit >= _SHORTEST:
            more = ["--first"] if first else []
            ended = self._smoke(part, limit) if part.name == "smoke" else self._part(part, limit, *more)
        if first and not has_facts(self._folder) and (ended is None or ended.status != NO_DEVICE):
            self.rows.begin()
        if ended is None:
            self.rows.skip(part.name, "all of it", "no time left")
        return ended

    def _log(self, name: str) -> Path:
        return self._logs / f"{name.replace(' ', '_')}.txt"

    def _part(self, part: Part, limit: float, *more: str) -> Ended:
        command = [sys.executable, *_PROGRAM, part.name, "--folder", str(self._folder)]
        command += ["--seconds", f"{limit * _GRACE:.1f}", *self._kind, *more]
        if part.name in TOOLS:
            tool = tool_command(part.name) if "gpu" in self._kind else None
            command = [*(tool or []), *command]
            if tool is None:
                why = "is not installed" if "gpu" in self._kind else "looks at nothing on the CPU"
                self.rows.skip(part.name, "the tool", f"compute-sanitizer {why}: the same cases run without it")
        ended = run_process(command, self._log(part.name), limit, self._environment, self._archive.refresh)
        self.rows = Rows(self._folder, kept_facts(self._folder))
        self.rows.cut()
        return ended

    def _smoke(self, part: Part, limit: float) -> Ended:
        """The part again and again without the kernels that were run or ended it, so that each is met."""
        start = time.monotonic()
        left = limit
        while True:
            tried = {row["kernel"] for row in self.rows.read("smoke")} & set(KERNEL_LANES)
            ended = self._part(part, left, *(["--without", *sorted(tried)] if tried else []))
            left = limit - (time.monotonic() - start)
            kernel = last_line(self._log(part.name), BEGUN).removeprefix(BEGUN)
            met = {row["kernel"] for row in self.rows.read("smoke")}
            if ended.status != 0 and kernel and kernel not in met:
                self.rows.add("smoke", kernel=kernel, outcome=ended.reason)
                self.rows.fail("smoke", kernel, ended.reason)
            if ended.status == 0 or not kernel or kernel in tried or left < _SHORTEST:
                return Ended(ended.status, time.monotonic() - start)

    def _told(self, part: Part, limit: float, ended: Ended) -> None:
        """A row and a line of how a part ended; a part that died is a difference, one without time is not."""
        log = self._log(part.name)
        outcome = "done" if ended.status == 0 else ended.reason
        self.rows.add("parts", part=part.name, outcome=outcome, seconds=ended.seconds, limit_s=limit)
        print(f"{part.group}, {part.name}: {outcome}, {ended.seconds:.1f} of {limit:.0f} s", flush=True)
        if part.name in TOOLS and ended.status == FOUND:
            self.rows.fail(part.name, "compute-sanitizer", findings(log))
        elif part.name in TOOLS and ended.status not in (0, None, _LOST) and not self._checked(part.name):
            self.rows.skip(part.name, "all of it", f"it does not run here: {last_line(log)}")
        elif ended.status is None:
            self.rows.skip(part.name, "the rest of it", f"{ended.reason}; last: {last_line(log)}")
        elif ended.status not in (0, _LOST):
            self.rows.fail(part.name, "its process", f"{ended.reason}; last: {last_line(log)}")
        self._archive.write()

    def _checked(self, tool: str) -> bool:
        """Whether anything was run by a tool."""
        return any(row["check"] == tool for row in self.rows.read("checks"))

    def _summary(self) -> None:
        """Tables and picture, which may fail."""
        limit = max(self._end - time.monotonic(), SUMMARY_SECONDS)
        ended = self._part(Part("summary", "summary", 0), limit)
        text = self._log("summary").read_text(errors="replace")
        print(text if ended.status == 0 else f"no summary: {ended.reason}; last: {last_line(self._log('summary'))}")
        self._archive.write()


def _own_copy(binaries: Path, place: Path) -> Path:
    """A folder with these binaries that can be written to, whatever theirs is."""
    place.mkdir(parents=True, exist_ok=True)
    for path in binaries.glob("mmip_*"):
        shutil.copy2(path, place)
    return place.resolve()
