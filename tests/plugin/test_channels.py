"""Channels with steps of their own in Zarr v3, v2 and numcodecs: numbers for each, parts, what does not fit."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from helpers.zarr_arrays import create, textured
from numpy.typing import NDArray

import mmip_gpu as mmip
from mmip_gpu.container.reader import open_container
from numcodecs_plugin import Mmip, MmipV2

RANGE = 4000


def channels() -> NDArray[Any]:
    return np.stack([textured((40, 60), "uint8", seed).astype(np.uint16) * (1, 15, 3)[seed] for seed in range(3)])


def worst(array: NDArray[Any], decoded: NDArray[Any]) -> list[int]:
    return [int(n) for n in np.abs(array.astype(int) - decoded).max(axis=(1, 2))]


def test_a_bound_of_each_channel_in_every_codec(tmp_path: Path) -> None:
    data, bounds = channels(), [1, 30, 4]
    array = create(data, (3, 16, 32), Mmip(max_error=bounds, axes="cyx"))
    found = worst(data, array[...])
    assert all(a <= b for a, b in zip(found, bounds, strict=True))
    assert found[1] > 4
    v2 = zarr.create_array(
        tmp_path / "a.zarr",
        shape=data.shape,
        chunks=(3, 16, 32),
        dtype=data.dtype,
        zarr_format=2,
        compressors=MmipV2(max_error=bounds, axes="cyx"),
    )
    v2[...] = data
    assert np.array_equal(zarr.open_array(tmp_path / "a.zarr")[...], array[...])
    codec = MmipV2(max_error=bounds, axes="cyx")
    assert worst(data, np.asarray(codec.decode(codec.encode(data))).reshape(data.shape)) <= [1, 30, 4]


@pytest.mark.parametrize(
    "options",
    [{"max_error": [1, 2.5, 0]}, {"qstep": np.array([4, 2.5, 1])}, {"psnr": 50, "data_range": 9, "per_channel": False}],
)
def test_options_go_through_json(options: dict[str, Any]) -> None:
    for kind in (Mmip, MmipV2):
        codec = kind(**options, axes="cyx")
        stated = codec.to_dict() if kind is Mmip else codec.get_config()
        again = json.loads(json.dumps(stated))
        again.pop("id", None)
        found = Mmip.from_dict(again) if kind is Mmip else MmipV2.from_config(again)
        assert found == codec
        assert hash(found) == hash(codec)


def test_each_channel_of_a_chunk_reaches_the_psnr() -> None:
    data = channels()
    array = create(data, (3, 40, 60), Mmip(psnr=50, data_range=RANGE, axes="cyx", colour=False))
    errors = array[...].astype(float) - data
    assert all(20 * np.log10(RANGE) - 10 * np.log10((e**2).mean()) >= 50 for e in errors)


def test_what_does_not_fit_is_refused() -> None:
    data = channels()
    with pytest.raises(mmip.InvalidArgument, match="one for each of 2 channels"):
        create(data, (2, 16, 32), Mmip(max_error=[1, 2, 3], axes="cyx"))
    with pytest.raises(mmip.InvalidArgument, match="one for each of 1 channels"):
        create(data, (1, 16, 32), Mmip(max_error=[1, 2, 3]))
    for options in ({"max_error": [1, -2]}, {"qstep": []}, {"psnr": [1, 2]}, {"max_error": [1, 2], "colour": True}):
        with pytest.raises(mmip.InvalidArgument, match="mmip: "):
            Mmip(axes="cyx", **options)  # type: ignore[arg-type]
    with pytest.raises(mmip.InvalidArgument, match="a header holds"):
        create(np.zeros((3000, 8, 8), np.uint8), (3000, 8, 8), Mmip(qstep=4, axes="cyx"))


@pytest.mark.parametrize("options", [{"max_error": [2, 30, 6]}, {"qstep": [8, 90, 16]}, {"ratio": 4}])
def test_chunks_that_are_written_in_part(options: dict[str, Any]) -> None:
    """Samples that are kept come back as they were, in a container whose channels add up."""
    data, store = channels(), zarr.storage.MemoryStore()
    array = create(data, (3, 40, 60), Mmip(axes="cyx", colour=False, **options), store=store)
    before, fresh = array[...], np.roll(data, 5, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        array[:, 24:, :] = fresh[:, 24:, :]
    after = array[...]
    assert np.array_equal(after[:, :16], before[:, :16])
    if "max_error" in options:
        assert all(a <= b for a, b in zip(worst(fresh[:, 24:], after[:, 24:]), options["max_error"], strict=True))
    blob = next(value.to_bytes() for key, value in store._store_dict.items() if key.startswith("c/"))
    header, _ = open_container(blob)
    assert sum(one.sse for one in header.channel_losses) == header.loss.sse
