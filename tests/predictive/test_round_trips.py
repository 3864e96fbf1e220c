"""Kind 2 on drawn arrays: exact, never larger than the samples, the same bytes for threads, batches and kernels."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from helpers.drawn_exact import drawn_exact
from helpers.kernel_copies import selected

import mmip_gpu as mmip
from mmip_gpu.codecs import Limits, Wanted, codec_of
from mmip_gpu.container.header import Header
from mmip_gpu.container.payload import parts_of

SEEDS = 100


@pytest.mark.parametrize("part", range(10))
def test_a_thousand_drawn_arrays_are_exact(part: int) -> None:
    kinds: Counter[str] = Counter()
    for seed in range(part * SEEDS, (part + 1) * SEEDS):
        array, options = drawn_exact(seed)
        blob = mmip.encode(array, threads=1, **options)
        header_bytes = int.from_bytes(blob[6:8], "little")
        assert len(blob) <= array.nbytes + header_bytes, seed
        found = mmip.decode(blob, threads=1)
        assert found.dtype == array.dtype.newbyteorder("="), seed
        assert np.array_equal(found, array), seed
        report = mmip.inspect(blob)
        kinds[report["kind"]] += 1
        loss = report["loss"]
        assert (loss["mode"], loss["verified"], loss["max_error"]) == ("lossless", True, 0), seed
    assert kinds["predictive"] > 50
    assert kinds["raw"] > 5


@pytest.mark.parametrize("seed", range(60))
def test_bytes_do_not_depend_on_threads_and_kernels(seed: int, each_kernel: list[str]) -> None:
    array, options = drawn_exact(5000 + seed, 20_000)
    expected = mmip.encode(array, threads=1, **options)
    for kernel in selected(each_kernel):
        for threads in (1, 2, 3):
            assert mmip.encode(array, threads=threads, **options) == expected, (kernel, threads)
            assert np.array_equal(mmip.decode(expected, threads=threads), array), (kernel, threads)


def test_batches_do_not_change_bytes() -> None:
    drawn = [drawn_exact(seed) for seed in range(7000, 7040)]
    for effort, axes in ((1, "yx"), (2, "yxc"), (3, "zyx")):
        arrays = [array for array, options in drawn if options["axes"] == axes and "step" not in options]
        options: dict[str, Any] = {"lossless": True, "axes": axes, "effort": effort}
        expected = [mmip.encode(array, **options) for array in arrays]
        assert mmip.encode_batch(arrays, **options) == expected
        assert all(map(np.array_equal, mmip.decode_batch(expected), arrays))


def test_empty_arrays_are_raw() -> None:
    for shape in ((0,), (3, 0), (0, 4, 5)):
        blob = mmip.encode(np.zeros(shape, np.uint16), lossless=True)
        assert mmip.inspect(blob)["kind"] == "raw"
        assert mmip.decode(blob).shape == shape


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16"])
def test_extreme_values(dtype: str) -> None:
    """Every row holds both ends of the dtype, so that residuals wrap around."""
    info, rng = np.iinfo(dtype), np.random.default_rng(3)
    pattern = rng.choice([info.min, info.max, info.min + 1, 0], (40, 50)).astype(dtype)
    for array in (pattern, pattern[:, ::-1] // 2, pattern[None, :9].repeat(5, 0)):
        assert np.array_equal(mmip.decode(mmip.encode(array, lossless=True)), array)


def test_more_bits_than_lock_step_has(each_kernel: list[str]) -> None:
    """Indices of float32 samples take up to 20 bits; above 17 a plain loop codes them."""
    numbers = np.arange(400 * 500, dtype=np.float32).reshape(400, 500) - 2**16  # each once: no ranks stand for them
    array = np.where(np.arange(400)[:, None] % 3, numbers, numbers[:, ::-1]) * np.float32(0.5)
    blob = mmip.encode(array, lossless=True, step=0.5)
    report = mmip.inspect(blob)
    assert (report["kind"], report["config"]["bits"]) == ("predictive", 18)
    for _ in selected(each_kernel):
        assert mmip.encode(array, lossless=True, step=0.5) == blob
        assert np.array_equal(mmip.decode(blob), array)


@pytest.mark.parametrize("near", [1, 2, 7, 40])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16"])
def test_near_bounds_the_error(near: int, dtype: str, each_kernel: list[str]) -> None:
    info, rng = np.iinfo(dtype), np.random.default_rng(near)
    walk = rng.normal(0, 12, (5, 33, 41)).cumsum(axis=-1) * (4 if info.bits == 16 else 1)
    array = np.clip(np.rint(walk), info.min, info.max).astype(dtype)
    array[0, 0, :2] = info.min, info.max
    blob = mmip.encode(array, max_error=near, effort=1)
    for _ in selected(each_kernel):
        found = mmip.decode(blob)
        assert int(np.abs(found.astype(int) - array.astype(int)).max()) <= near
    assert len(blob) < len(mmip.encode(array, lossless=True))


def test_only_one_stage() -> None:
    array = mmip.phantom2d(64)
    blob = mmip.encode(array, lossless=True)
    assert np.array_equal(mmip.decode(blob, stages=1), array)
    for stages in (2, 3):
        with pytest.raises(mmip.InvalidArgument, match=f"stages={stages}: expected at most 1"):
            mmip.decode(blob, stages=stages)


def test_no_memory_is_taken_above_the_limit() -> None:
    blob = mmip.encode(mmip.phantom3d((8, 64, 64)), lossless=True)
    with pytest.raises(mmip.LimitExceeded):
        mmip.decode(blob, max_bytes=1000)
    header, at = Header.parse(blob)
    with pytest.raises(mmip.LimitExceeded):
        codec_of(header).decode(header, parts_of([blob[at:]]), Wanted(), Limits(max_bytes=1000))
    assert mmip.decode(blob, region=(slice(0, 1), slice(0, 8), slice(0, 8)), max_bytes=2**17).shape == (1, 8, 8)
