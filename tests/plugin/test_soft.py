"""The codec `mmip.soft` in Zarr v2, v3 and numcodecs: parts, shards, Dask, other processes, and what is refused."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import numcodecs
import numpy as np
import pytest
import zarr
from helpers.entry_points import installed_like
from helpers.zarr_arrays import Counting, create, textured
from zarr.registry import register_codec
from zarr.storage import MemoryStore

import mmip_gpu as mmip
import numcodecs_plugin
from mmip_gpu.soft import Codebook, library, register_codebook, train_codebook
from numcodecs_plugin import MmipSoft, MmipSoftV2

register_codec("mmip.soft", MmipSoft)  # as their entry points do where the package is installed
numcodecs.register_codec(MmipSoftV2)


@pytest.fixture(scope="module")
def book() -> Codebook:
    return train_codebook([textured((40, 60))], bits=16)


@pytest.fixture(scope="module")
def options(book: Codebook) -> dict[str, Any]:
    return {"codebook": register_codebook(book)}


@pytest.mark.parametrize("shape", [(), (70,), (20, 30), (5, 20, 18), (2, 4, 12, 10), (2, 2, 3, 9, 10)])
@pytest.mark.parametrize("embed", [False, True])
def test_every_rank(shape: tuple[int, ...], embed: bool, options: dict[str, Any], pipeline: str) -> None:
    one = train_codebook([textured((40, 60))])
    data = textured(shape)
    if len(shape) == 5:
        one = train_codebook([data])
    codec = MmipSoft(codebook=register_codebook(one), embed=embed)
    array = create(data, tuple(-(-n // 2) if i != 1 or len(shape) < 5 else n for i, n in enumerate(shape)), codec)
    assert np.array_equal(array[...], data)
    assert np.array_equal(array[tuple(n // 2 for n in shape)], data[tuple(n // 2 for n in shape)])


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", ">u2", ">i2"])
def test_every_integer(dtype: str, pipeline: str) -> None:
    data = textured((9, 20, 30), dtype)
    codec = MmipSoft(codebook=register_codebook(train_codebook([data.astype(data.dtype.newbyteorder("="))])))
    array = create(data, (8, 16, 16), codec)
    assert np.array_equal(array[...], data)
    array[2:5, 3:9] = 7
    data[2:5, 3:9] = 7
    assert np.array_equal(array[...], data)


def test_colour_needs_axes() -> None:
    picture = np.stack([textured((24, 40), "uint8", seed) for seed in range(3)], -1)
    digest = register_codebook(train_codebook([picture], axes="yxc"))
    codec = MmipSoft(codebook=digest, axes="yxc")
    array = create(picture, (16, 16, 3), codec)
    assert np.array_equal(array[...], picture)
    assert array.serializer == codec
    with pytest.raises(mmip.InvalidArgument, match="3 components: found 1 channels"):
        create(picture, (16, 16, 3), MmipSoft(codebook=digest))


def test_a_part_is_read_by_byte_ranges(options: dict[str, Any]) -> None:
    data = textured((4, 700, 1100))
    store = Counting()
    create(data, data.shape, MmipSoft(**options), store)
    size = len(store._store_dict["c/0/0/0"])
    array = zarr.open_array(store, mode="r+")
    store.taken()
    assert np.array_equal(array[1, 100:110, 30:50], data[1, 100:110, 30:50])
    assert store.taken()[0] < size / 5


def test_shards_and_metadata(options: dict[str, Any]) -> None:
    data, store = textured((64, 96)), MemoryStore()
    array = create(data, (16, 32), MmipSoft(**options, embed=True), store, shards=(32, 96))
    assert np.array_equal(array[5:40, 10:70], data[5:40, 10:70])
    array[3:20, 5:50] = data[3:20, 5:50] = 9
    assert np.array_equal(array[...], data)
    again = zarr.open_array(store, mode="r")
    assert np.array_equal(again[...], data)
    codec = MmipSoft(**options, embed=True)
    entry = codec.to_dict()
    assert entry == {"name": "mmip.soft", "configuration": {**options, "embed": True}}
    assert MmipSoft.from_dict(json.loads(json.dumps(entry))) == codec
    assert pickle.loads(pickle.dumps(codec)) == codec
    schema = json.loads((Path(numcodecs_plugin.__file__).parent / "soft.schema.json").read_text())
    for one in (codec, MmipSoft(**options, axes="yx")):
        jsonschema.validate(one.to_dict(), schema)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(("dtype", "endian"), [("<u2", "little"), (">u2", "big"), ("<i2", "little")])
def test_zarr_v2(order: str, dtype: str, endian: str) -> None:
    data = np.asarray(textured((20, 31), dtype), order=order)
    digest = register_codebook(train_codebook([data.astype(data.dtype.newbyteorder("="))]))
    codec = MmipSoftV2(codebook=digest, embed=True, endian=endian)
    array = zarr.create_array(
        {}, shape=data.shape, dtype=data.dtype, chunks=(16, 16), zarr_format=2, order=order, compressors=codec,
        filters=None,
    )  # fmt: skip
    array[...] = data
    assert np.array_equal(array[...], data)
    assert numcodecs.get_codec(codec.get_config()) == codec
    assert pickle.loads(pickle.dumps(codec)) == codec


def test_numcodecs(options: dict[str, Any]) -> None:
    common = pytest.importorskip("numcodecs.tests.common", reason="this numcodecs ships no tests")
    for shape in ((300,), (30, 40), (10, 20, 30)):
        common.check_encode_decode_array(textured(shape), MmipSoftV2(**options))
    common.check_config(MmipSoftV2(**options))
    codec, image = MmipSoftV2(**options), textured((20, 30))
    out = np.empty_like(image)
    assert codec.decode(codec.encode(image), out) is out
    assert np.array_equal(out, image)


def test_fresh_processes_and_workers(book: Codebook, tmp_path: Path) -> None:
    """No import of ours, and no codebook but in the folder."""
    data = textured((64, 80))
    book.save(tmp_path / "books")
    register_codebook(book)
    arrays = {}
    for name, embed in (("named", False), ("embedded", True)):
        arrays[name] = zarr.create_array(
            tmp_path / f"{name}.zarr", shape=data.shape, dtype=data.dtype, chunks=(32, 40),
            serializer=MmipSoft(codebook=book.digest, embed=embed), compressors=None,
        )  # fmt: skip
        arrays[name][...] = data
    code = """
