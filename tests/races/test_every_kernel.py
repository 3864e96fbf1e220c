"""Small arrays that launch every kernel, together: what tests/races/detect.py watches."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import numpy as np
import pytest
from helpers.device_batches import plan_of
from helpers.edges import edges
from vectors.write import FOLDER, encode, file_of, input_of

import mmip_gpu as mmip
from mmip_gpu.device.decode import containers
from mmip_gpu.device.encode import arrays
from mmip_gpu.device.encode.batch import Chunk, encode_batch
from mmip_gpu.device.run.executors import HostExecutor
from mmip_gpu.stage_arrays.device_decoding import StageRegion, decode_stages
from mmip_gpu.stage_arrays.device_encoding import encode_stages
from mmip_gpu.transform.analysis import ROUNDING
from mmip_gpu.transform.chunk import encode_chunk
from numcodecs_plugin import StageCodec

INDEX: dict[str, dict[str, Any]] = json.loads((FOLDER / "index.json").read_text())
ENCODED = [
    "padding_lossless", "padding_3d", "3d_float_max_error", "3d_roi", "colour_lossless", "predicted_groups",
    "predictive_1d", "predictive_3d", "predictive_near_colour", "2d_roi",
]  # fmt: skip
DECODED = [
    "reference_corrected",
    "reference_predicted_slices",
    "reference_dc_image_colour",
    "predictive_3d",
    "3d_cells",
]


class OnDevice(np.ndarray):
    """Stands for an array of a device: host memory that says it is a device's."""

    __cuda_array_interface__: ClassVar[dict[str, Any]] = {}


@pytest.fixture(autouse=True)
def device(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (arrays, containers):
        monkeypatch.setattr(module, "CudaExecutor", HostExecutor)


@pytest.mark.parametrize("name", ENCODED)
def test_encoding(name: str) -> None:
    array, options = input_of(INDEX[name])
    assert encode(array.view(OnDevice), options) == file_of(name).read_bytes()


def test_encoding_of_predicted_planes() -> None:
    array, options = edges((2, 40, 70), 2), {"psnr": 34, "effort": 3, "cell_depth": 1}
    assert mmip.encode(array.view(OnDevice), **options) == mmip.encode(array, **options)  # type: ignore[arg-type]


def test_encoding_of_dc_images_and_corrections() -> None:
    array, executor = edges((2, 40, 70), 2), HostExecutor()
    plan = plan_of("zyx", 1, 30.0, prediction=True, tile_log2=(1, 3, 3), cuts=(0, 9, 63), dc_image=True, correction=90)
    (found,) = encode_batch(executor, [Chunk(executor.upload(array), plan)], ROUNDING)
    assert tuple(found.payloads) == encode_chunk(array, plan, None, allow_raw=False).payloads


@pytest.mark.parametrize("scale", [1, 2])
def test_decoding(scale: Any) -> None:
    files = [file_of(name).read_bytes() for name in DECODED + ENCODED]
    found = mmip.decode_batch([np.frombuffer(f, np.uint8).view(OnDevice) for f in files], scale=scale)
    for file, array in zip(files, found, strict=True):
        assert np.array_equal(array, mmip.decode(file, scale=scale))


def test_stage_arrays() -> None:
    codec, executor = StageCodec(2, 8, (1, 1, 1), (0, 511)), HostExecutor()
    columns = np.zeros((1, 2, 3, 3, 512), np.int32)
    columns[..., 1:40] = np.random.default_rng(0).integers(-3, 4, (*columns.shape[:4], 39))
    (blob,) = encode_stages(codec, [columns], executor)
    whole = StageRegion(np.frombuffer(blob, np.uint8), columns.shape, tuple(slice(0, n) for n in columns.shape))
    assert np.array_equal(decode_stages(codec, [whole], executor)[0], columns)
