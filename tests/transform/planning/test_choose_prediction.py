"""What the planner chooses at effort 3: cells, prediction, and slices of a tile."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import mmip_gpu as mmip
from mmip_gpu.config import CodecConfig
from mmip_gpu.container.header import Header
from mmip_gpu.transform.planning import choose_prediction as choosing
from mmip_gpu.transform.planning.array_reader import ArrayReader
from mmip_gpu.transform.planning.make_plan import make_plan
from mmip_gpu.transform.planning.trial import Trial
from mmip_gpu.volume.axes import PlaneLayout


def discs(slices: int, seed: int, shift: int = 0) -> NDArray[np.uint16]:
    """Even regions with round edges, the same in every slice but for noise and a shift along x."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((256, 256 + shift * slices), np.float64)
    image = np.full(y.shape, 600.0)
    for _ in range(40):
        (a, b), radius, height = rng.uniform(0, 256, 2), rng.uniform(8, 80), rng.uniform(-500, 500)
        image += height * (np.hypot(y - a, x - b) < radius)
    moved = np.stack([image[:, shift * k : shift * k + 256] for k in range(slices)])
    return (np.clip(moved, 0, None) + rng.normal(20, 3, moved.shape)).astype(np.uint16)


def fields(blob: bytes) -> Any:
    return Header.parse(blob)[0].fields


def test_a_volume_of_five_slices_that_are_alike_is_one_tile_deep() -> None:
    samples = discs(5, 1)
    found = fields(mmip.encode(samples, qstep=40, effort=3, cell_depth=1))
    assert (found.prediction, found.tile_log2) == (True, (3, 4, 4))
    assert fields(mmip.encode(samples[:4], qstep=40, effort=3, cell_depth=1)).tile_log2 == (2, 4, 4)


@pytest.mark.parametrize(("slices", "deep"), [(4, False), (5, True), (8, False), (16, False)])
def test_deep_tiles_save_in_proportion_to_what_a_slice_takes_with_it(
    slices: int, deep: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five slices are decoded in 3.4 at a time, or in 5; eight in 4 or 8."""
    monkeypatch.setattr(choosing, "saving", lambda *_: 0.02)
    samples = np.random.default_rng(4).integers(0, 256, (slices, 160, 160), np.uint8)
    reader = ArrayReader(Trial(samples), PlaneLayout.of(samples.shape))
    plan = make_plan(CodecConfig("qstep", 4.0, effort=3), reader)
    assert plan.prediction
    assert (plan.tile_log2[0] == 3) is deep


@pytest.mark.parametrize(("slices", "tile"), [(1, (0, 5, 5)), (2, (1, 5, 5)), (3, (2, 4, 4))])
def test_few_slices_have_wide_tiles(slices: int, tile: tuple[int, int, int]) -> None:
    """At a rate where tiles are smallest without prediction."""
    samples = discs(slices, 2)
    found = fields(mmip.encode(samples, qstep=8, effort=3, prediction=True))
    assert found.tile_log2 == tile
    assert 8 * len(mmip.encode(samples, qstep=8, effort=3, prediction=False)) > 0.4 * samples.size


@pytest.mark.parametrize("psnr", [60.0, 65.0])
def test_prediction_is_not_chosen_where_it_costs_bytes(psnr: float) -> None:
    samples = mmip.phantom2d(512)
    chosen, plain = (mmip.encode(samples, psnr=psnr, effort=3, prediction=on) for on in (None, False))
    assert len(chosen) < 1.002 * len(plain)


@pytest.mark.parametrize("slices", [6, 16])
def test_what_is_chosen_is_about_the_least(slices: int) -> None:
    """Of cells of eight slices, of one, and of one with predictions."""
    samples = discs(slices, 3, shift=4)
    options: list[dict[str, Any]] = [{"cell_depth": 8}, {"prediction": False, "cell_depth": 1}, {"prediction": True}]
    sizes = [len(mmip.encode(samples, psnr=44, effort=3, **option)) for option in options]
    assert len(mmip.encode(samples, psnr=44, effort=3)) < 1.02 * min(sizes)
    assert max(sizes) > 1.05 * min(sizes)
