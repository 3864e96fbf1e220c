"""Predicted blocks in the codec `mmip`: chunks are those of `encode`, and parts of them are read by byte ranges."""

from __future__ import annotations

from typing import Any

import numcodecs
import numpy as np
import pytest
from helpers.edges import edges
from helpers.zarr_arrays import Counting, create

import mmip_gpu as mmip
from mmip_gpu.errors import InvalidArgument
from numcodecs_plugin import Mmip, MmipV2

VOLUME = edges((5, 150, 300), 1)
STEP: dict[str, Any] = {"qstep": 30, "cell_depth": 1}


def has_prediction(blob: bytes) -> bool:
    return bool(mmip.inspect(blob)["config"]["prediction"])


@pytest.mark.parametrize(
    ("options", "on"),
    [
        ({"effort": 3}, True),
        ({"effort": 3, "prediction": False}, False),
        ({"effort": 2}, False),
        ({"effort": 2, "prediction": True}, True),
    ],
    ids=str,
)
def test_chunks_are_those_of_encode(options: dict[str, Any], on: bool, pipeline: str) -> None:
    store = Counting()
    array = create(VOLUME, (5, 150, 150), Mmip(**STEP, **options), store)
    for i in (0, 1):
        part = VOLUME[..., 150 * i : 150 * i + 150]
        blob = mmip.encode(part, **STEP, **options)
        assert store._store_dict[f"c/0/0/{i}"].to_bytes() == blob
        assert has_prediction(blob) is on
        assert np.array_equal(array[..., 150 * i : 150 * i + 150], mmip.decode(blob))


def test_a_part_is_read_by_ranges(pipeline: str) -> None:
    samples = edges((8, 512, 512), 5) + np.random.default_rng(0).integers(0, 90, (8, 512, 512)).astype(np.uint16)
    store = Counting()
    array = create(samples, samples.shape, Mmip(qstep=20, effort=2, prediction=True), store)
    blob = store._store_dict["c/0/0/0"].to_bytes()
    assert has_prediction(blob)
    store.taken()
    region = (slice(2, 4), slice(200, 230), slice(300, 330))
    assert np.array_equal(array[region], mmip.decode(blob)[region])
    needed = mmip.inspect(blob, region=region)["bytes_needed"]
    assert needed <= store.taken()[0] < 0.4 * len(blob)


@pytest.mark.parametrize("options", [{"effort": 3}, {"effort": 2, "prediction": True}], ids=str)
def test_numcodecs(options: dict[str, Any]) -> None:
    codec = MmipV2(**STEP, **options)
    blob = codec.encode(VOLUME)
    assert has_prediction(blob)
    out = np.empty_like(VOLUME)
    codec.decode(blob, out)
    assert np.array_equal(out, mmip.decode(mmip.encode(VOLUME, **STEP, **options)))
    assert numcodecs.get_codec(codec.get_config()) == codec
    assert MmipV2(**STEP, effort=3, prediction=False).get_config()["prediction"] is False


def test_what_is_refused() -> None:
    for codec in (Mmip, MmipV2):
        for options in ({"effort": 1}, {"cell_depth": 8}):
            with pytest.raises(InvalidArgument, match="prediction"):
                codec(quality=10, prediction=True, **options)
