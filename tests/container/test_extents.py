"""Byte ranges of all kinds of one payload: a decode of any region reads nothing outside of what its codec names."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.byte_ranges import decoded_by_ranges, drawn_region
from vectors.write import FOLDER

import mmip_gpu as mmip
from mmip_gpu.codecs import Wanted
from mmip_gpu.container.header import Header

VECTORS = [path for path in sorted(FOLDER.glob("*.mmip")) if Header.parse(path.read_bytes())[0].fields.kind > 1]


def test_vectors_hold_all_kinds_of_one_payload() -> None:
    assert {Header.parse(path.read_bytes())[0].fields.kind for path in VECTORS} == {2, 3, 4, 5, 8}


@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_regions_by_byte_ranges(path, scale: int) -> None:
    blob, rng = path.read_bytes(), np.random.default_rng(scale)
    whole = mmip.decode(blob, scale=scale)
    regions = [drawn_region(whole.shape, rng) for _ in range(4)]
    regions += [tuple(slice(n, n) for n in whole.shape), tuple(slice(0, 0) for _ in whole.shape)]
    for region in regions:
        found, _ = decoded_by_ranges(blob, Wanted(None, scale, region))
        assert np.array_equal(found, whole[region]), region
        assert found.shape == whole[region].shape
        assert found.dtype == whole.dtype
