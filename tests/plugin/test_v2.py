"""The codec `mmip` of numcodecs: numcodecs' own checks, Zarr v2 arrays, Dask, and readers with no import of ours."""

from __future__ import annotations

import array
import json
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import zarr
from helpers.entry_points import installed_like
from zarr.storage import LocalStore, MemoryStore

import mmip_gpu as mmip
from mmip_gpu.errors import CorruptData, InvalidArgument, LimitExceeded, TruncatedData
from numcodecs_plugin import Mmip, MmipV2

EXACT: dict[str, Any] = {"lossless": True, "stages": 2, "effort": 1, "verify": False}
numcodecs.register_codec(MmipV2)  # as its entry point does where the package is installed
zarr.registry.register_codec("mmip", Mmip)


def textured(shape: tuple[int, ...], dtype: str = "uint16") -> np.ndarray:
    rng = np.random.default_rng(0)
    return (np.cumsum(rng.normal(0, 5, shape), -1) + 60).clip(0, 120).astype(dtype)


ARRAYS = [
    textured((300,), "uint8"),
    textured((30, 40), "int8"),
    textured((10, 20, 30), "int16"),
    textured((2, 3, 20, 30), "uint16"),
    np.arange(1000, dtype="uint16").reshape(100, 10, order="C"),
]

# --- numcodecs' own checks


@pytest.fixture
def common() -> Any:
    return pytest.importorskip("numcodecs.tests.common", reason="this numcodecs ships no tests")


@pytest.mark.parametrize("data", ARRAYS, ids=lambda a: f"{a.dtype}{a.shape}")
def test_round_trips_of_numcodecs(common: Any, data: np.ndarray) -> None:
    common.check_encode_decode(data, MmipV2(**EXACT))
    common.check_encode_decode_array(data, MmipV2(**EXACT))


@pytest.mark.parametrize(
    "codec",
    [MmipV2(**EXACT), MmipV2(psnr=50, data_range=4095, cuts=[9], roi="threshold:9", roi_quality={1: 5}, endian="big")],
)
def test_configuration(common: Any, codec: MmipV2) -> None:
    common.check_config(codec)
    assert pickle.loads(pickle.dumps(codec)) == codec
    assert eval(repr(codec)) == codec


def test_repr_and_errors_of_numcodecs(common: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "MmipV2", MmipV2, raising=False)
    common.check_repr("MmipV2(quality=10, stages=4)")
    common.check_err_encode_object_buffer(MmipV2(quality=10))
    with pytest.raises(InvalidArgument, match="found int64"):
        MmipV2(quality=10).encode(np.arange(10))


