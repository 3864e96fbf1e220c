"""First inputs of guided_transform.cpp, of golden vectors and small arrays: python tests/fuzz/guided_seeds.py FOLDER

An input is what that file reads: a chunk's form in a few bytes, then its payloads, each with its size before it.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from itertools import pairwise, product
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

TESTS = Path(__file__).parents[1]
TYPES = {"uint8": 0, "int8": 1, "uint16": 2, "int16": 3, "float32": 4}
MOST_BYTES = 4_000  # and samples: kMostSamples of guided_form.h
MOST_SAMPLES = 1 << 15
OPTIONS: list[dict[str, Any]] = [
    {"quality": 10},
    {"quality": 100, "stages": 4},
    {"max_error": 3},
    {"lossless": True, "stages": 3},
    {"psnr": 40, "stages": 2},
    {"qstep": 900},
    {"quality": 20, "roi_quality": "lossless"},
    {"quality": 30, "effort": 1},
    {"quality": 60, "effort": 3},
    {"quality": 40, "effort": 2, "prediction": True},
    {"quality": 90, "effort": 3, "prediction": True, "stages": 4},
    {"max_error": 3, "effort": 2, "prediction": True},
]
SHAPES = (("yx", (60, 70)), ("zyx", (12, 24, 30)), ("yxc", (30, 40, 3)), ("yxc", (50, 60, 2)))


def fuzz_input(blob: bytes, flags: int, scale: int, random: Random) -> bytes | None:
    """A container as guided_transform.cpp reads it; None for one that is too large, or of another kind."""
    from mmip_gpu.container.header import Header
    from mmip_gpu.container.transform_fields import TransformFields

    header, size = Header.parse(blob)
    fields, layout = header.fields, header.layout
    z, y, x = layout.volume
    if not isinstance(fields, TransformFields) or z > 40 or y > 160 or x > 160 or len(fields.cuts) > 5:
        return None
    if layout.samples > MOST_SAMPLES:
        return None
    components = len(fields.steps[0])
    colour = fields.channels is None and components == 3
    if layout.planes > 3 or components not in (1, layout.planes):
        return None
    kept = (fields.depth == 8, fields.padding is not None, fields.dc_image is not None)
    flags |= (
        sum(bit << at for at, bit in enumerate(kept)) | 64 * (fields.correction is not None) | 128 * fields.prediction
    )
    wanted = (layout.planes - 1, scale, TYPES[header.dtype])
    mix = next((m for m in range(256) if (m % 3, m >> 2 & 3, (m >> 4) % 5) == wanted), None)
    if mix is None:
        return None
    kinds = (len(fields.steps) - 1) | 8 * colour | 16 * (fields.channels is not None)
    out = bytes([flags, mix, z - 1, y - 1, x - 1, *fields.tile_log2, kinds])
    for reversible, recon, steps in zip(fields.reversible, fields.recon, fields.steps, strict=True):
        out += bytes([reversible, *[value & 255 for value in recon]])
        out += b"".join(struct.pack("<I", max(step - 64, 0))[:3] for step in steps)
    out += bytes(value & 255 for value in fields.dc_image or ()) + bytes([len(fields.cuts) - 2])
    out += b"".join(struct.pack("<H", cut) for cut in fields.cuts[1:-1])
    out += struct.pack("<h", max(-32768, min(32767, fields.offset))) + bytes([7]) + random.randbytes(8)
    ends = np.cumsum([size, *header.payload_sizes]).tolist()
    payloads = [blob[first:end] for first, end in pairwise(ends)]
    if max(map(len, payloads)) > 0xFFFF:
        return None
    out += b"".join(struct.pack("<H", len(payload)) + payload for payload in payloads[:-1]) + payloads[-1]
    return out if len(out) < MOST_BYTES else None


def containers(random: Random) -> Iterator[bytes]:
    """Golden vectors, and small arrays of every dtype and layout with drawn options."""
    import mmip_gpu as mmip

    yield from (path.read_bytes() for path in sorted((TESTS / "vectors").glob("*.mmip")))
    noise = np.random.default_rng(3)
    for (axes, shape), dtype, _ in product(SHAPES, TYPES, range(4)):
        low, high = (-900, 900) if dtype == "float32" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        walk = noise.normal(0, (high - low) / 200, int(np.prod(shape))).cumsum().reshape(shape)
        array = np.rint(np.clip(walk, low, high)).astype(dtype)
        options = dict(random.choice(OPTIONS)) | ({"step": 1.0} if dtype == "float32" else {})
        if "roi_quality" in options:
            options["roi"] = noise.random(shape[: len(shape) - ("c" in axes)]) < 0.4
        try:
            yield mmip.encode(array, axes=axes, threads=1, **options)
        except mmip.MmipError:  # some options do not fit some arrays
            continue


def main(folder: Path) -> None:
    """Write the inputs."""
    random, count = Random(5), 0
    for blob in containers(random):
        for flags, scale in ((0, 0), (16, 1), (32, 1), (8, 3)):
            data = fuzz_input(blob, flags, scale, random)
            if data is not None:
                (folder / f"seed-{count:05d}").write_bytes(data)
                count += 1
    print(f"{count} inputs")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
