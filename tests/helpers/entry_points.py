"""Environments of other processes in which the codecs are found by entry points."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import mmip_gpu as mmip
from helpers.places import REPOSITORY

ROOT = Path(mmip.__file__).parents[1]  # where the package that is tested lies


def installed_like(folder: Path) -> dict[str, str]:
    """Environment in which the entry points of pyproject.toml are found, as after installing."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    metadata = folder / "site" / "mmip_gpu-0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: mmip-gpu\nVersion: 0\n")
    lines = []
    for group, targets in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {target}" for name, target in targets.items())]
    (metadata / "entry_points.txt").write_text("\n".join([*lines, ""]))
    return os.environ | {"PYTHONPATH": f"{folder / 'site'}{os.pathsep}{ROOT}"}
