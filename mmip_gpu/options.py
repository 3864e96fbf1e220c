"""The options of `encode`, its batches and `write_zarr`: one list, which editors and type checkers know.

Values: keyword options in; frozen EncodeSettings out, which serve any number of arrays. The command line and the
plug-in take their names from here. Defaults and ranges are those of config.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

import numpy as np

from mmip_gpu.arguments import check_data_range, check_labels, check_step, given_padding, is_colour
from mmip_gpu.channel_targets import for_channels
from mmip_gpu.config import CodecConfig
from mmip_gpu.container.channel_fields import check_channel_count
from mmip_gpu.errors import InvalidArgument
from mmip_gpu.signatures import public, public_class
from mmip_gpu.values import Quality
from mmip_gpu.volume.axes import PlaneLayout

if TYPE_CHECKING:
    from typing import Self

__all__ = ["CodingOptions", "DecodeOptions", "Device", "EncodeOptions", "EncodeSettings", "StoreOptions"]

Device = Literal["cpu", "gpu"] | None
"""Where arrays are coded; None: where they lie."""


class CodingOptions(TypedDict, total=False):
    """The target, of which exactly one is given, and how to code: what `CodecConfig.from_options` takes."""

    quality: float | None
    psnr: float | None
    max_error: float | Sequence[float] | None
    ratio: float | None
    lossless: bool | Literal["small"]
    qstep: float | Sequence[float] | None
    labels: bool
    stages: int | None
    cuts: Sequence[int] | None
    roi_quality: Quality | Mapping[int, Quality] | None
    cell_depth: Literal[1, 8] | None
    verify: bool
    step: float | None
    effort: Literal[1, 2, 3]
    padding: int | Literal["auto"] | None
    prediction: bool | None
    slice_axis: Literal["z", "t", "n"] | None
    per_channel: bool


class EncodeOptions(CodingOptions, total=False):
    """`CodingOptions` and those that depend on the array: the options of `mmip_gpu.encode`, which explains them."""

    roi: Any  # a rule, or a mask in any memory; of stores also what `open_source` opens
    axes: str | None
    colour: bool | None
    data_range: float | None
    dtype: Any  # what `numpy.dtype` takes
    nan: float | None


class DecodeOptions(TypedDict, total=False):
    """The part to decode: options of `mmip_gpu.decode`, which explains them, that its batches share."""

    stages: int | None
    scale: int
    region: tuple[slice, ...] | None
    max_bytes: int


class StoreOptions(EncodeOptions, total=False):
    """`EncodeOptions` and those of a store: the options of `mmip_gpu.write_zarr`, which explains them."""

    chunks: int | Sequence[int] | None
    overwrite: bool
    resume: bool
    threads: int | None
    client: Any  # of Dask, the address of a scheduler, or a number of workers
    device: Device
    progress: bool | None
    storage_options: Mapping[str, Any] | None
    voxel_size: Sequence[float] | float | None
    units: str | None
    max_bytes: int
    durable: bool | None


@public_class()
@dataclass(frozen=True, eq=False)
class EncodeSettings:
    """The options of `mmip_gpu.encode`, checked once for any number of arrays.

    They have no equality, since masks have none.

    Parameters
    ----------
    config : CodecConfig
        The target and how to code.
    roi, axes, colour, data_range, dtype, nan
        As for `mmip_gpu.encode`.
    is_part : bool
        What is coded is a part of an array, so that nothing is said of a region that it does not meet.

    Examples
    --------
    >>> settings = EncodeSettings.of(quality=10, axes="tyx")
    >>> settings.config.mode, settings.layout((5, 64, 64)).planes
    ('quality', 5)
    """

    config: CodecConfig
    roi: Any = None
    axes: str | None = None
    colour: bool | None = None
    data_range: float | None = None
    dtype: Any = None
    nan: float | None = None
    is_part: bool = False

    @classmethod
    @public(CodingOptions)
    def of(
        cls,
        *,
        roi: Any = None,
        axes: str | None = None,
        colour: bool | None = None,
        data_range: float | None = None,
        dtype: Any = None,
        nan: float | None = None,
        **coding: Unpack[CodingOptions],
    ) -> Self:
        """Settings from the public keyword options.

        Raises
        ------
        InvalidArgument
            For an option that there is not, values out of range, or another number of targets than one.
        """
        config = CodecConfig.from_options(**coding, has_roi=roi is not None)
        check_data_range(data_range)
        if config.labels:
            if colour:
                raise InvalidArgument("labels=True: a label is no colour: leave colour= out")
            colour = False
        if config.channel_values:
            if colour:
                raise InvalidArgument(f"{config.mode}=: numbers of three channels need colour=False")
            colour = False
        return cls(config, roi, axes, colour, data_range, dtype, nan)

    def layout(self, shape: tuple[int, ...]) -> PlaneLayout:
        """Which axes of an array of this shape are coded together."""
        return PlaneLayout.of(shape, self.axes)

    def check(self, shape: tuple[int, ...], dtype: np.dtype[Any], *, is_whole: bool = True) -> None:
        """Raise InvalidArgument unless arrays of this shape and (supported) dtype can be coded.

        Parameters
        ----------
        is_whole : bool
            Whether this is the shape of what is coded; otherwise only its rank counts.

        Examples
        --------
        >>> EncodeSettings.of(quality=10, step=0.5).check((64, 64), np.dtype("uint8"))
        Traceback (most recent call last):
        mmip_gpu.errors.InvalidArgument: step=0.5: is for float32 samples, found uint8
        """
        check_labels(dtype, self.config)
        check_step(dtype, self.config.step)
        layout = self.layout(shape)
        colour = is_colour(self.colour, layout, dtype) if is_whole else bool(self.colour)
        given_padding(self.config, dtype, colour)
        if is_whole:
            config = for_channels(self.config, layout.channels, colour=colour)
            if config.per_channel and config.method == "transform":
                check_channel_count(layout.channels, is_listed=bool(config.channel_values))
