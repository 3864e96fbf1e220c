"""Levels below 1/8 of pyramids for viewers, exported and served; and both read by an independent client."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import numpy as np
import pytest
import zarr

import mmip_gpu as mmip
from mmip_gpu.errors import StoreError
from mmip_gpu.sources import Source
from mmip_gpu.store.views import levels
from mmip_gpu.store.views.http_images import EncodedPyramid
from mmip_gpu.store.views.levels import halved
from mmip_gpu.store.views.pyramid import Pyramid

FLAT_CHUNKS = (16, 16)
DEEP_CHUNKS = (3, 7, 8)  # odd on two axes
WIDE_CHUNKS = (64, 64, 16)


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("flat") / "a.zarr"
    noisy = mmip.phantom3d((1, 200, 330))[0]
    source = Source(noisy.shape, noisy.dtype, "yx", {"spacing": [0.5, 0.25]}, "a", "a", lambda region: noisy[region])
    mmip.write_zarr(source, where, quality=30, verify=False)
    return where


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("deep") / "b.zarr"
    mmip.write_zarr("phantom3d:70x100x220", where, quality=30, cell_depth=8, chunks=(32, 64, 64), verify=False)
    return where


def expected_means(samples: Any, axes: tuple[int, ...]) -> Any:
    """The rule, window by window, in rational numbers."""
    steps = [2 if axis in axes and n > 1 else 1 for axis, n in enumerate(samples.shape)]
    shape = [-(-n // step) for n, step in zip(samples.shape, steps, strict=True)]
    out = np.empty(shape, samples.dtype)
    for index in product(*map(range, shape)):
        window = samples[tuple(slice(i * step, (i + 1) * step) for i, step in zip(index, steps, strict=True))]
        out[index] = round(Fraction(int(window.sum(dtype=np.int64)), window.size))  # half to even
    return out


def fetched(url: str) -> tuple[int, bytes]:
    try:
        with urlopen(url, timeout=60) as reply:
            return reply.status, reply.read()
    except HTTPError as error:
        return error.code, error.read()


# --- the rule


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16"])
@pytest.mark.parametrize("axes", [(0, 1, 2), (1, 2), (2,)])
def test_means_are_exact(dtype, axes):
    limits = np.iinfo(dtype)
    values = np.random.default_rng(3).integers(limits.min, limits.max, (5, 6, 7), dtype, endpoint=True)
    values[:2, :2, :2] = limits.max
    assert (halved(values, axes) == expected_means(values, axes)).all()


def test_means_of_floats():
    values = np.random.default_rng(4).normal(0, 1e3, (3, 4)).astype(np.float32)
    found = halved(values, (0, 1))
    assert found.dtype == np.float32
    assert np.allclose(found[0, 0], values[:2, :2].astype(np.float64).mean(), rtol=1e-7)
    assert np.allclose(found[1, 1], values[2, 2:].astype(np.float64).mean(), rtol=1e-7)


# --- what is written and served


def test_levels_go_on_until_one_chunk_holds_them(flat, tmp_path):
    found = mmip.export_ome_zarr(flat, tmp_path / "a", chunks=FLAT_CHUNKS, threads=2)
    assert found["levels"] == [[200, 330], [100, 165], [50, 83], [25, 42], [13, 21], [7, 11]]
    written = [zarr.open_array(tmp_path / "a" / str(number))[...] for number in range(6)]
    assert (written[3] == mmip.open_zarr(flat, scale=8)[...]).all()
    assert (written[4] == expected_means(written[3], (0, 1))).all()
    assert (written[5] == expected_means(written[4], (0, 1))).all()
    (multiscale,) = zarr.open_group(tmp_path / "a").attrs["ome"]["multiscales"]
    transforms = [dataset["coordinateTransformations"] for dataset in multiscale["datasets"]]
    assert transforms[5] == [
        {"type": "scale", "scale": [16.0, 8.0]},
        {"type": "translation", "translation": [7.75, 3.875]},  # windows of 32 samples: (32 - 1) / 2 of 0.5 and 0.25
    ]
    assert multiscale["type"] == "scaled inverse transforms, then means of two samples per axis of the level before"
    assert [method.split()[0] for method in multiscale["metadata"]["methods"]] == ["scaled"] * 4 + ["means"] * 2


def test_axes_of_one_sample_stay_and_odd_chunks_are_evened(deep):
    pyramid = Pyramid.of(deep, None, DEEP_CHUNKS, {})
    assert [level.shape for level in pyramid.levels[3:]] == [(9, 13, 28), (5, 7, 14), (3, 4, 7)]
    assert [level.chunks for level in pyramid.levels[2:]] == [(3, 7, 8), (4, 8, 8), (4, 7, 8), (3, 4, 7)]
    single = replace(pyramid.levels[3], shape=(1, 4, 9), chunks=(1, 2, 2))
    below = levels.levels_below(single, "zyx", (2, 2, 2))
    assert [level.shape for level in below] == [(1, 2, 5), (1, 1, 3), (1, 1, 2)]
    assert [sampling.size for sampling in below[-1].samplings] == [8.0, 32.0, 64.0]
    thin = Pyramid.of(deep, None, (64, 64, 1), {}).levels
    assert [level.shape for level in thin[5:]] == [(3, 4, 7), (2, 2, 4), (1, 1, 2)]


def test_what_is_served_is_the_same(deep, tmp_path):
    mmip.export_ome_zarr(deep, tmp_path / "b", chunks=WIDE_CHUNKS, threads=2)
    with mmip.serve_zarr(deep, port=0, chunks=WIDE_CHUNKS) as server:
        for path in sorted((tmp_path / "b").glob("[3-9]/**/*")):
            if path.is_file():
                key = path.relative_to(tmp_path / "b").as_posix()
                assert fetched(f"{server.url}/{key}") == (200, path.read_bytes())
    image = EncodedPyramid(Pyramid.of(deep, None, DEEP_CHUNKS, {}), 2**24, 2)
    last, smallest = len(image.pyramid.levels) - 1, mmip.open_zarr(deep, scale=8)[...]
    found = image._samples(last, (0, 0, 0))
    assert (found == expected_means(expected_means(smallest, (0, 1, 2)), (0, 1, 2))).all()


def test_an_interrupted_export_goes_on_below(flat, tmp_path, monkeypatch):
    decode, mean, done = levels.ScaledLevel.read, levels.MeanLevel.read, Counter()

    def decoded(self: Any, index: Any) -> Any:
        done[self.volume.scale, index] += 1
        return decode(self, index)

    def interrupted(*args: Any) -> Any:
        done["means"] += 1
        if done["means"] == 2:
            raise KeyboardInterrupt
        return mean(*args)

    monkeypatch.setattr(levels.ScaledLevel, "read", decoded)
    monkeypatch.setattr(levels.MeanLevel, "read", interrupted)
    with pytest.raises(KeyboardInterrupt):
        mmip.export_ome_zarr(flat, tmp_path / "a", chunks=FLAT_CHUNKS, threads=1)
    assert "ome" not in zarr.open_group(tmp_path / "a", mode="r").attrs
    again = mmip.export_ome_zarr(flat, tmp_path / "a", chunks=FLAT_CHUNKS, threads=2)
    assert again["written"] == 2  # of the 2 + 1 chunks of means one was there
    assert set(done.values()) - {done["means"]} == {1}  # each chunk was decoded once, none for the means
    (tmp_path / "a/4/c/0/0").write_bytes(b"nonsense")
    (tmp_path / "a/5/c/0/0").unlink()
    with pytest.raises(StoreError, match=r"chunk \(0, 0\) of level 4 cannot be read"):
        mmip.export_ome_zarr(flat, tmp_path / "a", chunks=FLAT_CHUNKS)


# --- serving


@pytest.mark.parametrize(("cache", "threads"), [(2**26, 1), (2**26, 3), (0, 1), (0, 3)])
def test_a_first_look_decodes_every_chunk_once(deep, cache, threads, monkeypatch):
    decode, counts = levels.ScaledLevel.read, Counter()

    def counted(self: Any, index: Any) -> Any:
        counts[self.volume.scale, index] += 1
        return decode(self, index)

    monkeypatch.setattr(levels.ScaledLevel, "read", counted)
    image = EncodedPyramid(Pyramid.of(deep, None, DEEP_CHUNKS, {}), cache, threads)
    assert image.get("5/c/0/0/0")
    every = {(8, index) for index in image.pyramid.levels[3].indices()}
    assert dict(counts) == dict.fromkeys(every, 1)
    if cache:
        for number in (3, 4):
            for index in image.pyramid.levels[number].indices():
                assert image.get(f"{number}/c/{'/'.join(map(str, index))}")
        assert dict(counts) == dict.fromkeys(every, 1)


@pytest.mark.parametrize("threads", [1, 3])
def test_any_number_of_clients_at_any_depth(deep, threads):
    image = EncodedPyramid(Pyramid.of(deep, None, (2, 4, 4), {}), 0, threads)  # nothing is kept
    alone = EncodedPyramid(image.pyramid, 2**26, 1)
    keys = [
        f"{number}/c/{'/'.join(map(str, index))}"
        for number, level in enumerate(image.pyramid.levels)
        if number >= 4
        for index in level.indices()
    ]
    found: dict[tuple[str, int], bytes | None] = {}

    def client(offset: int) -> None:
        for key in keys[offset:] + keys[:offset]:
            found[key, offset] = image.get(key)

    clients = [threading.Thread(target=client, args=(3 * i,), daemon=True) for i in range(4)]
    for one in clients:
        one.start()
    for one in clients:
        one.join(60)
        assert not one.is_alive()
    assert len(found) == 4 * len(keys)
    assert all(data == alone.get(key) for (key, _), data in found.items())


def test_damage_is_named_by_the_means_that_need_it(deep, tmp_path):
    mmip.fetch_zarr(deep, tmp_path / "b.zarr", stages=None)
    (tmp_path / "b.zarr/stage_1/c/0/0/0/3/0").write_bytes(b"nonsense")  # the samples from 192 on
    for threads in (1, 3):
        image = EncodedPyramid(Pyramid.of(tmp_path / "b.zarr", None, (4, 8, 8), {}), 2**24, threads)
        assert image.get("4/c/0/0/0")
        for key in ("3/c/0/0/3", "4/c/0/0/1", "5/c/0/0/0"):
            with pytest.raises(mmip.CorruptData, match=r"chunk \(0, 0, 0, 3\)"):
                image.get(key)
        assert image._free_helpers._value == threads - 1  # all of them are back


# --- a client of another make


def test_read_by_tensorstore(deep, tmp_path):
    tensorstore = pytest.importorskip("tensorstore")
    mmip.export_ome_zarr(deep, tmp_path / "b", chunks=WIDE_CHUNKS, threads=2)
    with mmip.serve_zarr(deep, port=0, chunks=WIDE_CHUNKS) as server:
        for number in range(5):
            samplings = (
                {"driver": "http", "base_url": f"{server.url}/{number}/"},
                {"driver": "file", "path": f"{tmp_path / 'b' / str(number)}/"},
            )
            for sampling in samplings:
                array = tensorstore.open({"driver": "zarr3", "kvstore": sampling}, read=True, open=True).result()
                assert array.domain.labels == ("z", "y", "x")
                found = array.read().result()
                assert (array[1:3, 5:, 2].read().result() == found[1:3, 5:, 2]).all()
                if number < 4:
                    before = mmip.open_zarr(deep, scale=2**number)[...]
                    assert (found == before).all()
                else:
                    assert (found == expected_means(before, (0, 1, 2))).all()
