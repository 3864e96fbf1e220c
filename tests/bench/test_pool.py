"""Several jobs at a time: results in the order of the jobs, the same as one at a time."""

from __future__ import annotations

import time

import numpy as np
import pytest

from mmip_gpu.bench.images import BenchImage
from mmip_gpu.bench.job import Job
from mmip_gpu.bench.pool import Pool
from mmip_gpu.bench.settings import parse_targets

IMAGES = [BenchImage(f"ramp{n}", np.arange(400, dtype=np.uint16).reshape(20, 20) * n, "yx", 16) for n in (1, 2, 3)]
SETTINGS = tuple(parse_targets(["psnr:30,50"]))
JOBS = [
    (image, Job(name, None, "gray", SETTINGS, seconds=0.0))
    for image in IMAGES
    for name in ("mmip effort 1", "JPEG 2000 (OpenJPEG)")
]


def measured(workers):
    with Pool(workers) as pool:
        return [
            (image.name, job.codec, [(row["status"], row["parameter"], row["bytes"]) for row in results])
            for image, job, results in pool.results(iter(JOBS))
        ]


def test_order_and_numbers_do_not_depend_on_the_workers():
    one = measured(1)
    assert [(name, codec) for name, codec, _ in one] == [(image.name, job.codec) for image, job in JOBS]
    assert all(status == "ok" for _, _, rows in one for status, _, _ in rows)
    assert measured(2) == one


def fails_at_once(workers):
    with Pool(workers) as pool:
        next(pool.results(iter(JOBS * 20)))
        raise ZeroDivisionError


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_the_caller_ends_the_jobs(workers):
    started = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        fails_at_once(workers)
    assert time.monotonic() - started < 60
