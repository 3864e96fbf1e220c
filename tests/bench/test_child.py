"""Jobs in processes of their own: crashes and time limits are results, and no process stays behind."""

from __future__ import annotations

import threading
import time

import numpy as np
import psutil
import pytest
from helpers import bad_codecs
from helpers.bad_codecs import Changes, Crashes, Leaves, Plain, Raises, Shortens, Sleeps, text_of

from mmip_gpu.bench.child import Worker
from mmip_gpu.bench.images import BenchImage
from mmip_gpu.bench.job import Job
from mmip_gpu.bench.settings import parse_targets

IMAGE = BenchImage("ramp", np.arange(400, dtype=np.uint16).reshape(20, 20), "yx", 9)


@pytest.fixture
def job(tmp_path, monkeypatch):
    """Make a job of one of the bad codecs, which children find by its entry point."""
    monkeypatch.syspath_prepend(str(tmp_path))
    bad_codecs.install(tmp_path)

    def make(codec, *targets, limit=60.0):
        settings = tuple(parse_targets(targets or ["lossless"]))
        return Job(codec.codec_id, (text_of(codec),), "gray", settings, seconds=0.01, limit=limit)

    return make


@pytest.mark.parametrize(
    ("codec", "said"),
    [
        (Raises, "ValueError: no such bits"),
        (Crashes, "its process crashed by SIGSEGV: double free or corruption"),
        (Leaves, "its process ended with exit code 3"),
        (Sleeps, "ran past its time limit of 1.5 s"),
        (Changes, "breaks its bound: max_error 0 is promised, 1 is found"),
        (Shortens, "Error"),
    ],
)
def test_what_a_codec_does_to_its_process_is_a_result(codec, said, job):
    with Worker() as worker:
        (found,) = worker.measured(IMAGE, job(codec, limit=1.5 if codec is Sleeps else 60.0))
        assert (found["status"], found["bytes"]) == ("failed", None)
        assert said in found["reason"]
        (after,) = worker.measured(IMAGE, job(Plain))
        assert after["status"] == "ok", after["reason"]


def test_every_setting_has_a_result_where_each_crashes(job):
    with Worker() as worker:
        found = list(worker.measured(IMAGE, job(Crashes, "lossless", "parameter:1,2")))
    assert ["SIGSEGV" in row["reason"] for row in found] == [True] * 3


def test_numbers_are_those_of_this_process(job):
    with Worker() as worker:
        (found,) = worker.measured(IMAGE, job(Plain))
    assert (found["bytes"], found["metrics"]["psnr_range"]) == (800, "inf")


def test_the_server_may_end_too(job):
    with Worker() as worker:
        assert next(worker.measured(IMAGE, job(Plain)))["status"] == "ok"
        worker._server.kill()
        worker._server.wait()
        assert next(worker.measured(IMAGE, job(Plain)))["status"] == "ok"
        started = time.monotonic()
        timer = threading.Timer(0.3, worker._server.kill)
        timer.start()
        (found,) = worker.measured(IMAGE, job(Sleeps))
        timer.join()
        assert found["reason"] == "its process ended"
        assert time.monotonic() - started < 30, "its child ran on"
        assert next(worker.measured(IMAGE, job(Plain)))["status"] == "ok"


def children_of(worker):
    server = psutil.Process(worker._server.pid)
    return [child for child in server.children(recursive=True) if command_of(child) == server.cmdline()]


def command_of(process: psutil.Process) -> list[str]:
    """How a process was called; nothing where it has just ended."""
    try:
        return process.cmdline()
    except (psutil.ZombieProcess, psutil.NoSuchProcess):
        return []


def test_no_process_stays_behind(job):
    with Worker() as worker:
        worker._send(IMAGE, job(Sleeps))
        server, started = psutil.Process(worker._server.pid), time.monotonic()
        while not (children := children_of(worker)) and time.monotonic() - started < 60:
            time.sleep(0.05)
    assert children
    _, alive = psutil.wait_procs([server, *children], timeout=10)
    assert not alive


def test_a_worker_that_is_closed_before_its_job_begins(job):
    started = time.monotonic()
    with Worker() as worker:
        worker._send(IMAGE, job(Sleeps))
    assert time.monotonic() - started < 40
