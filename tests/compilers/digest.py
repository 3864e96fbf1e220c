"""Checksums of what this build of the core encodes and decodes: python tests/compilers/digest.py [--draws N]

One line for each kernel copy and case: the golden vectors decoded, their inputs encoded, and N drawn arrays encoded
and decoded. Builds of two compilers print the same text; tests/compilers/compare.sh says so.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from numpy.typing import NDArray

TESTS = Path(__file__).parents[1]
if __name__ == "__main__":
    sys.path.insert(0, str(TESTS))

from vectors import makers  # noqa: E402
from vectors.write import SCALES, encoded, file_of, recipes  # noqa: E402

import mmip_gpu as mmip  # noqa: E402
from mmip_gpu import _core  # noqa: E402

TARGETS = (
    {"psnr": 35},
    {"psnr": 50},
    {"quality": 3},
    {"quality": 40},
    {"lossless": True, "stages": 3},
    {"lossless": True},
    {"lossless": True, "effort": 3},
    {"lossless": "small"},
    {"labels": True},
    {"max_error": 20},
    {"max_error": 20, "stages": 3},
    {"psnr": 40, "effort": 1},
    {"psnr": 40, "effort": 3},
)


def drawn(seed: int) -> tuple[NDArray[Any], dict[str, Any]]:
    """An array of one to three axes and how to encode it."""
    random = Random(seed)
    shape = tuple(random.randint(1, most) for most in random.choice(((900,), (150, 150), (20, 48, 48), (40, 24, 24))))
    maker = random.choice(sorted(makers.MAKERS))
    array = makers.make(maker, shape, random.choice(("uint8", "int8", "uint16", "int16")), seed)
    options: dict[str, Any] = dict(random.choice(TARGETS))
    in_stages = not options.keys() & {"lossless", "labels"} or "stages" in options
    if len(shape) == 3 and in_stages:
        options["cell_depth"] = random.choice((1, 8))
    if "max_error" not in options and random.random() < 0.2:
        options["padding"] = int(array.min())
    if random.random() < 0.2 and in_stages:
        options["roi"] = makers.make_classes(shape, random.randint(2, 4), seed)
        options["roi_quality"] = "lossless"
    return array, options


def checksum(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()[:16]


def decoded(blob: bytes) -> str:
    """Of every number of stages and of every scale."""
    stages = [mmip.decode(blob, stages=k).tobytes() for k in range(1, len(mmip.inspect(blob)["stages"]) + 1)]
    return checksum(*stages, *[mmip.decode(blob, scale=scale).tobytes() for scale in SCALES])


def lines(draws: int) -> Iterator[str]:
    """The digest of the kernel copy that is selected."""
    for name, entry in recipes().items():
        blob = file_of(name).read_bytes()
        yield f"vector {name}: decoded {decoded(blob)}"
        if entry["input"]:
            yield f"vector {name}: encoded {checksum(encoded(name, entry))}"
    for seed in range(draws):
        array, options = drawn(seed)
        blob = mmip.encode(array, **options)
        yield f"draw {seed}: encoded {checksum(blob)} decoded {decoded(blob)}"


def main() -> None:
    """Print all lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=200)
    draws = parser.parse_args().draws
    for name in _core.kernel_names():
        assert _core.select_kernels(name)
        for line in lines(draws):
            print(f"{name} {line}")


if __name__ == "__main__":
    main()
