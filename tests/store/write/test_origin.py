"""Places that a store names: what `upgrade` opens by itself, and what it never opens."""

from __future__ import annotations

import json
import os
import pickle
from typing import Any

import fsspec
import pytest
import zarr
from zarr.storage import FsspecStore

import mmip_gpu as mmip
from mmip_gpu.cli import main
from mmip_gpu.errors import StoreError
from mmip_gpu.store.group.store_path import is_plain_origin, open_store_path

NEVER = (
    "reference::file:///tmp/refs.json",
    "simplecache::https://host/a.zarr",
    "zip::file:///tmp/a.zip",
    "filecache::memory://a",
    "file:///tmp/a.zarr",
    "memory://a.zarr",
    "dask://host/a",
    "ssh://host/a.zarr",
    "ftp://host/a.zarr",
    "jupyter://host/a",
    "https://user:password@host/a.zarr",
    "https:///a.zarr",
    "https://[host/a.zarr",
    "a.zarr",
    "../a.zarr",
    "//host/share/a.zarr",
    "\\\\host\\share\\a.zarr",
    "",
    7,
    ["https://host/a.zarr"],
    {"url": "https://host/a.zarr"},
)
LOCAL = ("https://host/a.zarr", "http://host:80/a.zarr", "s3://bucket/a.zarr", "gs://bucket/a.zarr", "/data/a.zarr")


def copied(folder: Any, origin: Any) -> Any:
    """A copy that names what it is a copy of."""
    if not (folder / "a.zarr").exists():
        mmip.write_zarr("phantom3d:16x64x64", folder / "a.zarr", quality=10)
        mmip.fetch_zarr(folder / "a.zarr", folder / "copy.zarr")
    path = folder / "copy.zarr/zarr.json"
    found = json.loads(path.read_text())
    found["attributes"]["mmip"]["copy"]["origin"] = origin
    path.write_text(json.dumps(found))
    return folder / "copy.zarr"


def test_what_is_no_plain_place_is_never_opened(tmp_path, monkeypatch):
    opened: list[Any] = []

    def open_nothing(*arguments: Any, **_: Any) -> Any:
        opened.append(arguments)
        raise AssertionError("opened")

    monkeypatch.setattr(FsspecStore, "from_url", open_nothing)
    monkeypatch.setattr(fsspec.core, "url_to_fs", open_nothing)
    for origin in NEVER:
        with pytest.raises(StoreError, match="source="):
            mmip.upgrade_zarr(copied(tmp_path, origin))
    assert not opened
    assert main(["upgrade", str(tmp_path / "copy.zarr")]) == 2
    assert mmip.upgrade_zarr(tmp_path / "copy.zarr", source=tmp_path / "a.zarr")["stages"] == 3


def test_a_copy_in_a_folder_may_name_a_path_or_a_host(tmp_path):
    copy = open_store_path(tmp_path, read_only=False)
    assert all(is_plain_origin(origin, copy) for origin in LOCAL)
    assert not any(is_plain_origin(origin, copy) for origin in NEVER)


@pytest.mark.parametrize(
    ("copy", "same"),
    [("http://host:80/b.zarr", "http://host:80/a.zarr"), ("s3://bucket/b.zarr", "s3://bucket/a.zarr")],
)
def test_a_copy_elsewhere_may_name_its_own_host(copy, same):
    pytest.importorskip("aiohttp" if copy.startswith("http") else "s3fs")
    path = open_store_path(copy, read_only=True)
    assert is_plain_origin(same, path)
    assert not any(is_plain_origin(origin, path) for origin in {*NEVER[:-2], *LOCAL} - {same})


def test_a_copy_in_memory_names_nothing(tmp_path):
    assert not any(is_plain_origin(origin, open_store_path({}, read_only=False)) for origin in LOCAL)


class Spy:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, path: Any) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("codecs", [{"compressor": {"id": "pickle"}}, {"filters": [{"id": "zlib"}, {"id": "pickle"}]}])
def test_codecs_that_a_zarr_array_names_run_nothing(tmp_path, codecs):
    array = {"zarr_format": 2, "shape": [16, 64], "chunks": [16, 64], "dtype": "|u1", "fill_value": 0, "order": "C"}
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr/.zarray").write_text(json.dumps(array | {"compressor": None, "filters": None} | codecs))
    (tmp_path / "a.zarr/0.0").write_bytes(pickle.dumps(Spy(tmp_path / "ran")))
    with pytest.raises(StoreError):
        mmip.write_zarr(tmp_path / "a.zarr", {}, quality=10)
    assert not (tmp_path / "ran").exists()


def test_arrays_of_a_store_cannot_name_codecs_that_run(tmp_path):
    mmip.write_zarr("phantom3d:16x64x64", tmp_path / "a.zarr", quality=10)
    path = tmp_path / "a.zarr/stage_1/zarr.json"
    found = json.loads(path.read_text())
    found["codecs"] = [{"name": "numcodecs.pickle", "configuration": {}}]
    path.write_text(json.dumps(found))
    with pytest.raises(StoreError, match="stage_1"):
        mmip.open_zarr(tmp_path / "a.zarr")[...]
    assert zarr.open_array(tmp_path / "a.zarr/chunk").dtype == "uint8"
