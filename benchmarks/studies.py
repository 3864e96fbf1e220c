"""Where the studies are: their result rows, their list of images, and the real images where there are any.

Rows are written by name; the library mmip_gpu.bench, which does the work, takes paths.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

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
