"""The core where the machine fails it: no memory, no threads, a signal in the middle of its work."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from helpers.entry_points import ROOT

import mmip_gpu as mmip
from mmip_gpu.errors import LimitExceeded, NoMemory

HERE = Path(__file__).parent


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a library is preloaded as Linux does it")
def test_every_failure_ends_in_an_error_of_ours(tmp_path):
    compiler = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    library = tmp_path / "failing.so"
    options = ["-O1", "-std=c++17", "-shared", "-fPIC", "-o", str(library)]
    subprocess.run([compiler, *options, str(HERE / "failing.cpp"), "-ldl"], check=True)
    env = os.environ | {"LD_PRELOAD": str(library), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(HERE / "every_failure.py")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = done.stdout.splitlines()
    assert len(found) == 20
    assert not [line for line in found if "encode" in line and " 0 threads" in line]


def test_memory_that_is_not_there_is_an_error_of_ours():
    assert issubclass(NoMemory, LimitExceeded)
    assert issubclass(NoMemory, MemoryError)
    blob = mmip.encode(np.broadcast_to(np.uint8(7), (2048, 2048, 2048))[:4], quality=10)
    code = """
        import resource, sys
        import numpy as np
        import mmip_gpu as mmip
        blob = sys.stdin.buffer.read()
        big = np.broadcast_to(np.uint16(7), (2048, 1024, 1024))
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
        for work in (lambda: mmip.encode(big, quality=10), lambda: mmip.encode(big, max_error=1, cell_depth=8)):
            try:
                work()
            except mmip.NoMemory:
                print("refused")
        print(mmip.decode(blob, threads=2).shape)
    """
    code = "\n".join(line[8:] for line in code.splitlines())
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], input=blob, env=env, capture_output=True, check=False)
    assert done.stdout.split() == [b"refused", b"refused", b"(4,", b"2048,", b"2048)"], done.stderr


class Rung(Exception):
    """A signal arrived."""


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("what", ["encode", "decode"])
def test_a_signal_ends_the_work(what, threads):
    tile = np.random.default_rng(0).integers(0, 255, (8, 256, 256)).astype(np.uint8)
    array = np.tile(tile, (2, 8, 8))
    blob = mmip.encode(array, qstep=300, effort=1, verify=False)
    works = {
        "encode": lambda: mmip.encode(array, quality=100, effort=3, threads=threads),
        "decode": lambda: mmip.decode(blob, threads=threads),
    }
    rung: list[float] = []

    def ring(*_: object) -> None:
        rung.append(time.monotonic())
        raise Rung

    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(Rung):
            works[what]()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - rung[0] < 0.5
    assert mmip.decode(blob, threads=threads).shape == array.shape