def test_stored_data_are_read_again(common: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        common.check_backwards_compatibility("mmip", ARRAYS, [MmipV2(**EXACT)])
    assert len(list(tmp_path.rglob("encoded.*.dat"))) == len(ARRAYS)


# --- more than those ask


def test_out_has_to_fit() -> None:
    data = textured((20, 30))
    codec = MmipV2(**EXACT)
    blob = codec.encode(data)
    out = np.empty_like(data)
    assert codec.decode(blob, out=out) is out
    assert np.array_equal(out, data)
    with pytest.raises(LimitExceeded):
        codec.decode(blob, out=np.empty((10, 30), np.uint16))
    with pytest.raises(ValueError, match="reshape"):
        codec.decode(blob, out=np.empty((40, 30), np.uint16))
    with pytest.raises(TruncatedData):
        codec.decode(blob[:-1])
    with pytest.raises(CorruptData):
        codec.decode(array.array("b", bytes(100)))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(("dtype", "endian"), [("uint8", "little"), ("<i2", "little"), (">u2", "big")])
def test_zarr_v2_arrays(order: str, dtype: str, endian: str) -> None:
    data = textured((9, 20, 30), dtype)
    store = MemoryStore()
    codec = MmipV2(**EXACT, endian=endian)
    zarr.create_array(
        store, data=data, chunks=(8, 16, 16), compressors=codec, filters=None, zarr_format=2, order=order, fill_value=7
    )
    found = zarr.open_array(store, mode="r+")
    assert found.metadata.compressor == codec
    assert np.array_equal(found[...], data)
    found[8, 17:] = 3
    assert np.array_equal(found[...], np.concatenate([data[:8], np.r_[data[8, :17], np.full((3, 30), 3)][None]]))


def test_what_zarr_v2_cannot_hold_says_so() -> None:
    for dtype, codec, message in [
        (">u2", MmipV2(quality=5), "endian='little': expected 'big' for >u2"),
        ("float32", MmipV2(quality=5), "pass step="),
        ("int32", MmipV2(quality=5), "found int32"),
    ]:
        made = zarr.create_array(
            MemoryStore(), shape=(8, 8), chunks=(8, 8), dtype=dtype, compressors=codec, filters=None, zarr_format=2
        )
        with pytest.raises(InvalidArgument, match=message):
            made[...] = 1
    with pytest.raises(InvalidArgument, match="unknown option 'level'"):
        numcodecs.get_codec({"id": "mmip", "quality": 5, "level": 3})
    with pytest.raises(InvalidArgument, match="quality=-1"):
        numcodecs.get_codec({"id": "mmip", "quality": -1})
    with pytest.raises(InvalidArgument, match="endian='middle'"):
        MmipV2(quality=5, endian="middle")


def test_fortran_order_keeps_colour_and_planes_apart() -> None:
    codec = MmipV2(quality=60, effort=1, axes="tyxc")
    data = np.asfortranarray(np.stack([textured((2, 24, 40), "uint8")] * 3, -1))
    blob = codec.encode(data)
    assert (mmip.inspect(blob)["axes"], mmip.inspect(blob)["colour"]) == ("cyxt", True)
    out = np.empty_like(data)
    codec.decode(blob, out=out)
    assert np.abs(out.astype(int) - data).max() < 12


# --- with no import of ours

ELSEWHERE = """
    import sys, json
    import numpy as np
    import zarr
    places = json.loads(sys.argv[1])
    for place in places:
        array = zarr.open_array(place, mode="r")
        image = np.load(place + ".npy")
        assert np.array_equal(array[...], image), place
        assert np.array_equal(array[1, 3:9, 2:5], image[1, 3:9, 2:5]), place
    entry = {"name": "mmip", "configuration": {"quality": 10, "effort": 1}}
    made = zarr.create_array(places[0] + ".new", data=image, chunks=image.shape, serializer=entry, compressors=None)
    assert abs(made[...].astype(int) - image).max() < 100
    import numcodecs
    codec = numcodecs.get_codec({"id": "mmip", "quality": 10, "effort": 1})
    made = zarr.create_array(places[1] + ".new", data=image, chunks=image.shape, compressors=codec, filters=None,
                             zarr_format=2)
    assert abs(made[...].astype(int) - image).max() < 100
"""


def test_another_process_reads_and_writes_without_our_import(tmp_path: Path) -> None:
    data = textured((5, 30, 40))
    options: list[dict[str, Any]] = [
        {"serializer": Mmip(**EXACT), "compressors": None},
        {"compressors": MmipV2(**EXACT), "filters": None, "zarr_format": 2},
        {"serializer": Mmip(**EXACT), "compressors": None, "shards": (4, 32, 32)},
    ]
    places = []
    for index, extra in enumerate(options):
        places.append(str(tmp_path / f"{index}.zarr"))
        made = zarr.create_array(
            LocalStore(places[-1]), shape=data.shape, dtype=data.dtype, chunks=(4, 16, 16), **extra
        )
        made[...] = data
        np.save(places[-1] + ".npy", data)
    command = [sys.executable, "-c", textwrap.dedent(ELSEWHERE), json.dumps(places)]
    done = subprocess.run(command, capture_output=True, text=True, env=installed_like(tmp_path), check=False)
    assert done.returncode == 0, done.stderr
    made = zarr.open_array(places[0] + ".new", mode="r")
    assert made.metadata.codecs[0] == Mmip(quality=10, effort=1)


# --- Dask


@pytest.mark.filterwarnings("ignore:The input Dask array will be rechunked")
def test_dask_writes_and_reads_with_threads() -> None:
    dask_array = pytest.importorskip("dask.array")
    data = textured((12, 40, 50))
    lazy = dask_array.from_array(data, chunks=(4, 16, 32))
    for options in (
        {"serializer": Mmip(**EXACT), "compressors": None},
        {"compressors": MmipV2(**EXACT), "filters": None, "zarr_format": 2},
    ):
        target = zarr.create_array(MemoryStore(), shape=data.shape, chunks=(4, 16, 32), dtype=data.dtype, **options)
        lazy.to_zarr(target, compute=True, scheduler="threads")
        back = dask_array.from_array(target, chunks=target.chunks)
        assert np.array_equal(back.map_blocks(lambda block: block + 1).compute(scheduler="threads"), data + 1)
        assert np.array_equal(back[3:5, 10:30, 7].compute(scheduler="threads"), data[3:5, 10:30, 7])
