"""Checksums of what this build of the core encodes and decodes: python tests/compilers/digest.py [--draws N]

One line for each kernel copy and case: the golden vectors decoded, their inputs encoded, and N drawn arrays encoded
and decoded, a tenth as many more by codebooks. Further copies have lines of the kinds that have kernels of them. Builds
of two compilers print the same text; tests/compilers/compare.sh says so.
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
from mmip_gpu import _core, soft  # noqa: E402

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

KINDS = {"avx2": {"transform", "predictive"}, "avx512": {"predictive"}}  # of which a copy has kernels; baseline: all


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


def softly(seed: int) -> str:
    """A codebook that is trained, and what it makes of another image, which may have been a JPEG file."""
    random = Random(seed)
    shape = (3, random.randint(20, 90), random.randint(20, 90), *random.choice(((), (3,))))
    images = makers.make(random.choice(("textured", "jpeg", "edges")), shape, random.choice(("uint8", "uint16")), seed)
    book = soft.train_codebook(images[:2], degree=1, axes="yxc"[: images.ndim - 1])
    blob = soft.encode(images[2], book, axes="yxc"[: images.ndim - 1], embed=True)
    small = mmip.encode(images[2], lossless="small", axes="yxc"[: images.ndim - 1])
    return f"encoded {checksum(book.data, blob, small)} decoded {decoded(blob)}"


def checksum(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()[:16]


def decoded(blob: bytes) -> str:
    """Of every number of stages and of every scale."""
    stages = [mmip.decode(blob, stages=k).tobytes() for k in range(1, len(mmip.inspect(blob)["stages"]) + 1)]
    return checksum(*stages, *[mmip.decode(blob, scale=scale).tobytes() for scale in SCALES])


def kind_of(options: dict[str, Any]) -> str:
    """Of what a draw becomes, unless it is stored as it is."""
    if options.keys() & {"stages", "roi"} or not options.keys() & {"lossless", "labels"}:
        return "transform"
    return "predictive" if options.get("lossless") is True else "others"


def lines(draws: int, kinds: set[str]) -> Iterator[str]:
    """The digest of the kernel copy that is selected."""
    for name, entry in recipes().items():
        blob = file_of(name).read_bytes()
        if "others" not in kinds and mmip.inspect(blob)["kind"] not in kinds:
            continue
        yield f"vector {name}: decoded {decoded(blob)}"
        if entry["input"]:
            yield f"vector {name}: encoded {checksum(encoded(name, entry))}"
    for seed in range(draws):
        array, options = drawn(seed)
        if kind_of(options) in kinds:
            blob = mmip.encode(array, **options)
            yield f"draw {seed}: encoded {checksum(blob)} decoded {decoded(blob)}"
    if "others" in kinds:
        for seed in range(draws // 10):
            yield f"soft {seed}: {softly(seed)}"


def main() -> None:
    """Print all lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=200)
    draws = parser.parse_args().draws
    for name in _core.kernel_names():
        assert _core.select_kernels(name)
        for line in lines(draws, KINDS.get(name, {"transform", "predictive", "others"})):
            print(f"{name} {line}")


if __name__ == "__main__":
    main()
