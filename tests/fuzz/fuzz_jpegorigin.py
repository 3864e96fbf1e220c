"""Fuzzes kind 5 behind its checksums: python tests/fuzz/fuzz_jpegorigin.py --count N --seed S [--first I]

Each round damages a container's header, forms or bands, makes its crcs anew, and decodes all of it or a part; or it
encodes an image that is almost a JPEG file, and decodes that. Only the error kinds of mmip_gpu may come out, and what
is encoded comes back. ``--seed S --first I --count 1`` repeats a round.
"""

from __future__ import annotations

import struct
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from random import Random

import numpy as np

TESTS = Path(__file__).parents[1]
if __name__ == "__main__":
    sys.path[:0] = [str(TESTS), str(TESTS.parent)]

from reference.container import read_header  # noqa: E402
from reference.crc import crc32c  # noqa: E402
from reference.payload import GROUP, read_parameters  # noqa: E402
from vectors import makers  # noqa: E402

import mmip_gpu as mmip  # noqa: E402
from fuzz.damaged import command, damaged, damaged_near, rounds  # noqa: E402
from mmip_gpu.container.header import Header  # noqa: E402

MAX_SAMPLES = 1 << 20
SHAPES = (((40, 44), "yx"), ((3, 33, 47), "zyx"), ((41, 75, 3), "yxc"), ((70, 66, 3), "yxc"), ((10, 20, 20), "zyx"))


@cache
def corpus() -> list[tuple[bytes, int]]:
    """Small containers of every sampling, each with its number of sub-streams."""
    found = []
    for seed, (shape, axes) in enumerate(SHAPES):
        blob = mmip.encode(makers.make("jpeg", shape, "uint8", seed), lossless="small", axes=axes)
        header, _ = Header.parse(blob)
        if header.fields.kind == 5:
            found.append((blob, header.fields.substreams(header.layout)))
    assert len(found) > 2
    return found


def resealed(blob: bytes, count: int, random: Random) -> bytes:
    """The container with its forms or bands changed, and its index and crcs made anew."""
    header, at = read_header(blob)
    parameters, streams = read_parameters(blob[at:], header.payload_crc, count)
    if random.random() < 0.3:
        parameters = damaged(parameters, random)
    streams = [damaged(one, random) or b"\0" if random.random() < 0.5 else one for one in streams]
    index = b"".join((len(stream) - 1).to_bytes(4, "big") for stream in streams)
    groups = [b"".join(streams[i : i + GROUP]) for i in range(0, count, GROUP)]
    head = struct.pack("<I", len(parameters)) + parameters + b"\x20" + index
    head += b"".join(struct.pack("<I", crc32c(group)) for group in groups)
    head = struct.pack("<I", 8 + len(head)) + head
    payload = head + struct.pack("<I", crc32c(head)) + b"".join(groups)
    fields = blob[: at - 16] + struct.pack("<QI", len(payload), crc32c(head))
    return fields + struct.pack("<I", crc32c(fields)) + payload


def one_round(random: Random) -> str:
    """What became of one damaged container, or of one damaged image."""
    if random.random() < 0.2:
        return round_trip(random)
    blob, count = random.choice(corpus())
    _, at = read_header(blob)
    if random.random() < 0.3:
        broken = damaged_near(blob[:at], random, 8, at - 4)
        broken = broken[:6] + len(broken).to_bytes(2, "little") + broken[8:-4]
        broken += struct.pack("<I", crc32c(broken)) + blob[at:]
    else:
        broken = resealed(blob, count, random)
    header, _ = Header.parse(broken)
    if header.layout.samples > MAX_SAMPLES:
        return "large"
    region = None
    if random.random() < 0.3:
        bounds = [sorted((random.randint(0, n), random.randint(0, n))) for n in header.layout.shape]
        region = tuple(slice(*pair) for pair in bounds)
    array = mmip.decode(broken, region=region, threads=random.choice((1, 2)))
    assert array.dtype == np.dtype(header.dtype)
    return "read"


def round_trip(random: Random) -> str:
    """An image that was cut out of a JPEG file, with a few samples of its own."""
    channels = random.choice(((), (3,)))
    image = makers.make(
        "jpeg", (random.randint(1, 80), random.randint(1, 80), *channels), "uint8", random.randint(0, 29)
    )
    image = image[random.randrange(image.shape[0]) :, random.randrange(image.shape[1]) :].copy()
    for _ in range(random.choice((0, 1, 30))):
        image[random.randrange(image.shape[0]), random.randrange(image.shape[1])] = random.randrange(256)
    blob = mmip.encode(image, lossless="small", axes="yxc"[: image.ndim])
    assert np.array_equal(mmip.decode(blob), image)
    return str(mmip.inspect(blob)["kind"])


def fuzz(seed: int, first: int, count: int) -> Counter[str]:
    """Outcomes and how often each was seen."""
    return rounds(one_round, seed, first, count)


if __name__ == "__main__":
    sys.exit(command(__doc__, fuzz))
