"""Sizes that the bytes cannot hold are refused before memory is taken."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

import mmip_gpu as mmip

HOSTILE_SIZES = {
    "2d": ("yx", [2**24 - 1, 2**23], None),
    "2d-lies": ("yx", [2**24 - 1, 2**23], 2**40),
    "2d-within-limits-lies": ("yx", [2**17, 2**16], 2**40),
    "planes": ("tx", [2**31, 1], None),
    "planes-lies": ("tx", [2**31, 1], 2**40),
    "planes-within-limits-lies": ("tx", [2**26, 1], 2**40),
    "3d-lies": ("zyx", [2**12, 2**12, 2**12], 2**60),
}
HOSTILE_CALLS = {
    "decode": "mmip.decode(blob)",
    "decode-scale-8": "mmip.decode(blob, scale=8)",
    "decode-region": "mmip.decode(blob, region=tuple(slice(0, 1) for _ in shape))",
    "inspect": "mmip.inspect(blob)",
    "inspect-region": "mmip.inspect(blob, region=tuple(slice(0, 1) for _ in shape))",
}
HOSTILE_SCRIPT = """
import json, re, resource, sys, time
from dataclasses import replace
import mmip_gpu as mmip
from mmip_gpu.container.header import Header
from mmip_gpu.volume.axes import PlaneLayout
axes, shape, size, call = json.loads(sys.argv[1])
true = mmip.encode(mmip.phantom2d(64), quality=10)
mmip.decode(true)
header, at = Header.parse(true)
fields = header.fields if size is None else replace(header.fields, stage_bytes=(size,) * 3)
blob = replace(header, layout=PlaneLayout.of(tuple(shape), axes), fields=fields).to_bytes() + true[at:]
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))

def peak():  # of this process alone: ru_maxrss would start at what the parent had
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])

before, started = peak(), time.monotonic()
try:
    outcome = type(eval(call)).__name__
except BaseException as e:
    outcome = type(e).__name__
print(json.dumps({"outcome": outcome, "kib": peak() - before, "seconds": time.monotonic() - started}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured in /proc")
@pytest.mark.parametrize("call", HOSTILE_CALLS)
@pytest.mark.parametrize("size", HOSTILE_SIZES)
def test_sizes_are_refused_before_memory_is_taken(size: str, call: str) -> None:
    argument = json.dumps([*HOSTILE_SIZES[size], HOSTILE_CALLS[call]])
    command = [sys.executable, "-c", HOSTILE_SCRIPT, argument]
    found = json.loads(subprocess.run(command, capture_output=True, check=True, text=True, timeout=60).stdout)
    assert found["outcome"] in ("LimitExceeded", "CorruptData", "TruncatedData")
    assert found["kib"] < 32 * 1024
    assert found["seconds"] < 1


def test_max_bytes_is_a_limit(small: bytes, small_raw: bytes) -> None:
    for blob in (small, small_raw):
        array = mmip.decode(blob)
        assert np.array_equal(mmip.decode(blob, max_bytes=100_000), array)
        with pytest.raises(mmip.LimitExceeded):
            mmip.decode(blob, max_bytes=array.nbytes - 1)
    assert mmip.decode(small, region=(slice(0, 1), slice(0, 1)), max_bytes=60 * 70 * 2).shape == (1, 1)
