"""Fuzzes soft compression behind its checksums: python tests/fuzz/fuzz_soft.py --count N --seed S [--first I]

Each round damages a container's header, codebook or sub-streams, makes its crcs and hash anew, and decodes all of it or
a part. Only the error kinds of mmip_gpu may come out. ``--seed S --first I --count 1`` repeats a round.
"""

from __future__ import annotations

import hashlib
import struct
import sys
from collections import Counter
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from random import Random

import numpy as np

TESTS = Path(__file__).parents[1]
if __name__ == "__main__":
    sys.path[:0] = [str(TESTS), str(TESTS.parent)]

from reference.container import read_header  # noqa: E402
from reference.crc import crc32c  # noqa: E402
from reference.payload import GROUP  # noqa: E402
from reference.soft import read_substreams, tiles  # noqa: E402

import mmip_gpu as mmip  # noqa: E402
from fuzz.damaged import command, damaged, damaged_near, rounds  # noqa: E402
from mmip_gpu.container.header import Header  # noqa: E402
from mmip_gpu.soft import encode, train_codebook  # noqa: E402

MAX_SAMPLES = 1 << 20


def resealed(blob: bytes, damage: Callable[[bytearray], None]) -> bytes:
    """The container with its sub-streams changed, and its index and crcs made anew."""
    header, at = read_header(blob)
    first = header.embedded_bytes or 0
    t, n, c, *volume = header.lengths
    count = len(list(tiles((t * n * c, *volume), header.tile_log2_yx)))
    streams = [bytearray(s) for s in read_substreams(blob[at + first :], header.payload_crc, count)]
    for stream in streams:
        damage(stream)
        stream.extend(b"" if stream else b"\0")
    index = b"".join((len(stream) - 1).to_bytes(4, "big") for stream in streams)
    crcs = b"".join(struct.pack("<I", crc32c(b"".join(streams[i : i + GROUP]))) for i in range(0, count, GROUP))
    head = struct.pack("<II", 13 + len(index) + len(crcs), 0) + b"\x20" + index + crcs
    crc = crc32c(head)
    payload = blob[at : at + first] + head + struct.pack("<I", crc) + b"".join(streams)
    fields = blob[: at - 16] + struct.pack("<QI", len(payload), crc)
    return fields + struct.pack("<I", crc32c(fields)) + payload


def with_codebook(blob: bytes, data: bytes) -> bytes:
    """The container with other bytes for its embedded codebook, and their hash."""
    header, at = read_header(blob)
    first, old = header.embedded_bytes or 0, header.resource or b""
    digest = hashlib.sha256(data).digest()
    fields = blob[:at].replace(old + struct.pack("<I", first), digest + struct.pack("<I", len(data)))
    size = header.payload_bytes - first + len(data)
    fields = fields[:-16] + struct.pack("<Q", size) + fields[-8:-4]
    return fields + struct.pack("<I", crc32c(fields)) + data + blob[at + first :]


@cache
def corpus() -> list[bytes]:
    """Small containers of every kind of codebook."""
    rng, found = np.random.default_rng(0), []
    for dtype, axes, shape in (
        ("uint8", "yxc", (60, 71, 3)),
        ("int16", "zyx", (3, 50, 60)),
        ("uint8", "cyx", (2, 61, 90)),
    ):
        array = (50 + rng.normal(0, 8, shape) + 40 * (rng.random(shape) < 0.05)).astype(dtype)
        found.append(encode(array, train_codebook([array], axes=axes, degree=9), axes=axes, embed=True))
        assert read_header(found[-1])[0].embedded_bytes
    return found


def one_round(random: Random) -> str:
    """What became of one damaged container."""
    blob = random.choice(corpus())
    header, at = read_header(blob)
    choice = random.randrange(3)
    if choice == 0:
        broken = damaged_near(blob[:at], random, 8, at - 4)
        broken = broken[:6] + len(broken).to_bytes(2, "little") + broken[8:-4]
        broken += struct.pack("<I", crc32c(broken)) + blob[at:]
    elif choice == 1:
        broken = with_codebook(
            blob, damaged_near(blob[at : at + header.embedded_bytes], random, 8, header.embedded_bytes)
        )
    else:
        broken = resealed(blob, partial(_damage, random=random))
    found, _ = Header.parse(broken)
    if found.layout.samples > MAX_SAMPLES:
        return "large"
    region = None
    if random.random() < 0.3:
        bounds = [sorted((random.randint(0, n), random.randint(0, n))) for n in found.layout.shape]
        region = tuple(slice(*pair) for pair in bounds)
    array = mmip.decode(broken, region=region, threads=random.choice((1, 2)))
    assert array.dtype == np.dtype(found.dtype)
    return "read"


def _damage(stream: bytearray, random: Random) -> None:
    if random.random() < 0.5:
        stream[:] = damaged(bytes(stream), random)


def fuzz(seed: int, first: int, count: int) -> Counter[str]:
    """Outcomes and how often each was seen."""
    return rounds(one_round, seed, first, count)


if __name__ == "__main__":
    sys.exit(command(__doc__, fuzz))
