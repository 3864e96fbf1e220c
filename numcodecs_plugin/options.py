"""Options of the codec `mmip`: what Zarr metadata and callers may say, checked in one place.

Values: keyword options or JSON in; a frozen, hashable value, its JSON form and the options of `mmip_gpu.encode` out.
Implements the configuration of SPEC.md. Guarantees that what was accepted codes every chunk of a dtype and rank that
`check` accepts, as far as that does not depend on the samples; coding is mmip_gpu's affair.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from numbers import Real
from typing import Any

import numpy as np

from mmip_gpu import EncodeSettings, InvalidArgument
from mmip_gpu.caution import warn_of_region
from mmip_gpu.container.header import DTYPES, LABEL_DTYPES
from mmip_gpu.signatures import unknown_option
from mmip_gpu.volume.axes import PlaneLayout
from mmip_gpu.volume.floats import sample_range
from mmip_gpu.volume.roi import RoiRule
from numcodecs_plugin.chunks import coded_shape

__all__ = ["CODEC_NAME", "Options", "checked_keys"]

CODEC_NAME = "mmip"


@dataclass(frozen=True, kw_only=True, repr=False)
class Options:
    """The options of `mmip_gpu.encode` that a codec can follow, which sees one chunk at a time.

    Parameters
    ----------
    quality, psnr, max_error, ratio, lossless, labels, qstep
        Exactly one of them is the target, and it holds for each chunk. ``psnr`` needs ``data_range=`` beside it, since
        a chunk does not know the range of the array. ``lossless`` alone gives one payload, with ``stages=`` parts.
        ``mmip_gpu/docs/quality.md`` has typical values.
    roi : str, optional
        A rule marks regions of interest by value: ``threshold:VALUE`` or ``range:LOW..HIGH``. A mask does not reach a
        codec; `mmip_gpu.write_zarr` takes one.
    axes : str, optional
        One letter names each axis of the array. The default goes by rank: x, yx, zyx, tzyx, tczyx.
    stages, cuts, roi_quality, cell_depth, prediction, slice_axis, verify, step, effort, padding, colour, data_range,
    per_channel
        They are those of `mmip_gpu.encode`. A number for each channel needs chunks that hold all of them.

    Raises
    ------
    InvalidArgument
        A value is out of range. The message names the option.

    Examples
    --------
    >>> Options(quality=10, roi="threshold:9000", roi_quality={1: 40})
    Options(quality=10, roi='threshold:9000', roi_quality={1: 40})
    """

    quality: float | None = None
    psnr: float | None = None
    max_error: Any = None
    ratio: float | None = None
    lossless: bool | str = False
    labels: bool = False
    qstep: Any = None
    stages: int | None = None
    cuts: tuple[int, ...] | None = None
    effort: int = 2
    step: float | None = None
    padding: int | str | None = "auto"
    cell_depth: int | None = None
    prediction: bool | None = None
    slice_axis: str | None = None
    axes: str | None = None
    colour: bool | None = None
    roi: str | None = None
    roi_quality: Any = None
    verify: bool = True
    per_channel: bool = True
    data_range: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, _frozen(getattr(self, field.name)))
        try:
            self._check_values()
        except InvalidArgument as error:
            raise InvalidArgument(f"{CODEC_NAME}: {error}") from None

    def _check_values(self) -> None:
        _expect(isinstance(self.lossless, bool | str), "lossless", self.lossless, "true, false or 'small'")
        for name in ("labels", "verify", "per_channel"):
            _expect(isinstance(getattr(self, name), bool), name, getattr(self, name), "true or false")
        for name in ("colour", "prediction"):
            value = getattr(self, name)
            _expect(value is None or isinstance(value, bool), name, value, "true, false or null")
        _expect(self.stages is None or _is_integer(self.stages), "stages", self.stages, "an integer")
        _expect(self.cuts is None or isinstance(self.cuts, tuple), "cuts", self.cuts, "a list of integers")
        _expect(_is_integer(self.cell_depth) or self.cell_depth is None, "cell_depth", self.cell_depth, "1, 8 or null")
        _expect(self.roi is None or isinstance(self.roi, str), "roi", self.roi, "a rule such as 'threshold:9000'")
        _expect(self.roi_quality is None or self.roi is not None, "roi_quality", self.roi_quality, "roi= beside it")
        pairs = self.roi_quality if isinstance(self.roi_quality, tuple) else ()
        whole = all(isinstance(pair, tuple) and len(pair) == 2 for pair in pairs)
        _expect(whole, "roi_quality", self.roi_quality, "a number, 'lossless' or {class: quality}")
        _expect(self.data_range is None or self.psnr is not None, "data_range", self.data_range, "psnr= beside it")
        peak = "the peak that psnr= counts on (max - min of the array)"
        _expect(_is_peak(self.data_range), "data_range", self.data_range, peak)
        _ = self.settings  # made here, so that what is out of range is an error at once
        _expect(self.psnr is None or self.data_range is not None, "data_range", self.data_range, peak)
        if self.roi is not None:
            rule = RoiRule.parse(self.roi)
            _expect(not rule.needs_whole_array, "roi", self.roi, "'threshold:..' or 'range:..', which fit every chunk")
        if self.axes is not None:
            _expect(isinstance(self.axes, str), "axes", self.axes, "a text such as 'zyx'")
            PlaneLayout.of((1,) * len(self.axes), self.axes)
        _expect(not self.colour or "c" in (self.axes or ""), "axes", self.axes, "an axis c, for colour=True")

    @property
    def given(self) -> dict[str, Any]:
        """The options that are not the default, as keyword options of `mmip_gpu.encode`."""
        found = _chosen(self, Options)
        if isinstance(self.roi_quality, tuple):
            found["roi_quality"] = dict(self.roi_quality)
        return found

    @cached_property
    def settings(self) -> EncodeSettings:
        """The options in the form in which every chunk takes them."""
        return EncodeSettings.of(**self.given)

    def to_json(self) -> dict[str, Any]:
        """The configuration in metadata: what was given, JSON-safe.

        Examples
        --------
        >>> Options(lossless=True, cuts=(9, 30), padding=None).to_json()
        {'lossless': True, 'cuts': [9, 30], 'padding': None}
        """
        found = self.given
        found |= {key: list(value) for key, value in found.items() if isinstance(value, tuple)}
        if isinstance(self.roi_quality, tuple):
            found["roi_quality"] = {str(index): quality for index, quality in self.roi_quality}
        return found

    def check(self, shape: tuple[int, ...], dtype: np.dtype[Any], *, is_chunk: bool = True) -> None:
        """Raise InvalidArgument unless chunks of this shape, or of this rank, and dtype can be coded.

        Examples
        --------
        >>> Options(quality=10).check((64, 64), np.dtype("float64"))
        Traceback (most recent call last):
        mmip_gpu.errors.InvalidArgument: mmip: data type: expected uint8, int8, uint16, int16, float32, found float64
        """
        native = dtype.newbyteorder("=")
        accepted = (*DTYPES, *LABEL_DTYPES) if self.labels else DTYPES
        if native.name not in accepted:
            raise InvalidArgument(f"{CODEC_NAME}: data type: expected {', '.join(accepted)}, found {dtype}")
        try:
            self.settings.check(coded_shape(shape), native, is_whole=is_chunk)
            if self.roi is not None and native.kind != "f":
                low, high = sample_range(native)
                rule = RoiRule.parse(self.roi)
                first = min(max(math.ceil(rule.low or 0), low), high)
                inside = rule.apply(np.array([first, low, high], native))
                warn_of_region(self.roi, int(inside[1:].all()), int(inside.any()))
        except InvalidArgument as error:
            raise InvalidArgument(f"{CODEC_NAME}: {error}") from None

    def __repr__(self) -> str:
        shown = (_chosen(self, type(self)) | self.given).items()
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in shown)})"


def checked_keys(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of metadata as keyword options.

    Raises
    ------
    InvalidArgument
        For an unknown key.
    """
    names = [field.name for field in fields(Options)]
    for key in configuration:
        if key not in names:
            raise unknown_option(CODEC_NAME, key, names)
    return dict(configuration)


def _chosen(options: Options, kind: type[Options]) -> dict[str, Any]:
    """Values of the fields of a class that are not the default."""
    return {f.name: getattr(options, f.name) for f in fields(kind) if getattr(options, f.name) != f.default}


def _expect(condition: bool, key: str, found: object, expected: str) -> None:
    if not condition:
        raise InvalidArgument(f"{key}={found!r}: expected {expected}")


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_peak(value: Any) -> bool:
    """Whether this may be a data range: a positive number, or none."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    return value is None or (is_number and 0 < float(value) < math.inf)


def _frozen(value: Any) -> Any:
    """The value without NumPy scalars, lists and mappings, which JSON does not write or a set does not hold."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return tuple(_frozen(item) for item in value)
    if isinstance(value, Mapping):
        pairs = ((_class_number(key), _frozen(quality)) for key, quality in value.items())
        return tuple(sorted(pairs, key=lambda pair: str(pair[0])))
    return value


def _class_number(key: object) -> Any:
    """The number of a ROI class; keys of JSON are texts."""
    return int(key) if isinstance(key, str) and key.isdecimal() else key
