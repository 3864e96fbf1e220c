"""Fuzzes the decoder behind its checksums: python tests/fuzz/fuzz_decode.py --seconds N --seed S [--first I]

Each round takes a golden vector, damages its header or its payloads, and decodes it without looking at a crc.
Only the error kinds of mmip_gpu may come out; anything else ends the run with status 1 and the number of the
round, which ``--seed S --first I`` repeats. A crash of the core leaves the number in the file of ``--state``.
``--round-trips`` instead encodes and decodes small arrays of every dtype, layout and content.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections import Counter
from dataclasses import replace
from itertools import count, pairwise
from pathlib import Path
from random import Random

import numpy as np

TESTS = Path(__file__).parents[1]
if __name__ == "__main__":
    sys.path[:0] = [str(TESTS), str(TESTS.parent)]

from helpers.single_payloads import resealed_payload  # noqa: E402

import mmip_gpu as mmip  # noqa: E402
from fuzz.damaged import damaged, damaged_near  # noqa: E402
from fuzz.small_arrays import small_arrays  # noqa: E402
from mmip_gpu import _core  # noqa: E402
from mmip_gpu.codecs import Limits, Wanted, codec_of  # noqa: E402
from mmip_gpu.container.header import Header  # noqa: E402
from mmip_gpu.container.payload import parts_of  # noqa: E402
from mmip_gpu.container.predictive_fields import PredictiveFields  # noqa: E402
from mmip_gpu.container.raw_fields import RawFields  # noqa: E402
from mmip_gpu.container.transform_fields import TransformFields  # noqa: E402
from mmip_gpu.transform.analysis import empty_chunk  # noqa: E402

SEEDS = Path(__file__).parent / "seeds"
MAX_SAMPLES = 1 << 22  # larger arrays are the affair of tests/container


def corpus() -> list[bytes]:
    """Golden vectors and past crashes."""
    return [path.read_bytes() for folder in (TESTS / "vectors", SEEDS) for path in sorted(folder.glob("*.mmip"))]


def fuzz_header(blob: bytes, random: Random) -> str:
    """A damaged header over true payloads."""
    _, size = Header.parse(blob)
    broken = damaged_near(blob, random, 8, size - 4)
    broken = broken[:6] + (len(broken) - len(blob) + size).to_bytes(2, "little") + broken[8:]
    header, at = Header.parse(broken, check_crc=False)
    if header.layout.samples > MAX_SAMPLES:
        return "large"
    if isinstance(header.fields, RawFields):
        return "raw"
    payloads = [broken[at:]] * len(header.payload_sizes)
    sizes = tuple(len(payload) for payload in payloads)
    header = with_sizes(header, sizes)
    if random.random() < 0.5:  # true sizes, so that the payloads fit
        true, start = Header.parse(blob)
        if len(true.payload_sizes) == len(sizes):
            ends = np.cumsum([start, *true.payload_sizes]).tolist()
            payloads = [blob[a:b] for a, b in pairwise(ends)]
            header = with_sizes(header, true.payload_sizes)
    decode(header, payloads, random)
    return "decoded"


def with_sizes(header: Header, sizes: tuple[int, ...]) -> Header:
    """The header of payloads of other sizes."""
    fields = header.fields
    if isinstance(fields, TransformFields):
        return replace(header, fields=replace(fields, stage_bytes=sizes))
    return replace(header, fields=replace(fields, payload=replace(fields.payload, payload_bytes=sizes[0])))


def decode(header: Header, payloads: list[bytes], random: Random) -> None:
    """A part of a chunk, without looking at a crc."""
    scale = random.choice((1, 1, 2, 4, 8))
    stages = random.randint(1, len(payloads))
    region = None
    if random.random() < 0.3:
        depth = header.fields.depth if isinstance(header.fields, TransformFields) else 8
        shape = header.layout.scaled(scale, depth).shape
        bounds = [sorted((random.randint(0, n), random.randint(0, n))) for n in shape]
        region = tuple(slice(a, b) for a, b in bounds)
    limits = Limits(random.choice((1, 1, 2)), 2 * MAX_SAMPLES, check_crc=False)
    codec_of(header).decode(header, parts_of(payloads), Wanted(stages, scale, region), limits)


def opened(blob: bytes) -> tuple[Header, list[bytes]]:
    """The header of a container and its payloads."""
    header, size = Header.parse(blob)
    ends = np.cumsum([size, *header.payload_sizes]).tolist()
    return header, [blob[a:b] for a, b in pairwise(ends)]


def fuzz_single(blob: bytes, random: Random) -> str:
    """Damaged parameters or sub-streams of one payload, everything around them written anew."""
    header, size = Header.parse(blob)
    if not isinstance(header.fields, PredictiveFields):
        return "other"
    count = header.fields.substreams(header.layout)

    def of_bodies(streams: list[bytearray]) -> None:
        for _ in range(random.randint(1, 3)):
            stream = random.choice(streams)
            stream[:] = damaged(bytes(stream), random) or b"\0"

    def of_parameters(data: bytearray) -> None:
        data[:] = damaged(bytes(data), random)

    parts = random.choice(((of_parameters, None), (None, of_bodies), (of_parameters, of_bodies)))
    broken = resealed_payload(blob, count, parameters=parts[0], bodies=parts[1])
    if random.random() < 0.3:  # and the head itself
        head = int.from_bytes(broken[size : size + 4], "little")
        broken = broken[:size] + damaged_near(broken[size:], random, 0, head)
    decode(with_sizes(header, (len(broken) - size,)), [broken[size:]], random)
    return "decoded"


def fuzz_payload(blob: bytes, random: Random) -> str:
    """True header, damaged payloads: heads (codes, index) as often as sub-streams."""
    header, payloads = opened(blob)
    if isinstance(header.fields, RawFields):
        return "raw"
    for _ in range(random.randint(1, 2)):
        stage = random.randrange(len(payloads))
        payload = payloads[stage]
        head = min(int.from_bytes(payload[:4], "little"), len(payload))
        start, end = random.choice(((0, head), (4, min(head, 40)), (head, len(payload))))
        payloads[stage] = damaged_near(payload, random, start, end)
        if random.random() < 0.5 and len(payloads[stage]) != len(payload) and start < head <= end:
            grown = head + len(payloads[stage]) - len(payload)
            payloads[stage] = max(grown, 0).to_bytes(4, "little") + payloads[stage][4:]
    sizes = tuple(len(payload) for payload in payloads)
    decode(with_sizes(header, sizes), payloads, random)
    return "decoded"


def fuzz_alone(blob: bytes, random: Random) -> str:
    """One damaged stage unpacked by itself into columns and back, as a store does (FORMAT.md section 10)."""
    header, payloads = opened(blob)
    fields = header.fields
    if not isinstance(fields, TransformFields):
        return "raw"
    chunk = empty_chunk(fields, header.layout)
    stage = random.randint(1, len(payloads))
    payload = damaged_near(payloads[stage - 1], random, 0, len(payloads[stage - 1]))
    if stage > len(fields.cuts):
        return fuzz_corrections(chunk, header, payload)
    chunk.unpack(stage, payload, False, True, 1)
    grid = [-(-n // side) for n, side in zip(header.layout.volume, (fields.depth, 8, 8), strict=True)]
    first = 2 if fields.padding is None else 2 + 2 * fields.depth
    if stage == 1 and fields.dc_image is not None:  # the cells of the image
        first, grid[1:] = 65, [-(-n // 8) for n in grid[1:]]
    columns = first if stage == 1 else 1 + fields.cuts[stage - 1] - fields.cuts[stage - 2]
    array = np.full((header.layout.planes, *grid, columns), -1, np.int32)
    chunk.to_columns(stage, array)
    flat = array.reshape(-1)
    for _ in range(random.randint(0, 3)):
        flat[random.randrange(len(flat))] = random.choice(
            (-1, 0, 1, 3, 4, 5, 7, 8, 2**26 - 1, 2**26, -(2**31), 2**31 - 1)
        )
    other = empty_chunk(fields, header.layout)
    other.from_columns(stage, array)
    other.pack(stage, 1)
    return "columns"


def fuzz_corrections(chunk: _core.Chunk, header: Header, payload: bytes) -> str:
    """Damaged corrections by themselves, and what they decode to packed again."""
    indices = np.empty((header.layout.planes, *header.layout.volume), np.int32)
    chunk.unpack_corrections(payload, indices, False, 1)
    again = np.empty_like(indices)
    chunk.unpack_corrections(chunk.pack_corrections(indices, 2), again, True, 2)
    assert np.array_equal(indices, again)
    return "corrections"


def fuzz_slice_axis(blob: bytes, random: Random) -> str:
    """Another axis of slices, of which there may be none, over true payloads."""
    header, payloads = opened(blob)
    if not isinstance(header.fields, TransformFields):
        return "other"
    letter = random.choice((*header.layout.axes, *"ztn", chr(random.randrange(128))))
    named = replace(header, fields=replace(header.fields, slice_axis=letter))
    decode(Header.parse(named.to_bytes())[0], payloads, random)
    return "decoded"


TARGETS = (fuzz_header, fuzz_payload, fuzz_payload, fuzz_payload, fuzz_alone, fuzz_single, fuzz_slice_axis)


def one_round(blobs: list[bytes], seed: int, number: int) -> str:
    """What became of one damaged container: the outcome or the kind of the error."""
    random = Random(f"{seed}-{number}")
    target = random.choice(TARGETS)
    blob = random.choice(blobs)
    try:
        return f"{target.__name__}: {target(blob, random)}"
    except mmip.MmipError as e:
        return f"{target.__name__}: {type(e).__name__}"


def fuzz(seconds: float, seed: int, first: int, state: Path | None) -> int:
    """Rounds from `first` until the time is up; the exit status."""
    blobs, seen = corpus(), Counter[str]()
    end = time.monotonic() + seconds
    for number in count(first):
        if time.monotonic() > end:
            break
        if state is not None:
            state.write_text(f"--seed {seed} --first {number}\n")
        started = time.monotonic()
        try:
            seen[one_round(blobs, seed, number)] += 1
        except Exception:  # whatever is not an error kind of the package is a fault
            traceback.print_exc()
            print(f"fault: repeat with --seed {seed} --first {number}", file=sys.stderr)
            return 1
        if time.monotonic() - started > 20:
            print(f"slow: --seed {seed} --first {number}", file=sys.stderr)
            return 1
    for name, times in sorted(seen.items()):
        print(f"{times:8} {name}")
    return 0


def round_trips() -> int:
    """Encode and decode on every kernel copy; the exit status."""
    done = 0
    for turn, name in enumerate(_core.kernel_names()):
        assert _core.select_kernels(name)
        for array, options in small_arrays(turn):
            blob = mmip.encode(array, threads=2, **options)
            for scale in (1, 2, 4, 8):
                mmip.decode(blob, scale=scale, threads=2)
            for stages in range(1, len(mmip.inspect(blob)["stages"]) + 1):
                mmip.decode(blob, stages=stages)
            whole = mmip.decode(blob)
            part = tuple(slice(n // 3, n) for n in array.shape)
            if not np.array_equal(mmip.decode(blob, region=part), whole[part]):
                print(f"fault: region of {array.shape} {array.dtype} {options}", file=sys.stderr)
                return 1
            if "max_error" in options and np.abs(whole.astype(int) - array).max() > options["max_error"]:
                print(f"fault: error bound missed: {array.shape} {array.dtype} {options}", file=sys.stderr)
                return 1
            if options.keys() & {"lossless", "labels"} and not np.array_equal(whole, array):
                print(f"fault: not lossless: {array.shape} {array.dtype} {options}", file=sys.stderr)
                return 1
            done += 1
    print(f"{done:8} round trips")
    return 0


def main() -> int:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first round")
    parser.add_argument("--state", type=Path, help="file that holds the number of the round in work")
    parser.add_argument("--round-trips", action="store_true")
    args = parser.parse_args()
    return round_trips() if args.round_trips else fuzz(args.seconds, args.seed, args.first, args.state)


if __name__ == "__main__":
    sys.exit(main())
