"""The Zarr codec `mmip.stage`: its bytes, its configuration, and readers in other processes."""

from __future__ import annotations

import doctest
import importlib.metadata
import json
import os
import pickle
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from helpers.places import REPOSITORY
from zarr.storage import LocalStore, MemoryStore

import mmip_gpu as mmip
from mmip_gpu.errors import CorruptData, TruncatedData
from mmip_gpu.stage_arrays import prefix, stage_codec
from numcodecs_plugin import StageCodec

ROOT = Path(mmip.__file__).parents[1]  # where the package that is tested lies


def codec_of(array: zarr.Array) -> StageCodec:
    found = array.serializer
    assert isinstance(found, StageCodec)
    return found


def textured(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.cumsum(rng.normal(scale=40, size=shape), axis=-1).astype(np.int16)


@pytest.fixture(params=[1, 8], ids=["depth1", "depth8"])
def store(request) -> MemoryStore:
    volume = textured((20, 50, 70))
    found = MemoryStore()
    options = {"quality": 20, "roi": "threshold:100", "roi_quality": 60, "cell_depth": request.param}
    mmip.write_zarr(volume, found, chunks=(16, 32, 32), stages=4, threads=1, **options)
    return found


def chunk_bytes(store: MemoryStore, name: str) -> dict[str, bytes]:
    return {k: v.to_bytes() for k, v in store._store_dict.items() if k.startswith(f"{name}/c/")}


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_encoding_what_was_decoded_gives_the_identical_bytes(store, k):
    original = zarr.open_array(store, path=f"stage_{k}", mode="r")
    again = MemoryStore()
    copy = zarr.create_array(
        again,
        name=f"stage_{k}",
        shape=original.shape,
        chunks=original.chunks,
        dtype="int32",
        fill_value=-1,
        serializer=codec_of(original),
        compressors=None,
        filters=None,
    )
    copy[...] = original[...]
    assert chunk_bytes(again, f"stage_{k}") == chunk_bytes(store, f"stage_{k}")
    assert len(chunk_bytes(store, f"stage_{k}")) == 2 * 2 * 3


@pytest.mark.parametrize("k", [1, 2, 3])
def test_cells_outside_the_grid_hold_minus_one(store, k):
    array = zarr.open_array(store, path=f"stage_{k}", mode="r")
    codec = codec_of(array)
    key = sorted(chunk_bytes(store, f"stage_{k}"))[-1]
    chunk = codec.decode_bytes(chunk_bytes(store, f"stage_{k}")[key], array.chunks)
    inside = tuple(slice(0, n % c or c) for n, c in zip(array.shape, array.chunks, strict=True))
    assert (chunk[inside][..., 0] >= 0).all()
    outside = np.ones(chunk.shape, bool)
    outside[inside] = False
    assert (chunk[outside] == -1).all()


def test_absent_chunks_are_fill_values(store):
    for key in [k for k in store._store_dict if k.startswith("stage_1/c/0/0/0/")]:
        del store._store_dict[key]
    array = zarr.open_array(store, path="stage_1", mode="r")
    assert (array[:, :1, :4] == -1).all()
    assert (array[:, :1, 4:, :, 0] >= 0).all()


def test_a_wholly_absent_chunk_is_not_stored(store):
    original = zarr.open_array(store, path="stage_2", mode="r")
    assert codec_of(original).encode_array(np.full(original.chunks, -1, np.int32)) is None


@pytest.mark.parametrize("form", ["strided", "fortran", "big-endian", "read-only"])
def test_awkward_arrays_give_the_same_bytes(store, form):
    original = zarr.open_array(store, path="stage_2", mode="r")
    codec = codec_of(original)
    key, data = sorted(chunk_bytes(store, "stage_2").items())[0]
    array = codec.decode_bytes(data, original.chunks)
    before = array.copy()
    if form == "strided":
        wide = np.zeros((*array.shape[:4], 2 * array.shape[4]), np.int32)
        wide[..., ::2] = array
        array = wide[..., ::2]
    elif form == "fortran":
        array = np.asfortranarray(array)
    elif form == "big-endian":
        array = array.astype(">i4")
    else:
        array.flags.writeable = False
    assert codec.encode_array(array) == data, key
    assert (array == before).all()


def test_codecs_pickle_and_compare(store):
    codec = codec_of(zarr.open_array(store, path="stage_1", mode="r"))
    assert pickle.loads(pickle.dumps(codec)) == codec
    assert StageCodec.from_dict(json.loads(json.dumps(codec.to_dict()))) == codec
    assert hash(codec) == hash(StageCodec.from_dict(codec.to_dict()))
    assert not codec.is_fixed_size
    with pytest.raises(NotImplementedError):
        codec.compute_encoded_size(1, None)  # type: ignore[arg-type]


def test_every_cut_and_flipped_byte_is_noticed_or_decoded(store):
    array = zarr.open_array(store, path="stage_1", mode="r")
    codec = codec_of(array)
    data = sorted(chunk_bytes(store, "stage_1").items())[-1][1]
    for end in range(len(data)):
        with pytest.raises(CorruptData):
            codec.decode_bytes(data[:end], array.chunks)
    for at in range(len(data)):
        changed = data[:at] + bytes([data[at] ^ 0x41]) + data[at + 1 :]
        with pytest.raises(CorruptData):
            codec.decode_bytes(changed, array.chunks)
    with pytest.raises(TruncatedData):
        codec.decode_bytes(b"", array.chunks)


READER = """
    import json, sys
    import zarr
    out = {}
    for name in ("stage_1", "stage_2", "stage_3"):
        array = zarr.open_array(sys.argv[1], path=name, mode="r")
        out[name] = [list(array.shape), int(array[...].sum()), list(array.metadata.dimension_names)]
    print(json.dumps(out))
"""


def read_elsewhere(path: Path, env: dict[str, str]) -> tuple[Any, Any]:
    expected = written(path)
    code = [sys.executable, "-c", textwrap.dedent(READER), str(path)]
    run = subprocess.run(code, capture_output=True, text=True, env=env, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout), expected


def written(path: Path) -> dict[str, Any]:
    mmip.write_zarr(textured((9, 40, 40)), path, quality=20, threads=1)
    found = {}
    for k in (1, 2, 3):
        array = zarr.open_array(LocalStore(path), path=f"stage_{k}", mode="r")
        found[f"stage_{k}"] = [
            list(array.shape),
            int(array[...].sum()),
            ["plane", "z", "y", "x", 'column (xarray: engine="mmip")'],
        ]
    return found


def test_read_by_another_process_through_the_entry_point(tmp_path):
    """As installed: the entry point of pyproject.toml, found in a distribution's metadata."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    lines = [f"{name} = {target}" for name, target in project["entry-points"]["zarr.codecs"].items()]
    metadata = tmp_path / "site" / "mmip_gpu-0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: mmip-gpu\nVersion: 0\n")
    (metadata / "entry_points.txt").write_text("\n".join(["[zarr.codecs]", *lines, ""]))
    env = os.environ | {"PYTHONPATH": f"{tmp_path / 'site'}{os.pathsep}{ROOT}"}
    found, expected = read_elsewhere(tmp_path / "a.zarr", env)
    assert found == expected


def test_read_by_another_process_as_installed(tmp_path):
    if "mmip.stage" not in [e.name for e in importlib.metadata.entry_points(group="zarr.codecs")]:
        pytest.skip("mmip-gpu is not installed here")
    found, expected = read_elsewhere(tmp_path / "a.zarr", dict(os.environ))
    assert found == expected


@pytest.mark.parametrize("module", [prefix, stage_codec])
def test_examples(module):
    assert doctest.testmod(module).failed == 0
