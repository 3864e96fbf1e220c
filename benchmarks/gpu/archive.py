"""All rows and logs of a run in one file, which is whole at any time.

Values: a folder in; a file out. It is written beside its place and moved there.
"""

from __future__ import annotations

import time
import zipfile
from pathlib import Path

_EVERY_SECONDS = 5.0


class Archive:
    """Tables, facts, logs and picture of a folder in a file; not those of the archive's earlier names."""

    def __init__(self, folder: Path, path: Path) -> None:
        self._folder, self.path, self._written = folder, path, 0.0

    def keep_earlier(self) -> None:
        """Give the archive of an earlier run another name."""
        if not self.path.exists():
            return
        number = 1
        while (kept := self.path.with_stem(f"{self.path.stem}_{number}")).exists():
            number += 1
        self.path.rename(kept)

    def refresh(self) -> None:
        """Write it, unless that was done just before."""
        if time.monotonic() - self._written >= _EVERY_SECONDS:
            self.write()

    def write(self) -> None:
        """Write it."""
        unfinished = self.path.with_name(f"{self.path.name}.unfinished")
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as file:
            for pattern in ("gpu_*.csv", "gpu_facts.json", "gpu.png", "gpu_run/*.txt"):
                for path in sorted(self._folder.glob(pattern)):
                    file.write(path, path.relative_to(self._folder))
        unfinished.replace(self.path)
        self._written = time.monotonic()
