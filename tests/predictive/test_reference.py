"""The reference decoder reads what the core writes, of every dtype, layout and effort."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from helpers.drawn_exact import drawn_exact

import mmip_gpu as mmip


@pytest.mark.parametrize("part", range(6))
def test_drawn_arrays_decode_alike(part: int) -> None:
    seen = 0
    for seed in range(20_000 + 60 * part, 20_060 + 60 * part):
        array, options = drawn_exact(seed, 700)
        blob = mmip.encode(array, **options)
        seen += mmip.inspect(blob)["kind"] == "predictive"
        assert np.array_equal(reference.decode(blob), array), seed
    assert seen > 10


@pytest.mark.parametrize("shape", [(70, 90), (11, 34, 36), (2, 5, 17, 40)])
def test_arrays_of_several_bricks_and_sets_decode_alike(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(len(shape))
    smooth = rng.normal(0, 4, shape).cumsum(axis=-1)
    array = np.rint(np.where(np.indices(shape)[-1] < 20, smooth, 40 * np.sin(smooth / 9))).astype(np.int16)
    for effort in (1, 3):
        blob = mmip.encode(array, lossless=True, effort=effort)
        assert mmip.inspect(blob)["kind"] == "predictive"
        assert np.array_equal(reference.decode(blob), array)


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("near", [1, 5])
def test_steps_above_one_decode_alike(near: int, colour: bool) -> None:
    rng = np.random.default_rng(near)
    array = np.clip(rng.normal(0, 5, (24, 30, 3)).cumsum(axis=0) + 128, 0, 255).astype(np.uint8)
    image, axes = (array, "yxc") if colour else (array[..., 0], "yx")
    blob = mmip.encode(image, max_error=near, effort=1, axes=axes)
    assert mmip.inspect(blob)["config"]["near"] == near
    assert np.array_equal(reference.decode(blob), mmip.decode(blob))
