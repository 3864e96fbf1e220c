"""Whether the device gives the bytes and samples of the CPU core: encoding, decoding in every way, and damaged streams.

Values: cases of data.py in; rows "equal", "skipped" or what differs out. What the kernels refuse to encode is
skipped by the name that `refusal` gives it; nothing is compared with a tolerance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpu.data import THREADS, Case, extreme_cases, random_cases, real_cases
from gpu.run import Run
from mmip_gpu.codecs import Limits, Wanted, codec_of
from mmip_gpu.container.header import Header
from mmip_gpu.container.payload import parts_of
from mmip_gpu.device.decode.batch import DecodeJob, Decoder
from mmip_gpu.device.encode.batch import Chunk, encode_batch, refusal
from mmip_gpu.errors import BackendUnavailable, CorruptData, MmipError
from mmip_gpu.transform.analysis import ROUNDING
from mmip_gpu.transform.chunk import encode_chunk
from mmip_gpu.transform.plan import ChunkPlan

_BATCH = 16  # cases that share launches
_FLIPS = 12  # damaged copies of a stream


@dataclass(frozen=True)
class _Stream:
    """A case with what the CPU made of it."""

    case: Case
    plan: ChunkPlan
    header: Header
    payloads: tuple[bytes, ...]

    @classmethod
    def of(cls, case: Case) -> _Stream:
        """Coded by the CPU; kept as it is where it would grow."""
        plan = case.plan()
        encoded = encode_chunk(case.array, plan, case.classes(), threads=THREADS)
        return cls(case, plan, encoded.header, encoded.payloads)

    @property
    def name(self) -> str:
        """Of the case."""
        return self.case.name


def run_checks(run: Run, kind: str) -> None:
    """All cases of a kind."""
    cases = {"random": random_cases, "extreme": extreme_cases, "real": real_cases}[kind]
    batch: list[Case] = []
    every = list(cases(run.small))
    if not every:
        run.skip("checks", f"{kind} data", "none at hand: set MMIP_DATA to a folder of .npy files")
    for case in run.in_time(f"checks, {kind}", every, lambda case: case.name):
        batch.append(case)
        if len(batch) == _BATCH:
            _check_batch(run, kind, batch)
            batch = []
    if batch:
        _check_batch(run, kind, batch)


def _check_batch(run: Run, kind: str, cases: Sequence[Case]) -> None:
    streams = [_Stream.of(case) for case in cases]
    _attempt(run, f"encode {kind}", streams, lambda: _check_encoding(run, kind, streams))
    coded = [s for s in streams if codec_of(s.header).has_kernels]
    if coded:
        _attempt(run, f"decode {kind}", coded, lambda: _check_decoding(run, kind, coded))
        _attempt(run, f"damage {kind}", coded, lambda: _check_damage(run, kind, coded))
    print(f"{kind}: {len(cases)} cases, up to '{cases[-1].name}'", flush=True)


def _attempt(run: Run, check: str, streams: Sequence[_Stream], work: Callable[[], None]) -> None:
    """A check that an error, of whatever kind, ends for this batch; a device that fails ends all."""
    try:
        work()
    except BackendUnavailable:
        raise
    except Exception as error:
        run.fail(check, f"batch from '{streams[0].name}'", f"{type(error).__name__}: {error}")


def _check_encoding(run: Run, kind: str, streams: Sequence[_Stream]) -> None:
    """Payloads of one batch, and of every chunk of it alone."""
    chunks, expected, names = [], [], []
    for stream in streams:
        case, plan = stream.case, stream.plan
        reason = refusal(plan, case.array.dtype)
        if reason is not None:
            run.add("checks", check=f"encode {kind}", case=case.name, outcome=f"skipped: {reason}")
            continue
        classes, payloads = case.classes(), stream.payloads
        held = None if classes is None else run.executor.upload(classes)
        chunks.append(Chunk(run.executor.upload(case.array), plan, held))
        if codec_of(stream.header).is_copy:
            payloads = encode_chunk(case.array, plan, classes, threads=THREADS, allow_raw=False).payloads
        expected.append(payloads)
        names.append(case.name)
    coded = encode_batch(run.executor, chunks, ROUNDING) if chunks else []
    for name, chunk, found, core in zip(names, chunks, coded, expected, strict=True):
        _compare_payloads(run, f"encode {kind}", name, found.payloads, core)
        alone = encode_batch(run.executor, [chunk], ROUNDING)[0]
        _compare_payloads(run, f"encode {kind}, alone", name, alone.payloads, core)


def _compare_payloads(run: Run, check: str, case: str, found: Sequence[bytes], expected: Sequence[bytes]) -> None:
    if len(found) != len(expected):
        return run.fail(check, case, f"expected {len(expected)} payloads, found {len(found)}")
    for stage, (ours, theirs) in enumerate(zip(found, expected, strict=True), 1):
        if bytes(ours) != bytes(theirs):
            same = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), -1)
            where = f"first difference at byte {same}" if same >= 0 else f"expected {len(theirs)} bytes"
            return run.fail(check, case, f"stage {stage}: {where}, found {len(ours)} bytes")
    run.add("checks", check=check, case=case, outcome="equal")
    return None


def _wanted(header: Header) -> list[dict[str, Any]]:
    """Ways to decode a stream: all stages at all scales, and regions at the ends and in the middle."""
    ways: list[dict[str, Any]] = [
        {"stages": stages, "scale": scale}
        for scale in (1, 2, 4, 8)
        for stages in range(1, len(header.payload_sizes) + 1)
    ]
    for parts in ((0.0, 0.3), (0.4, 0.6), (0.7, 1.0)):
        region = tuple(slice(int(n * parts[0]), max(int(n * parts[1]), 1)) for n in header.layout.shape)
        ways.append({"region": region})
    return ways


def _outcome(header: Header, payloads: Sequence[bytes], check_crc: bool = True, **way: Any) -> Any:
    """The array of the CPU core, or its error."""
    try:
        return codec_of(header).decode(header, parts_of(payloads), Wanted(**way), Limits(THREADS, check_crc=check_crc))
    except MmipError as error:
        return error


def _difference(found: Any, expected: Any) -> str | None:
    """What differs between two outcomes, None where they are equal."""
    if isinstance(expected, Exception) or isinstance(found, Exception):
        same = type(found) is type(expected)
        return None if same else f"expected {_short(expected)}, found {_short(found)}"
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return f"expected {expected.dtype} {expected.shape}, found {found.dtype} {found.shape}"
    different = np.argwhere(found != expected)
    if not len(different):
        return None
    at = tuple(int(i) for i in different[0])
    return f"{len(different)} samples, first at {at}: expected {expected[at]}, found {found[at]}"


def _short(outcome: Any) -> str:
    return f"{type(outcome).__name__}: {outcome}" if isinstance(outcome, Exception) else "an array"


def _decoded(run: Run, jobs: Sequence[DecodeJob], check_crc: bool = True) -> list[Any]:
    """Array in host memory or error of every job, in one batch."""
    batch = Decoder(run.executor).decode(jobs, check_crc=check_crc)
    errors = batch.errors()
    pairs = zip(batch.arrays, errors, strict=True)
    return [run.executor.download(array) if error is None else error for array, error in pairs]


def _check_decoding(run: Run, kind: str, streams: Sequence[_Stream]) -> None:
    """All streams in all ways; payloads in host memory and on the device take turns."""
    jobs, names, expected = [], [], []
    for number, stream in enumerate(streams):
        held = [run.executor.upload(np.frombuffer(p, np.uint8)) for p in stream.payloads]
        for way in _wanted(stream.header):
            payloads: Sequence[Any] = held if run.on_gpu and number % 2 else stream.payloads
            jobs.append(DecodeJob(stream.header, payloads, Wanted(**way)))
            names.append(f"{stream.name}; {way}")
            expected.append(_outcome(stream.header, stream.payloads, **way))
    wrong = 0
    for name, found, core in zip(names, _decoded(run, jobs), expected, strict=True):
        text = _difference(found, core)
        if text is not None:
            wrong += 1
            run.fail(f"decode {kind}", name, text)
    count = f"{len(streams)} streams, {len(jobs)} ways, from '{streams[0].name}'"
    run.add("checks", check=f"decode {kind}", case=count, outcome=f"{len(jobs) - wrong} equal")


def _check_damage(run: Run, kind: str, streams: Sequence[_Stream]) -> None:
    """Flipped bits: with crcs an error that names the item, without them what the core gives; the others decode."""
    rng = np.random.default_rng(len(streams))
    for check_crc in (True, False):
        jobs, names, expected = [], [], []
        for stream in streams:
            for _ in range(_FLIPS // 4 if check_crc else _FLIPS):
                payloads = list(stream.payloads)
                stage = int(rng.integers(0, len(payloads)))
                payloads[stage] = _flipped(rng, payloads[stage])
                jobs.append(DecodeJob(stream.header, payloads))
                names.append(f"{stream.name}, damaged stage {stage + 1}")
                expected.append(_outcome(stream.header, payloads, check_crc))
            jobs.append(DecodeJob(stream.header, stream.payloads))
            names.append(f"{stream.name}, whole among damaged")
            expected.append(_outcome(stream.header, stream.payloads, check_crc))
        wrong = 0
        for name, found, core in zip(names, _decoded(run, jobs, check_crc), expected, strict=True):
            text = _difference(found, core)
            if text is not None:
                wrong += 1
                run.fail(f"damage {kind}, crcs {'on' if check_crc else 'off'}", name, text)
        named = sum(isinstance(core, CorruptData) for core in expected)
        run.add(
            "checks",
            check=f"damage {kind}, crcs {'on' if check_crc else 'off'}",
            case=f"{len(jobs)} streams, {named} with an error",
            outcome=f"{len(jobs) - wrong} equal",
        )


def _flipped(rng: np.random.Generator, payload: bytes) -> bytes:
    """One to three bits of the sub-streams flipped, behind the head."""
    changed = bytearray(payload)
    head = int.from_bytes(payload[:4], "little")
    for at in rng.integers(min(head, len(payload) - 1), len(payload), rng.integers(1, 4)):
        changed[at] ^= 1 << int(rng.integers(0, 8))
    return bytes(changed)
