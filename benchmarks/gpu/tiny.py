"""Tiny arrays that make the pipelines launch every kernel, for a first run on a device and for its sanitizers.

Values: none in, cases by name out; to run one is to encode and decode it, or a stage array of it, on an executor. It
returns the bytes and the samples as they came. Nothing but NumPy is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import mmip_gpu as mmip
from gpu.data import THREADS, textured
from mmip_gpu.codecs import codec_of
from mmip_gpu.device.decode.containers import decode_containers
from mmip_gpu.device.encode.arrays import encode_arrays
from mmip_gpu.device.run.executors import Executor
from mmip_gpu.encoding import planned
from mmip_gpu.options import EncodeSettings
from mmip_gpu.stage_arrays.coding import decode_stage, encode_stage
from mmip_gpu.stage_arrays.device_decoding import StageRegion, decode_stages
from mmip_gpu.stage_arrays.device_encoding import encode_stages
from mmip_gpu.stage_arrays.options import StageOptions

Way = dict[str, Any]
_SCALED: tuple[Way, ...] = ({}, {"scale": 2}, {"stages": 1, "scale": 8})


@dataclass(frozen=True)
class Tiny:
    """An array with options of `mmip_gpu.encode`, and ways to decode it."""

    name: str
    array: NDArray[Any]
    options: dict[str, Any]
    ways: Sequence[Way] = field(default=({},))

    def settings(self) -> EncodeSettings:
        """What `mmip_gpu.encode` makes of the options."""
        return EncodeSettings.of(**self.options)

    def expected(self) -> list[Any]:
        """The container and the arrays of the CPU core."""
        blob = mmip.encode(self.array, **self.options)
        return [blob, *(mmip.decode(blob, **way) for way in self.ways)]

    def run(self, executor: Executor) -> list[Any]:
        """The container and the arrays of an executor's kernels."""
        settings = self.settings()
        (coded,) = encode_arrays([self.array], partial(planned, settings=settings), THREADS, executor)
        blob = coded.to_bytes()
        return [blob, *(decode_containers([blob], codec_of, executor=executor, **way)[0] for way in self.ways)]


@dataclass(frozen=True)
class TinyStage:
    """Columns of a stage array."""

    name: str
    options: StageOptions
    columns: NDArray[np.int32]

    def expected(self) -> list[Any]:
        """The chunk and the columns of the CPU core."""
        data = encode_stage(self.options, self.columns)
        assert data is not None
        return [data, decode_stage(self.options, data, self.columns.shape)]

    def run(self, executor: Executor) -> list[Any]:
        """The chunk and the columns of an executor's kernels."""
        (data,) = encode_stages(self.options, [executor.upload(self.columns)], executor)
        assert data is not None
        held = executor.upload(np.frombuffer(data, np.uint8))
        region = StageRegion(held, self.columns.shape, tuple(slice(0, n) for n in self.columns.shape))
        (found,) = decode_stages(self.options, [region], executor)
        return [data, executor.download(found)]


def _half(array: NDArray[Any]) -> NDArray[Any]:
    """The same with zeros in its first half."""
    changed = array // 2 + 1
    changed[..., : array.shape[-1] // 2] = 0
    return changed


_FLAT, _DEEP = (70, 90), (9, 22, 40)
_PLAIN: Way = {"axes": "yx", "effort": 1}
_CELLS: Way = {"axes": "zyx", "effort": 1, "cell_depth": 8}


def _roi() -> NDArray[np.uint8]:
    """Two regions of a volume."""
    roi = np.zeros(_DEEP, np.uint8)
    roi[2:6, 3:13, 5:36], roi[5:, 11:20, 2:19] = 1, 2
    return roi


def tiny_cases() -> list[Tiny | TinyStage]:
    """All cases, those of the main path first."""
    image, volume = textured(_FLAT, "uint16", 1), textured(_DEEP, "uint16", 2)
    return [*_main_cases(image, volume), *_other_cases(image, volume), _stage_case()]


def _main_cases(image: NDArray[Any], volume: NDArray[Any]) -> list[Tiny]:
    """Stages at every effort, and without loss."""
    thorough: Way = {"axes": "zyx", "effort": 3}
    exact = {"roi": _roi(), "roi_quality": {1: "lossless", 2: 50}}
    predicted = thorough | {"quality": 20, "prediction": True, "stages": 4}
    return [
        Tiny("volume", volume, {"psnr": 36, **_CELLS}, _SCALED),
        Tiny("image", image, {"psnr": 45, **_PLAIN}, _SCALED),
        Tiny("lossless", volume // 64, {"lossless": True, "stages": 3, "axes": "zyx"}),
        Tiny("effort 2", image, {"psnr": 40, "effort": 2, "axes": "yx"}),
        Tiny("effort 3, predicted", volume[:3], predicted, _SCALED),
        Tiny("effort 3, deep", volume, {"quality": 20, "cell_depth": 8, **thorough}),
        Tiny("effort 3, exact part", volume, {"qstep": 900, **exact, **thorough}),
    ]


def _other_cases(image: NDArray[Any], volume: NDArray[Any]) -> list[Tiny]:
    """Options that have kernels of their own, and the predictive codec."""
    colour, floats = (*_FLAT, 3), textured(_DEEP, "int16", 5).astype(np.float32) / 128
    regions = {"roi": _roi(), "roi_quality": {1: 60, 2: "lossless"}}
    return [
        Tiny("colour", textured(colour, "uint8", 3), {"quality": 20, "axes": "yxc", "effort": 1}),
        Tiny("largest error", textured(_FLAT, "uint8", 4), {"max_error": 3, "stages": 3, **_PLAIN}),
        Tiny("ROI", volume, {"quality": 10, "effort": 1, "axes": "zyx", **regions}),
        Tiny("padding", _half(image), {"psnr": 45, "padding": 0, **_PLAIN}),
        Tiny("padding, volume", _half(volume), {"psnr": 45, "padding": 0, **_CELLS}),
        Tiny("float32", floats, {"psnr": 50, "step": 0.01, "effort": 1, "axes": "zyx"}),
        Tiny("DC image", textured((180, 190), "uint8", 6), {"psnr": 30, **_PLAIN}),
        Tiny("predictive", volume, {"lossless": True, "axes": "zyx"}, ({}, {"scale": 2})),
        Tiny("predictive, colour", textured(colour, "uint8", 7), {"lossless": True, "axes": "yxc"}),
    ]


def _stage_case() -> TinyStage:
    """Columns of 64 cells of a plane."""
    columns = np.zeros((1, 1, 8, 8, 10), np.int32)
    columns[..., 1:] = np.arange(9) % 3
    return TinyStage("stage array", StageOptions(2, 1, (0, 3, 3), (0, 9, 63)), columns)
