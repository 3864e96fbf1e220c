"""Rows for figures of a run: the score of a task over the rate, by group and codec, and rates of coding by codec.

Values: a results folder in; rows (dict) as `mmip_gpu.quality.plot_charts` takes them out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmip_gpu.bench.rates import geometric_mean
from mmip_gpu.bench.records import read_records
from mmip_gpu.bench.report.quality_curves import SCORES, number, score_measure, series_name, tasks_of
from mmip_gpu.bench.report.results import Results, compared_images, group_curves
from mmip_gpu.errors import InvalidArgument

__all__ = ["score_rows", "speed_rows"]

Row = dict[str, Any]


def score_rows(folder: Path, task: str | None, against: str, score: str) -> tuple[list[Row], str, str]:
    """Return rows of a score by group and codec, what stands at the axis, and a title.

    Raises
    ------
    InvalidArgument
        For a task that has no such score in the records, or none where there are several.
    StoreError, UnsupportedVersion
        As `mmip_gpu.bench.records.read_records`.
    """
    results = Results.of(read_records(folder))
    tasks = tasks_of(results.measured)
    if task is None and len(tasks) == 1:
        task = tasks[0]
    if task not in tasks:
        found = ", ".join(tasks) or "none"
        raise InvalidArgument(f"{folder}: expected task= of what was scored there ({found}), found {task}")
    measure = score_measure(task, against, score)
    rows: list[Row] = []
    drawn: set[tuple[str, ...]] = set()
    for group, members in results.groups.items():
        chosen = compared_images(results, measure, members)
        curves = {} if chosen in drawn else group_curves(results, measure, chosen)
        drawn.add(chosen)
        for codec, (curve, band) in curves.items():
            ends = {bits: {"low": low, "high": high} for bits, low, high in band}
            for bits, value in curve.points:
                row = {"group": group, "codec": codec, "bits_per_sample": bits, "score": value}
                rows.append(row | ends.get(bits, {}))
    if not rows:
        raise InvalidArgument(f"{folder}: no record has the score {SCORES[score]} of {task} against the {against}")
    return rows, SCORES[score], measure.name


def speed_rows(folder: Path) -> list[Row]:
    """Return MB/s of one thread by codec: geometric means over the records.

    Raises
    ------
    StoreError, UnsupportedVersion
        As `mmip_gpu.bench.records.read_records`.
    """
    found: dict[str, dict[str, list[float]]] = {}
    for record in Results.of(read_records(folder)).measured:
        rates = found.setdefault(series_name(record), {"encode": [], "decode": []})
        for part, values in rates.items():
            rate = number((record.get("time") or {}).get(f"mb_s_{part}"))
            values.extend([rate] if rate else [])
    return [
        {"name": name} | {part: geometric_mean(rates) for part, rates in by_part.items()}
        for name, by_part in found.items()
    ]
