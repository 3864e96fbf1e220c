"""The codec `mmip` with an error bound: each chunk is coded by what takes fewer bytes, and any of them decodes."""

from __future__ import annotations

from typing import Any

import numcodecs
import numpy as np
import pytest
import zarr
from zarr.registry import register_codec

import mmip_gpu as mmip
from numcodecs_plugin import Mmip, MmipV2

register_codec("mmip", Mmip)  # as its entry point does where the package is installed

RNG = np.random.default_rng(3)
WALK = np.rint(RNG.normal(0, 9, (16, 64, 64)).cumsum(axis=-1)).astype(np.int16)
SMOOTH = (np.add.outer(np.arange(16) * 9, np.add.outer(np.arange(64) ** 2, np.arange(64) * 31)) % 4000).astype("i2")
VOLUME = np.concatenate([WALK, SMOOTH + np.rint(RNG.normal(0, 4, SMOOTH.shape)).astype("i2")])


def kinds(store: dict[str, Any]) -> list[str]:
    return [mmip.inspect(store[key].to_bytes())["kind"] for key in sorted(k for k in store if "c/" in k)]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["predictive", "transform"]),
        ({"effort": 1}, ["predictive", "predictive"]),
        ({"stages": 3}, ["transform", "transform"]),
        ({"roi": "threshold:900"}, ["transform", "transform"]),
    ],
)
def test_each_chunk_by_itself_unless_configured(options: dict[str, Any], expected: list[str]) -> None:
    store: dict[str, Any] = {}
    array = zarr.create_array(
        store, data=VOLUME, chunks=(16, 64, 64), serializer=Mmip(max_error=9, **options), compressors=None
    )
    assert kinds(store) == expected
    assert np.abs(array[...].astype(int) - VOLUME).max() <= 9
    for selection in (np.s_[3:5, 10:20, 30:40], np.s_[20], np.s_[10:22, ::7, -3:]):
        assert np.array_equal(zarr.open_array(store, mode="r")[selection], array[...][selection])
    with pytest.warns(mmip.MmipWarning, match="written in part"):
        array[3:20, 5:9] = 77
    assert (np.abs(array[3:20, 5:9].astype(int) - 77) <= 9).all()
    kept = np.ones(VOLUME.shape, bool)
    kept[3:20, 5:9] = False
    assert np.abs(array[...].astype(int) - VOLUME)[kept].max() <= 9


def test_edges_shards_and_zarr_v2() -> None:
    cut = VOLUME[:30, :50, :60]
    sharded = {"chunks": (8, 32, 32), "shards": (32, 64, 64), "serializer": Mmip(max_error=4), "compressors": None}
    older = {"zarr_format": 2, "chunks": (16, 32, 32), "compressors": MmipV2(max_error=4), "filters": None}
    for options in (sharded, older):
        array = zarr.create_array({}, data=cut, **options)
        assert np.abs(array[...].astype(int) - cut).max() <= 4
        assert np.abs(array[25:, 40:, 3].astype(int) - cut[25:, 40:, 3]).max() <= 4


def test_numcodecs_and_configurations() -> None:
    codec = numcodecs.get_codec({"id": "mmip", "max_error": 4})
    assert codec.get_config() == {"id": "mmip", "max_error": 4}
    for part in (VOLUME[:16], VOLUME[16:]):
        assert np.abs(codec.decode(codec.encode(part)).astype(int) - part).max() <= 4
    with pytest.raises(mmip.InvalidArgument, match="exactly one of"):
        Mmip(max_error=4, lossless="small")
    assert Mmip.from_dict(Mmip(max_error=4).to_dict()) == Mmip(max_error=4)
