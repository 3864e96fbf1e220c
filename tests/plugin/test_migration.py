"""Arrays of Zarr v2 become arrays of Zarr v3 without a chunk being touched."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import zarr
from numcodecs.registry import register_codec
from zarr.registry import register_codec as register_v3_codec

import mmip_gpu as mmip
from mmip_gpu.cli import main
from mmip_gpu.errors import InvalidArgument, StoreError
from mmip_gpu.soft import register_codebook, train_codebook
from numcodecs_plugin import Mmip, MmipSoft, MmipSoftV2, MmipV2

register_codec(MmipV2)  # as the entry points do where the package is installed
register_codec(MmipSoftV2)
register_v3_codec("mmip", Mmip)
register_v3_codec("mmip.soft", MmipSoft)

VOLUME = mmip.phantom3d((20, 50, 40))
BOOK = register_codebook(train_codebook([VOLUME], axes="tyx"))
EXACT: dict[str, Any] = {"lossless": True, "stages": 2}


def old_array(path: Path | dict[str, Any], data: Any, codec: Any = None, **options: Any) -> zarr.Array[Any]:
    chunks = options.pop("chunks", (8, 32, 16)[-data.ndim :])
    return zarr.create_array(
        path, data=data, chunks=chunks, compressors=codec or MmipV2(**EXACT), filters=None, zarr_format=2, **options
    )


def files(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


CASES = {
    "plain": (VOLUME, None, {}),
    "fortran": (VOLUME, None, {"order": "F"}),
    "fortran_lossy": (VOLUME, MmipV2(quality=10), {"order": "F"}),
    "slash": (VOLUME, None, {"chunk_key_encoding": {"name": "v2", "separator": "/"}}),
    "big": (VOLUME.astype(">u2"), MmipV2(endian="big", **EXACT), {}),
    "float": (VOLUME[:16, :32, :32].astype("f4"), MmipV2(max_error=1, step=0.5), {"fill_value": float("nan")}),
    "filled": (VOLUME.astype("i2"), MmipV2(psnr=60, data_range=14000), {"fill_value": -3}),
    "plane": (VOLUME[3], MmipV2(quality=20, roi="threshold:9000", roi_quality={1: 40}), {}),
    "line": (VOLUME[3, 4], None, {"order": "F"}),
    "colour": (
        np.random.default_rng(0).integers(0, 255, (40, 50, 3)).astype("u1"),
        MmipV2(axes="yxc", **EXACT),
        {"order": "F", "chunks": (32, 32, 3)},
    ),
    "fast": (VOLUME, MmipV2(lossless=True), {"order": "F"}),
    "small": (VOLUME.astype("i2"), MmipV2(lossless="small"), {}),
    "bounded": (VOLUME, MmipV2(max_error=40), {"order": "F"}),
    "labels": (VOLUME.astype("u8") // 999 << np.uint64(40), MmipV2(labels=True), {"order": "F"}),
    "soft": (VOLUME, MmipSoftV2(codebook=BOOK), {}),
    "soft_fortran": (VOLUME[3], MmipSoftV2(codebook=BOOK, embed=True), {"order": "F"}),
    "soft_big": (VOLUME.astype(">u2"), MmipSoftV2(codebook=BOOK, axes="tyx", endian="big"), {"order": "F"}),
    "times": (np.stack([VOLUME, VOLUME // 2]), None, {"chunks": (1, 8, 32, 16), "order": "F"}),
}


@pytest.mark.parametrize("name", CASES)
def test_samples_and_chunks_are_the_same(name: str, tmp_path: Path) -> None:
    data, codec, options = CASES[name]
    path = tmp_path / "a.zarr"
    old = old_array(path, data, codec, attributes={"unit": "HU"}, **options)
    before, chunks = old[...], files(path)
    assert mmip.migrate_zarr(path) == [""]
    assert {key: value for key, value in files(path).items() if key != "zarr.json"} == chunks
    for _ in range(2):  # with the old metadata beside it, and without
        new = zarr.open_array(path, mode="r", zarr_format=3)
        assert new.metadata.zarr_format == 3
        assert (new.shape, new.chunks, dict(new.attrs)) == (old.shape, old.chunks, {"unit": "HU"})
        assert np.array_equal(new[...], before)
        assert np.array_equal(new[..., 3:9], before[..., 3:9])
        assert np.array_equal(new.fill_value, old.fill_value, equal_nan=True)
        mmip.migrate_zarr(path, remove_old=True) if (path / ".zarray").exists() else None
    assert not any(key.startswith(".z") for key in files(path))


@pytest.mark.parametrize("name", ["plain", "fortran", "filled", "times"])
def test_migrated_arrays_are_written_on(name: str, tmp_path: Path) -> None:
    data, _, options = CASES[name]
    old_array(tmp_path / "a.zarr", data, **{**options, "fill_value": 7})
    shutil.rmtree(tmp_path / "a.zarr" / "0", ignore_errors=True)
    for chunk in [file for file in (tmp_path / "a.zarr").iterdir() if file.name.startswith("1.")]:
        chunk.unlink()  # absent chunks hold the fill value
    mmip.migrate_zarr(tmp_path / "a.zarr")
    array = zarr.open_array(tmp_path / "a.zarr", mode="r+", zarr_format=3)
    before = zarr.open_array(tmp_path / "a.zarr", mode="r", zarr_format=2)[...]
    assert np.array_equal(array[...], before)
    array[..., 5:9] = 3
    assert (array[..., 5:9] == 3).all()
    assert np.array_equal(zarr.open_array(tmp_path / "a.zarr", mode="r", zarr_format=2)[...], array[...])


def test_groups_and_dimension_names(tmp_path: Path) -> None:
    root = zarr.create_group(tmp_path / "g.zarr", zarr_format=2, attributes={"patient": "none"})
    inner = root.create_group("scans")
    for place, name in ((root, "a"), (inner, "b")):
        made = place.create_array(name, data=VOLUME, chunks=(8, 32, 16), compressors=MmipV2(**EXACT), filters=None)
        made.attrs["_ARRAY_DIMENSIONS"] = ["z", "y", "x"]
    assert main(["migrate", str(tmp_path / "g.zarr"), "--remove-old"]) == 0
    group = zarr.open_group(tmp_path / "g.zarr", mode="r", zarr_format=3)
    assert dict(group.attrs) == {"patient": "none"}
    for name in ("a", "scans/b"):
        found = group[name]
        assert isinstance(found, zarr.Array)
        assert np.array_equal(found[...], VOLUME)
        assert found.metadata.dimension_names == ("z", "y", "x")  # type: ignore[union-attr]
    assert dict(group["scans/b"].attrs) == {}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"compressors": numcodecs.Zstd()},
            "expected the compressor 'mmip' or 'mmip.soft' alone, found compressor 'zstd'",
        ),
        ({"compressors": None}, "found compressor None"),
        ({"compressors": MmipV2(**EXACT), "filters": numcodecs.Delta("u2")}, "filters"),
    ],
)
def test_nothing_is_written_unless_all_can_be(options: dict[str, Any], said: str, tmp_path: Path) -> None:
    root = zarr.create_group(tmp_path / "g.zarr", zarr_format=2)
    old_array(tmp_path / "g.zarr" / "a", VOLUME)
    root.create_array("b", data=VOLUME, **options)
    before = files(tmp_path)
    with pytest.raises(InvalidArgument, match=said):
        mmip.migrate_zarr(tmp_path / "g.zarr")
    assert files(tmp_path) == before


def test_what_is_no_old_store(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "new.zarr", data=VOLUME)
    for path in (tmp_path / "none.zarr", tmp_path / "new.zarr"):
        before = files(tmp_path)
        with pytest.raises(StoreError, match="expected an array or a group of Zarr v2"):
            mmip.migrate_zarr(path)
        assert files(tmp_path) == before
    store: dict[str, Any] = {}
    old_array(store, VOLUME)
    assert mmip.migrate_zarr(store) == [""]
    assert json.loads(store["zarr.json"].to_bytes())["codecs"] == [{"name": "mmip", "configuration": EXACT}]
