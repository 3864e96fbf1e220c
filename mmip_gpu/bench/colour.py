"""Images with channels as codecs take them: all together, one after the other, or their luma alone.

Values: a Codec, a Source and the way in; the Codec and the Source to be coded, and judged, out. Guarantees that bytes
of all channels are counted, and that all channels share the step that belongs to the range of the image.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mmip_gpu.bench.adapters import Codec, Pieces, Source, Stream
from mmip_gpu.errors import InvalidArgument

__all__ = ["channels_of", "in_colour", "luma_of"]

_BT601 = (0.299, 0.587, 0.114)


def in_colour(codec: Codec, source: Source, colour: str) -> tuple[Codec, Source]:
    """The codec and the image for one way to handle colour.

    Parameters
    ----------
    colour : {"gray", "joint", "separate", "luma"}
        The image has one channel; the codec gets all of them; each is coded as a grey image; the rounded BT.601 luma
        is coded, and is what the result is compared with.

    Raises
    ------
    InvalidArgument
        For a way that does not suit the image.
    """
    if colour == "gray" and source.channels == 1:
        return codec, channels_of(source)[0]
    if colour == "luma" and source.channels == 3:
        return codec, luma_of(source)
    if colour == "separate" and source.channels > 1:
        return _separately(codec), source
    if colour == "joint" and source.channels > 1:
        return codec, source
    raise InvalidArgument(f"colour={colour!r}: does not suit an image of {source.channels} channels")


def channels_of(source: Source) -> list[Source]:
    """Every channel as a grey image, with the range of all."""
    if not source.axes.endswith("c"):
        return [source]
    peak = source.range if source.channels > 1 else source.peak
    axes = source.axes[:-1]
    return [
        replace(source, array=np.ascontiguousarray(source.array[..., i]), axes=axes, peak=peak)
        for i in range(source.channels)
    ]


def luma_of(source: Source) -> Source:
    """The luma of an RGB image, rounded to whole numbers, of floats to multiples of the step."""
    luma = source.array.astype(np.float64) @ np.array(_BT601)
    step = source.step if source.is_float else 1
    array = luma if step is None else np.rint(luma / step) * step
    return replace(source, array=array.astype(source.array.dtype), axes=source.axes[:-1])


@dataclass(frozen=True)
class _ChannelPiece:
    """A piece of a channel, with the channel."""

    source: Source
    piece: Any


def _separately(codec: Codec) -> Codec:
    """The codec on every channel alone."""

    def pieces(source: Source) -> Pieces:
        return [_ChannelPiece(one, piece) for one in channels_of(source) for piece in codec.pieces(one)]

    def encode(piece: _ChannelPiece, parameter: float, _source: Source) -> Stream:
        return codec.encode(piece.piece, parameter, piece.source)

    def decode(data: Stream, piece: _ChannelPiece) -> np.ndarray:
        return codec.decode(data, piece.piece)

    def restore(source: Source, decoded: np.ndarray) -> np.ndarray:
        channels = channels_of(source)
        parts = decoded.reshape(len(channels), -1, *decoded.shape[1:])
        whole = [
            codec.restore(one, part if len(part) > 1 else part[0]) for one, part in zip(channels, parts, strict=True)
        ]
        return np.stack(whole, axis=-1)

    def refuses(source: Source) -> str | None:
        return next((reason for one in channels_of(source) if (reason := codec.refusal(one))), None)

    return replace(
        codec, pieces=pieces, encode=encode, decode=decode, restore=restore, refuses=refuses, known=None,
        colours=codec.colours | {"joint"},
    )  # fmt: skip
