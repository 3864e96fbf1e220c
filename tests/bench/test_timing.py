"""Clocks and memory of a piece of work."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest

from mmip_gpu.bench.timing import clocked, median_seconds, peak_memory, processor_seconds


def test_sleep_takes_time_of_the_wall_alone():
    result, (cpu, wall) = clocked(lambda: time.sleep(0.05) or 7)
    assert result == 7
    assert wall >= 0.05 > cpu


def test_children_count():
    before = processor_seconds()
    subprocess.run([sys.executable, "-c", "sum(range(10**6))"], check=True)
    assert processor_seconds() - before > 0.005


@pytest.mark.parametrize(("each", "budget", "runs"), [(0.0, 1.0, 5), (0.02, 0.07, 3), (0.02, 0.01, 1)])
def test_slow_work_is_repeated_less(each, budget, runs):
    calls = []
    found = median_seconds(lambda: calls.append(time.sleep(each)), (each, each), budget)
    assert found["runs"] == runs or each > 0  # a loaded machine sleeps longer
    assert 1 <= found["runs"] <= runs
    assert len(calls) == (0 if each > budget else found["runs"])


def test_the_median_does_not_mind_one_slow_run():
    waits = iter([0.0, 0.06, 0.0, 0.0, 0.0])
    assert median_seconds(lambda: time.sleep(next(waits)), (0.0, 0.0), 5.0)["wall"] < 0.05


@pytest.mark.parametrize("megabytes", [20, 60])
def test_memory_is_that_of_the_work(megabytes):
    freed = np.ones(100 * 2**17)  # what was taken and freed before does not hide it
    del freed
    result, found = peak_memory(lambda: float(np.ones(megabytes * 2**17).sum()))
    assert result == megabytes * 2**17
    assert found == pytest.approx(megabytes * 2**20, rel=0.2)


def test_work_that_takes_none():
    assert peak_memory(lambda: None)[1] < 2**21


def test_memory_of_a_child_counts():
    command = [sys.executable, "-c", "bytearray(40 << 20)"]
    assert peak_memory(lambda: subprocess.run(command, check=True))[1] > 40 << 20
