"""What is asked for in each channel of an array.

Values: a CodecConfig and channels in; configurations of the array, or of one channel, out. Implements no section of
FORMAT.md.
"""

from __future__ import annotations

from dataclasses import replace

from mmip_gpu.config import CodecConfig
from mmip_gpu.errors import InvalidArgument

__all__ = ["error_bounds", "for_channels", "of_channel"]


def for_channels(config: CodecConfig, channels: int, *, colour: bool = False) -> CodecConfig:
    """The configuration of an array of so many channels: `per_channel` only where it means something.

    Raises
    ------
    InvalidArgument
        For numbers of another number of channels.

    Examples
    --------
    >>> [for_channels(CodecConfig.from_options(psnr=50), n).per_channel for n in (1, 4)]
    [False, True]
    """
    listed = config.channel_values
    if listed and len(listed) != channels:
        asked = f"{config.mode}={[float(f'{v:g}') for v in listed]}"
        raise InvalidArgument(f"{asked}: expected one number, or one for each of {channels} channels (axis c)")
    if listed and colour:
        raise InvalidArgument(f"{config.mode}: numbers of three channels need colour=False")
    if not config.per_channel or (channels > 1 and not colour and not config.exact):
        return config
    return of_channel(config, 0)


def of_channel(config: CodecConfig, channel: int) -> CodecConfig:
    """What is asked for in one channel alone."""
    value = config.channel_values[channel] if config.channel_values else config.value
    return replace(config, value=value, per_channel=False, channel_values=())


def error_bounds(config: CodecConfig) -> tuple[int, ...]:
    """The largest error of each channel, as `CodecConfig.error_bound`, where they differ; else empty.

    Examples
    --------
    >>> error_bounds(CodecConfig.from_options(max_error=[1, 2.5, 0]))
    (1, 2, 0)
    """
    if config.mode != "max_error":
        return ()
    return tuple(of_channel(config, i).error_bound or 0 for i in range(len(config.channel_values)))
