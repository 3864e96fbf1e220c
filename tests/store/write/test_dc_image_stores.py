"""DC images: when an encoder takes one, in containers and in stores."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray
from zarr.storage import MemoryStore

import mmip_gpu as mmip
from mmip_gpu.config import CodecConfig
from mmip_gpu.transform.chunk import encode_chunk
from mmip_gpu.transform.planning.array_reader import ArrayReader
from mmip_gpu.transform.planning.make_plan import make_plan
from mmip_gpu.transform.planning.trial import Trial
from mmip_gpu.volume.axes import PlaneLayout
from numcodecs_plugin import StageCodec

GOOD: dict[str, Any] = {
    "stage": 1,
    "cell_depth": 1,
    "tile_log2": [0, 3, 3],
    "cuts": [0, 9, 63],
    "steps": [[2560]],
    "dc_image": True,
}


def soft(shape: tuple[int, int], noise: float = 300) -> NDArray[np.uint16]:
    """A smooth field with fine noise, as of a radiograph."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]] / 512
    waves = sum(np.cos(2 * np.pi * (rng.uniform(0, 6) * x + rng.uniform(0, 6) * y + rng.uniform())) for _ in range(12))
    return np.clip(30000 + 2500 * waves + rng.normal(0, noise, shape), 0, 65535).astype(np.uint16)


def has_image(blob: bytes) -> bool:
    return bool(mmip.inspect(blob)["config"]["dc_image"])


def psnr(a: NDArray[Any], b: NDArray[Any]) -> float:
    return float(10 * np.log10(np.ptp(a.astype(float)) ** 2 / ((a.astype(float) - b) ** 2).mean()))


@pytest.mark.parametrize("effort", [1, 2, 3])
def test_it_is_taken_where_it_saves_bytes(effort: int) -> None:
    array = soft((500, 520))
    blob = mmip.encode(array, psnr=36, effort=effort)
    assert has_image(blob)
    assert 36 <= psnr(array, mmip.decode(blob)) < 36.2
    layout = PlaneLayout.of(array.shape, "yx")
    plan = make_plan(CodecConfig("psnr", 36.0, effort=effort), ArrayReader(Trial(array), layout))
    without = encode_chunk(array, replace(plan, dc_image=False), threads=1)
    assert len(blob) < 0.95 * without.size


@pytest.mark.parametrize(
    "options",
    [{"psnr": 50}, {"lossless": True, "stages": 3}, {"psnr": 36, "cell_depth": 8}, {"psnr": 36, "padding": 30000}],
    ids=str,
)
def test_it_is_left_out_elsewhere(options: dict[str, Any]) -> None:
    assert not has_image(mmip.encode(soft((256, 256)), **options))


def test_a_region_of_interest_excludes_it() -> None:
    array = soft((256, 256))
    roi = np.zeros(array.shape, bool)
    roi[40:80, 40:80] = True
    assert not has_image(mmip.encode(array, psnr=30, roi=roi, roi_quality="lossless"))


@pytest.mark.parametrize("mode", [{"quality": 0.05}, {"ratio": 400}, {"max_error": 9000}], ids=str)
def test_every_mode_may_have_it(mode: dict[str, float]) -> None:
    array = soft((512, 512))
    blob = mmip.encode(array, **mode)
    assert has_image(blob)
    error = np.abs(mmip.decode(blob).astype(int) - array).max()
    assert error == mmip.inspect(blob)["loss"]["max_error"]
    assert "max_error" not in mode or error <= mode["max_error"]


@pytest.mark.parametrize("chunks", [None, (128, 192), (512, 512)])
def test_a_store_of_dc_images(chunks: tuple[int, int] | None) -> None:
    array, store = soft((500, 450)), MemoryStore()
    mmip.write_zarr(array, store, psnr=34, chunks=chunks)
    opened = mmip.open_zarr(store)
    assert opened.report["plan"]["dc_image"]
    whole = opened.to_numpy()
    assert 34 <= psnr(array, whole) < 34.5
    assert np.array_equal(opened[37:200, 100:300], whole[37:200, 100:300])
    for scale in (2, 4, 8):
        small = mmip.open_zarr(store, scale=scale).to_numpy()
        y, x = (n // scale * scale for n in array.shape)
        means = whole[:y, :x].reshape(y // scale, scale, x // scale, scale).mean(axis=(1, 3))
        assert np.abs(small[: y // scale, : x // scale] - means).max() < 2000
    stage = zarr.open_array(store, path="stage_1", mode="r")
    assert stage.shape == (1, 1, 8, 8, 65)
    copied = MemoryStore()
    copy = zarr.create_array(
        copied, name="stage_1", shape=stage.shape, chunks=stage.chunks, dtype="int32", fill_value=-1,
        serializer=stage.serializer, compressors=None, filters=None,
    )  # fmt: skip
    copy[...] = stage[...]
    keys = [key for key in store._store_dict if key.startswith("stage_1/c/")]
    assert keys
    assert all(copied._store_dict[key].to_bytes() == store._store_dict[key].to_bytes() for key in keys)


def test_chunks_that_would_cut_its_cells_exclude_it() -> None:
    store = MemoryStore()
    mmip.write_zarr(soft((500, 450)), store, psnr=34, chunks=(160, 160))
    assert not mmip.open_zarr(store).report["plan"]["dc_image"]


@pytest.mark.parametrize(
    "change",
    [
        {"dc_image": 1},
        {"cell_depth": 8, "tile_log2": [3, 3, 3], "cuts": [0, 511]},
        {"tile_log2": [0, 2, 3]},
        {"steps": [[2560], [640]]},
        {"padding": True},
        {"stage": 2},
    ],
    ids=str,
)
def test_configurations_out_of_range(change: dict[str, Any]) -> None:
    with pytest.raises(mmip.InvalidArgument):
        StageCodec.from_dict({"name": "mmip.stage", "configuration": GOOD | change})


@pytest.mark.parametrize(("column", "value"), [(0, 9), (0, 3), (1, 2**26), (2, -(2**26)), (64, 2**26)])
def test_columns_that_no_image_has(column: int, value: int) -> None:
    codec = StageCodec.from_dict({"name": "mmip.stage", "configuration": GOOD})
    array = np.zeros((1, 1, 3, 2, 65), np.int32)
    data = codec.encode_array(array)
    assert data is not None
    assert np.array_equal(codec.decode_bytes(data, array.shape), array)
    array[0, 0, 1, 1, column] = value
    with pytest.raises(mmip.InvalidArgument):
        codec.encode_array(array)
