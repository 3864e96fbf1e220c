"""Labels of all widths through the codec `mmip` of Zarr v3, of Zarr v2 and of numcodecs."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import zarr
from numpy.typing import NDArray

import mmip_gpu as mmip
from mmip_gpu import InvalidArgument
from numcodecs_plugin import Mmip, MmipV2

DTYPES = tuple(f"{kind}{size}" for size in (1, 2, 4, 8) for kind in "ui")


def cells(dtype: str) -> NDArray[Any]:
    """Boxes of names that reach over the whole dtype."""
    info, rng = np.iinfo(dtype), np.random.default_rng(1)
    few = rng.integers(info.min, info.max, (4, 6, 6), dtype, endpoint=True)
    return few.repeat(9, 0).repeat(11, 1).repeat(10, 2)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shards", [None, (18, 66, 60)])
def test_arrays_of_version_3(dtype: str, shards: tuple[int, ...] | None) -> None:
    array = cells(dtype)
    codec = Mmip(labels=True)
    stored = zarr.create_array(
        {}, data=array, chunks=(9, 33, 30), shards=shards, serializer=codec, compressors=None, fill_value=0
    )
    assert stored[...].dtype == array.dtype
    assert np.array_equal(stored[...], array)
    assert np.array_equal(stored[10, 5:60:3, 7], array[10, 5:60:3, 7])
    stored[3:5, 2:40] = array[20:22, 2:40]
    assert np.array_equal(stored[3:5, 2:40], array[20:22, 2:40])


@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_of_version_2_and_numcodecs(dtype: str) -> None:
    array, codec = cells(dtype), MmipV2(labels=True)
    stored = zarr.create_array(
        {}, shape=array.shape, dtype=array.dtype, chunks=(9, 33, 30), zarr_format=2, compressors=codec
    )
    stored[...] = array
    assert np.array_equal(stored[...], array)
    again = numcodecs.get_codec(json.loads(json.dumps(codec.get_config())))
    out = np.empty_like(array)
    again.decode(pickle.loads(pickle.dumps(codec)).encode(array), out=out)
    assert np.array_equal(out, array)


def test_another_process_reads_them(tmp_path: Path) -> None:
    array = cells("u8")
    zarr.create_array(
        tmp_path / "a.zarr", data=array, chunks=(9, 33, 30), serializer=Mmip(labels=True), compressors=None
    )
    code = "import sys, zarr; print(int(zarr.open_array(sys.argv[1])[20, 30, 40]))"
    command = [sys.executable, "-c", code, str(tmp_path / "a.zarr")]
    found = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert int(found.stdout) == int(array[20, 30, 40])


@pytest.mark.parametrize("dtype", ["u4", "i8", "f8", "?"])
def test_other_targets_refuse_wide_samples(dtype: str) -> None:
    array = np.zeros((8, 8), dtype)
    with pytest.raises(InvalidArgument, match="data type"):
        Mmip(quality=10).check(array.shape, array.dtype)
    if array.dtype.kind in "f?":
        with pytest.raises(InvalidArgument, match="data type"):
            Mmip(labels=True).check(array.shape, array.dtype)


def test_batches_are_those_of_single_calls() -> None:
    arrays = [cells(dtype) for dtype in DTYPES]
    blobs = mmip.encode_batch(arrays, labels=True, threads=2)
    assert blobs == [mmip.encode(array, labels=True) for array in arrays]
    for found, array in zip(mmip.decode_batch(blobs, threads=2), arrays, strict=True):
        assert found.dtype == array.dtype
        assert np.array_equal(found, array)
