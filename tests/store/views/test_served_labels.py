"""Labels served over HTTP: nearest samples at every level, and the metadata of an image of labels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import zarr
from helpers.http_requests import fetched
from numcodecs.zstd import Zstd

import mmip_gpu as mmip

SHAPES = {"yx": (70, 90), "zyx": (20, 70, 90), "tzyx": (2, 10, 40, 50), "cyx": (2, 70, 90)}


def objects(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Boxes of one label each."""
    few = np.random.default_rng(3).integers(0, 30, [-(-n // side) for n, side in zip(shape, (7,) * 4, strict=False)])
    for axis in range(len(shape)):
        few = few.repeat(7, axis)
    return (few[tuple(slice(n) for n in shape)] * 8).astype(dtype)


def nearest(array: np.ndarray, factor: int, axes: list[int]) -> np.ndarray:
    for axis in axes:
        array = array.take(range(0, array.shape[axis], factor), axis)
    return array


def level_over_http(url: str, number: int) -> np.ndarray:
    """All samples of a level, chunk by chunk, as a reader of OME-Zarr fetches them."""
    status, _, body = fetched(f"{url}/{number}/zarr.json")
    assert status == 200
    metadata = json.loads(body)
    shape, chunks = metadata["shape"], metadata["chunk_grid"]["configuration"]["chunk_shape"]
    whole = np.zeros([-(-n // c) * c for n, c in zip(shape, chunks, strict=True)], metadata["data_type"])
    for index in np.ndindex(*[-(-n // c) for n, c in zip(shape, chunks, strict=True)]):
        status, _, body = fetched(f"{url}/{number}/c/{'/'.join(map(str, index))}")
        assert status == 200
        place = tuple(slice(i * c, (i + 1) * c) for i, c in zip(index, chunks, strict=True))
        whole[place] = np.frombuffer(Zstd().decode(body), whole.dtype).reshape(chunks)
    return whole[tuple(slice(n) for n in shape)]


@pytest.mark.parametrize(
    ("axes", "dtype"),
    [("yx", "uint8"), ("zyx", "uint16"), ("zyx", "uint64"), ("tzyx", "int32"), ("cyx", "uint16")],
)
def test_every_level_over_a_socket_is_the_nearest_samples(axes: str, dtype: str, tmp_path: Path) -> None:
    volume = objects(SHAPES[axes], dtype)
    mmip.write_zarr(volume, tmp_path / "a.zarr", labels=True, axes=axes, progress=False)
    shrinking = [i for i, letter in enumerate(axes) if letter in "zyx"]
    with mmip.serve_zarr(tmp_path / "a.zarr", port=0, chunks=32) as server:
        ome = json.loads(fetched(f"{server.url}/zarr.json")[2])["attributes"]["ome"]
        assert "image-label" in ome
        assert "omero" not in ome
        levels = [entry["path"] for entry in ome["multiscales"][0]["datasets"]]
        assert len(levels) >= 4
        assert ome["multiscales"][0]["type"] == "nearest samples"
        for number in range(len(levels)):
            found = level_over_http(server.url, number)
            assert np.isin(found, volume).all()
            if number < 4:
                assert np.array_equal(found, nearest(volume, 2**number, shrinking))


def test_readers_of_zarr_see_the_labels(tmp_path: Path) -> None:
    pytest.importorskip("aiohttp")
    volume = objects(SHAPES["zyx"], "uint16")
    mmip.write_zarr(volume, tmp_path / "a.zarr", labels=True, progress=False)
    with mmip.serve_zarr(tmp_path / "a.zarr", port=0) as server:
        assert np.array_equal(zarr.open_array(f"{server.url}/0", mode="r")[...], volume)
