"""Errors of stages, computed in pieces: as those of the whole array."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.commands import BONE

import mmip_gpu
from mmip_gpu.quality.decoded import Decoded
from mmip_gpu.quality.metrics import evaluate
from mmip_gpu.quality.plane_blocks import row_blocks
from mmip_gpu.quality.stage_errors import evaluate_stages
from mmip_gpu.sources import open_source


class TestPieces:
    def test_evaluation_in_pieces_is_that_of_the_whole(self, monkeypatch):
        monkeypatch.setattr("mmip_gpu.quality.plane_blocks.BLOCK_BYTES", 7000)
        original = mmip_gpu.phantom3d((11, 24, 40))
        decoded = original ^ np.random.default_rng(0).integers(0, 99, original.shape).astype(np.uint16)
        for roi in (BONE, original > 3000, "otsu"):
            image = Decoded("x", None, [500], lambda _: decoded, chunk_rows=2)
            report = evaluate_stages(open_source(original), image, roi)
            expected = evaluate(original, decoded, roi)
            inside, (row,) = expected.pop("roi"), report["stages"]
            assert {key: row[key] for key in expected} == pytest.approx(expected)
            assert row["roi"] == pytest.approx(inside)

    def test_pieces_cover_the_array(self, monkeypatch):
        monkeypatch.setattr("mmip_gpu.quality.plane_blocks.BLOCK_BYTES", 100)
        covered = np.zeros((23, 5), int)
        for part in row_blocks(covered.shape, 2, step=4):
            covered[part] += 1
            assert part[0].start % 4 == 0
        assert (covered == 1).all()
        assert row_blocks((0, 5), 2) == []
