"""Chunks that are written in part: what was coded before is kept as it is, so that its error does not grow.

Values: container and samples of the chunk that is replaced, and the samples that take its place, in; a container out.
FORMAT.md section 1. Guarantees that samples which did not change come back as they came back before, so that a
bound on the error, a PSNR and a quality hold for them still; the record adds what was lost before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import mmip_gpu as mmip
from mmip_gpu import EncodeSettings
from mmip_gpu.container.header import Header
from mmip_gpu.container.loss_record import UNKNOWN_ERROR, LossRecord
from mmip_gpu.container.reader import open_container
from mmip_gpu.volume.roi import roi_classes
from numcodecs_plugin.chunks import LARGEST_PSNR, coded_shape, encode_host
from numcodecs_plugin.options import Options

__all__ = ["OTHER_PIPELINE", "PARTIAL", "DecodedChunk", "Former", "encode_over"]

PARTIAL = (
    "mmip: a chunk was written in part: its other samples were decoded and are now coded without loss, so that their "
    "error does not grow, which takes more bytes; write whole chunks (numcodecs_plugin/README.md, appending)"
)
OTHER_PIPELINE = (
    "mmip: this pipeline of Zarr (codec_pipeline.path) may decode and encode a chunk in different tasks, where a chunk "
    "that is written in part looks like a new one, and loses more than was asked for: write whole chunks"
)


@dataclass(frozen=True)
class Former:
    """A chunk that is about to be replaced: its container and what that decodes to."""

    blob: bytes
    samples: NDArray[Any]


class DecodedChunk(np.ndarray):
    """A decoded chunk that knows its container and codec, and so do its copies: Zarr v2 writes parts into one."""

    container: bytes | None
    codec: Options | None

    def __array_finalize__(self, before: Any) -> None:
        self.container = getattr(before, "container", None)
        self.codec = getattr(before, "codec", None)

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        """What is computed of a chunk is no chunk that is written in part."""
        plain = np.asarray(array)
        return plain[()] if return_scalar or plain.ndim == 0 else plain  # NumPy 1 does not say which

    @classmethod
    def of(cls, array: NDArray[Any], container: bytes, codec: Options) -> DecodedChunk:
        """The array, with its container."""
        found = array.view(cls)
        found.container, found.codec = container, codec
        return found


def encode_over(options: Options, array: NDArray[Any], former: Former, axes: str | None = None) -> bytes:
    """Container of a chunk of which a part is what a former one decodes to; `axes` instead of those of the options."""
    array, before = array.reshape(coded_shape(array.shape)), former.samples.reshape(coded_shape(array.shape))
    kept = array == before
    if kept.all():
        return former.blob
    if options.settings.config.exact or not kept.any():
        return encode_host(options, array, axes)
    header, _ = open_container(former.blob)
    settings = _keeping(options, header, array, kept, axes)
    encoded = mmip.encode_configured(array, settings, threads=1)
    loss, now = _both(header.loss, encoded.header.loss, options), encoded.header
    if now.channel_losses:
        earlier = header.channel_losses or [header.loss] * len(now.channel_losses)
        pairs = zip(earlier, now.channel_losses, strict=True)
        losses, asked = tuple(_both(a, b, options).extent for a, b in pairs), options.settings.config.channel_values
        channels = replace(now.fields.channels, losses=losses, requested=asked)
        now, loss = replace(now, fields=replace(now.fields, channels=channels)), channels.joined(loss)
    return replace(encoded, header=replace(now, loss=loss)).to_bytes()


def _keeping(
    options: Options, header: Header[Any], array: NDArray[Any], kept: NDArray[np.bool_], axes: str | None
) -> EncodeSettings:
    """Settings by which samples that are kept come back exactly, and the others have what was asked for."""
    settings, config = options.settings, options.settings.config.in_blocks()
    axes = axes or settings.layout(array.shape).axes
    found = roi_classes(settings.roi, array, axes)
    voxels = kept.any(axis=axes.index("c")) if "c" in axes else kept
    classes = np.where(voxels, 2, 0 if found is None else found).astype(np.uint8)
    of_rule = () if config.class_quality(1) is None else ((1, config.class_quality(1)),)
    config = replace(config, roi_quality=(*of_rule, (2, "lossless")))
    if config.mode == "psnr":  # of the new samples alone
        psnr = config.value + 10 * math.log10(array.size / (array.size - np.count_nonzero(kept)))
        config = replace(config, value=min(psnr, LARGEST_PSNR))
    if config.mode == "ratio":  # which what is kept may exclude: the plan of the former chunk
        steps = [step / 256 * (config.step or 1.0) for step in getattr(header.fields, "steps", ((1,),))[0]]
        listed = tuple(steps) if config.per_channel and header.channel_losses else ()
        config = replace(config, mode="qstep", value=max(listed or steps[:1]), channel_values=listed)
    return replace(settings, config=config, roi=classes, axes=axes, is_part=True)


def _both(before: LossRecord, now: LossRecord, options: Options) -> LossRecord:
    """What was lost before and now, at most; an estimate unless nothing was lost before."""
    config = options.settings.config
    unknown = math.inf if config.step is not None else UNKNOWN_ERROR
    largest = unknown if unknown in (before.max_error, now.max_error) else max(before.max_error, now.max_error)
    return replace(
        now,
        mode=config.mode,
        requested=config.value,
        verified=now.verified and before.verified and before.sse == 0,
        sse=before.sse + now.sse,
        max_error=largest,
    )
