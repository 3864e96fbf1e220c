"""What of this machine belongs into a result row, and where the real images are; needs the standard library alone."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path


def data_folder(beside: Path) -> Path | None:
    """Folder of the real images: $MMIP_DATA, or shared/data in this folder; None where neither exists."""
    for folder in (os.environ.get("MMIP_DATA"), beside / "shared" / "data"):
        if folder and Path(folder).is_dir():
            return Path(folder)
    return None


def commit_of(folder: Path) -> str:
    """Commit of the checkout that this folder is a part of, marked where files differ that are not results.

    Without git, or outside of a checkout, $MMIP_COMMIT, else "unknown".
    """

    def git(*words: str) -> str:
        try:
            done = subprocess.run(["git", *words], capture_output=True, text=True, check=False, cwd=folder)
        except OSError:
            return ""
        return done.stdout.strip()

    commit = git("describe", "--always") if git("ls-files", "--", ".") else ""  # not of another project around it
    if not commit:
        return os.environ.get("MMIP_COMMIT") or "unknown"
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ":/", ":(exclude,top,glob)**/results/*")
    return f"{commit}{'-dirty' if changed else ''}"


def machine_facts(checkout: Path) -> dict[str, str]:
    """Commit, date and processor of this run."""
    processor = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        processor = names[0] if names else processor
    return {"commit": commit_of(checkout), "date": datetime.now(UTC).strftime("%Y-%m-%d"), "cpu": processor}
