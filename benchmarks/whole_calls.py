"""What a target costs: whole calls of `encode` in the columns of speed.py, from a plan that is known to a PSNR.

Values: an array, a PSNR and an effort in; processor seconds of one thread out. The columns run in turns, round after
round, so that what slows the machine down slows all of them.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import mmip_gpu as mmip
from mmip_gpu.bench.ours import plan_of
from mmip_gpu.bench.rows import RIVALS, rival_at_psnr, unsigned_slices
from mmip_gpu.transform.chunk import encode_chunk

__all__ = ["MOST_STEPS_DB", "call_rows", "rival_name"]

MOST_STEPS_DB = 0.5  # at most so far above the PSNR that is asked for: that of the phantom jumps from step to step
_ROUNDS = 5
rival_name = "HTJ2K"

Calls = dict[str, Callable[[], Any]]


def _calls(array: np.ndarray, psnr: float, effort: int) -> tuple[Calls, dict[str, Any]]:
    """The columns, all at the step that the PSNR leads to, and what `inspect` says of the last one."""
    found = mmip.inspect(mmip.encode(array, psnr=psnr, effort=effort, threads=1))
    if not psnr <= found["loss"]["psnr"] <= psnr + MOST_STEPS_DB:
        raise RuntimeError(f"psnr={psnr}: reached {found['loss']['psnr']}")
    step, depth = found["config"]["qstep"], found["config"]["cell_depth"]
    at_step = {"qstep": step, "effort": effort, "threads": 1}
    known = plan_of(array, qstep=step, effort=effort)
    ratio = found["ratio"]
    quality = 220 / (step / 2)  # of the rule whose step is about this one
    calls: Calls = {
        "plan_known": lambda: encode_chunk(array, known.unverified, threads=1),
        "a_cells_given": lambda: mmip.encode(array, cell_depth=depth, padding=None, verify=False, **at_step),
        "qstep": lambda: mmip.encode(array, verify=False, **at_step),
        "qstep_verified": lambda: mmip.encode(array, **at_step),
        "psnr": lambda: mmip.encode(array, psnr=psnr, effort=effort, threads=1),
        "quality": lambda: mmip.encode(array, quality=quality, effort=effort, threads=1),
        "ratio": lambda: mmip.encode(array, ratio=ratio, effort=effort, threads=1),
    }
    return calls, found


def _in_turns(calls: Calls) -> dict[str, list[float]]:
    """Processor seconds of every call in every round, after one round that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for round_ in range(_ROUNDS + 1):
        for name, call in calls.items():
            start = time.process_time()
            call()
            if round_:
                seconds[name].append(time.process_time() - start)
    return seconds


def call_rows(name: str, array: np.ndarray, psnr: float) -> list[dict[str, Any]]:
    """A row for each effort: MB/s of every column, the spread of the first, times over column A, HTJ2K beside them."""
    rows = []
    rival = next(rival for rival in RIVALS if rival.name.startswith(rival_name))
    level, _, _, _ = rival_at_psnr(rival, array, psnr)
    planes, megabytes = unsigned_slices(array), array.nbytes / 1e6
    for effort in (1, 2, 3):
        calls, found = _calls(array, psnr, effort)
        calls["htj2k"] = lambda: [rival.encode(plane, level) for plane in planes]
        seconds = _in_turns(calls)
        medians = {column: statistics.median(times) for column, times in seconds.items()}
        spread = max((max(times) - min(times)) / medians[column] for column, times in seconds.items())
        rates = {f"{column}_mb_s": megabytes / median for column, median in medians.items()}
        over = {
            f"{column}_over_a": medians[column] / medians["a_cells_given"] for column in ("psnr", "quality", "ratio")
        }
        reached = {"psnr_asked": psnr, "psnr_db": found["loss"]["psnr"]}
        rows.append({"image": name, "effort": effort, **reached, **rates, **over, "spread": spread})
    return rows
