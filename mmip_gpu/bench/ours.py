"""Our codec as entries of the comparison: to a PSNR at every effort, and without loss: predicted, in stages, soft.

Values: whole arrays of a Source in, containers out, and back. Time is coded as depth. Guarantees the default options
but for those in a codec's name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np

import mmip_gpu as mmip
from mmip_gpu import soft
from mmip_gpu.arguments import is_colour
from mmip_gpu.bench.adapters import ALL_COLOURS, Codec, Source, Stream, decibels
from mmip_gpu.channel_targets import for_channels
from mmip_gpu.config import CodecConfig
from mmip_gpu.transform.chunk import encode_chunk
from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.transform.planning.array_reader import ArrayReader
from mmip_gpu.transform.planning.make_plan import make_plan
from mmip_gpu.transform.planning.trial import Trial
from mmip_gpu.volume.axes import PlaneLayout

__all__ = ["coded_axes", "ours", "ours_lossless", "ours_soft", "plan_of"]


def coded_axes(source: Source) -> str:
    """Axes as `encode` is told them: time is coded as depth."""
    return source.axes.replace("t", "z")


def _needs_step(source: Source) -> str | None:
    return "float32 samples need a step" if source.is_float and source.step is None else None


def _targets(options: dict[str, Any], source: Source, psnr: float) -> dict[str, Any]:
    """Options of `encode` for this image; the range is told where it is that of more than the array."""
    target = {} if options.get("lossless") else {"psnr": psnr}
    step = {} if source.step is None else {"step": source.step}
    return (
        options | target | step | ({} if source.peak is None or "psnr" not in target else {"data_range": source.peak})
    )


def _encoded(threads: int, options: dict[str, Any], piece: np.ndarray, psnr: float, source: Source) -> Stream:
    given = _targets(options, source, psnr)
    coded: bytes = mmip.encode(piece, threads=threads, axes=coded_axes(source), **given)
    return coded


def _coder(threads: int, options: dict[str, Any], source: Source, psnr: float) -> Callable[[], Any]:
    """Coding of an array with its plan made beforehand: what a store does for every chunk."""
    plan = plan_of(source.array, axes=coded_axes(source), **_targets(options, source, psnr))
    return lambda: encode_chunk(source.array, plan, threads=threads)


def _codec(name: str, threads: int, options: dict[str, Any], **more: Any) -> Codec:
    return Codec(
        name,
        mmip.__version__,
        Source.whole,
        partial(_encoded, threads, options),
        lambda data, _: mmip.decode(data, threads=threads),
        restore=lambda _source, decoded: decoded,
        colours=ALL_COLOURS,
        threads=threads,
        options=options,
        **more,
    )


def _least_psnr(_source: Source, psnr: float) -> dict[str, float]:
    return {"psnr_range": psnr}


def ours(threads: int = 1) -> list[Codec]:
    """Ours to a PSNR, at every effort in the three stages of the default, and in two at the highest."""
    variants: dict[str, dict[str, int]] = {f"mmip effort {effort}": {"effort": effort} for effort in (1, 2, 3)}
    variants["mmip effort 3, two stages"] = {"effort": 3, "stages": 2}
    dial = decibels(low=1, high=140)
    return [
        _codec(
            name,
            threads,
            options,
            dial=dial,
            floats=True,
            refuses=_needs_step,
            promises=_least_psnr,
            known=partial(_coder, threads, options),
        )
        for name, options in variants.items()
    ]


def ours_lossless(threads: int = 1, stages: tuple[int, ...] = (3,)) -> list[Codec]:
    """Ours without loss: predicted, at every effort; and in so many stages, where the effort makes no difference."""
    exact: dict[str, dict[str, Any]] = {
        f"mmip fast effort {effort}": {"lossless": True, "effort": effort} for effort in (1, 2, 3)
    }
    if _takes_small():
        exact["mmip small"] = {"lossless": "small"}
    staged = {f"mmip {n} stages": {"lossless": True, "stages": n} for n in stages}
    return [
        *(_codec(name, threads, options, lossless=True) for name, options in exact.items()),
        *(
            _codec(name, threads, options, lossless=True, known=partial(_coder, threads, options))
            for name, options in staged.items()
        ),
    ]


def ours_soft(threads: int = 1) -> list[Codec]:
    """Soft compression by a codebook of the image itself, which its bytes hold: mining counts as encoding."""
    codec = _codec("mmip soft, own codebook", threads, {}, lossless=True)
    return [replace(codec, encode=partial(_encoded_softly, threads))]


def _encoded_softly(threads: int, piece: np.ndarray, _: float, source: Source) -> Stream:
    axes = coded_axes(source)
    book = soft.train_codebook([piece], axes=axes)
    return soft.encode(piece, book, embed=True, axes=axes, threads=threads)


@cache
def _takes_small() -> bool:
    """Whether this build has the smallest method."""
    try:
        mmip.encode(np.zeros((8, 8), np.uint8), lossless="small")
    except mmip.InvalidArgument:
        return False
    return True


def plan_of(array: np.ndarray, axes: str | None = None, data_range: float | None = None, **options: Any) -> ChunkPlan:
    """The plan that `encode` would make, without verification."""
    layout = PlaneLayout.of(array.shape, axes)
    colour = is_colour(None, layout, array.dtype)
    config = for_channels(CodecConfig.from_options(verify=False, **options), layout.channels, colour=colour)
    return make_plan(config, ArrayReader(Trial(array), layout, colour), data_range)
