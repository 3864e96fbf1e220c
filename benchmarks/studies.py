"""Where the studies are: their result rows, their list of images, and the real images where there are any.

Rows are written by name; the library mmip_gpu.bench, which does the work, takes paths.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mmip_gpu.bench import machine, measure, pictures, rows

HERE = Path(__file__).parent
RESULTS = HERE / "results"
Row = dict[str, Any]


def data_folder() -> Path | None:
    """Folder of the real images: $MMIP_DATA, or ../shared/data beside the checkout; None where neither exists."""
    return machine.data_folder(HERE.parent.parent)


def test_pictures(*, colour: bool = False) -> list[pictures.Picture]:  # noqa: PT028
    """The test images of split.json that are at hand, grey or all, and two phantoms."""
    return pictures.pictures(HERE / "split.json", data_folder(), colour)


def tiled_brain(shape: tuple[int, ...]) -> np.ndarray | None:
    """The middle of the T1 brain, which is put side by side where it is smaller; None where it is not at hand."""
    folder = data_folder()
    path = folder / "mr_uih_t1_brain.npy" if folder else None
    if path is None or not path.exists():
        return None
    brain = np.load(path)
    brain = np.tile(brain, [-(-wanted // size) for wanted, size in zip(shape, brain.shape, strict=True)])
    first = [(size - wanted) // 2 for wanted, size in zip(shape, brain.shape, strict=True)]
    return brain[tuple(slice(start, start + wanted) for start, wanted in zip(first, shape, strict=True))]


def run_facts() -> dict[str, str]:
    """Commit, date, processor and version of the rivals of this run: part of every row."""
    return rows.run_facts(HERE)


def write_rows(name: str, found: list[Row]) -> Path:
    """Write results/NAME.csv, replacing it, with the facts of this run in every row; kept rows have theirs."""
    return rows.write_rows(RESULTS / f"{name}.csv", found)


def read_rows(name: str) -> list[Row]:
    """Rows of results/NAME.csv; none where there is no such file."""
    return measure.read_rows(RESULTS / f"{name}.csv")


def kept_rows(name: str, key: Callable[[Row], measure.Key]) -> dict[measure.Key, Row]:
    """Rows of results/NAME.csv by their key."""
    return {key(row): row for row in read_rows(name)}
