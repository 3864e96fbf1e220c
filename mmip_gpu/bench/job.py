"""One codec on one image in one way to handle colour, at every setting: coded, judged, timed.

Values: a `Job` and a `BenchImage` in; the measured part of a record for each setting, in their order, out. Guarantees
that every number is of an array that was decoded outside of the clock, and that a fault of a codec, of a metric or of a
task is a result with its reason. What ends the process is left to child.py.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mmip_gpu.bench.adapters import Codec, Source
from mmip_gpu.bench.as_written import as_written
from mmip_gpu.bench.codec_registry import codecs
from mmip_gpu.bench.colour import in_colour
from mmip_gpu.bench.images import BenchImage
from mmip_gpu.bench.measure import Trial, round_trip
from mmip_gpu.bench.measures import all_metrics
from mmip_gpu.bench.rates import Point
from mmip_gpu.bench.settings import Setting, Unreached, point_for
from mmip_gpu.bench.timing import clocked, median_seconds, peak_memory

__all__ = ["Job", "failed", "run_job"]

Measured = dict[str, Any]
_ROUNDING = 1e-6  # of a bound, by the arithmetic of measuring it
_ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}")  # of memory, in what libraries say: another one in every run


@dataclass(frozen=True)
class Job:
    """What one child does.

    Parameters
    ----------
    codec : str
        Name of the codec among `codecs`.
    codecs : tuple of str, optional
        Names, patterns and configurations that the registry is asked for; all when None.
    colour : str
        "gray", "joint", "separate" or "luma".
    settings : tuple of Setting
        One after the other.
    tasks : tuple of str
        What is scored before and after.
    threads : int
        So many for the second timing; 1 for none.
    seconds : float
        Budget for the repeats of one timing.
    limit : float, optional
        Seconds for one setting, all told.
    pictures : pathlib.Path, optional
        Folder for windows of what was decoded.
    similarity : bool
        Whether SSIM and its kin are measured, which say nothing of codecs without loss.
    """

    codec: str
    codecs: tuple[str, ...] | None
    colour: str
    settings: tuple[Setting, ...]
    tasks: tuple[str, ...] = ()
    threads: int = 1
    seconds: float = 1.0
    limit: float | None = None
    pictures: Path | None = None
    similarity: bool = True


def failed(reason: str, status: str = "failed") -> Measured:
    """Return the measured part of a record of what could not be measured."""
    nothing = dict.fromkeys(("parameter", "bytes", "raw_bytes", "bits_per_sample", "ratio"))
    said = _ADDRESS.sub("0x..", reason)
    return nothing | {"status": status, "reason": said, "metrics": {}, "regions": {}, "tasks": {}, "time": {}}


def run_job(job: Job, image: BenchImage, begin: Callable[[], None] = lambda: None) -> Iterator[Measured]:
    """Yield the measured part of a record for every setting; `begin` is called before each."""
    prepared: _Prepared | None = None
    for setting in job.settings:
        begin()
        try:
            prepared = prepared or _Prepared.of(job, image)
            reason = prepared.codec.refusal(prepared.source)
            yield failed(reason, "unsupported") if reason else _measured(job, prepared, setting)
        except Unreached as error:
            yield failed(str(error))
        except Exception as error:  # codecs of others raise what they like
            yield failed(f"{type(error).__name__}: {error}")


@dataclass(frozen=True)
class _Prepared:
    """A codec and what it codes, in one way to handle colour, with the round trips that were made."""

    image: BenchImage
    codec: Codec
    source: Source
    judged: BenchImage
    trials: dict[float, Trial] = field(default_factory=dict)

    @classmethod
    def of(cls, job: Job, image: BenchImage, threads: int = 1) -> _Prepared:
        """Find the codec, and take of the image what it gets."""
        codec = next(found for found in codecs(job.codecs, threads) if found.name == job.codec)
        coded, source = in_colour(codec, Source(image.array, image.axes, image.bits), job.colour)
        return cls(image, coded, source, replace(image, array=source.array, axes=source.axes))

    def measure(self, parameter: float) -> Point:
        """Point of a parameter; each is coded once."""
        if parameter not in self.trials:
            self.trials[parameter] = round_trip(self.codec, self.source, parameter)
        return self.trials[parameter].point


def _measured(job: Job, prepared: _Prepared, setting: Setting) -> Measured:
    """Find the parameter, judge what is decoded, and time."""
    codec, image = prepared.codec, prepared.judged
    trial = prepared.trials[point_for(setting, prepared.measure, codec.dial, prepared.source).parameter]
    coded = sum(map(len, trial.streams))
    judge = partial(all_metrics, image.array, bits=image.bits, window=image.window)
    if not job.similarity:
        judge = partial(judge, scores=())
    metrics, regions = judge(trial.decoded, image.axes, image.peak, image.masks)
    broken = _broken_promise(prepared, trial.point.parameter, metrics)
    if broken:
        return failed(broken)
    if job.pictures is not None:
        _save_picture(job, image, setting, trial)
    return {
        "parameter": trial.point.parameter,
        "status": "ok",
        "reason": None,
        "bytes": coded,
        "raw_bytes": image.raw_bytes,
        "bits_per_sample": 8 * coded / image.array.size,
        "ratio": image.raw_bytes / max(coded, 1),
        "metrics": metrics,
        "regions": regions,
        "as_written": (
            as_written(image.array, trial.decoded, max(coded, 1), image.axes, image.bits) if job.similarity else None
        ),
        "tasks": {name: _scores(name, image, trial.decoded) for name in job.tasks},
        "time": _times(job, prepared, trial.point.parameter),
    }


def _broken_promise(prepared: _Prepared, parameter: float, metrics: Mapping[str, float | None]) -> str | None:
    codec = prepared.codec
    promises = {"max_error": 0.0} if codec.lossless else codec.promises(prepared.source, parameter)
    for name, bound in promises.items():
        found = metrics[name]
        slack = _ROUNDING * abs(bound)
        if found is not None and (found > bound + slack if name == "max_error" else found < bound - slack):
            return f"breaks its bound: {name} {bound:g} is promised, {found:g} is found"
    return None


def _scores(name: str, image: BenchImage, decoded: np.ndarray) -> Mapping[str, Any]:
    from mmip_gpu.bench.tasks import task_named

    try:
        return task_named(name).score(image, decoded)
    except Exception as error:  # a task that fails costs its scores, not the record
        return {"truth": None, "original": None, "segmenter": None, "reason": f"{type(error).__name__}: {error}"}


def _save_picture(job: Job, image: BenchImage, setting: Setting, trial: Trial) -> None:
    from mmip_gpu.bench.report import save_pictures

    assert job.pictures is not None
    facts = {"image": image.facts, "codec": {"name": job.codec}, "colour": job.colour, "setting": setting.facts}
    with contextlib.suppress(OSError):  # of a full disk: a page without this picture
        save_pictures(job.pictures, image, facts, trial.decoded)


def _times(job: Job, prepared: _Prepared, parameter: float) -> Measured:
    """Times with one thread, of ours with its plan made, and with all threads; memory of a round trip."""
    one, memory = _clock(job, prepared, parameter)
    many: Measured = {}
    if job.threads > 1:
        threaded = replace(prepared, codec=_Prepared.of(job, prepared.image, job.threads).codec)
        if threaded.codec.threads > 1:
            many, _ = _clock(job, threaded, parameter)
    raw = prepared.judged.raw_bytes / 1e6
    return one | {
        "encode_all_threads": many.get("encode"),
        "decode_all_threads": many.get("decode"),
        "threads": job.threads if many else None,
        "mb_s_encode": raw / one["encode"]["cpu"],
        "mb_s_decode": raw / one["decode"]["cpu"],
        "peak_memory": memory,
    }


def _clock(job: Job, prepared: _Prepared, parameter: float) -> tuple[Measured, int]:
    """Medians of encoding and decoding, and the peak of memory in the runs that do not count."""
    codec, source = prepared.codec, prepared.source
    pieces = codec.pieces(source)

    def encode() -> Sequence[Any]:
        return [codec.encode(piece, parameter, source) for piece in pieces]

    def decode(streams: Sequence[Any]) -> Sequence[np.ndarray]:
        return [codec.decode(stream, piece) for stream, piece in zip(streams, pieces, strict=True)]

    ((streams, encoded), of_encoding) = peak_memory(partial(clocked, encode))
    ((_, decoded), of_decoding) = peak_memory(partial(clocked, partial(decode, streams)))
    times = {"decode": median_seconds(partial(decode, streams), decoded, job.seconds)}
    known = codec.known(source, parameter) if codec.known else None
    if known is None:
        times["encode"] = median_seconds(encode, encoded, job.seconds)
    else:
        times["encode"] = median_seconds(known, clocked(known)[1], job.seconds)
        times["whole_call"] = median_seconds(encode, encoded, job.seconds)
    return times, max(of_encoding, of_decoding)