import sys, dask, dask.array, numpy as np, zarr
found = dask.array.from_zarr(sys.argv[1]).compute(scheduler=sys.argv[2])
assert "numcodecs_plugin" in sys.modules or sys.argv[2] == "processes"
print(found.astype(int).sum())
"""
    environment = installed_like(tmp_path) | {"HOME": str(tmp_path)}
    (tmp_path / "run.py").write_text("if __name__ == '__main__':\n    " + code.strip().replace("\n", "\n    "))

    def run(name: str, scheduler: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(tmp_path / "run.py"), str(tmp_path / f"{name}.zarr"), scheduler]
        return subprocess.run(command, env=environment | more, capture_output=True, text=True, check=False)

    for scheduler in ("threads", "processes"):
        found = run("named", scheduler, MMIP_CODEBOOKS=str(tmp_path / "books"))
        assert found.stdout.strip() == str(data.astype(int).sum()), found.stderr
    assert run("embedded", "threads").stdout.strip() == str(data.astype(int).sum())
    assert "MissingResource" in run("named", "threads", MMIP_CODEBOOKS=os.devnull).stderr


def test_metadata_open_without_the_codebook(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    create(textured((20, 30)), (20, 30), MmipSoft(**options), store)
    monkeypatch.setattr(library, "_REGISTERED", {})
    monkeypatch.setenv("MMIP_CODEBOOKS", os.devnull)
    array = zarr.open_array(store, mode="r+")
    assert array.shape == (20, 30)
    for call in (lambda: array[...], lambda: array.__setitem__(..., np.ones((20, 30), np.uint16))):
        with pytest.raises(mmip.MissingResource, match=options["codebook"]):
            call()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"codebook": "sha256:00"}, "64 hex digits"),
        ({"embed": 1}, "embed=1: expected True or False"),
        ({"axes": "xy"}, "axes='xy'"),
        ({"embd": True}, "embd"),
        ({"codebook": None}, "64 hex digits"),
    ],
)
def test_what_is_refused(change: dict[str, Any], said: str, options: dict[str, Any]) -> None:
    configuration = {**options, **change}
    with pytest.raises(mmip.InvalidArgument, match=said):
        MmipSoft.from_dict({"name": "mmip.soft", "configuration": configuration})
    with pytest.raises(mmip.InvalidArgument, match=said):
        MmipSoftV2.from_config(configuration)
    with pytest.raises(mmip.InvalidArgument, match="codebook"):
        MmipSoft.from_dict({"name": "mmip.soft", "configuration": {}})
    with pytest.raises(mmip.InvalidArgument, match="integers of 8 or 16 bits"):
        create(np.zeros((4, 4), np.float32), (4, 4), MmipSoft(**options))
    with pytest.raises(mmip.InvalidArgument, match="16 bits: expected uint16, found uint8"):
        create(np.zeros((4, 4), np.uint8), (4, 4), MmipSoft(**options))
